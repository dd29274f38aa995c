//! Waiting in line.

use std::pin::Pin;
use std::task::{Context as Poller, Poll};

use super::line::Place;
use super::protocol::{Core, Entered, Why};
use crate::context::{Cancelled, Context, Ended};
use crate::resilience::Failed;
use crate::task::pool::Priority;

/// A place in line, from the first poll on. Dropping it leaves the line; what was granted meanwhile goes to the next.
pub(super) struct Wait<'a> {
    core: &'a Core,
    ctx: &'a Context,
    permits: usize,
    priority: Priority,
    place: Option<Place>,
    ended: Cancelled<'a>,
}

impl Core {
    /// Takes permits if they are free and it is one's turn; whether it did. Apart from the wait, so that who need not wait
    /// makes no room for it.
    #[inline]
    pub(super) fn take_now(&self, ctx: &Context, permits: usize) -> Result<bool, Failed> {
        ctx.check()?;
        Ok(self.try_take(permits))
    }

    /// Takes permits when it is one's turn.
    pub(super) fn take_late<'a>(
        &'a self,
        ctx: &'a Context,
        permits: usize,
        priority: Priority,
    ) -> Wait<'a> {
        Wait { core: self, ctx, permits, priority, place: None, ended: ctx.cancelled() }
    }
}

impl Wait<'_> {
    /// What the line says.
    fn turn(&mut self, cx: &Poller<'_>) -> Poll<Result<(), Why>> {
        let Some(place) = self.place else {
            if !self.core.lets_wait() {
                return Poll::Ready(Err(self.core.why_not(self.permits)));
            }
            return match self.core.enter(self.permits, self.priority, cx.waker().clone()) {
                Entered::Granted => Poll::Ready(Ok(())),
                Entered::Refused(why) => Poll::Ready(Err(why)),
                Entered::Waits(place) => {
                    self.place = Some(place);
                    Poll::Pending
                }
            };
        };
        let turn = self.core.look(place, cx.waker());
        if turn.is_ready() {
            self.place = None;
        }
        turn
    }
}

impl Future for Wait<'_> {
    type Output = Result<(), Failed>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Poller<'_>) -> Poll<Self::Output> {
        let wait = &mut *self;
        match wait.turn(cx) {
            // Permits are as good for the next, so an end that came with them wins.
            Poll::Ready(Ok(())) => {
                let ended = wait.ctx.check().inspect_err(|_| wait.core.give(wait.permits));
                Poll::Ready(ended.map_err(Failed::from))
            }
            Poll::Ready(Err(why)) => Poll::Ready(Err(wait.core.refusal(why, wait.permits).into())),
            Poll::Pending => {
                Pin::new(&mut wait.ended).poll(cx).map(|cause| Err(Ended::from(cause).into()))
            }
        }
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            self.core.leave(place, self.permits);
        }
    }
}
