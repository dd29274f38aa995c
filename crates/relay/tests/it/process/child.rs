//! A child process, from its start to its end.

use std::fmt;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use linchpin_testing::harness::cleanup;
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::output::Kept;
use super::{Home, PATIENCE};

/// A child process whose output is kept. Dropping it leaves it to the end of the test, or kills it if that has failed.
pub(crate) struct Process {
    /// `None` only within the drop.
    running: Option<Running>,
}

struct Running {
    child: Child,
    stdout: Kept,
    stderr: Kept,
    /// It has ended by our own hand and had no chance to tell what was left.
    killed: bool,
    _folder: Arc<TempDir>,
}

/// How long the drain at the end of a test may take before it is cut short.
const DRAIN: Duration = Duration::from_secs(1);

// ===== impl Process =====

impl Process {
    pub(super) fn start(home: &Home, mut command: Command) -> Self {
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("start");
        let stdout = Kept::new(child.stdout.take().expect("piped"));
        let stderr = Kept::new(child.stderr.take().expect("piped"));
        let folder = home.0.clone();
        let running = Running { child, stdout, stderr, killed: false, _folder: folder };
        Self { running: Some(running) }
    }

    fn running(&self) -> &Running {
        self.running.as_ref().expect("there until the drop")
    }

    fn running_mut(&mut self) -> &mut Running {
        self.running.as_mut().expect("there until the drop")
    }

    /// Waits until `find` finds something in what was printed, and returns it.
    pub(crate) async fn printed<T>(&mut self, what: &str, find: impl Fn(&str) -> Option<T>) -> T {
        let found = self.running_mut().stdout.find(PATIENCE, find).await;
        found.unwrap_or_else(|| panic!("never printed {what}\n{self}"))
    }

    /// What it has logged so far.
    pub(crate) fn log(&self) -> String {
        self.running().stderr.text()
    }

    /// The id of the process, until its end has been waited for.
    pub(crate) fn id(&self) -> Option<u32> {
        self.running().child.id()
    }

    /// SIGKILL, and the wait for it.
    pub(crate) async fn kill(&mut self) {
        let running = self.running_mut();
        running.child.kill().await.expect("kill");
        running.killed = true;
    }

    /// SIGTERM.
    pub(crate) async fn terminate(&self) {
        self.running().signal("-TERM").await;
    }

    /// SIGINT, as Ctrl-C sends it.
    pub(crate) async fn interrupt(&self) {
        self.running().signal("-INT").await;
    }

    /// Waits for its end, at which it must have left no task.
    pub(crate) async fn wait(&mut self, limit: Duration) -> ExitStatus {
        self.running_mut().wait(limit).await
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let Some(running) = self.running.take() else { return };
        let over = running.killed || running.child.id().is_none();
        if !over && !std::thread::panicking() {
            cleanup(async move { running.end().await });
        }
    }
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.running().fmt(f)
    }
}

// ===== impl Running =====

impl Running {
    async fn signal(&self, signal: &str) {
        let id = self.child.id().expect("it still runs").to_string();
        let sent = Command::new("kill").args([signal, &id]).status().await.expect("run kill");
        assert!(sent.success(), "cannot signal process {id}");
    }

    async fn wait(&mut self, limit: Duration) -> ExitStatus {
        match timeout(limit, self.child.wait()).await {
            Ok(status) => {
                // Until all has been read.
                self.stderr.find(PATIENCE, |_| None::<()>).await;
                let log = self.stderr.text();
                assert!(!log.contains("outlived the service"), "it left tasks\n{self}");
                status.expect("wait for the process")
            }
            Err(tokio::time::error::Elapsed { .. }) => {
                panic!("did not end within {limit:?}\n{self}")
            }
        }
    }

    /// Ends it as its test has left it. Two signals, since an attempt at a receiver that hangs would take up the drain.
    async fn end(mut self) {
        self.signal("-TERM").await;
        if timeout(DRAIN, self.child.wait()).await.is_err() {
            self.signal("-INT").await;
        }
        self.wait(PATIENCE).await;
    }
}

impl fmt::Display for Running {
    /// The end of what it has printed and logged.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let log = self.stderr.text();
        let begin = log.char_indices().rev().nth(6_000).map_or(0, |(index, _)| index);
        write!(f, "--- printed\n{}\n--- logged\n{}", self.stdout.text(), &log[begin..])
    }
}
