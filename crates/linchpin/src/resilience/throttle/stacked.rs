//! A throttle in a stack of policies, which keeps what it has taken by itself.

use super::{Throttle, machine};
use crate::resilience::clock::Now;
use crate::resilience::{Outcome, Refusal};
use crate::time::Instant;

pub(in crate::resilience) use machine::Ticket;

impl<C> Throttle<C> {
    /// Lets a call through. The ticket must come back by [`give`](Self::give).
    #[inline]
    pub(in crate::resilience) fn take(&self, now: Instant) -> Result<Ticket, Refusal> {
        self.core.admit(now).map_err(|no| self.refusal(no))
    }

    /// What [`Permit::begin`](super::Permit::begin) does.
    pub(in crate::resilience) fn begin(&self, ticket: &mut Ticket, now: Instant) {
        self.core.begin(ticket, now);
    }

    /// Says how the call has ended.
    #[inline]
    pub(in crate::resilience) fn give(&self, ticket: Ticket, outcome: Outcome, clock: impl Now) {
        self.core.end(ticket, outcome, clock);
    }
}
