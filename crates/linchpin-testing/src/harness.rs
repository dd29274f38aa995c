//! How a test runs: on a runtime of its own, with clean-ups at its end, and under a [leak check](crate::leak).
//!
//! ```
//! # use linchpin::task;
//! #[linchpin_testing::test]
//! async fn a_worker_ends_with_its_test() {
//!     let worker = task::spawn("worker", async { 7 });
//!     assert_eq!(worker.join().await, 7);
//! }
//! ```
//!
//! [`test`](crate::test) is `#[tokio::test]` with the proof that nothing outlives the test: a task that is left fails it,
//! by its name and the line that spawned it. It takes the [`Options`] here: `#[linchpin_testing::test(start_paused)]`,
//! `#[linchpin_testing::test(threads = 2)]`. A test that is not async is checked, too, and has no runtime.

use std::cell::RefCell;
use std::pin::Pin;

use tokio::runtime::{Builder, Runtime};

use crate::leak::Check;

/// On what a test runs. The default is one thread, in real time.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Options {
    start_paused: bool,
    threads: usize,
}

type Cleanup = Pin<Box<dyn Future<Output = ()>>>;

thread_local! {
    /// Of the test that runs on this thread; `None` if none does.
    static CLEANUPS: RefCell<Option<Vec<Cleanup>>> = const { RefCell::new(None) };
}

/// Runs an async test: what [`test`](crate::test) calls.
///
/// # Panics
///
/// As the test does, and if it leaves a task behind.
pub fn run<F: Future>(options: Options, test: F) -> F::Output {
    options.runtime().block_on(async {
        let check = Check::new();
        let scope = Scope::enter();
        let output = test.await;
        while let Some(cleanup) = with_cleanups(Vec::pop) {
            cleanup.await;
        }
        drop(scope);
        check.assert_none().await;
        output
    })
}

/// Runs a test that is not async: what [`test`](crate::test) calls. Threads, and the tasks of runtimes that it makes
/// itself, are what it may leave behind.
///
/// # Panics
///
/// As the test does, and if it leaves one.
pub fn run_sync<T>(options: Options, test: impl FnOnce() -> T) -> T {
    let check = Check::new();
    let output = test();
    options.runtime().block_on(check.assert_none());
    output
}

/// Has `work` run when the test is over, before its leak check; what came last goes first. Go's `t.Cleanup`, for what a
/// drop cannot do because it has to wait.
///
/// A test that fails drops it: what must go in any case goes by its own drop.
///
/// # Panics
///
/// Where no async [`test`](crate::test) runs: outside, and on another thread than that of the test itself.
pub fn cleanup(work: impl Future<Output = ()> + 'static) {
    with_cleanups(|cleanups| cleanups.push(Box::pin(work)));
}

fn with_cleanups<T>(work: impl FnOnce(&mut Vec<Cleanup>) -> T) -> T {
    CLEANUPS
        .with_borrow_mut(|cleanups| work(cleanups.as_mut().expect("an async test on this thread")))
}

/// A test on this thread, until it is dropped.
struct Scope(Option<Vec<Cleanup>>);

impl Scope {
    fn enter() -> Self {
        Self(CLEANUPS.replace(Some(Vec::new())))
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        let left = CLEANUPS.replace(self.0.take());
        // Outside of the borrow: what is dropped may have clean-ups of its own.
        drop(left);
    }
}

// ===== impl Options =====

impl Options {
    /// Time stands still and goes on only when nothing else can. Default: real time.
    #[must_use]
    pub fn start_paused(mut self) -> Self {
        self.start_paused = true;
        self
    }

    /// Workers beside the test's own thread. Default: none, everything takes turns on that.
    #[must_use]
    pub fn threads(mut self, workers: usize) -> Self {
        self.threads = workers;
        self
    }

    fn runtime(self) -> Runtime {
        let mut builder = match self.threads {
            0 => Builder::new_current_thread(),
            workers => {
                let mut builder = Builder::new_multi_thread();
                builder.worker_threads(workers);
                builder
            }
        };
        if self.start_paused {
            builder.start_paused(true);
        }
        builder.enable_all().build().expect("a runtime for the test")
    }
}
