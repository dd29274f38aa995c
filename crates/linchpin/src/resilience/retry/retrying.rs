//! A call of a closure, again and again. Written by hand: the poll of an async function is called, and here what nearly all
//! calls have, a first attempt that succeeds at once, is inlined and keeps nothing in the future.

use std::pin::Pin;
use std::task::{Context as Poller, Poll, ready};

use pin_project_lite::pin_project;
use tokio::time::Sleep;

use super::core::{Bounds, Call, Core, Said};
use super::{Attempt, Retry, StopReason};
use crate::context::{Cancelled, Context, Ended, Run};
use crate::resilience::unwinding::{Ends, polled};
use crate::resilience::within::{poll_ended, poll_work};
use crate::resilience::{Again, Classify, Failed};
use crate::time::Instant;

pin_project! {
    /// The future of [`Retry::call`].
    #[must_use = "futures do nothing unless polled"]
    pub(super) struct Retrying<'a, 'r, C, F, Fut, E> {
        retry: &'r Retry<C>,
        ctx: &'a Context,
        work: F,
        stage: Stage,
        // While an attempt is under way.
        #[pin]
        attempt: Option<Fut>,
        // Of a call whose first attempt has not succeeded at once.
        late: Option<Late<'a, 'r, E>>,
    }
}

#[derive(Clone, Copy)]
enum Stage {
    Fresh,
    Calling,
    Resting,
    Done,
}

/// What the further course of a call needs.
struct Late<'a, 'r, E> {
    call: Call<&'r Core>,
    /// What an attempt has that waits.
    ended: Option<Cancelled<'a>>,
    /// Between two attempts, unless the next one follows at once.
    rest: Option<Pin<Box<Run<'a, Sleep>>>>,
    /// How the attempt before failed.
    before: Option<E>,
}

impl<'a, 'r, C, F, Fut, E> Retrying<'a, 'r, C, F, Fut, E> {
    #[inline]
    pub(super) fn new(retry: &'r Retry<C>, ctx: &'a Context, work: F) -> Self {
        Self { retry, ctx, work, stage: Stage::Fresh, attempt: None, late: None }
    }
}

impl<'a, C, F, Fut, T, E> Future for Retrying<'a, '_, C, F, Fut, E>
where
    F: FnMut(Attempt<'a>) -> Fut,
    Fut: Future<Output = Result<T, E>>,
    C: Classify<T, E>,
{
    type Output = Result<T, Failed<E>>;

    #[expect(clippy::inline_always, reason = "a few instructions that each call has")]
    #[inline(always)]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Poller<'_>) -> Poll<Self::Output> {
        let Stage::Fresh = self.stage else { return self.poll_on(cx, None) };
        let mut this = self.as_mut().project();
        this.ctx.check()?;
        let mut call = Call::new(&*this.retry.core);
        *this.stage = Stage::Calling;
        this.attempt.set(Some((this.work)(Attempt::new(this.ctx, 1))));
        match polled(this.attempt, |attempt| poll_work(attempt, cx)) {
            Poll::Ready(Ok(value)) if this.retry.classify.again(Ok(&value)) == Again::Never => {
                call.succeeded_at_once();
                *this.stage = Stage::Done;
                Poll::Ready(Ok(value))
            }
            first => {
                *this.late = Some(Late { call, ended: None, rest: None, before: None });
                self.poll_on(cx, Some(first))
            }
        }
    }
}

impl<'a, C, F, Fut, T, E> Retrying<'a, '_, C, F, Fut, E>
where
    F: FnMut(Attempt<'a>) -> Fut,
    Fut: Future<Output = Result<T, E>>,
    C: Classify<T, E>,
{
    /// All that comes after the first poll, of which `first` is what it came to.
    #[inline(never)]
    fn poll_on(
        self: Pin<&mut Self>,
        cx: &mut Poller<'_>,
        mut first: Option<Poll<Result<T, E>>>,
    ) -> Poll<Result<T, Failed<E>>> {
        polled(self, |mut retrying| {
            let result = loop {
                if let Err(failed) = ready!(retrying.as_mut().poll_rest(cx)) {
                    break Err(failed);
                }
                let attempted = ready!(retrying.as_mut().poll_attempt(cx, first.take()));
                if let Err(result) = retrying.as_mut().judge(attempted) {
                    break result;
                }
            };
            retrying.end();
            Poll::Ready(result)
        })
    }

    /// The rest before the attempt that is begun then; there is none before the first.
    fn poll_rest(self: Pin<&mut Self>, cx: &mut Poller<'_>) -> Poll<Result<(), Failed<E>>> {
        let mut this = self.project();
        let Stage::Resting = *this.stage else { return Poll::Ready(Ok(())) };
        let late = this.late.as_mut().expect("it rests");
        let rested = match &mut late.rest {
            Some(rest) => ready!(rest.as_mut().poll(cx)),
            None => Ok(()),
        };
        late.rest = None;
        // Whoever cancels at the very moment is heard, too.
        if let Err(ended) = rested.and_then(|()| this.ctx.check()) {
            return Poll::Ready(Err(late.call.cut(ended, false)));
        }
        *this.stage = Stage::Calling;
        this.attempt.set(Some((this.work)(Attempt::new(this.ctx, late.call.attempts()))));
        Poll::Ready(Ok(()))
    }

    /// The attempt that is under way, unless it has been polled: what it comes to, or that the context has cut it.
    fn poll_attempt(
        self: Pin<&mut Self>,
        cx: &mut Poller<'_>,
        polled: Option<Poll<Result<T, E>>>,
    ) -> Poll<Result<Result<T, E>, Ended>> {
        let mut this = self.project();
        if let Poll::Ready(result) = polled.unwrap_or_else(|| poll_work(this.attempt.as_mut(), cx))
        {
            return Poll::Ready(Ok(result));
        }
        let late = this.late.as_mut().expect("it waits");
        let ended = ready!(poll_ended(cx, this.ctx, &mut late.ended));
        this.attempt.set(None);
        Poll::Ready(Err(ended))
    }

    /// An attempt has ended: a rest comes next, or this is the end.
    fn judge(
        self: Pin<&mut Self>,
        attempted: Result<Result<T, E>, Ended>,
    ) -> Result<(), Result<T, Failed<E>>> {
        let this = self.project();
        let (ctx, retry) = (*this.ctx, *this.retry);
        let late = this.late.as_mut().expect("it was no success at once");
        late.ended = None;
        let result = attempted.map_err(|ended| Err(late.call.cut(ended, true)))?;
        let again = retry.classify.again(result.as_ref());
        let said = Said::by(&retry.classify, again, result.as_ref());
        let bounds = Bounds {
            deadline: ctx.deadline(),
            ended: ctx.check().err().as_ref().map(StopReason::of_end),
            is_idempotent: retry.is_idempotent,
            is_replayable: true,
        };
        let delay = match late.call.judge(said, bounds) {
            Ok(delay) => delay,
            Err(stopped) => {
                return Err(retry.core.give(result, late.before.take(), said, stopped));
            }
        };
        // An answer may hold a connection, so it goes before the rest.
        late.before = result.err();
        let rest = || Box::pin(ctx.run_until(Instant::now() + delay, tokio::time::sleep(delay)));
        late.rest = (!delay.is_zero()).then(rest);
        *this.stage = Stage::Resting;
        Ok(())
    }
}

impl<C, F, Fut, E> Ends for Retrying<'_, '_, C, F, Fut, E> {
    fn end(self: Pin<&mut Self>) {
        let mut this = self.project();
        *this.stage = Stage::Done;
        this.attempt.set(None);
        *this.late = None;
    }
}
