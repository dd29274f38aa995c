//! The service as a child process.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::{Child, Command};

use crate::Failure;
use crate::output::Kept;

/// A running Relay; killed when dropped.
pub(crate) struct Service {
    child: Child,
    pub(crate) api: SocketAddr,
    log: Kept,
    /// Read on, or its next line would be its end.
    _printed: Kept,
}

/// Longer than a start takes on a loaded machine.
const PATIENCE: Duration = Duration::from_mins(1);

impl Service {
    pub(crate) async fn start(relay: &Path, database: &Path) -> Result<Self, Failure> {
        let mut child = Command::new(relay)
            .args(["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"])
            // What is left open must be closed while the fuzzer waits for it.
            .args(["--api-idle-timeout", "20s", "--log-level", "warn", "--database"])
            .arg(database)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let mut printed = Kept::new(child.stdout.take().ok_or("no output")?);
        let log = Kept::new(child.stderr.take().ok_or("no log")?);
        let find = |text: &str| {
            Some(text.lines().find_map(|line| line.strip_prefix("api http://"))?.parse())
        };
        let api = printed
            .find(PATIENCE, find)
            .await
            .ok_or_else(|| format!("it did not start: {}", log.text()))??;
        Ok(Self { child, api, log, _printed: printed })
    }

    /// Whether it has not ended.
    pub(crate) fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// The id of its process.
    pub(crate) fn id(&self) -> Result<u32, Failure> {
        Ok(self.child.id().ok_or("it has ended")?)
    }

    pub(crate) fn log(&self) -> String {
        self.log.text()
    }
}
