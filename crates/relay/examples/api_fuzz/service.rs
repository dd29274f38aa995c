//! The service as a child process.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use linchpin::task::{self, Task};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::Failure;

/// A running Relay; killed when dropped.
pub(crate) struct Service {
    child: Child,
    pub(crate) api: SocketAddr,
    log: Kept,
    /// Read on, or its next line would be its end.
    _printed: Kept,
}

/// What a stream has brought so far.
struct Kept {
    text: Arc<Mutex<String>>,
    lines: watch::Receiver<usize>,
    _reader: Task<()>,
}

/// Longer than a start takes on a loaded machine.
const PATIENCE: Duration = Duration::from_mins(1);

impl Service {
    pub(crate) async fn start(relay: &Path, database: &Path) -> Result<Self, Failure> {
        let mut child = Command::new(relay)
            .args(["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"])
            .args(["--log-level", "warn", "--database"])
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
            .find(find)
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

impl Kept {
    fn new(stream: impl AsyncRead + Unpin + Send + 'static) -> Self {
        let text = Arc::new(Mutex::new(String::new()));
        let (told, lines) = watch::channel(0);
        let kept = text.clone();
        let reader = task::spawn("output", async move {
            let mut lines = BufReader::new(stream).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                let mut text = kept.lock().unwrap_or_else(PoisonError::into_inner);
                text.push_str(&line);
                text.push('\n');
                told.send_modify(|count| *count += 1);
            }
        });
        Self { text, lines, _reader: reader }
    }

    fn text(&self) -> String {
        self.text.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// `None` if the stream ended, or the time is up, before it was found.
    async fn find<T>(&mut self, find: impl Fn(&str) -> Option<T>) -> Option<T> {
        let search = async {
            loop {
                self.lines.borrow_and_update();
                if let Some(found) = find(&self.text()) {
                    return Some(found);
                }
                self.lines.changed().await.ok()?;
            }
        };
        timeout(PATIENCE, search).await.ok().flatten()
    }
}
