//! What all handles of a retry share, and how it decides.

use std::mem;
use std::thread;
use std::time::Duration;

use super::budget::{Allow as _, Budget, Event};
use super::meters::Meters;
use super::options::Options;
use super::pace::Pace;
use super::stop::{StopReason, Stopped};
use crate::context::Ended;
use crate::resilience::{Again, Classify, Failed, FailedKind};
use crate::time::Instant;

#[derive(Debug)]
pub(in crate::resilience) struct Core {
    pub(in crate::resilience) name: &'static str,
    pub(in crate::resilience) options: Options,
    pub(in crate::resilience) budget: Budget,
    pub(super) meters: Meters,
}

/// One call, from its first attempt to its end. Dropped, it gives back what it holds.
#[derive(Debug)]
pub(in crate::resilience) struct Call<C: AsRef<Core>> {
    core: C,
    course: Course,
}

/// How far a call has come. Plain, so that a call which is suspended keeps it without a handle of the retry.
#[derive(Debug)]
pub(in crate::resilience) struct Course {
    attempts: u32,
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
pub(in crate::resilience) struct Said {
    pub(in crate::resilience) again: Again,
    pub(in crate::resilience) is_ok: bool,
    pub(in crate::resilience) retry_after: Option<Duration>,
}

/// What bounds the next attempt.
#[derive(Clone, Copy, Debug)]
pub(in crate::resilience) struct Bounds {
    pub(in crate::resilience) deadline: Option<Instant>,
    /// The context has ended, for this reason.
    pub(in crate::resilience) ended: Option<StopReason>,
    pub(in crate::resilience) is_idempotent: bool,
    /// There is another copy of what was sent.
    pub(in crate::resilience) is_replayable: bool,
}

impl Said {
    /// What the classifier says of a result, of which it has said already whether to try again.
    pub(in crate::resilience) fn by<T, E, C: Classify<T, E>>(
        classify: &C,
        again: Again,
        result: Result<&T, &E>,
    ) -> Self {
        let is_final = again == Again::Never;
        let retry_after = if is_final { None } else { classify.retry_after(result) };
        Self { again, is_ok: result.is_ok(), retry_after }
    }
}

impl Course {
    /// Of which nothing is owed to anybody.
    fn over() -> Self {
        Self {
            attempts: 0,
            retry: None,
            paces: [Pace::default(); 2],
            minds_ends: false,
            ended: true,
            unwinding: false,
        }
    }

    /// The number of the attempt that is under way.
    pub(in crate::resilience) fn attempts(&self) -> u32 {
        self.attempts
    }
}

impl<C: AsRef<Core>> Call<C> {
    /// What all calls of its kind share.
    pub(super) fn core(&self) -> &Core {
        self.core.as_ref()
    }

    #[inline]
    pub(in crate::resilience) fn new(core: C) -> Self {
        let shared = core.as_ref();
        shared.budget.call_began();
        let minds_ends = shared.budget.minds_ends();
        let course = Course {
            attempts: 1,
            retry: None,
            paces: [Pace::default(); 2],
            minds_ends,
            ended: false,
            unwinding: thread::panicking(),
        };
        Self { core, course }
    }

    /// Goes on with a call that was [suspended](Self::suspend).
    pub(in crate::resilience) fn resume(core: C, course: &mut Course) -> Self {
        Self { core, course: mem::replace(course, Course::over()) }
    }

    /// What is to be resumed.
    pub(in crate::resilience) fn suspend(mut self) -> Course {
        mem::replace(&mut self.course, Course::over())
    }

    /// The number of the attempt that is under way.
    #[inline]
    pub(in crate::resilience) fn attempts(&self) -> u32 {
        self.course.attempts
    }

    /// The first attempt was all there is to it.
    #[inline]
    pub(in crate::resilience) fn succeeded_at_once(&mut self) {
        self.course.ended = true;
        let core = self.core.as_ref();
        core.budget.succeeded_at_once();
        core.meters.succeeded_at_once();
    }

    /// The context has ended while an attempt ran, or before one: the error that says so.
    pub(in crate::resilience) fn cut<E>(&mut self, ended: Ended, while_it_ran: bool) -> Failed<E> {
        let stopped = self.stopped_by(&ended, while_it_ran);
        Failed::from(ended).stopped(stopped)
    }

    /// An attempt has ended: how long to wait for the next one, which is paid for then, or why there is none.
    pub(in crate::resilience) fn judge(
        &mut self,
        said: Said,
        bounds: Bounds,
    ) -> Result<Duration, Stopped> {
        let retry = self.course.retry.take();
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
                core.meters.again(core.name, self.course.attempts, delay, said.retry_after);
                self.course.attempts = self.course.attempts.saturating_add(1);
                Ok(delay)
            }
            Err((reason, retry_after)) => {
                let stopped = Stopped { attempts: self.course.attempts, reason, retry_after };
                self.end(said.is_ok && said.again == Again::Never, stopped);
                Err(stopped)
            }
        }
    }

    fn stopped_by(&mut self, ended: &Ended, while_it_ran: bool) -> Stopped {
        let reason = StopReason::of_end(ended);
        if reason == StopReason::Deadline && while_it_ran {
            self.core.as_ref().budget.tell(Event::Failed);
        }
        let stopped = Stopped { attempts: self.course.attempts, reason, retry_after: None };
        self.end(false, stopped);
        stopped
    }

    fn end(&mut self, is_well: bool, stopped: Stopped) {
        self.course.ended = true;
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
        if options.max_attempts.is_some_and(|most| self.course.attempts >= most) {
            return stop(StopReason::Attempts);
        }
        if !is_certain || !bounds.is_replayable {
            return stop(StopReason::Unsafe);
        }
        let schedule = if is_throttled { &options.throttled } else { &options.backoff };
        let pace = &mut self.course.paces[usize::from(is_throttled)];
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
            self.course.paces = [Pace::default(); 2];
        }
        let now = Instant::now();
        if bounds.deadline.is_some_and(|at| now + delay + options.min_attempt_time > at) {
            return stop(StopReason::Deadline);
        }
        if !core.budget.withdraw(now, is_throttled) {
            return stop(StopReason::Budget);
        }
        self.course.retry = Some(Paid { throttled: is_throttled });
        Ok(delay)
    }
}

impl Core {
    /// What the caller gets when there is no further attempt. `before` is how the attempt before failed.
    pub(in crate::resilience) fn give<T, E>(
        &self,
        result: Result<T, E>,
        before: Option<E>,
        said: Said,
        stopped: Stopped,
    ) -> Result<T, Failed<E>> {
        let failed = |kind| Failed::from(kind).stopped(stopped);
        match (result, said.again, before) {
            (Ok(_), again, _) if again != Again::Never && self.options.exhausted_as_error => {
                Err(failed(FailedKind::Exhausted))
            }
            (Ok(value), ..) => Ok(value),
            // What the callee said tells more than that it was not asked again.
            (Err(_), Again::Refused(_), Some(before)) => Err(failed(FailedKind::Callee(before))),
            (Err(error), ..) => Err(failed(FailedKind::Callee(error))),
        }
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
        if !self.course.ended && thread::panicking() && !self.course.unwinding {
            core.budget.tell(Event::Failed);
            core.meters.panicked(self.course.attempts);
        }
        if self.course.minds_ends {
            if self.course.retry.is_some() {
                core.budget.tell(Event::RetryEnded);
            }
            core.budget.tell(Event::CallEnded);
        }
    }
}
