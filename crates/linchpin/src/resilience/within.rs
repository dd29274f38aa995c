//! Work that was let in, and by what.

use std::pin::Pin;
use std::task::{Context as Poller, Poll, ready};

use pin_project_lite::pin_project;

use super::admitted::Admit;
use super::failed::{Failed, FailedKind};
use super::outcome::Classify;
use super::unwinding::{Ends, polled};
use crate::context::{Cancelled, Context, Ended};
use crate::sync::lock::Mark;

pin_project! {
    /// Work that was let in by a permit. Both are gone when it is over, at once also where it panics and the future that
    /// holds it lives on: the work first.
    pub(super) struct Within<F, T> {
        #[pin]
        work: Option<F>,
        permit: Option<T>,
    }
}

pin_project! {
    /// A call of a closure under a policy. Written by hand: the poll of an async function is called, and here what nearly all
    /// calls have is inlined, with the permit in registers if the work is done at once.
    #[must_use = "futures do nothing unless polled"]
    pub(super) struct Call<'a, P, F, Fut>
    where
        P: Admit,
        P: 'a,
    {
        policy: &'a P,
        ctx: &'a Context,
        // Until it is let in.
        begin: Option<F>,
        // What one has whose work waits.
        ended: Option<Cancelled<'a>>,
        #[pin]
        within: Within<Fut, P::Permit<'a>>,
    }
}

// ===== impl Within =====

impl<F, T> Within<F, T> {
    /// Nothing yet.
    #[inline]
    pub(super) fn nothing() -> Self {
        Self { work: None, permit: None }
    }

    #[inline]
    pub(super) fn new(permit: T, work: F) -> Self {
        Self { work: Some(work), permit: Some(permit) }
    }

    pub(super) fn permit(&self) -> Option<&T> {
        self.permit.as_ref()
    }
}

impl<F: Future, T> Within<F, T> {
    /// Begins work, and polls it for the first time. Has the permit told if it is done at once, and keeps it else.
    #[expect(clippy::inline_always, reason = "a few instructions that each call has")]
    #[inline(always)]
    pub(super) fn poll_first(
        self: Pin<&mut Self>,
        cx: &mut Poller<'_>,
        mut permit: T,
        begin: impl FnOnce() -> F,
        told: impl FnOnce(&mut T, &F::Output),
    ) -> Poll<F::Output> {
        let mut this = self.project();
        this.work.set(Some(begin()));
        match polled(this.work, |work| poll_work(work, cx)) {
            Poll::Ready(output) => {
                told(&mut permit, &output);
                Poll::Ready(output)
            }
            Poll::Pending => {
                *this.permit = Some(permit);
                Poll::Pending
            }
        }
    }

    /// Polls it, and has the permit told what became of it.
    #[inline]
    pub(super) fn poll(
        self: Pin<&mut Self>,
        cx: &mut Poller<'_>,
        told: impl FnOnce(&mut T, &F::Output),
    ) -> Poll<F::Output> {
        polled(self, |within| {
            let this = within.project();
            let output = ready!(poll_work(this.work, cx));
            told(this.permit.as_mut().expect("there as long as the work is"), &output);
            *this.permit = None;
            Poll::Ready(output)
        })
    }

    /// What a call comes to whose work has been polled under a context. Work that waits is ended if that has ended, which
    /// the permit is told.
    #[expect(clippy::inline_always, reason = "a few instructions that each call has")]
    #[inline(always)]
    pub(super) fn poll_out<'c, U, E>(
        self: Pin<&mut Self>,
        cx: &mut Poller<'_>,
        work: Poll<F::Output>,
        (ctx, ended): (&'c Context, &mut Option<Cancelled<'c>>),
        told: impl FnOnce(&mut T, &Ended),
    ) -> Poll<Result<U, Failed<E>>>
    where
        F: Future<Output = Result<U, E>>,
    {
        match work {
            Poll::Ready(result) => {
                Poll::Ready(result.map_err(|error| FailedKind::Callee(error).into()))
            }
            Poll::Pending => self.poll_cut(cx, ctx, ended, told).map(|ended| Err(ended.into())),
        }
    }

    #[cold]
    fn poll_cut<'c>(
        self: Pin<&mut Self>,
        cx: &mut Poller<'_>,
        ctx: &'c Context,
        ended: &mut Option<Cancelled<'c>>,
        told: impl FnOnce(&mut T, &Ended),
    ) -> Poll<Ended> {
        let ended = ready!(poll_ended(cx, ctx, ended));
        let mut this = self.project();
        this.work.set(None);
        told(this.permit.as_mut().expect("there as long as the work is"), &ended);
        *this.permit = None;
        Poll::Ready(ended)
    }
}

impl<F, T> Ends for Within<F, T> {
    fn end(self: Pin<&mut Self>) {
        let mut this = self.project();
        this.work.set(None);
        *this.permit = None;
    }
}

/// Polls work, which is gone by the time somebody knows of its result.
#[expect(clippy::inline_always, reason = "a few instructions that each call has")]
#[inline(always)]
pub(super) fn poll_work<F: Future>(
    mut work: Pin<&mut Option<F>>,
    cx: &mut Poller<'_>,
) -> Poll<F::Output> {
    let mark = Mark::here();
    let polled = work.as_mut().as_pin_mut().expect("polled after its end").poll(cx);
    match polled {
        Poll::Ready(_) => work.set(None),
        Poll::Pending => mark.nothing_is_held_since(),
    }
    polled
}

/// Waits for the end of the context of work that waits. `ended` is that wait, from the first time on.
pub(super) fn poll_ended<'c>(
    cx: &mut Poller<'_>,
    ctx: &'c Context,
    ended: &mut Option<Cancelled<'c>>,
) -> Poll<Ended> {
    // A context that never ends needs nobody who looks whether it has.
    if ctx.never_ends() {
        return Poll::Pending;
    }
    let ended = ended.get_or_insert_with(|| ctx.cancelled());
    Pin::new(ended).poll(cx).map(Ended::from)
}

// ===== impl Call =====

impl<'a, P: Admit, F, Fut> Call<'a, P, F, Fut> {
    #[inline]
    pub(super) fn new(policy: &'a P, ctx: &'a Context, begin: F) -> Self {
        Self { policy, ctx, begin: Some(begin), ended: None, within: Within::nothing() }
    }
}

impl<T, E, P, F, Fut> Future for Call<'_, P, F, Fut>
where
    P: Admit,
    P::Classify: Classify<T, E>,
    F: FnOnce() -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    type Output = Result<T, Failed<E>>;

    #[expect(clippy::inline_always, reason = "a few instructions that each call has")]
    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Poller<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let (policy, ctx) = (*this.policy, *this.ctx);
        let says = |permit: &mut P::Permit<'_>, result: &Result<T, E>| {
            P::says(policy.classifier(), permit, result.as_ref());
        };
        let work = match this.begin.take() {
            Some(begin) => {
                ctx.check()?;
                match policy.pass() {
                    Some(permit) => this.within.as_mut().poll_first(cx, permit, begin, says),
                    None => this.within.as_mut().poll_first(cx, policy.let_in(ctx)?, begin, says),
                }
            }
            None => this.within.as_mut().poll(cx, says),
        };
        this.within.poll_out(cx, work, (ctx, this.ended), P::cut)
    }
}
