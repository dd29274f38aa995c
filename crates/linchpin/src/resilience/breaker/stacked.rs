//! A breaker in a stack of policies, which keeps what it has taken by itself.

use std::time::Duration;

use super::Breaker;
use super::machine::Ticket;
use crate::resilience::clock::Now;
use crate::resilience::{Outcome, Refusal};
use crate::shim::lock;
use crate::time::Instant;

impl<C> Breaker<C> {
    /// The time in which calls count, if it is by time.
    pub(in crate::resilience) fn time_window(&self) -> Option<Duration> {
        lock(&self.core.state).options.time_window_length()
    }

    /// Lets a call through. The ticket must come back by [`give`](Self::give).
    #[expect(clippy::inline_always, reason = "a few instructions that each call has")]
    #[inline(always)]
    pub(in crate::resilience) fn take(&self, now: Instant) -> Result<Ticket, Refusal> {
        match self.core.pass(now) {
            Some(ticket) => Ok(ticket),
            None => self.core.admit_otherwise(now).map_err(|no| self.core.refusal(no)),
        }
    }

    /// Says how the call has ended.
    #[expect(clippy::inline_always, reason = "a few instructions that each call has")]
    #[inline(always)]
    pub(in crate::resilience) fn give(
        &self,
        ticket: Ticket,
        outcome: Outcome,
        hint: Option<Duration>,
        clock: impl Now,
    ) {
        self.core.end(ticket, outcome, hint, clock);
    }

    /// What [`Permit::begin`] does.
    pub(in crate::resilience) fn begin(&self, ticket: &mut Ticket, now: Instant) {
        self.core.begin(ticket, now);
    }
}
