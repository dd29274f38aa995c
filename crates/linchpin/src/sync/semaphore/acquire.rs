//! The wait for permits. They are most often free, so that is all that is done where it is awaited.

use std::borrow::Borrow;
use std::pin::Pin;
use std::task::{Context as Poller, Poll, ready};

use super::protocol::Core;
use super::wait::Wait;
use super::{Permit, Semaphore};
use crate::context::Context;
use crate::resilience::Failed;
use crate::task::pool::Priority;

/// Takes permits when they are free and it is one's turn. Written by hand, since the poll of an async function is called,
/// with all it might have to keep, and this is inlined.
#[must_use = "futures do nothing unless polled"]
pub(super) struct Acquire<'a, 'c, S> {
    semaphore: &'a Semaphore,
    ctx: &'c Context,
    permits: usize,
    priority: Priority,
    /// What one has who did not find them free.
    wait: Option<Wait<'c, &'a Core>>,
    /// How the permit holds its semaphore.
    hold: fn(&'a Semaphore) -> S,
}

impl<'a, 'c, S> Acquire<'a, 'c, S> {
    #[inline]
    pub(super) fn new(
        semaphore: &'a Semaphore,
        ctx: &'c Context,
        permits: usize,
        priority: Priority,
        hold: fn(&'a Semaphore) -> S,
    ) -> Self {
        Self { semaphore, ctx, permits, priority, wait: None, hold }
    }

    /// The same for who did not find them free.
    #[inline(never)]
    fn poll_late(&mut self, cx: &mut Poller<'_>) -> Poll<Result<(), Failed>> {
        let Self { semaphore, ctx, permits, priority, .. } = *self;
        let wait = || Wait::new(&*semaphore.0, ctx, permits, priority.level());
        let done = ready!(Pin::new(self.wait.get_or_insert_with(wait)).poll(cx));
        self.wait = None;
        Poll::Ready(done)
    }
}

impl<S: Borrow<Semaphore>> Future for Acquire<'_, '_, S> {
    type Output = Result<Permit<S>, Failed>;

    #[expect(clippy::inline_always, reason = "a few instructions that each who takes some has")]
    #[inline(always)]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Poller<'_>) -> Poll<Self::Output> {
        let acquire = &mut *self;
        let takes = match &acquire.wait {
            Some(_) => false,
            None => {
                acquire.ctx.check()?;
                acquire.semaphore.0.try_take(acquire.permits)
            }
        };
        if !takes {
            ready!(acquire.poll_late(cx))?;
        }
        Poll::Ready(Ok(Permit::new((acquire.hold)(acquire.semaphore), acquire.permits)))
    }
}
