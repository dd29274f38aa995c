//! Proof that a test leaves no task behind.

use std::collections::BTreeSet;
use std::time::Duration;

use linchpin::task::{Live, live};

/// Remembers which tasks were alive, and finds those that came later and did not go.
///
/// Tests that run beside it in the same process spawn tasks too: name the tasks to look for with
/// [`only`](Check::only), or give the test a process of its own.
///
/// ```
/// # use linchpin_testing::leak::Check;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let check = Check::new().only(["worker"]);
/// let worker = linchpin::task::spawn("worker", async { 7 });
/// assert_eq!(worker.join().await, 7);
/// check.assert_none().await;
/// # }
/// ```
#[derive(Debug)]
pub struct Check {
    before: BTreeSet<u64>,
    only: Option<Vec<&'static str>>,
}

/// How long tasks that were told to end may take for it.
const GRACE: Duration = Duration::from_secs(5);
const LOOK_AGAIN: Duration = Duration::from_millis(5);

impl Check {
    /// A check that knows the tasks alive now.
    #[must_use]
    pub fn new() -> Self {
        Self { before: live().iter().map(|task| task.id).collect(), only: None }
    }

    /// Looks for tasks of these names alone.
    #[must_use]
    pub fn only(mut self, names: impl IntoIterator<Item = &'static str>) -> Self {
        self.only = Some(names.into_iter().collect());
        self
    }

    /// The tasks that came since and are still alive.
    #[must_use]
    pub fn leaked(&self) -> Vec<Live> {
        let named = |task: &Live| self.only.as_ref().is_none_or(|only| only.contains(&task.name));
        live().into_iter().filter(|task| !self.before.contains(&task.id) && named(task)).collect()
    }

    /// Waits until none is left, up to five seconds of tokio's clock.
    ///
    /// # Panics
    ///
    /// With the names and spawn sites of the tasks that are left.
    ///
    /// # Cancel safety
    ///
    /// Safe: it only looks.
    pub async fn assert_none(&self) {
        // A level and not an event: a task leaves the list by being dropped, which tells nobody.
        let deadline = tokio::time::Instant::now() + GRACE;
        while !self.leaked().is_empty() && tokio::time::Instant::now() < deadline {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        let leaked = self.leaked();
        let lines: Vec<String> =
            leaked.iter().map(|task| format!("`{}` from {}", task.name, task.site)).collect();
        assert!(leaked.is_empty(), "{} tasks are left:\n  {}", lines.len(), lines.join("\n  "));
    }
}

impl Default for Check {
    fn default() -> Self {
        Self::new()
    }
}
