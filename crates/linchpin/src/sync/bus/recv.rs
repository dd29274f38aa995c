//! The wait for a message. It is most often over at the first look, so that is all that is done where it is awaited.

use std::pin::Pin;
use std::task::{Context as Poller, Poll, ready};

use tokio::task::coop;

use super::error::{RecvError, TryRecvError};
use super::feed::Parking;
use super::subscriber::Subscriber;
use crate::context::{Cancelled, Context};
use crate::sync::waiters::Wait;

/// Waits until a message is at hand, and receives with `take`. Written by hand, since an async function that borrows its
/// subscriber across a wait is several times as large, and is called where this is inlined.
#[must_use = "futures do nothing unless polled"]
pub(super) struct Recv<'a, 'c, T, F> {
    /// Gone when it is done.
    reader: Option<(&'a mut Subscriber<T>, F)>,
    ctx: &'c Context,
    /// What one has who found nothing.
    parked: Option<(Wait<Parking<T>>, Cancelled<'c>)>,
}

impl<'a, 'c, T, F> Recv<'a, 'c, T, F> {
    #[inline]
    pub(super) fn new(subscriber: &'a mut Subscriber<T>, ctx: &'c Context, take: F) -> Self {
        Self { reader: Some((subscriber, take)), ctx, parked: None }
    }

    /// The same for who found nothing at hand, or has received for a turn: looks well, and parks.
    #[cold]
    fn poll_well(&mut self, cx: &mut Poller<'_>) -> Poll<Result<(), RecvError>> {
        let Some((subscriber, _)) = &mut self.reader else { unreachable!("it was looked for") };
        let turn = ready!(coop::poll_proceed(cx));
        loop {
            if subscriber.has_news() {
                match subscriber.find() {
                    Ok(()) => {
                        if let Some((mut wait, _)) = self.parked.take() {
                            // Whoever told of the message calls all who are parked, in the same hold of the lock.
                            wait.is_over();
                        }
                        break;
                    }
                    Err(TryRecvError::Empty) => {}
                    Err(TryRecvError::Closed) => return Poll::Ready(Err(RecvError::Closed)),
                    Err(TryRecvError::Disconnected) => {
                        return Poll::Ready(Err(RecvError::Disconnected));
                    }
                }
            }
            let parking = || (Wait::at(subscriber.parking()), self.ctx.cancelled());
            let (wait, ended) = self.parked.get_or_insert_with(parking);
            if wait.poll_over(cx.waker()).is_pending() {
                let cause = ready!(Pin::new(ended).poll(cx));
                return Poll::Ready(Err(RecvError::Ended(cause.into())));
            }
            // Where it parks next is where it has come to by then.
            self.parked = None;
        }
        subscriber.begin_turn();
        turn.made_progress();
        Poll::Ready(Ok(()))
    }
}

impl<'a, T, F, R> Future for Recv<'a, '_, T, F>
where
    F: FnOnce(&'a mut Subscriber<T>) -> R + Unpin,
{
    type Output = Result<R, RecvError>;

    #[expect(clippy::inline_always, reason = "a few instructions that each message has")]
    #[inline(always)]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Poller<'_>) -> Poll<Self::Output> {
        let recv = &mut *self;
        recv.ctx.check()?;
        let (subscriber, _) = recv.reader.as_mut().expect("polled after its end");
        if recv.parked.is_some() || !subscriber.is_at_hand() {
            ready!(recv.poll_well(cx))?;
        }
        let (subscriber, take) = recv.reader.take().expect("it was there");
        Poll::Ready(Ok(take(subscriber)))
    }
}
