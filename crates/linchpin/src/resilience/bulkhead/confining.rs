//! A call of a closure inside a bulkhead. Written by hand: the poll of an async function is called, and this is inlined.

use std::pin::Pin;
use std::task::{Context as Poller, Poll, ready};

use pin_project_lite::pin_project;

use super::at::At;
use super::permit::Permit;
use super::turn::Turn;
use crate::context::{Cancelled, Context};
use crate::resilience::within::Within;
use crate::resilience::{ByResult, Classify as _, Failed, Outcome};

pin_project! {
    /// The future of [`At::call`].
    #[must_use = "futures do nothing unless polled"]
    pub(super) struct Confining<'a, 'c, F, Fut, E> {
        at: At<'a>,
        ctx: &'c Context,
        // Until it has a place.
        begin: Option<F>,
        // What one has who waits for a place.
        turn: Option<Turn<'a, 'c, E>>,
        // What one has whose work waits.
        ended: Option<Cancelled<'c>>,
        #[pin]
        within: Within<Fut, Permit<'a>>,
    }
}

impl<'a, 'c, F, Fut, E> Confining<'a, 'c, F, Fut, E> {
    #[inline]
    pub(super) fn new(at: At<'a>, ctx: &'c Context, begin: F) -> Self {
        let within = Within::nothing();
        Self { at, ctx, begin: Some(begin), turn: None, ended: None, within }
    }
}

impl<T, E, F, Fut> Confining<'_, '_, F, Fut, E>
where
    F: FnOnce() -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    /// For who did not find a place at once.
    #[cold]
    fn poll_turn(
        self: Pin<&mut Self>,
        cx: &mut Poller<'_>,
    ) -> Poll<Result<Fut::Output, Failed<E>>> {
        let this = self.project();
        let (at, ctx) = (*this.at, *this.ctx);
        let turn = this.turn.get_or_insert_with(|| at.turn(at.borrowed(), ctx));
        let permit = ready!(Pin::new(turn).poll(cx))?;
        *this.turn = None;
        let begin = this.begin.take().expect("it has waited for its place");
        this.within.poll_first(cx, permit, begin, says).map(Ok)
    }
}

impl<T, E, F, Fut> Future for Confining<'_, '_, F, Fut, E>
where
    F: FnOnce() -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    type Output = Result<T, Failed<E>>;

    #[expect(clippy::inline_always, reason = "a few instructions that each call has")]
    #[inline(always)]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Poller<'_>) -> Poll<Self::Output> {
        let this = self.as_mut().project();
        let work = if this.begin.is_none() {
            this.within.poll(cx, says)
        } else if this.turn.is_none() && this.at.take(this.ctx)? {
            let begin = this.begin.take().expect("looked at");
            this.within.poll_first(cx, this.at.permit(this.at.borrowed()), begin, says)
        } else {
            let polled = self.as_mut().poll_turn(cx)?;
            if self.turn.is_some() {
                return Poll::Pending;
            }
            polled
        };
        let this = self.project();
        this.within.poll_out(cx, work, (this.ctx, this.ended), |permit, ended| {
            permit.says(Outcome::of_end(ended));
        })
    }
}

fn says<T, E>(permit: &mut Permit<'_>, result: &Result<T, E>) {
    permit.says(ByResult.classify(result.as_ref()));
}
