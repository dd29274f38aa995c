//! The futures that a group spawns.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context as Poller, Poll, Waker};

use futures_util::FutureExt as _;
use pin_project_lite::pin_project;

use super::shared::{Aborted, Ticket};
use super::{Listed, Listing, Outcome, SpawnSpan};
use crate::context::Context;
use crate::error::{Error, Kind};
use crate::task::caught::Caught;

/// `work` under `context`, unless that has ended before it begins.
pub(super) fn begin<T, F, Fut>(
    context: &Context,
    work: F,
) -> impl Future<Output = Result<T, Error>> + use<T, F, Fut>
where
    F: FnOnce(Context) -> Fut,
    Fut: Future<Output = Result<T, Error>>,
{
    let context = context.clone();
    async move {
        context.check()?;
        work(context).await
    }
}

/// A task that gives its result by itself, and says how its work ended once everything of the work is gone.
pub(super) fn fork<T, U, F>(
    ticket: Ticket<T>,
    work: Listed<F>,
) -> impl Future<Output = Result<U, Error>>
where
    F: Future<Output = Result<U, Error>>,
{
    Member::new(ticket, work).map(|(ticket, outcome)| match outcome {
        Outcome::Returned(Ok(value)) => {
            ticket.leave();
            Ok(value)
        }
        Outcome::Returned(Err(error)) => {
            ticket.settle(Outcome::Returned(Err(error.clone())));
            Err(error)
        }
        Outcome::Panicked(payload) => {
            ticket.settle(Outcome::Panicked(payload));
            Err(Error::new(Kind::Internal, "the task panicked; its group raises the panic again"))
        }
        Outcome::Dropped => {
            ticket.leave();
            Err(Error::new(Kind::Cancelled, "the task was aborted with its group"))
        }
    })
}

/// Blocking work, on its thread.
pub(super) fn block<T>(
    ticket: Ticket<T>,
    place: Listing,
    span: &SpawnSpan,
    work: impl FnOnce(&Context) -> Result<T, Error>,
) {
    if ticket.is_aborted() {
        // The work goes first, and may panic.
        let dropped = catch_unwind(AssertUnwindSafe(|| drop((work, place))));
        return ticket.settle(Outcome::of_discarded(dropped));
    }
    let context = ticket.context().clone();
    let run = || {
        place.keep_while(|| {
            let _entered = span.enter();
            context.check()?;
            work(&context)
        })
    };
    ticket.settle(catch_unwind(AssertUnwindSafe(run)).into());
}

pin_project! {
    /// The work of a task and its ticket, which hears of the end after nothing of the work is left.
    struct Member<T, F> {
        #[pin]
        work: Caught<Listed<F>>,
        ticket: Option<Ticket<T>>,
    }

    impl<T, F> PinnedDrop for Member<T, F> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if let Some(ticket) = this.ticket.take()
                && let Err(payload) = this.work.discard()
            {
                ticket.settle(Outcome::Panicked(payload));
            }
        }
    }
}

impl<T, F> Member<T, F> {
    fn new(ticket: Ticket<T>, work: Listed<F>) -> Self {
        Self { work: Caught::new(work), ticket: Some(ticket) }
    }
}

impl<T, U, F> Future for Member<T, F>
where
    F: Future<Output = Result<U, Error>>,
{
    type Output = (Ticket<T>, Outcome<U>);

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Poller<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let ticket = this.ticket.as_mut().expect("a task that is not done");
        let ended = poll_member(ticket.is_aborted(), this.work, cx, |waker| ticket.wait(waker));
        ended.map(|outcome| (this.ticket.take().expect("a task that is not done"), outcome))
    }
}

/// Polls work of a group, which an abort stops at its next await. Whoever `waits` leaves its waker for that. Nothing of
/// the work is left when it has come to an end.
#[inline]
pub(super) fn poll_member<U, F>(
    is_aborted: bool,
    mut work: Pin<&mut Caught<F>>,
    cx: &mut Poller<'_>,
    waits: impl FnOnce(&Waker) -> Result<(), Aborted>,
) -> Poll<Outcome<U>>
where
    F: Future<Output = Result<U, Error>>,
{
    if !is_aborted {
        if let Poll::Ready(ended) = work.as_mut().poll(cx) {
            return Poll::Ready(ended.into());
        }
        if waits(cx.waker()).is_ok() {
            return Poll::Pending;
        }
    }
    Poll::Ready(Outcome::of_discarded(work.discard()))
}
