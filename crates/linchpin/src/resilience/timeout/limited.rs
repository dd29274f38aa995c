//! Work with limits on the time it may take.

use std::ops::Deref;
use std::pin::Pin;
use std::task::{Context as Poller, Poll, ready};

use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep_until};

use super::core::Core;
use crate::context::{Cancelled, Cause, Context, Ended};
use crate::resilience::within::{poll_ended, poll_work};
use crate::resilience::{Failed, FailedKind};
use crate::time::Instant;

pin_project! {
    /// How long work that waits is waited for. There is nothing in it until the work waits.
    #[derive(Default)]
    pub(in crate::resilience) struct Patience<'a> {
        ended: Option<Cancelled<'a>>,
        #[pin]
        timer: Option<Sleep>,
        bound: Option<Bound>,
    }
}

pin_project! {
    /// Work within one timeout.
    pub(super) struct Timely<'a, F, H> {
        ctx: &'a Context,
        #[pin]
        work: Option<F>,
        #[pin]
        patience: Patience<'a>,
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

impl<'a> Patience<'a> {
    /// Whether the work had to wait.
    #[inline]
    pub(in crate::resilience) fn has_waited(&self) -> bool {
        self.bound.is_some()
    }

    /// The result of the work, if it did not come too late. A value never does: it is there at the very moment.
    #[inline]
    pub(in crate::resilience) fn heard<T, E>(
        &self,
        result: Result<T, E>,
        limits: Limits<'_>,
    ) -> Result<Result<T, E>, Cut> {
        match (self.bound, result) {
            (Some(bound), Err(error)) => bound.too_late(limits).map_or(Ok(Err(error)), Err),
            (_, result) => Ok(result),
        }
    }

    /// What cuts work that has just been polled, and waits.
    #[inline(never)]
    pub(in crate::resilience) fn poll_cut(
        self: Pin<&mut Self>,
        cx: &mut Poller<'_>,
        ctx: &'a Context,
        limits: Limits<'_>,
    ) -> Poll<Cut> {
        let mut this = self.project();
        if let Poll::Ready(ended) = poll_ended(cx, ctx, this.ended) {
            return Poll::Ready(Cut::Ended(ended));
        }
        let bound = *this.bound.get_or_insert_with(|| Bound::of(ctx, limits));
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
        Poll::Ready(bound.cut(limits))
    }
}

impl<'a, F: Future, H> Timely<'a, F, H> {
    /// For who has just looked whether the context has ended.
    #[inline]
    pub(super) fn new(ctx: &'a Context, core: H, work: F) -> Self {
        Self { ctx, work: Some(work), patience: Patience::default(), core }
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
        let mut this = self.project();
        let limits = Limits { timeout: Some(this.core), deadline: None };
        // The work before the timer: a result that is there at that very moment wins.
        let result = match poll_work(this.work.as_mut(), cx) {
            Poll::Ready(result) => this.patience.heard(result, limits),
            Poll::Pending => {
                let cut = ready!(this.patience.poll_cut(cx, this.ctx, limits));
                this.work.set(None);
                Err(cut)
            }
        };
        Poll::Ready(match result {
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
