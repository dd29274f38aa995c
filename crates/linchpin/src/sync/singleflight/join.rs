//! Waiting for a flight.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Poller, Poll};

use super::record::{Found, Record, Waiter};
use crate::context::{Cancelled, Context, Ended};

/// One who waits for a flight, its leader or another. Dropping it leaves the flight, and cancels it if it is the last.
pub(super) struct Join<'a, O> {
    record: Arc<Record<O>>,
    waiter: Waiter,
    over: bool,
    ended: Cancelled<'a>,
}

impl<'a, O> Join<'a, O> {
    pub(super) fn new(record: Arc<Record<O>>, leads: bool, ctx: &'a Context) -> Self {
        let waiter = if leads { Waiter::Leader } else { Waiter::Other(None) };
        Self { record, waiter, over: false, ended: ctx.cancelled() }
    }

    /// Whether it is the leader.
    pub(super) fn leads(&self) -> bool {
        matches!(self.waiter, Waiter::Leader)
    }

    /// A clone of what the flight came to.
    fn outcome(&self) -> O
    where
        O: Clone,
    {
        self.record.outcome().expect("a flight that has landed").clone()
    }
}

impl<O: Clone> Future for Join<'_, O> {
    /// `None` if it is to come anew.
    type Output = Result<Option<O>, Ended>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Poller<'_>) -> Poll<Self::Output> {
        let join = &mut *self;
        match join.record.poll(&mut join.waiter, cx.waker()) {
            Poll::Ready(Found::Landed) => {
                join.over = true;
                Poll::Ready(Ok(Some(join.outcome())))
            }
            // It leaves when it is dropped.
            Poll::Ready(Found::Stale) => Poll::Ready(Ok(None)),
            Poll::Pending => Pin::new(&mut join.ended).poll(cx).map(|cause| Err(cause.into())),
        }
    }
}

impl<O> Drop for Join<'_, O> {
    fn drop(&mut self) {
        if !self.over {
            self.record.leave(&self.waiter);
        }
    }
}
