//! What a breaker lets through.

use std::fmt;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::machine::{Clock, Core, Now, Place, Ticket};
use crate::resilience::Outcome;
use crate::time::Instant;

/// A call that a [`Breaker`](super::Breaker) let through, and whose outcome it waits for.
///
/// Dropped without a word it is [`Outcome::Ignored`], while a panic unwinds [`Outcome::Failure`]; the place that a probe
/// has taken is free again either way. An outcome that comes after the breaker has changed its state counts in metrics
/// only.
#[must_use = "dropping the permit at once says that the call was ignored"]
pub struct Permit<'a> {
    core: Held<'a>,
    ticket: Ticket,
    /// Made while a panic unwound, which is then none of its call.
    unwinding: bool,
    recorded: bool,
}

/// Saves two atomic operations where the breaker is at hand.
pub(super) enum Held<'a> {
    Borrowed(&'a Core),
    Owned(Arc<Core>),
}

impl<'a> Permit<'a> {
    #[inline]
    pub(super) fn new(core: Held<'a>, ticket: Ticket) -> Self {
        Self { core, ticket, unwinding: thread::panicking(), recorded: false }
    }

    /// Says how the call has ended. Reads the clock only if the breaker counts by time or minds slow calls.
    #[inline]
    pub fn record(mut self, outcome: Outcome) {
        self.end(outcome, None, Clock);
    }

    /// The same for who knows the time, and with how long the callee asks to be left alone (`Retry-After`): if the
    /// breaker opens by this outcome it stays open for so long, up to
    /// [`max_open_for`](super::Options::max_open_for).
    #[inline]
    pub fn record_at(mut self, now: Instant, outcome: Outcome, retry_after: Option<Duration>) {
        self.end(outcome, retry_after, now);
    }

    /// The call begins only now: what it has waited for in a queue on this side does not make it slow.
    pub fn begin(&mut self, now: Instant) {
        if let Some(started) = self.ticket.started {
            if let Place::Pending(id) = self.ticket.place {
                self.core.get().begin_pending(self.ticket.stamp.generation(), id, started, now);
            }
            self.ticket.started = Some(now);
        }
    }

    /// Whether the call is one of the few that decide whether the breaker closes.
    #[must_use]
    pub fn is_probe(&self) -> bool {
        matches!(self.ticket.place, Place::Probe(_))
    }

    #[inline]
    pub(super) fn end(&mut self, outcome: Outcome, hint: Option<Duration>, clock: impl Now) {
        self.recorded = true;
        let core = self.core.get();
        if outcome != Outcome::Success || !core.count_quietly(&self.ticket, clock) {
            core.end(&self.ticket, outcome, hint, clock);
        }
    }
}

impl Held<'_> {
    #[inline]
    fn get(&self) -> &Core {
        match self {
            Self::Borrowed(core) => core,
            Self::Owned(core) => core,
        }
    }
}

impl Drop for Permit<'_> {
    #[inline]
    fn drop(&mut self) {
        if !self.recorded {
            let panicked = thread::panicking() && !self.unwinding;
            self.end(if panicked { Outcome::Failure } else { Outcome::Ignored }, None, Clock);
        }
    }
}

impl fmt::Debug for Permit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit")
            .field("breaker", &self.core.get().name)
            .field("is_probe", &self.is_probe())
            .finish_non_exhaustive()
    }
}
