//! Proof that a test leaves no task behind.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use linchpin::task::{self, Home, Kind, Live, live};

/// Remembers which tasks were alive, and finds those that came later and did not go.
///
/// Go's goleak, which cannot tell whose a goroutine is and so not be used with `t.Parallel`. Here tests may run side
/// by side in one process, as they do under `cargo test`: a check looks at the tasks of its own test. Those are
/// the tasks that stem from its runtime or its thread ([`Home`]): what the test spawns, what these tasks spawn in turn,
/// on blocking threads, threads of their own and private runtimes too, and what foreign code spawns on the test's
/// runtime. Only listed tasks are seen; not seen as the test's is what starts on a bare `std::thread` with a runtime
/// of its own. Tests that share one runtime see one another's tasks: name those to look for with [`only`](Check::only).
///
/// End the test with [`assert_none`](Check::assert_none), which lets tasks end that were told to. A check that was
/// not asked looks when it is dropped, once and without waiting, and fails the test if something is left.
///
/// ```
/// # use linchpin_testing::leak::Check;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let check = Check::new();
/// let worker = linchpin::task::spawn("worker", async { 7 });
/// assert_eq!(worker.join().await, 7);
/// check.assert_none().await;
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a check that is dropped looks at once"]
pub struct Check {
    home: Home,
    before: BTreeSet<u64>,
    only: Option<Vec<&'static str>>,
    ignored: Vec<&'static str>,
    asked: AtomicBool,
}

/// How long tasks that were told to end may take for it.
const GRACE: Duration = Duration::from_secs(5);
const LOOK_AGAIN: Duration = Duration::from_millis(5);

impl Check {
    /// A check that knows the tasks alive now. Belongs at the beginning of the test, in its runtime if it has one.
    pub fn new() -> Self {
        Self {
            home: Home::here(),
            before: live().iter().map(|task| task.id).collect(),
            only: None,
            ignored: Vec::new(),
            asked: AtomicBool::new(false),
        }
    }

    /// Looks for tasks of these names alone.
    pub fn only(mut self, names: impl IntoIterator<Item = &'static str>) -> Self {
        self.only = Some(names.into_iter().collect());
        self
    }

    /// Overlooks tasks of these names, such as one that the first user of a process-wide component starts for all.
    pub fn ignoring(mut self, names: impl IntoIterator<Item = &'static str>) -> Self {
        self.ignored.extend(names);
        self
    }

    /// The tasks that came since and are still alive, oldest first. Counts as asked.
    #[must_use]
    pub fn leaked(&self) -> Vec<Live> {
        self.asked.store(true, Ordering::Relaxed);
        live().into_iter().filter(|task| self.looks_for(task)).collect()
    }

    /// Waits until none is left, up to five seconds of tokio's clock, and of the real one for threads.
    ///
    /// # Panics
    ///
    /// With the names and spawn sites of the tasks that are left.
    ///
    /// # Cancel safety
    ///
    /// Safe: it only looks.
    pub async fn assert_none(&self) {
        self.asked.store(true, Ordering::Relaxed);
        task::left_within(GRACE, |task| self.looks_for(task)).await;
        // A thread lives in real time, which paused time has just jumped over.
        for _ in 0..GRACE.as_millis() / LOOK_AGAIN.as_millis() {
            if self.leaked().iter().all(|task| task.kind != Kind::Thread) {
                break;
            }
            task::blocking("leak check", || thread::sleep(LOOK_AGAIN)).join().await;
        }
        fail_for(&self.leaked());
    }

    fn looks_for(&self, task: &Live) -> bool {
        self.home.shares(task.home)
            && !self.before.contains(&task.id)
            && self.only.as_ref().is_none_or(|only| only.contains(&task.name))
            && !self.ignored.contains(&task.name)
    }
}

impl Default for Check {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Check {
    fn drop(&mut self) {
        // A test that fails has said enough.
        if !*self.asked.get_mut() && !thread::panicking() {
            fail_for(&self.leaked());
        }
    }
}

fn fail_for(leaked: &[Live]) {
    let lines: Vec<String> = leaked.iter().map(ToString::to_string).collect();
    assert!(leaked.is_empty(), "{} tasks are left:\n  {}", lines.len(), lines.join("\n  "));
}
