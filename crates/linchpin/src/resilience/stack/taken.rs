//! What an attempt has taken of the policies before its work, and the way in and out.

use std::mem;
use std::pin::Pin;
use std::thread;
use std::time::Duration;

use super::Role;
use super::parts::Parts;
use crate::context::Context;
use crate::resilience::adaptive::{self, Ending};
use crate::resilience::breaker;
use crate::resilience::bulkhead::{self, Bulkhead};
use crate::resilience::clock::Clock;
use crate::resilience::limiter::{Limiter, Reservation};
use crate::resilience::retry;
use crate::resilience::throttle;
use crate::resilience::{Failed, Outcome, Refusal};
use crate::time::Instant;

/// What is to be given back. Plain, so that a call which is suspended keeps it without a borrow of the stack.
#[derive(Debug, Default)]
pub(super) struct Taken {
    throttle: Option<throttle::Ticket>,
    breaker: Option<breaker::Ticket>,
    /// When the shedder let it in.
    shed: Option<Instant>,
    adaptive: Option<adaptive::Ticket>,
    place: bool,
}

/// What an attempt asks with.
#[derive(Clone, Copy)]
pub(super) struct Ask<'a> {
    pub(super) ctx: &'a Context,
    pub(super) now: Instant,
    /// When all must be over.
    pub(super) deadline: Option<Instant>,
    /// When who asks needs no answer any more, where the request and not the context says so.
    pub(super) until: Option<Instant>,
}

/// What the end of an attempt says, to each policy in its own words.
#[derive(Clone, Copy, Debug)]
pub(super) struct Said {
    /// Of the callee.
    pub(super) outcome: Outcome,
    /// Of its load.
    pub(super) load: Outcome,
    pub(super) ending: Ending,
    /// How long it asks to be left alone.
    pub(super) hint: Option<Duration>,
}

/// The same while it is worked with: dropped, by a panic too, it gives all back.
pub(super) struct Holding<'p, C> {
    parts: &'p Parts<C>,
    taken: Taken,
    unwinding: bool,
}

/// The wait for one's turn, and for a place. Seldom, and so on the heap.
pub(super) type Waiting<'a> =
    Pin<Box<dyn Future<Output = Result<Option<bulkhead::Permit<'static>>, Failed>> + Send + 'a>>;

/// What a call that is suspended has left of its policies.
#[derive(Debug)]
pub(super) struct Left {
    taken: Taken,
    retry: Option<retry::Course>,
    /// The call was made while a panic unwound, which is then none of its work.
    unwinding: bool,
}

impl Left {
    pub(super) fn new(taken: Taken, retry: Option<retry::Course>, unwinding: bool) -> Self {
        Self { taken, retry, unwinding }
    }

    /// To work with it; [`keep`](Self::keep) leaves it here again.
    pub(super) fn hold<'p, C>(&mut self, parts: &'p Parts<C>) -> Holding<'p, C> {
        Holding { parts, taken: mem::take(&mut self.taken), unwinding: self.unwinding }
    }

    pub(super) fn keep<C>(&mut self, holding: Holding<'_, C>) {
        self.taken = holding.leave();
    }

    /// The call of the retry, if there is one; [`suspend`](Self::suspend) leaves it here again.
    pub(super) fn resume<'p, C>(
        &mut self,
        parts: &'p Parts<C>,
    ) -> Option<retry::Call<&'p retry::Core>> {
        let (retry, course) = (parts.retry.as_ref()?, self.retry.as_mut()?);
        Some(retry::Call::resume(&*retry.core, course))
    }

    pub(super) fn suspend(&mut self, call: retry::Call<&retry::Core>) {
        self.retry = Some(call.suspend());
    }

    /// The number of the attempt, where a retry counts them.
    pub(super) fn attempts(&self) -> Option<u32> {
        self.retry.as_ref().map(retry::Course::attempts)
    }

    /// Gives all back.
    pub(super) fn give_back<C>(&mut self, parts: &Parts<C>) {
        drop(self.hold(parts));
        drop(self.resume(parts));
    }
}

impl<'p, C> Holding<'p, C> {
    /// Nothing yet.
    #[inline]
    pub(super) fn new(parts: &'p Parts<C>, unwinding: bool) -> Self {
        Self { parts, taken: Taken::default(), unwinding }
    }

    #[inline]
    pub(super) fn parts(&self) -> &'p Parts<C> {
        self.parts
    }

    /// What is taken, which is not given back then.
    #[inline]
    pub(super) fn leave(mut self) -> Taken {
        mem::take(&mut self.taken)
    }

    /// Asks one policy after the other, each only if those before it let the call pass.
    #[inline]
    pub(super) fn enter<'a>(&mut self, ask: Ask<'a>) -> Result<Option<Waiting<'a>>, Refusal> {
        let (parts, Ask { ctx, now, until, .. }) = (self.parts, ask);
        if let Some(throttle) = &parts.throttle {
            self.taken.throttle = Some(throttle.take(now)?);
        }
        if let Some(breaker) = &parts.breaker {
            self.taken.breaker = Some(breaker.take(now)?);
        }
        // Before a server's quotas: what is refused for being too much must cost nothing.
        if let Some(shed) = &parts.shed {
            self.taken.shed = Some(shed.take(ctx, until, now)?);
        }
        if parts.role == Role::Server {
            self.measure(now)?;
        }
        let Some(limiter) = &parts.limiter else { return self.crowd(ask) };
        let Some(slot) = limiter.pass_one(now) else { return self.await_turn(limiter, ask) };
        self.crowd(ask).inspect_err(|_| limiter.undo(slot))
    }

    /// What becomes of who did not pass the limiter at once.
    #[cold]
    fn await_turn<'a>(
        &mut self,
        limiter: &Limiter,
        ask: Ask<'a>,
    ) -> Result<Option<Waiting<'a>>, Refusal> {
        let Ask { ctx, now, deadline, .. } = ask;
        let slot = limiter.take_one(now, deadline)?;
        if let Some(turn) = limiter.reservation(slot) {
            return Ok(Some(wait(ctx, deadline, Some(turn), self.parts.bulkhead.clone())));
        }
        self.crowd(ask).inspect_err(|_| limiter.undo(slot))
    }

    /// Takes a place among those that are under way.
    #[inline]
    fn crowd<'a>(&mut self, ask: Ask<'a>) -> Result<Option<Waiting<'a>>, Refusal> {
        let Ask { ctx, now, deadline, .. } = ask;
        if self.parts.role == Role::Client {
            self.measure(now)?;
        }
        let Some(bulkhead) = &self.parts.bulkhead else { return Ok(None) };
        if bulkhead.take() {
            self.taken.place = true;
            return Ok(None);
        }
        if bulkhead.lets_wait() {
            return Ok(Some(wait(ctx, deadline, None, Some(bulkhead.clone()))));
        }
        Err(bulkhead.full())
    }

    #[inline]
    fn measure(&mut self, now: Instant) -> Result<(), Refusal> {
        if let Some(adaptive) = &self.parts.adaptive {
            self.taken.adaptive = Some(adaptive.take(now)?);
        }
        Ok(())
    }

    /// Whoever waited has its place, and begins now.
    pub(super) fn begin(
        &mut self,
        place: Option<bulkhead::Permit<'_>>,
        now: Instant,
    ) -> Result<(), Refusal> {
        if let Some(place) = place {
            place.keep();
            self.taken.place = true;
        }
        let parts = self.parts;
        if let (Some(throttle), Some(ticket)) = (&parts.throttle, &mut self.taken.throttle) {
            throttle.begin(ticket, now);
        }
        if let (Some(breaker), Some(ticket)) = (&parts.breaker, &mut self.taken.breaker) {
            breaker.begin(ticket, now);
        }
        match &mut self.taken.adaptive {
            Some(ticket) => ticket.begin(now),
            None => self.measure(now)?,
        }
        Ok(())
    }

    /// Gives all back, and says how the work has ended; `now` for who did not wait.
    #[inline]
    pub(super) fn settle(mut self, said: Said, now: Option<Instant>) {
        self.give_back(said, now);
    }

    #[inline]
    fn give_back(&mut self, said: Said, now: Option<Instant>) {
        let Taken { throttle, breaker, shed, adaptive, place } = mem::take(&mut self.taken);
        let parts = self.parts;
        if place && let Some(bulkhead) = &parts.bulkhead {
            bulkhead.give(said.outcome);
        }
        if let (Some(policy), Some(ticket)) = (&parts.adaptive, adaptive) {
            policy.give(ticket, said.ending);
        }
        if let (Some(policy), Some(started)) = (&parts.shed, shed) {
            policy.give(started, said.outcome);
        }
        if let (Some(policy), Some(ticket)) = (&parts.breaker, breaker) {
            match now.filter(|_| !ticket.is_timed()) {
                Some(now) => policy.give(ticket, said.outcome, said.hint, now),
                None => policy.give(ticket, said.outcome, said.hint, Clock),
            }
        }
        if let (Some(policy), Some(ticket)) = (&parts.throttle, throttle) {
            match now {
                Some(now) => policy.give(ticket, said.load, now),
                None => policy.give(ticket, said.load, Clock),
            }
        }
    }
}

impl Taken {
    #[inline]
    fn is_nothing(&self) -> bool {
        let Self { throttle, breaker, shed, adaptive, place } = self;
        let is_free = throttle.is_none() && breaker.is_none() && !place;
        is_free && shed.is_none() && adaptive.is_none()
    }
}

impl Said {
    /// Of a call that has no result.
    pub(super) fn plain(outcome: Outcome) -> Self {
        Self { outcome, load: outcome, ending: outcome.into(), hint: None }
    }

    /// Of a callee that was cut while it ran: by its time, or by the end of the call.
    pub(super) fn cut(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Failure => Self { ending: Ending::Overloaded, ..Self::plain(outcome) },
            _ => Self::plain(outcome),
        }
    }
}

impl<C> Drop for Holding<'_, C> {
    #[inline]
    fn drop(&mut self) {
        if !self.taken.is_nothing() {
            let panicked = thread::panicking() && !self.unwinding;
            let outcome = if panicked { Outcome::Failure } else { Outcome::Ignored };
            self.give_back(Said::plain(outcome), None);
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
            Some(bulkhead) => Ok(Some(bulkhead.enter_owned(ctx).await?)),
            None => Ok(None),
        }
    })
}
