//! What a breaker lets through.

use std::fmt;
use std::mem;
use std::thread;
use std::time::Duration;

use super::machine::{Core, Counts, Ticket};
use crate::resilience::Outcome;
use crate::resilience::clock::{Clock, Now};
use crate::resilience::held::Held;
use crate::time::Instant;

/// A call that a [`Breaker`](super::Breaker) let through, and whose outcome it waits for.
///
/// Dropped without a word it is [`Outcome::Ignored`], while a panic unwinds [`Outcome::Failure`]; the place that a probe
/// has taken is free again either way. An outcome that comes after the breaker has changed its state counts in metrics
/// only.
#[must_use = "dropping the permit at once says that the call was ignored"]
pub struct Permit<'a> {
    core: Held<'a, Core>,
    ticket: Ticket,
    /// Made while a panic unwound, which is then none of its call.
    unwinding: bool,
    recorded: bool,
}

impl<'a> Permit<'a> {
    #[expect(clippy::inline_always, reason = "a few instructions that each call has")]
    #[inline(always)]
    pub(super) fn new(core: Held<'a, Core>, ticket: Ticket) -> Self {
        Self { core, ticket, unwinding: thread::panicking(), recorded: false }
    }

    /// Says how the call has ended. Reads the clock only if the breaker counts by time or minds slow calls.
    #[inline]
    pub fn record(self, outcome: Outcome) {
        self.end(outcome, None, Clock);
    }

    /// The same for who knows the time, and with how long the callee asks to be left alone (`Retry-After`): if the
    /// breaker opens by this outcome it stays open for so long, up to
    /// [`max_open_for`](super::Options::max_open_for).
    #[inline]
    pub fn record_at(self, now: Instant, outcome: Outcome, retry_after: Option<Duration>) {
        self.end(outcome, retry_after, now);
    }

    /// The call begins only now: what it has waited for in a queue on this side does not make it slow.
    pub fn begin(&mut self, now: Instant) {
        self.core.begin(&mut self.ticket, now);
    }

    /// Whether the call is one of the few that decide whether the breaker closes.
    #[must_use]
    pub fn is_probe(&self) -> bool {
        matches!(self.ticket.place.counts(), Counts::Probe(_))
    }

    #[expect(clippy::inline_always, reason = "a few instructions that each call has")]
    #[inline(always)]
    fn end(mut self, outcome: Outcome, hint: Option<Duration>, clock: impl Now) {
        self.says(outcome, hint, clock);
        self.done();
    }

    /// How the call has ended, for who drops the permit next.
    #[expect(clippy::inline_always, reason = "a few instructions that each call has")]
    #[inline(always)]
    pub(super) fn says(&mut self, outcome: Outcome, hint: Option<Duration>, clock: impl Now) {
        self.recorded = true;
        self.core.end(self.ticket, outcome, hint, clock);
    }

    /// Drops a permit that has been told.
    #[expect(clippy::inline_always, reason = "a few instructions that each call has")]
    #[inline(always)]
    pub(super) fn done(self) {
        if let Held::Borrowed(_) = self.core {
            // Nothing of it needs to be dropped, and the compiler does not see that.
            mem::forget(self);
        }
    }
}

impl Drop for Permit<'_> {
    #[inline]
    fn drop(&mut self) {
        if !self.recorded {
            abandoned(&self.core, self.ticket, self.unwinding);
        }
    }
}

/// By value, so that a permit that is recorded needs no place in memory.
#[cold]
fn abandoned(core: &Core, ticket: Ticket, unwinding: bool) {
    let panicked = thread::panicking() && !unwinding;
    let outcome = if panicked { Outcome::Failure } else { Outcome::Ignored };
    core.end(ticket, outcome, None, Clock);
}

impl fmt::Debug for Permit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit")
            .field("breaker", &self.core.name)
            .field("is_probe", &self.is_probe())
            .finish_non_exhaustive()
    }
}
