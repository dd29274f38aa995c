//! Waiting in line.

use std::pin::Pin;
use std::task::{Context as Poller, Poll};

use super::line::Place;
use super::protocol::{Core, Entered, Why};
use crate::context::{Cancelled, Context, Ended};
use crate::resilience::Failed;
use crate::time::Instant;

/// A place in line, from the first poll on. Dropping it leaves the line; what was granted meanwhile goes to the next.
pub(crate) struct Wait<'a, C: AsRef<Core>> {
    core: C,
    ctx: &'a Context,
    permits: usize,
    level: usize,
    place: Option<Place>,
    standing: Option<Instant>,
    ended: Cancelled<'a>,
}

/// Why one has waited in vain.
#[derive(Debug)]
pub(crate) enum Denied {
    Ended(Ended),
    Refused(Why),
}

impl AsRef<Self> for Core {
    fn as_ref(&self) -> &Self {
        self
    }
}

impl<'a, C: AsRef<Core>> Wait<'a, C> {
    /// For who has just found that the permits are not to be had at once.
    pub(crate) fn new(core: C, ctx: &'a Context, permits: usize, level: usize) -> Self {
        let ended = ctx.cancelled();
        Self { core, ctx, permits, level, place: None, standing: None, ended }
    }

    /// Since when somebody waits, where the order asks for it: known from the first poll on.
    pub(crate) fn standing(&self) -> Option<Instant> {
        self.standing
    }

    pub(crate) fn core(&self) -> &C {
        &self.core
    }

    /// Leaves the line. What was granted meanwhile goes to the next.
    pub(crate) fn leave(&mut self) {
        if let Some(place) = self.place.take() {
            self.core.as_ref().leave(place, self.permits);
        }
    }

    /// What the line says.
    #[inline]
    fn turn(&mut self, cx: &Poller<'_>) -> Poll<Result<(), Why>> {
        let core = self.core.as_ref();
        let Some(place) = self.place else {
            if !core.lets_wait() {
                return Poll::Ready(Err(core.why_not(self.permits)));
            }
            return match core.enter(self.permits, self.level, cx.waker().clone()) {
                Entered::Granted => Poll::Ready(Ok(())),
                Entered::Refused(why) => Poll::Ready(Err(why)),
                Entered::Waits(place, standing) => {
                    (self.place, self.standing) = (Some(place), standing);
                    Poll::Pending
                }
            };
        };
        let turn = core.look(place, cx.waker());
        if turn.is_ready() {
            self.place = None;
        }
        turn
    }

    #[cold]
    fn failed(&self, denied: Denied) -> Failed {
        match denied {
            Denied::Ended(ended) => ended.into(),
            Denied::Refused(why) => self.core.as_ref().refusal(why, self.permits).into(),
        }
    }

    /// What becomes of it.
    #[inline]
    pub(crate) fn poll_turn(&mut self, cx: &mut Poller<'_>) -> Poll<Result<(), Denied>> {
        match self.turn(cx) {
            // Permits are as good for the next, so an end that came with them wins.
            Poll::Ready(Ok(())) => {
                let ended = self.ctx.check().inspect_err(|_| self.core.as_ref().give(self.permits));
                Poll::Ready(ended.map_err(Denied::Ended))
            }
            Poll::Ready(Err(why)) => Poll::Ready(Err(Denied::Refused(why))),
            Poll::Pending => {
                let ended = Pin::new(&mut self.ended).poll(cx);
                ended.map(|cause| Err(Denied::Ended(cause.into())))
            }
        }
    }
}

// It has nothing that is pinned.
impl<C: AsRef<Core>> Unpin for Wait<'_, C> {}

impl<C: AsRef<Core>> Future for Wait<'_, C> {
    type Output = Result<(), Failed>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Poller<'_>) -> Poll<Self::Output> {
        self.poll_turn(cx).map_err(|denied| self.failed(denied))
    }
}

impl<C: AsRef<Core>> Drop for Wait<'_, C> {
    fn drop(&mut self) {
        self.leave();
    }
}
