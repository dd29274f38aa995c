//! Work with a limit on the time it may take.

use std::pin::Pin;
use std::task::{Context as Poller, Poll};

use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep_until};

use super::core::Core;
use crate::context::{Cause, Context, Run};
use crate::resilience::{Failed, FailedKind};
use crate::time::Instant;

pin_project! {
    /// The work, its context and the timer, which is armed when the work has to wait.
    pub(super) struct Limited<'a, F, H> {
        ctx: &'a Context,
        #[pin]
        run: Option<Run<'a, F>>,
        #[pin]
        timer: Option<Sleep>,
        bound: Option<Bound>,
        core: H,
    }
}

/// What cuts the work.
#[derive(Clone, Copy, Debug)]
enum Bound {
    /// The deadline of its context, which comes no later than the limit.
    Deadline(Instant),
    Limit {
        from: Instant,
        until: Instant,
    },
}

impl<'a, F: Future, H> Limited<'a, F, H> {
    /// For who has just looked whether the context has ended.
    #[inline]
    pub(super) fn new(ctx: &'a Context, core: H, work: F) -> Self {
        Self { ctx, run: Some(ctx.run_on(work)), timer: None, bound: None, core }
    }
}

impl<T, E, F, H> Future for Limited<'_, F, H>
where
    F: Future<Output = Result<T, E>>,
    H: AsRef<Core>,
{
    type Output = Result<T, Failed<E>>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Poller<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let run = this.run.as_mut().as_pin_mut().expect("polled after its end");
        // The work before the timer: a result that is there at that very moment wins.
        let outcome = match run.poll(cx) {
            Poll::Ready(Ok(Ok(value))) => Ok(value),
            Poll::Ready(Ok(Err(error))) => Err(this.core.as_ref().late(*this.bound, error)),
            Poll::Ready(Err(ended)) => Err(ended.into()),
            Poll::Pending => {
                let bound = *this.bound.get_or_insert_with(|| bound(this.ctx, this.core.as_ref()));
                let Bound::Limit { from, until } = bound else { return Poll::Pending };
                if this.timer.is_none() {
                    this.timer.set(Some(sleep_until(until.into_tokio_at(from))));
                }
                let timer = this.timer.as_mut().as_pin_mut().expect("armed");
                if timer.poll(cx).is_pending() {
                    return Poll::Pending;
                }
                this.core.as_ref().fired(from);
                Err(FailedKind::TimedOut.into())
            }
        };
        // Gone by the time somebody knows of it.
        this.run.set(None);
        Poll::Ready(outcome)
    }
}

#[cold]
fn bound(ctx: &Context, core: &Core) -> Bound {
    let from = Instant::now();
    let until = from + core.limit;
    match ctx.deadline() {
        Some(deadline) if deadline <= until => Bound::Deadline(deadline),
        _ => Bound::Limit { from, until },
    }
}

impl Core {
    /// What an error of the work is: too late if its time was up by then.
    fn late<E>(&self, bound: Option<Bound>, error: E) -> Failed<E> {
        let (until, failed) = match bound {
            None => return FailedKind::Callee(error).into(),
            Some(Bound::Deadline(until)) => (until, FailedKind::Ended(Cause::Deadline.into())),
            Some(Bound::Limit { until, .. }) => (until, FailedKind::TimedOut),
        };
        if Instant::now() < until {
            return FailedKind::Callee(error).into();
        }
        self.discarded();
        if let Some(Bound::Limit { from, .. }) = bound {
            self.fired(from);
        }
        failed.into()
    }
}
