//! What a shedder lets through.

use std::fmt;
use std::mem;
use std::thread;

use super::core::Core;
use crate::resilience::Outcome;
use crate::resilience::held::Held;
use crate::time::Instant;

/// A call that a [`Shedder`](super::Shedder) let through. It counts as under way until the permit is dropped.
///
/// Dropped without a word the call is ignored.
#[must_use = "dropping the permit at once says that the call was ignored"]
pub struct Permit<'a> {
    core: Held<'a, Core>,
    started: Instant,
    /// Made while a panic unwound, which is then none of its call.
    unwinding: bool,
    ended: bool,
}

impl<'a> Permit<'a> {
    #[inline]
    pub(super) fn new(core: Held<'a, Core>, started: Instant) -> Self {
        Self { core, started, unwinding: thread::panicking(), ended: false }
    }

    /// Says how the call has ended. Only a success tells what the service bears.
    #[inline]
    pub fn record(mut self, outcome: Outcome) {
        self.says(outcome);
    }

    /// The same for who drops the permit next.
    #[inline]
    pub(super) fn says(&mut self, outcome: Outcome) {
        if !mem::replace(&mut self.ended, true) {
            let now = match outcome {
                Outcome::Success => Instant::now(),
                Outcome::Failure | Outcome::Ignored => self.started,
            };
            self.core.end(outcome, self.started, now);
        }
    }

    /// The answer is there at the time `now`: the call counts as under way until the permit is dropped.
    ///
    /// For answers with a body, which goes out as fast as the client takes it. What is said later counts no more.
    pub fn answered(&mut self, now: Instant, outcome: Outcome) {
        if !mem::replace(&mut self.ended, true) {
            self.core.end(outcome, self.started, now);
        }
    }
}

impl Drop for Permit<'_> {
    #[inline]
    fn drop(&mut self) {
        if !self.ended {
            let panicked = thread::panicking() && !self.unwinding;
            let outcome = if panicked { Outcome::Failure } else { Outcome::Ignored };
            self.core.end(outcome, self.started, self.started);
        }
        self.core.leave();
    }
}

impl fmt::Debug for Permit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").field("shedder", &self.core.name).finish_non_exhaustive()
    }
}
