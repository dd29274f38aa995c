//! What an attempt has taken of the policies before its work, and the way in and out.

use std::pin::Pin;
use std::thread;
use std::time::Duration;

use super::parts::Parts;
use crate::context::Context;
use crate::resilience::breaker;
use crate::resilience::bulkhead::{self, Bulkhead};
use crate::resilience::clock::Clock;
use crate::resilience::limiter::Reservation;
use crate::resilience::{Failed, Outcome, Refusal};
use crate::time::Instant;

/// What is to be given back. Plain, so that a call which is suspended keeps it without a borrow of the stack.
#[derive(Debug, Default)]
pub(super) struct Taken {
    breaker: Option<breaker::Ticket>,
    place: bool,
}

/// The same while it is worked with: dropped, by a panic too, it gives all back.
pub(super) struct Holding<'p, C> {
    parts: &'p Parts<C>,
    taken: Taken,
    unwinding: bool,
}

/// Whether an attempt may begin.
pub(super) enum Entry<'a> {
    In,
    Later(Waiting<'a>),
    No(Refusal),
}

/// The wait for one's turn, and for a place. Seldom, and so on the heap.
pub(super) type Waiting<'a> =
    Pin<Box<dyn Future<Output = Result<Option<bulkhead::Permit>, Failed>> + Send + 'a>>;

impl<'p, C> Holding<'p, C> {
    #[inline]
    pub(super) fn new(parts: &'p Parts<C>, taken: &mut Taken, unwinding: bool) -> Self {
        Self { parts, taken: std::mem::take(taken), unwinding }
    }

    /// Leaves what is taken where it was.
    #[inline]
    pub(super) fn keep(mut self, taken: &mut Taken) {
        *taken = std::mem::take(&mut self.taken);
    }

    /// Asks one policy after the other, each only if those before it let the call pass.
    #[inline]
    pub(super) fn enter<'a>(
        &mut self,
        ctx: &'a Context,
        now: Instant,
        deadline: Option<Instant>,
    ) -> Entry<'a> {
        let parts = self.parts;
        if let Some(breaker) = &parts.breaker {
            match breaker.take(now) {
                Ok(ticket) => self.taken.breaker = Some(ticket),
                Err(refusal) => return Entry::No(refusal),
            }
        }
        let mut slot = None;
        if let Some(limiter) = &parts.limiter {
            match limiter.take_one(now, deadline) {
                Ok(given) => slot = Some(given),
                Err(refusal) => return Entry::No(refusal),
            }
        }
        let turn = match (&parts.limiter, slot) {
            (Some(limiter), Some(slot)) => limiter.reservation(slot),
            _ => None,
        };
        let Some(bulkhead) = &parts.bulkhead else {
            return match turn {
                None => Entry::In,
                Some(turn) => Entry::Later(wait(ctx, deadline, Some(turn), None)),
            };
        };
        if turn.is_none() && bulkhead.take() {
            self.taken.place = true;
            return Entry::In;
        }
        if turn.is_some() || bulkhead.lets_wait() {
            return Entry::Later(wait(ctx, deadline, turn, Some(bulkhead.clone())));
        }
        if let (Some(limiter), Some(slot)) = (&parts.limiter, slot) {
            limiter.undo(slot);
        }
        Entry::No(bulkhead.full())
    }

    /// Whoever waited has its place, and begins now.
    pub(super) fn begin(&mut self, place: Option<bulkhead::Permit>, now: Instant) {
        if let Some(place) = place {
            place.keep();
            self.taken.place = true;
        }
        if let (Some(breaker), Some(ticket)) = (&self.parts.breaker, &mut self.taken.breaker) {
            breaker.begin(ticket, now);
        }
    }

    /// Gives all back, and says how the work has ended; `now` for who did not wait.
    #[inline]
    pub(super) fn settle(mut self, outcome: Outcome, hint: Option<Duration>, now: Option<Instant>) {
        self.give_back(outcome, hint, now);
    }

    #[inline]
    fn give_back(&mut self, outcome: Outcome, hint: Option<Duration>, now: Option<Instant>) {
        let Taken { breaker, place } = std::mem::take(&mut self.taken);
        if place && let Some(bulkhead) = &self.parts.bulkhead {
            bulkhead.give();
        }
        if let (Some(policy), Some(ticket)) = (&self.parts.breaker, breaker) {
            match now.filter(|_| !ticket.is_timed()) {
                Some(now) => policy.give(ticket, outcome, hint, now),
                None => policy.give(ticket, outcome, hint, Clock),
            }
        }
    }
}

impl<C> Drop for Holding<'_, C> {
    #[inline]
    fn drop(&mut self) {
        if self.taken.breaker.is_some() || self.taken.place {
            let panicked = thread::panicking() && !self.unwinding;
            let outcome = if panicked { Outcome::Failure } else { Outcome::Ignored };
            self.give_back(outcome, None, None);
        }
    }
}

fn wait(
    ctx: &Context,
    deadline: Option<Instant>,
    turn: Option<Reservation>,
    bulkhead: Option<Bulkhead>,
) -> Waiting<'_> {
    Box::pin(async move {
        let own = deadline.map(|at| ctx.with_deadline(at));
        let ctx = own.as_deref().unwrap_or(ctx);
        if let Some(turn) = turn {
            turn.wait(ctx).await?;
        }
        match bulkhead {
            Some(bulkhead) => Ok(Some(bulkhead.enter(ctx).await?)),
            None => Ok(None),
        }
    })
}
