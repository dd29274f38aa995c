//! What those who wait for a flight share: how many they are, who is to be woken, and what it came to.
//!
//! One word counts who waits, the leader included. Nobody joins once it has come to nothing, and whoever brings it there
//! cancels the work: so no flight is both joined and cancelled. To look whether the flight has ended and to leave a waker
//! is one step under the lock. Wakers are cloned, called and dropped when it is free.

use std::sync::OnceLock;
use std::task::{Poll, Waker};

use crate::context::{Cause, Child};
use crate::shim::atomic::{AtomicBool, AtomicUsize, Ordering};
use crate::shim::{Fault, Mutex, lock, planted};
use crate::task::slab::Slab;
use crate::task::{Task, wake};

pub(crate) struct Record<O> {
    outcome: OnceLock<O>,
    /// Those who wait.
    waiting: AtomicUsize,
    /// Whoever can is to come anew, for a flight that was begun later.
    stale: AtomicBool,
    wakers: Mutex<Wakers>,
    work: OnceLock<Work>,
}

struct Wakers {
    /// The leader's, so that a flight which nobody shares has no table.
    leader: Option<Waker>,
    slab: Slab<Option<Waker>>,
    landed: bool,
}

/// One who waits: the leader, or another in the place that it has once it was pending.
#[derive(Debug)]
pub(crate) enum Waiter {
    Leader,
    Other(Option<u32>),
}

/// The work that was not done at once.
struct Work {
    /// The context that it asked for.
    context: Option<Child>,
    task: Task<()>,
}

/// Whether one who comes is among those who wait.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Joined {
    Yes,
    /// As many wait as may.
    Full,
    /// All who waited have left, and the work is being cancelled.
    Over,
}

/// What one who waits finds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Found {
    /// The outcome.
    Landed,
    /// It is to come anew.
    Stale,
}

impl<O> Record<O> {
    /// For a flight for which its leader waits.
    #[cfg(all(test, linchpin_loom))]
    pub(crate) fn new() -> Self {
        Self::with_standing(0)
    }

    /// For a flight for which its leader waits, and so many more who never leave: it is not cancelled then.
    pub(super) fn with_standing(standing: usize) -> Self {
        Self {
            outcome: OnceLock::new(),
            waiting: AtomicUsize::new(1 + standing),
            stale: AtomicBool::new(false),
            wakers: Mutex::new(Wakers { leader: None, slab: Slab::new(), landed: false }),
            work: OnceLock::new(),
        }
    }

    pub(crate) fn join(&self, most: usize) -> Joined {
        let mut waiting = self.waiting.load(Ordering::Relaxed);
        loop {
            if planted(Fault::FlightLooksBeforeItJoins) && waiting <= most {
                self.waiting.fetch_add(1, Ordering::Relaxed);
                return Joined::Yes;
            }
            match waiting {
                0 if !planted(Fault::FlightTakesWhoComesTooLate) => return Joined::Over,
                // The leader does not count.
                _ if waiting > most => return Joined::Full,
                _ => {}
            }
            // Nothing is read on the strength of the count.
            match self.waiting.compare_exchange_weak(
                waiting,
                waiting + 1,
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) => return Joined::Yes,
                Err(now) => waiting = now,
            }
        }
    }

    /// Waits. The leader cannot come anew: its work is used.
    pub(crate) fn poll(&self, waiter: &mut Waiter, waker: &Waker) -> Poll<Found> {
        let leads = matches!(waiter, Waiter::Leader);
        if let Some(found) = self.look(leads) {
            return Poll::Ready(found);
        }
        let waker = Some(waker.clone());
        let mut wakers = lock(&self.wakers);
        if !planted(Fault::FlightLooksBeforeItWaits) {
            if wakers.landed {
                return Poll::Ready(Found::Landed);
            }
            if !leads && self.stale.load(Ordering::Relaxed) {
                return Poll::Ready(Found::Stale);
            }
        }
        let before = match waiter {
            Waiter::Leader => std::mem::replace(&mut wakers.leader, waker),
            Waiter::Other(Some(key)) => {
                let place = wakers.slab.get_mut(*key).expect("a place is kept until one leaves");
                std::mem::replace(place, waker)
            }
            Waiter::Other(key) => {
                *key = Some(wakers.slab.insert(waker));
                None
            }
        };
        drop(wakers);
        drop(before);
        Poll::Pending
    }

    /// Waits no more. The last cancels the work.
    pub(super) fn leave(&self, waiter: &Waiter) {
        if self.quit(waiter)
            && let Some(work) = self.work.get()
        {
            if let Some(context) = &work.context {
                context.cancel(Cause::Dropped);
            }
            work.task.abort();
        }
    }

    /// Waits no more; whether nobody does, so that nobody can join any more.
    pub(crate) fn quit(&self, waiter: &Waiter) -> bool {
        let left = match waiter {
            Waiter::Leader => lock(&self.wakers).leader.take(),
            Waiter::Other(Some(key)) => lock(&self.wakers).slab.remove(*key).flatten(),
            Waiter::Other(None) => None,
        };
        drop(left);
        self.waiting.fetch_sub(1, Ordering::Relaxed) == 1
    }

    /// The flight has ended like that, for all who wait.
    pub(crate) fn land(&self, outcome: O) {
        // It lands once.
        self.outcome.set(outcome).ok();
        self.tell(|wakers| wakers.landed = true);
        if let Some(Work { context: Some(context), .. }) = self.work.get() {
            context.cancel(Cause::Dropped);
        }
    }

    /// Who can come anew is to do so.
    pub(crate) fn invalidate(&self) {
        self.tell(|_| self.stale.store(true, Ordering::Relaxed));
    }

    pub(crate) fn outcome(&self) -> Option<&O> {
        self.outcome.get()
    }

    /// The work is a task now.
    pub(super) fn flies(&self, context: Option<Child>, task: Task<()>) {
        // There is one.
        self.work.set(Work { context, task }).ok();
    }

    fn look(&self, leads: bool) -> Option<Found> {
        if !leads && self.stale.load(Ordering::Relaxed) {
            return Some(Found::Stale);
        }
        self.outcome.get().map(|_| Found::Landed)
    }

    fn tell(&self, change: impl FnOnce(&mut Wakers)) {
        let mut wakers = lock(&self.wakers);
        change(&mut wakers);
        // Their places stay until they leave.
        let mut called = Vec::with_capacity(wakers.slab.len());
        called.extend(wakers.slab.iter_mut().filter_map(Option::take));
        let leader = wakers.leader.take();
        drop(wakers);
        wake("singleflight", leader.into_iter().chain(called));
    }
}
