//! The futures that a group spawns.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context as Poller, Poll};

use futures_util::FutureExt as _;
use pin_project_lite::pin_project;

use super::shared::{Aborted, Ticket};
use super::{Listed, Listing, Outcome, SpawnSpan};
use crate::context::Context;
use crate::error::{Error, Kind};
use crate::task::caught::{Caught, Payload};

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
    Member::new(ticket, work).map(|(ticket, end)| match end {
        End::Returned(Ok(value)) => {
            ticket.leave();
            Ok(value)
        }
        End::Returned(Err(error)) => {
            ticket.settle(Outcome::Returned(Err(error.clone())));
            Err(error)
        }
        End::Panicked(payload) => {
            ticket.settle(Outcome::Panicked(payload));
            Err(Error::new(Kind::Internal, "the task panicked; its group raises the panic again"))
        }
        End::Aborted => {
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

/// How the work of a task ended.
enum End<T> {
    Returned(T),
    Panicked(Payload),
    /// Its group was aborted.
    Aborted,
}

impl<T, F> Member<T, F> {
    fn new(ticket: Ticket<T>, work: Listed<F>) -> Self {
        Self { work: Caught::new(work), ticket: Some(ticket) }
    }
}

impl<T, F: Future> Future for Member<T, F> {
    type Output = (Ticket<T>, End<F::Output>);

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Poller<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let ticket = this.ticket.as_mut().expect("a task that is not done");
        let end = if ticket.is_aborted() {
            End::abort(this.work)
        } else {
            match this.work.as_mut().poll(cx) {
                Poll::Ready(Ok(output)) => End::Returned(output),
                Poll::Ready(Err(payload)) => End::Panicked(payload),
                Poll::Pending => match ticket.wait(cx.waker()) {
                    Ok(()) => return Poll::Pending,
                    Err(Aborted) => End::abort(this.work),
                },
            }
        };
        Poll::Ready((this.ticket.take().expect("a task that is not done"), end))
    }
}

impl<T> End<T> {
    fn abort<F>(work: Pin<&mut Caught<F>>) -> Self {
        work.discard().map_or_else(Self::Panicked, |()| Self::Aborted)
    }
}
