//! Whose a task is, for leak checks of tests that run side by side in one process.

use std::cell::Cell;
use std::thread::{self, ThreadId};

use tokio::runtime::{Handle, Id};

/// The runtime and the thread of the code that began the chain of spawns that a task stems from.
///
/// Code in a listed task, on its blocking thread or its own, hands its home on to what it spawns; so a private runtime
/// within a test is the test's. Code that no listed task runs, such as a test's body or the task of a foreign library,
/// is at home in the runtime it runs on and in its thread.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Home {
    runtime: Option<Id>,
    thread: ThreadId,
}

thread_local! {
    /// The home of the listed task that this thread is running.
    static INHERITED: Cell<Option<Home>> = const { Cell::new(None) };
}

/// Hands a home on while it lives.
#[derive(Debug)]
pub(super) struct Inside {
    outer: Option<Home>,
}

impl Home {
    /// The home of the code that asks.
    #[must_use]
    pub fn here() -> Self {
        INHERITED.get().unwrap_or_else(|| Self {
            runtime: Handle::try_current().ok().map(|runtime| runtime.id()),
            thread: thread::current().id(),
        })
    }

    /// Whether both stem from one test: they have the runtime or the thread in common.
    #[must_use]
    pub fn shares(self, other: Self) -> bool {
        self.thread == other.thread || (self.runtime.is_some() && self.runtime == other.runtime)
    }

    pub(super) fn enter(self) -> Inside {
        Inside { outer: INHERITED.replace(Some(self)) }
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        INHERITED.set(self.outer);
    }
}
