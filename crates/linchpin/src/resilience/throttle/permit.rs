//! What a throttle lets through.

use std::fmt;
use std::thread;

use super::machine::{Core, Ticket};
use crate::resilience::Outcome;
use crate::resilience::clock::{Clock, Now};
use crate::resilience::held::Held;
use crate::time::Instant;

/// A call that a [`Throttle`](super::Throttle) let through, and whose outcome it waits for: `Success` if the callee took
/// it on, `Failure` if it turned it away or did not answer.
///
/// Dropped without a word it is [`Outcome::Ignored`], while a panic unwinds [`Outcome::Failure`].
#[must_use = "dropping the permit at once says that the call was ignored"]
pub struct Permit<'a> {
    core: Held<'a, Core>,
    ticket: Ticket,
    /// Made while a panic unwound, which is then none of its call.
    unwinding: bool,
    recorded: bool,
}

impl<'a> Permit<'a> {
    #[inline]
    pub(super) fn new(core: Held<'a, Core>, ticket: Ticket) -> Self {
        Self { core, ticket, unwinding: thread::panicking(), recorded: false }
    }

    /// Says how the call has ended. Reads the clock, unless it says nothing.
    #[inline]
    pub fn record(mut self, outcome: Outcome) {
        self.says(outcome, Clock);
    }

    /// The same for who knows the time.
    #[inline]
    pub fn record_at(mut self, now: Instant, outcome: Outcome) {
        self.says(outcome, now);
    }

    /// The call begins only now: what it has waited for in a queue on this side does not make it late.
    pub fn begin(&mut self, now: Instant) {
        self.core.begin(&mut self.ticket, now);
    }

    /// How the call has ended, for who drops the permit next.
    #[inline]
    pub(super) fn says(&mut self, outcome: Outcome, clock: impl Now) {
        self.recorded = true;
        self.core.end(self.ticket, outcome, clock);
    }
}

impl Drop for Permit<'_> {
    #[inline]
    fn drop(&mut self) {
        if !self.recorded {
            let panicked = thread::panicking() && !self.unwinding;
            let outcome = if panicked { Outcome::Failure } else { Outcome::Ignored };
            self.core.end(self.ticket, outcome, Clock);
        }
    }
}

impl fmt::Debug for Permit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").field("throttle", &self.core.name).finish_non_exhaustive()
    }
}
