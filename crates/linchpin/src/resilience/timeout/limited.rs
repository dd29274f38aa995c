//! Work with limits on the time it may take.

use std::ops::Deref;
use std::pin::Pin;
use std::task::{Context as Poller, Poll, ready};

use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep_until};

use super::core::Core;
use crate::context::{Cause, Context, Ended, Run};
use crate::resilience::{Failed, FailedKind};
use crate::time::Instant;

pin_project! {
    /// The work, its context and the timer, which is armed when the work has to wait.
    pub(in crate::resilience) struct Limited<'a, F> {
        ctx: &'a Context,
        #[pin]
        run: Option<Run<'a, F>>,
        #[pin]
        timer: Option<Sleep>,
        bound: Option<Bound>,
    }
}

pin_project! {
    /// The same as a future, within one timeout.
    pub(super) struct Timely<'a, F, H> {
        #[pin]
        limited: Limited<'a, F>,
        core: H,
    }
}

/// What there is beside the context, the same at each poll.
#[derive(Clone, Copy, Debug)]
pub(in crate::resilience) struct Limits<'l> {
    pub(in crate::resilience) timeout: Option<&'l Core>,
    pub(in crate::resilience) deadline: Option<Instant>,
}

/// Why work has no answer.
#[derive(Debug)]
pub(in crate::resilience) enum Cut {
    Ended(Ended),
    TimedOut,
}

/// What cuts the work.
#[derive(Clone, Copy, Debug)]
enum Bound {
    /// The end of its context.
    Context,
    /// The deadline of its context, which comes no later than the rest.
    Deadline(Instant),
    Limit {
        from: Instant,
        until: Instant,
    },
    /// The deadline that is given beside the context.
    Own(Instant),
}

impl<'a, F: Future> Limited<'a, F> {
    /// For who has just looked whether the context has ended.
    #[inline]
    pub(in crate::resilience) fn new(ctx: &'a Context, work: F) -> Self {
        Self { ctx, run: Some(ctx.run_on(work)), timer: None, bound: None }
    }

    /// Whether the work had to wait.
    #[inline]
    pub(in crate::resilience) fn has_waited(&self) -> bool {
        self.bound.is_some()
    }

    /// The result of the work, or why there is none.
    #[inline]
    pub(in crate::resilience) fn poll_within<T, E>(
        self: Pin<&mut Self>,
        cx: &mut Poller<'_>,
        limits: Limits<'_>,
    ) -> Poll<Result<Result<T, E>, Cut>>
    where
        F: Future<Output = Result<T, E>>,
    {
        let mut this = self.project();
        let run = this.run.as_mut().as_pin_mut().expect("polled after its end");
        // The work before the timer: a result that is there at that very moment wins.
        let outcome = match run.poll(cx) {
            Poll::Ready(Ok(Ok(value))) => Ok(Ok(value)),
            Poll::Ready(Ok(Err(error))) => match this.bound {
                None => Ok(Err(error)),
                Some(bound) => bound.too_late(limits).map_or(Ok(Err(error)), Err),
            },
            Poll::Ready(Err(ended)) => Err(Cut::Ended(ended)),
            Poll::Pending => {
                let bound = *this.bound.get_or_insert_with(|| Bound::of(this.ctx, limits));
                let (from, until) = match bound {
                    Bound::Context | Bound::Deadline(_) => return Poll::Pending,
                    Bound::Limit { from, until } => (from, until),
                    Bound::Own(until) => (Instant::now(), until),
                };
                if this.timer.is_none() {
                    this.timer.set(Some(sleep_until(until.into_tokio_at(from))));
                }
                let timer = this.timer.as_mut().as_pin_mut().expect("armed");
                ready!(timer.poll(cx));
                Err(bound.cut(limits))
            }
        };
        // Gone by the time somebody knows of it.
        this.run.set(None);
        Poll::Ready(outcome)
    }
}

impl<'a, F: Future, H> Timely<'a, F, H> {
    #[inline]
    pub(super) fn new(ctx: &'a Context, core: H, work: F) -> Self {
        Self { limited: Limited::new(ctx, work), core }
    }
}

impl<T, E, F, H> Future for Timely<'_, F, H>
where
    F: Future<Output = Result<T, E>>,
    H: Deref<Target = Core>,
{
    type Output = Result<T, Failed<E>>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Poller<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let limits = Limits { timeout: Some(this.core), deadline: None };
        Poll::Ready(match ready!(this.limited.poll_within(cx, limits)) {
            Ok(result) => result.map_err(|error| FailedKind::Callee(error).into()),
            Err(cut) => Err(cut.into()),
        })
    }
}

impl Bound {
    #[cold]
    fn of(ctx: &Context, limits: Limits<'_>) -> Self {
        let limit = limits.timeout.map(|timeout| {
            let from = Instant::now();
            (from, from + timeout.limit)
        });
        let no_later = |at: Instant, other: Option<Instant>| other.is_none_or(|other| at <= other);
        let until = limit.map(|(_, until)| until);
        match (ctx.deadline(), limits.deadline, limit) {
            (Some(at), own, _) if no_later(at, own) && no_later(at, until) => Self::Deadline(at),
            (_, Some(at), _) if no_later(at, until) => Self::Own(at),
            (_, _, Some((from, until))) => Self::Limit { from, until },
            (..) => Self::Context,
        }
    }

    /// What an error that comes now is, if the time was up by then.
    fn too_late(self, limits: Limits<'_>) -> Option<Cut> {
        let until = match self {
            Self::Context => return None,
            Self::Deadline(at) | Self::Own(at) => at,
            Self::Limit { until, .. } => until,
        };
        if Instant::now() < until {
            return None;
        }
        if let Some(timeout) = limits.timeout {
            timeout.discarded();
        }
        Some(self.cut(limits))
    }

    fn cut(self, limits: Limits<'_>) -> Cut {
        match (self, limits.timeout) {
            (Self::Limit { from, .. }, Some(timeout)) => {
                timeout.fired(from);
                Cut::TimedOut
            }
            _ => Cut::Ended(Cause::Deadline.into()),
        }
    }
}

impl<E> From<Cut> for Failed<E> {
    fn from(cut: Cut) -> Self {
        match cut {
            Cut::Ended(ended) => ended.into(),
            Cut::TimedOut => FailedKind::TimedOut.into(),
        }
    }
}
