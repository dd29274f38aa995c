//! The protocol under channels that never wait to send: one lock, one receiver, its waker.
//!
//! What is in the mailbox, and when something of it may be had, is a machine's affair: a ring, a debounce, a throttle.
//! The receiver looks and leaves its waker in one step under the lock, so whoever puts something in afterwards sees the
//! waker.

use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use tokio::task::coop;

use crate::shim::{Fault, Mutex, lock, planted};
use crate::task::wake;
use crate::time::Instant;

/// What is in a mailbox.
pub(crate) trait Machine {
    /// What is left in it when the receiver goes.
    type Left;

    fn empty(&mut self) -> Self::Left;
}

/// What a machine has for the receiver.
pub(crate) enum Next<T> {
    Item(T),
    /// Something, from then on.
    At(Instant),
    Nothing,
}

/// What the receiver finds.
pub(crate) enum Found<T> {
    Item(T),
    /// Something, from then on; the waker is left.
    At(Instant),
    /// Nothing is left and nothing more can come.
    Closed,
}

struct Mailbox<M>(Mutex<State<M>>);

struct State<M> {
    machine: M,
    senders: usize,
    open: bool,
    waiter: Option<Waker>,
}

/// One of the senders.
pub(crate) struct Tx<M: Machine>(Arc<Mailbox<M>>);

/// The receiver.
pub(crate) struct Rx<M: Machine>(Arc<Mailbox<M>>);

pub(crate) fn mailbox<M: Machine>(machine: M) -> (Tx<M>, Rx<M>) {
    let state = State { machine, senders: 1, open: true, waiter: None };
    let shared = Arc::new(Mailbox(Mutex::new(state)));
    (Tx(shared.clone()), Rx(shared))
}

impl<M> State<M> {
    /// Whether nothing more can be put in.
    fn is_last(&self) -> bool {
        !self.open || self.senders == 0
    }
}

// ===== impl Tx =====

impl<M: Machine> Tx<M> {
    /// Works on the machine, `Err` with what was to be put in if there is no receiver. The receiver is woken if `work`
    /// says that it has news for it.
    pub(crate) fn push<T, R>(
        &self,
        value: T,
        work: impl FnOnce(&mut M, T) -> (R, bool),
    ) -> Result<R, T> {
        let mut state = lock(&self.0.0);
        if !state.open {
            return Err(value);
        }
        let (result, news) = work(&mut state.machine, value);
        let waiter = if news { state.waiter.take() } else { None };
        drop(state);
        wake("channel", waiter);
        Ok(result)
    }

    pub(crate) fn look<R>(&self, work: impl FnOnce(&M) -> R) -> R {
        work(&lock(&self.0.0).machine)
    }

    pub(crate) fn is_closed(&self) -> bool {
        !lock(&self.0.0).open
    }
}

impl<M: Machine> Clone for Tx<M> {
    fn clone(&self) -> Self {
        lock(&self.0.0).senders += 1;
        Self(self.0.clone())
    }
}

impl<M: Machine> Drop for Tx<M> {
    fn drop(&mut self) {
        let mut state = lock(&self.0.0);
        state.senders -= 1;
        let waiter = if state.senders == 0 { state.waiter.take() } else { None };
        drop(state);
        wake("channel", waiter);
    }
}

// ===== impl Rx =====

impl<M: Machine> Rx<M> {
    /// Looks once; `work` is told whether nothing more can come. `None` if there is nothing now.
    pub(crate) fn look<T>(&self, work: impl FnOnce(&mut M, bool) -> Next<T>) -> Option<Found<T>> {
        let mut state = lock(&self.0.0);
        let last = state.is_last();
        match work(&mut state.machine, last) {
            Next::Item(item) => Some(Found::Item(item)),
            Next::At(at) => Some(Found::At(at)),
            Next::Nothing => last.then_some(Found::Closed),
        }
    }

    /// Looks, and leaves the waker if there is nothing to be had now.
    ///
    /// What is found counts against the budget that tokio gives a task for one turn.
    pub(crate) fn poll<T>(
        &self,
        cx: &mut Context<'_>,
        work: impl FnOnce(&mut M, bool) -> Next<T>,
    ) -> Poll<Found<T>> {
        let turn = ready!(coop::poll_proceed(cx));
        let found = self.look_or_leave(cx.waker(), work);
        if !found.is_pending() {
            turn.made_progress();
        }
        found
    }

    /// As [`poll`](Self::poll) without the budget, which needs a runtime.
    pub(crate) fn look_or_leave<T>(
        &self,
        waker: &Waker,
        work: impl FnOnce(&mut M, bool) -> Next<T>,
    ) -> Poll<Found<T>> {
        if planted(Fault::MailboxLooksBeforeItRegisters) {
            let found = self.look(work);
            lock(&self.0.0).waiter = Some(waker.clone());
            return found.map_or(Poll::Pending, Poll::Ready);
        }
        let mut state = lock(&self.0.0);
        let last = state.is_last();
        let found = match work(&mut state.machine, last) {
            Next::Item(item) => return Poll::Ready(Found::Item(item)),
            Next::Nothing if last => return Poll::Ready(Found::Closed),
            Next::At(at) => Poll::Ready(Found::At(at)),
            Next::Nothing => Poll::Pending,
        };
        match &mut state.waiter {
            Some(left) if left.will_wake(waker) => {}
            left => *left = Some(waker.clone()),
        }
        found
    }

    /// Lets nothing more in; what is there can still be had.
    pub(crate) fn close(&self) {
        lock(&self.0.0).open = false;
    }

    /// Whether nothing more can come.
    pub(crate) fn is_closed(&self) -> bool {
        lock(&self.0.0).is_last()
    }
}

impl<M: Machine> Drop for Rx<M> {
    fn drop(&mut self) {
        let mut state = lock(&self.0.0);
        state.open = false;
        let left = (state.machine.empty(), state.waiter.take());
        drop(state);
        // Outside of the lock: what is dropped may do anything, send to this very mailbox too.
        drop(left);
    }
}
