//! Those who wait for something that happens to all of them at once: an event, a barrier, a new value.
//!
//! A list for under somebody else's lock. To call all who wait begins another round; a ticket of an earlier round has
//! been called, so no call is lost on one that has not come yet, and none is taken for a later one.

use std::pin::Pin;
use std::task::{Context as Poller, Poll, Waker};

use crate::context::{Cancelled, Context, Ended};
use crate::task::slab::Slab;
use crate::task::wake;

/// The list.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    round: usize,
    /// Most lists have one waiter, who costs no allocation.
    first: Option<Waker>,
    rest: Slab<Waker>,
}

/// A place in the list.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ticket {
    round: usize,
    /// [`FIRST`], or the number in the slab plus one.
    key: u32,
}

/// What a waiter finds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Turn {
    /// It was called.
    Called,
    /// It waits, with the waker it shows.
    Waits,
    /// It waits with another waker.
    Moved,
}

/// Wakers to be called, which they are when this is dropped: when the lock is free.
#[derive(Debug, Default)]
#[must_use = "dropping it under the lock wakes under the lock"]
pub(crate) struct Calls {
    first: Option<Waker>,
    rest: Vec<Waker>,
}

const FIRST: u32 = 0;

// ===== impl Waiters =====

impl Ticket {
    /// Whether all were called since, of which there have been so many rounds.
    pub(crate) fn is_before(self, round: usize) -> bool {
        self.round != round
    }
}

impl Waiters {
    /// How often all were called.
    pub(crate) fn round(&self) -> usize {
        self.round
    }

    pub(crate) fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.rest.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn enter(&mut self, waker: Waker) -> Ticket {
        let key = match self.first {
            None => {
                self.first = Some(waker);
                FIRST
            }
            Some(_) => self.rest.insert(waker) + 1,
        };
        Ticket { round: self.round, key }
    }

    pub(crate) fn turn(&self, ticket: Ticket, waker: &Waker) -> Turn {
        if ticket.round != self.round {
            return Turn::Called;
        }
        let left = match ticket.key {
            FIRST => self.first.as_ref(),
            key => self.rest.get(key - 1),
        };
        if left.is_some_and(|left| left.will_wake(waker)) { Turn::Waits } else { Turn::Moved }
    }

    /// Has one that was not called called by `waker`. What comes out is to be dropped outside of the lock.
    pub(crate) fn renew(&mut self, ticket: Ticket, waker: Waker) -> Option<Waker> {
        if ticket.round != self.round {
            return Some(waker);
        }
        match ticket.key {
            FIRST => self.first.replace(waker),
            key => self.rest.get_mut(key - 1).map(|left| std::mem::replace(left, waker)),
        }
    }

    /// Lets one out; `None` if it was called. The waker is to be dropped outside of the lock.
    pub(crate) fn leave(&mut self, ticket: Ticket) -> Option<Waker> {
        if ticket.round != self.round {
            return None;
        }
        match ticket.key {
            FIRST => self.first.take(),
            key => self.rest.remove(key - 1),
        }
    }

    /// Calls all who wait.
    #[inline]
    pub(crate) fn call(&mut self) -> Calls {
        self.round = self.round.wrapping_add(1);
        let rest = if self.rest.len() == 0 { Vec::new() } else { self.rest.drain() };
        Calls { first: self.first.take(), rest }
    }
}

impl Drop for Calls {
    #[inline]
    fn drop(&mut self) {
        let (first, rest) = (self.first.take(), std::mem::take(&mut self.rest));
        if first.is_some() || !rest.is_empty() {
            wake("waiters", first.into_iter().chain(rest));
        }
    }
}

// ===== impl Wait =====

/// Where one waits: a lock with a list under it.
pub(crate) trait Place {
    /// Enters, unless there is nothing to wait for.
    fn enter(&self, waker: Waker) -> Option<Ticket>;

    /// Whether there is nothing to wait for, as far as that is seen without the lock.
    fn is_open(&self) -> bool {
        false
    }

    /// Whether that one was called, or is about to be in a hold of the lock that has begun, as far as that is seen without
    /// the lock.
    fn was_called(&self, _: Ticket) -> bool {
        false
    }

    /// Works on the list, under the lock.
    fn list<R>(&self, work: impl FnOnce(&mut Waiters) -> R) -> R;

    /// Leaves without having been called, or having been. What comes out is dropped outside of the lock.
    fn leave(&self, ticket: Ticket) -> Option<Waker> {
        self.list(|waiters| waiters.leave(ticket))
    }
}

/// A wait, from the first poll on; dropping it leaves.
pub(crate) struct Wait<P: Place> {
    place: P,
    ticket: Option<Ticket>,
}

/// A wait until a context ends. Smaller than a [`Run`](crate::context::Context::run) around a [`Wait`], and written by
/// hand, for waits that are most often over at once.
#[must_use = "futures do nothing unless polled"]
pub(crate) struct Within<'a, P: Place> {
    wait: Wait<P>,
    ctx: &'a Context,
    ended: Option<Cancelled<'a>>,
    begun: bool,
}

/// How a wait was over.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Over {
    /// There was nothing to wait for.
    AtOnce,
    Called,
}

impl<P: Place> Wait<P> {
    pub(crate) fn at(place: P) -> Self {
        Self { place, ticket: None }
    }

    pub(crate) fn poll_over(&mut self, waker: &Waker) -> Poll<Over> {
        let Some(ticket) = self.ticket else {
            self.ticket = self.place.enter(waker.clone());
            return if self.ticket.is_some() { Poll::Pending } else { Poll::Ready(Over::AtOnce) };
        };
        if self.place.was_called(ticket) {
            self.is_over();
            return Poll::Ready(Over::Called);
        }
        match self.place.list(|waiters| waiters.turn(ticket, waker)) {
            Turn::Called => {
                self.is_over();
                Poll::Ready(Over::Called)
            }
            Turn::Waits => Poll::Pending,
            Turn::Moved => {
                let clone = waker.clone();
                // Dropped here, outside of the lock.
                let _before = self.place.list(|waiters| waiters.renew(ticket, clone));
                // It may have been called since, by the waker it has no more: looks again.
                self.poll_over(waker)
            }
        }
    }

    /// It is known to be called, or to be about to be: there is nothing to leave any more.
    pub(crate) fn is_over(&mut self) {
        self.ticket = None;
    }
}

impl<P: Place + Unpin> Future for Wait<P> {
    type Output = Over;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Poller<'_>) -> Poll<Over> {
        self.poll_over(cx.waker())
    }
}

impl<P: Place> Drop for Wait<P> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            drop(self.place.leave(ticket));
        }
    }
}

impl<'a, P: Place> Within<'a, P> {
    pub(crate) fn new(ctx: &'a Context, place: P) -> Self {
        Self { wait: Wait::at(place), ctx, ended: None, begun: false }
    }

    fn poll_long(&mut self, cx: &mut Poller<'_>) -> Poll<Result<Over, Ended>> {
        self.begun = true;
        if let Poll::Ready(over) = self.wait.poll_over(cx.waker()) {
            return Poll::Ready(Ok(over));
        }
        let ended = self.ended.get_or_insert_with(|| self.ctx.cancelled());
        Pin::new(ended).poll(cx).map(|cause| Err(cause.into()))
    }
}

impl<P: Place + Unpin> Future for Within<'_, P> {
    type Output = Result<Over, Ended>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Poller<'_>) -> Poll<Self::Output> {
        let within = &mut *self;
        if !within.begun {
            within.ctx.check()?;
            if within.wait.place.is_open() {
                return Poll::Ready(Ok(Over::AtOnce));
            }
        }
        within.poll_long(cx)
    }
}
