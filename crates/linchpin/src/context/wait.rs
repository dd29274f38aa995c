//! Waiting for the end of a context without a timer, a task or a list of children.
//!
//! A waiter leaves its waker at every level that can be ended, from its own context to the root. Whoever ends a level
//! sets the cause first and then takes the wakers; a waiter first leaves its waker and then looks for a cause. Both
//! orders meet in the level's mutex, so either the waiter sees the cause or the ender sees the waker.

use std::fmt;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context as Poller, Poll, Waker};

use super::{Cause, Context};

/// The future of [`Context::cancelled`].
#[must_use = "futures do nothing unless polled"]
pub struct Cancelled<'a> {
    context: &'a Context,
    /// One key for each level that takes waiters, in the order of `Context::levels`; empty until the first poll.
    keys: Vec<usize>,
    /// Armed at the first pending poll where there is a deadline.
    timer: Option<Pin<Box<tokio::time::Sleep>>>,
}

/// The wakers left at one level.
#[derive(Default)]
pub(super) struct Waiters(Mutex<Slots>);

#[derive(Default)]
struct Slots {
    wakers: Vec<Option<Waker>>,
    free: Vec<usize>,
}

// ===== impl Cancelled =====

impl<'a> Cancelled<'a> {
    pub(super) fn new(context: &'a Context) -> Self {
        Self { context, keys: Vec::new(), timer: None }
    }

    fn waited(&self) -> impl Iterator<Item = &'a Waiters> + use<'a> {
        let context: &'a Context = self.context;
        context.levels().filter_map(|node| node.waiters.as_ref())
    }

    fn register(&mut self, waker: &Waker) {
        if self.keys.is_empty() {
            self.keys = self.waited().map(|level| level.insert(waker)).collect();
        } else {
            for (level, key) in self.waited().zip(&self.keys) {
                level.refresh(*key, waker);
            }
        }
    }
}

impl Future for Cancelled<'_> {
    type Output = Cause;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Poller<'_>) -> Poll<Cause> {
        self.register(cx.waker());
        // After the registration, so that an end in between is either seen here or wakes us.
        if let Some(cause) = self.context.cause() {
            return Poll::Ready(cause);
        }
        let Some(deadline) = self.context.deadline() else { return Poll::Pending };
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline.into_tokio())));
        // The timer's tick is a millisecond and ours a nanosecond: end by the timer, not by a second look at the clock.
        match timer.as_mut().poll(cx) {
            Poll::Ready(()) => {
                self.context.end(Cause::Deadline);
                Poll::Ready(self.context.cause().unwrap_or(Cause::Deadline))
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

impl Drop for Cancelled<'_> {
    fn drop(&mut self) {
        for (level, key) in self.waited().zip(&self.keys) {
            level.remove(*key);
        }
    }
}

impl fmt::Debug for Cancelled<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cancelled").field("context", self.context).finish_non_exhaustive()
    }
}

// ===== impl Waiters =====

impl Waiters {
    /// Wakes everybody; their slots stay theirs until they are dropped.
    pub(super) fn wake_all(&self) {
        let wakers: Vec<Waker> = self.slots().wakers.iter_mut().filter_map(Option::take).collect();
        // Outside the lock: a waker may run anything.
        wakers.into_iter().for_each(Waker::wake);
    }

    fn insert(&self, waker: &Waker) -> usize {
        let mut slots = self.slots();
        let waker = Some(waker.clone());
        if let Some(key) = slots.free.pop() {
            slots.wakers[key] = waker;
            return key;
        }
        slots.wakers.push(waker);
        slots.wakers.len() - 1
    }

    fn refresh(&self, key: usize, waker: &Waker) {
        let slot = &mut self.slots().wakers[key];
        if !slot.as_ref().is_some_and(|held| held.will_wake(waker)) {
            *slot = Some(waker.clone());
        }
    }

    fn remove(&self, key: usize) {
        let mut slots = self.slots();
        slots.wakers[key] = None;
        slots.free.push(key);
        // The last one out gives the memory back, so that a burst of waiters leaves nothing in a long-lived parent.
        if slots.free.len() == slots.wakers.len() {
            *slots = Slots::default();
        }
    }

    fn slots(&self) -> MutexGuard<'_, Slots> {
        // Nothing under this lock can panic half-way, so a poisoned one is still whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
