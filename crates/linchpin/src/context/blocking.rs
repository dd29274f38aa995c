//! Contexts for code that blocks its thread.

use std::fmt;
use std::sync::Arc;
use std::task::{Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use super::wait::Entry;
use super::watch::Told;
use super::{Cause, Context, Ended};
use crate::time::Instant;

/// A [`Context`] for code that blocks: the result of [`Context::blocking`].
///
/// It waits by parking the thread, in real time even where a test has paused tokio's clock. To stop a call that
/// blocks for good (a query, a read), leave a callback with [`Context::after`] that interrupts it.
#[derive(Clone)]
pub struct Blocking {
    context: Context,
}

/// Wakes a thread that has parked.
pub(crate) struct Unpark(pub(crate) Thread);

impl Blocking {
    pub(super) fn new(context: &Context) -> Self {
        Self { context: context.clone() }
    }

    /// The context itself.
    #[must_use]
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// Refuses if the context has ended: for every turn of a loop that computes.
    ///
    /// # Errors
    ///
    /// [`Ended`] with the cause.
    pub fn check(&self) -> Result<(), Ended> {
        self.context.check()
    }

    /// Blocks the thread for `duration`, or until the context ends.
    ///
    /// # Errors
    ///
    /// [`Ended`] when the context ends first, and at once if its deadline is nearer than `duration`.
    pub fn sleep(&self, duration: Duration) -> Result<(), Ended> {
        self.context.check()?;
        let until = Instant::now() + duration;
        if self.context.deadline().is_some_and(|deadline| deadline < until) {
            return Err(Cause::Deadline.into());
        }
        self.park(Some(until)).map_or(Ok(()), Err)
    }

    /// Blocks the thread until the context ends.
    #[must_use]
    pub fn wait(&self) -> Cause {
        loop {
            if let Some(ended) = self.park(None) {
                return ended.cause().clone();
            }
        }
    }

    /// Blocks until the context ends or `until` has come, whichever is first.
    fn park(&self, until: Option<Instant>) -> Option<Ended> {
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let entry = Entry::new(&self.context, || Told::Waker(waker.clone()));
        // A token must ring; the time is kept here.
        entry.arm(&self.context, false);
        let end = self.context.deadline().into_iter().chain(until).min();
        let ended = loop {
            // After entering, so that an end in between is either seen here or unparks us.
            if let Err(ended) = self.context.check() {
                break Some(ended);
            }
            match end.map(|end| end - Instant::now()) {
                Some(Duration::ZERO) => break None,
                Some(left) => thread::park_timeout(left),
                None => thread::park(),
            }
        };
        entry.leave(&self.context);
        ended
    }
}

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

impl fmt::Debug for Blocking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Blocking").field(&self.context).finish()
    }
}
