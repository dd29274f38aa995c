//! Tasks that come and go.

use std::fmt;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{listed, raw};
use crate::error::catch_async;

/// The owner of tasks that come and go and give no result: connections, deliveries.
///
/// Clones share the same tasks. A panic ends its own task only; it is logged and counted in
/// `linchpin_task_panics_total`. Where results matter use a [`Group`](super::Group).
///
/// To end: [`close`](Self::close), then [`wait`](Self::wait), and [`abort_all`](Self::abort_all) for those who do not
/// go by themselves. Dropping the last clone aborts what is left, so that nothing outlives its owner.
#[derive(Clone)]
pub struct Tracker {
    shared: Arc<Shared>,
}

struct Shared {
    name: &'static str,
    tasks: TaskTracker,
    abort: CancellationToken,
    panics: metrics::Counter,
}

impl Tracker {
    /// An empty tracker; `name` is its label in metrics and logs.
    #[must_use]
    pub fn new(name: &'static str) -> Self {
        let panics = metrics::counter!("linchpin_task_panics_total", "owner" => name);
        Self {
            shared: Arc::new(Shared {
                name,
                tasks: TaskTracker::new(),
                abort: CancellationToken::new(),
                panics,
            }),
        }
    }

    /// Spawns `work` as a task of this tracker; a closed tracker too takes it, and waits for it.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    #[track_caller]
    pub fn spawn(&self, name: &'static str, work: impl Future<Output = ()> + Send + 'static) {
        // The task holds no clone of the tracker: that would keep the tracker alive by its own tasks.
        let abort = self.shared.abort.clone();
        let (owner, panics) = (self.shared.name, self.shared.panics.clone());
        let guarded = async move {
            // The boundary is outermost: what an aborted task drops may panic, too.
            if let Err(error) = catch_async(abort.run_until_cancelled(work)).await {
                panics.increment(1);
                tracing::error!(owner, task = name, error = %error.report(), "a task panicked");
            }
        };
        drop(raw(self.shared.tasks.track_future(listed(name, guarded))));
    }

    /// How many tasks are alive.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared.tasks.len()
    }

    /// Whether no task is alive.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.shared.tasks.is_empty()
    }

    /// Lets [`wait`](Self::wait) end once no task is left.
    pub fn close(&self) {
        self.shared.tasks.close();
    }

    /// Waits until the tracker is closed and no task is left.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn wait(&self) {
        self.shared.tasks.wait().await;
    }

    /// Stops every task at its next await, and each new one before its first.
    pub fn abort_all(&self) {
        self.shared.abort.cancel();
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.abort.cancel();
    }
}

impl fmt::Debug for Tracker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracker")
            .field("name", &self.shared.name)
            .field("tasks", &self.len())
            .finish_non_exhaustive()
    }
}
