//! What all handles of a retry share, and how it decides.

use std::thread;
use std::time::Duration;

use super::budget::{Allow as _, Budget, Event};
use super::meters::Meters;
use super::options::Options;
use super::pace::Pace;
use super::stop::{StopReason, Stopped};
use crate::context::Ended;
use crate::resilience::Again;
use crate::time::Instant;

#[derive(Debug)]
pub(super) struct Core {
    pub(super) name: &'static str,
    pub(super) options: Options,
    pub(super) budget: Budget,
    pub(super) meters: Meters,
}

/// One call, from its first attempt to its end. Dropped, it gives back what it holds.
#[derive(Debug)]
pub(super) struct Call<C: AsRef<Core>> {
    core: C,
    pub(super) attempts: u32,
    /// The budget has let the attempt that is under way be made.
    retry: Option<Paid>,
    paces: [Pace; 2],
    minds_ends: bool,
    /// It has an end, good or bad.
    ended: bool,
    /// Made while a panic unwound, which is then none of its work.
    unwinding: bool,
}

#[derive(Clone, Copy, Debug)]
struct Paid {
    throttled: bool,
}

/// What an attempt came to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Said {
    pub(super) again: Again,
    pub(super) is_ok: bool,
    pub(super) retry_after: Option<Duration>,
}

/// What bounds the next attempt.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) deadline: Option<Instant>,
    /// The context has ended, for this reason.
    pub(super) ended: Option<StopReason>,
    pub(super) is_idempotent: bool,
    /// There is another copy of what was sent.
    pub(super) is_replayable: bool,
}

impl<C: AsRef<Core>> Call<C> {
    #[inline]
    pub(super) fn new(core: C) -> Self {
        let shared = core.as_ref();
        shared.budget.call_began();
        let minds_ends = shared.budget.minds_ends();
        Self {
            core,
            attempts: 1,
            retry: None,
            paces: [Pace::default(); 2],
            minds_ends,
            ended: false,
            unwinding: thread::panicking(),
        }
    }

    /// The first attempt was all there is to it.
    #[inline]
    pub(super) fn succeeded_at_once(&mut self) {
        self.ended = true;
        let core = self.core.as_ref();
        core.budget.succeeded_at_once();
        core.meters.succeeded_at_once();
    }

    /// An attempt has ended: how long to wait for the next one, which is paid for then, or why there is none.
    pub(super) fn judge(&mut self, said: Said, bounds: Bounds) -> Result<Duration, Stopped> {
        let retry = self.retry.take();
        let budget = &self.core.as_ref().budget;
        if said.again == Again::Never && said.is_ok {
            budget.tell(Event::Succeeded(retry.map(|paid| paid.throttled)));
        } else if !matches!(said.again, Again::Never | Again::Refused(_)) {
            budget.tell(Event::Failed);
        }
        if retry.is_some() {
            budget.tell(Event::RetryEnded);
        }
        let next = self.next(said, bounds);
        let core = self.core.as_ref();
        match next {
            Ok(delay) => {
                core.meters.again(core.name, self.attempts, delay, said.retry_after);
                self.attempts = self.attempts.saturating_add(1);
                Ok(delay)
            }
            Err((reason, retry_after)) => {
                let stopped = Stopped { attempts: self.attempts, reason, retry_after };
                self.end(said.is_ok && said.again == Again::Never, stopped);
                Err(stopped)
            }
        }
    }

    /// The context has ended while an attempt ran, or before one.
    pub(super) fn cut(&mut self, ended: &Ended, while_it_ran: bool) -> Stopped {
        let reason = StopReason::of_end(ended);
        if reason == StopReason::Deadline && while_it_ran {
            self.core.as_ref().budget.tell(Event::Failed);
        }
        let stopped = Stopped { attempts: self.attempts, reason, retry_after: None };
        self.end(false, stopped);
        stopped
    }

    fn end(&mut self, is_well: bool, stopped: Stopped) {
        self.ended = true;
        let core = self.core.as_ref();
        core.meters.ended(core.name, is_well, stopped);
    }

    fn next(
        &mut self,
        said: Said,
        bounds: Bounds,
    ) -> Result<Duration, (StopReason, Option<Duration>)> {
        let core = self.core.as_ref();
        let options = &core.options;
        let stop = |reason| Err((reason, said.retry_after));
        let is_throttled = said.again == Again::Throttled;
        let is_well = said.is_ok && said.again == Again::Never;
        if let Some(reason) = bounds.ended.filter(|_| !is_well) {
            return stop(reason);
        }
        let is_certain = match said.again {
            Again::Never => return stop(StopReason::Final),
            Again::PushedBack => return stop(StopReason::Pushback),
            Again::Refused("breaker") => return stop(StopReason::CircuitOpen),
            Again::Refused(_) => return stop(StopReason::Refused),
            Again::IfHarmless => bounds.is_idempotent,
            Again::Throttled | Again::Undone => true,
        };
        if options.max_attempts.is_some_and(|most| self.attempts >= most) {
            return stop(StopReason::Attempts);
        }
        if !is_certain || !bounds.is_replayable {
            return stop(StopReason::Unsafe);
        }
        let schedule = if is_throttled { &options.throttled } else { &options.backoff };
        let pace = &mut self.paces[usize::from(is_throttled)];
        let Some(mut delay) = schedule.next(pace, (options.random)()) else {
            return stop(StopReason::Attempts);
        };
        if let Some(asked) = said.retry_after.filter(|asked| !asked.is_zero()) {
            if asked > options.max_retry_after {
                return stop(StopReason::Pushback);
            }
            // Never earlier than asked; those who were asked at the same time do not come back together.
            let most = (asked / 4).min(Duration::from_secs(5));
            delay = delay.max(asked + most.mul_f64((options.random)().clamp(0.0, 1.0)));
            // The callee sets the pace, and not the count.
            self.paces = [Pace::default(); 2];
        }
        let now = Instant::now();
        if bounds.deadline.is_some_and(|at| now + delay + options.min_attempt_time > at) {
            return stop(StopReason::Deadline);
        }
        if !core.budget.withdraw(now, is_throttled) {
            return stop(StopReason::Budget);
        }
        self.retry = Some(Paid { throttled: is_throttled });
        Ok(delay)
    }
}

impl AsRef<Self> for Core {
    fn as_ref(&self) -> &Self {
        self
    }
}

impl<C: AsRef<Core>> Drop for Call<C> {
    #[inline]
    fn drop(&mut self) {
        let core = self.core.as_ref();
        if !self.ended && thread::panicking() && !self.unwinding {
            core.budget.tell(Event::Failed);
            core.meters.panicked(self.attempts);
        }
        if self.minds_ends {
            if self.retry.is_some() {
                core.budget.tell(Event::RetryEnded);
            }
            core.budget.tell(Event::CallEnded);
        }
    }
}
