//! Waiting in line.

use std::pin::Pin;
use std::task::{Context as Poller, Poll};

use super::protocol::{Core, Entered, Why};
use crate::context::{Cancelled, Context, Ended};
use crate::resilience::Failed;
use crate::task::pool::Priority;

/// A place in line, from the first poll on. Dropping it leaves the line; what was granted meanwhile goes to the next.
struct Wait<'a> {
    core: &'a Core,
    ctx: &'a Context,
    permits: usize,
    priority: Priority,
    key: Option<u32>,
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
    pub(super) async fn take_late(
        &self,
        ctx: &Context,
        permits: usize,
        priority: Priority,
    ) -> Result<(), Failed> {
        if !self.lets_wait() {
            return Err(self.refusal(self.why_not(permits), permits).into());
        }
        Wait { core: self, ctx, permits, priority, key: None, ended: ctx.cancelled() }.await
    }
}

impl Wait<'_> {
    /// What the line says.
    fn turn(&mut self, cx: &Poller<'_>) -> Poll<Result<(), Why>> {
        let Some(key) = self.key else {
            return match self.core.enter(self.permits, self.priority, cx.waker().clone()) {
                Entered::Granted => Poll::Ready(Ok(())),
                Entered::Refused(why) => Poll::Ready(Err(why)),
                Entered::Waits(key) => {
                    self.key = Some(key);
                    Poll::Pending
                }
            };
        };
        let turn = self.core.look(key, cx.waker());
        if turn.is_ready() {
            self.key = None;
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
        if let Some(key) = self.key {
            self.core.leave(key);
        }
    }
}
