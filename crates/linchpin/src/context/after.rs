//! Something to do when a context ends.

use std::fmt;
use std::sync::Arc;

use super::Context;
use super::wait::Entry;
use super::watch::Told;
use crate::shim::{Fault, Mutex, lock, planted};
use crate::task::contained;

/// A callback that waits for the end of a context: the result of [`Context::after`].
///
/// Dropping it withdraws the callback; [`detach`](Self::detach) leaves it in place.
#[must_use = "dropping it withdraws the callback"]
pub struct After {
    context: Context,
    entry: Option<Entry>,
    callback: Arc<Callback>,
}

/// The work, until it is taken: by the end, or by a withdrawal.
pub(super) struct Callback {
    work: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

// ===== impl After =====

impl After {
    pub(super) fn new(context: &Context, work: impl FnOnce() + Send + 'static) -> Self {
        let callback = Arc::new(Callback { work: Mutex::new(Some(Box::new(work))) });
        let entry = Entry::new(context, || Told::Callback(callback.clone()));
        let after = Self { context: context.clone(), entry: Some(entry), callback };
        // It may panic, and then the entry must leave.
        if let Some(entry) = &after.entry {
            entry.arm(context, true);
        }
        // After entering: an end in between is seen here, and whoever comes first takes the work.
        if !planted(Fault::ContextLooksBeforeItEnters) && context.cause().is_some() {
            after.callback.run();
        }
        after
    }

    /// Withdraws the callback. `true` if that prevented it from running; `false` if it has run or is running.
    ///
    /// It does not wait for one that is running.
    #[must_use = "whether it ran is what one wants to know; to withdraw without asking, drop it"]
    pub fn stop(self) -> bool {
        self.callback.take().is_some()
    }

    /// Leaves the callback in place for as long as the context lives.
    pub fn detach(mut self) {
        self.entry = None;
    }
}

impl Drop for After {
    fn drop(&mut self) {
        if let Some(entry) = &self.entry {
            entry.leave(&self.context);
            drop(self.callback.take());
        }
    }
}

impl fmt::Debug for After {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("After").field("context", &self.context).finish_non_exhaustive()
    }
}

// ===== impl Callback =====

impl Callback {
    /// Runs the work, unless somebody took it.
    pub(super) fn run(&self) {
        let Some(work) = self.take() else { return };
        contained("context", "a callback for the end of a context panicked", work);
    }

    fn take(&self) -> Option<Box<dyn FnOnce() + Send>> {
        lock(&self.work).take()
    }
}
