//! An adaptive limit in a stack of policies, which keeps what it has taken by itself.

use super::{Adaptive, Ending};
use crate::resilience::Refusal;
use crate::time::Instant;

/// What was let through: how many were under way then, and when it began.
#[derive(Clone, Copy, Debug)]
pub(in crate::resilience) struct Ticket {
    inflight: u32,
    started: Instant,
}

impl Ticket {
    /// The call begins only now: what it has waited for in a queue on this side is not how long it takes.
    pub(in crate::resilience) fn begin(&mut self, now: Instant) {
        self.started = now;
    }
}

impl<C> Adaptive<C> {
    /// Lets a call through. The ticket must come back by [`give`](Self::give).
    #[inline]
    pub(in crate::resilience) fn take(&self, now: Instant) -> Result<Ticket, Refusal> {
        match self.core.gate.enter(self.of) {
            Ok(inflight) => Ok(Ticket { inflight, started: now }),
            Err(full) => Err(self.refusal(full)),
        }
    }

    /// Says how the call has ended.
    #[inline]
    pub(in crate::resilience) fn give(&self, ticket: Ticket, ending: Ending) {
        let now = match ending {
            Ending::Success | Ending::Overloaded => Instant::now(),
            Ending::Failure | Ending::Ignored => ticket.started,
        };
        self.core.end(ending, ticket.inflight, ticket.started, now);
        self.core.leave(self.of);
    }
}
