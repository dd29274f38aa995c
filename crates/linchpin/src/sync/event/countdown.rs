//! The protocol under event, latch and wait group: a number, and those who wait until it is zero.
//!
//! The number and a flag that says whether somebody waits share one word. While nobody waits, each step is one atomic
//! operation. Who waits sets the flag under the lock, unless the number is zero; and while the flag is set, the step *to
//! zero* is made under the lock, together with the call to all who wait. So whoever waits is called at the next zero,
//! however short it is, and nobody is called for a zero that was over before.

use std::task::Waker;

use crate::shim::atomic::{AtomicUsize, Ordering};
use crate::shim::{Fault, Mutex, lock, planted};
use crate::sync::waiters::{Place, Ticket, Waiters};

#[derive(Debug)]
pub(crate) struct Countdown {
    /// The number, above the flag.
    word: AtomicUsize,
    /// The round of the list, written under the lock: who was called sees it without.
    called: AtomicUsize,
    waiters: Mutex<Waiters>,
}

/// Somebody waits. Set and taken back under the lock.
const CROWDED: usize = 1;
const ONE: usize = 2;

/// The largest number there is room for beside the flag.
pub(super) const MOST: usize = usize::MAX >> 1;

impl Countdown {
    pub(crate) fn new(number: usize) -> Self {
        Self {
            word: AtomicUsize::new(number * ONE),
            called: AtomicUsize::new(0),
            waiters: Mutex::new(Waiters::default()),
        }
    }

    /// Acquires what was done before each step down, if it is zero.
    pub(crate) fn number(&self) -> usize {
        self.word.load(Ordering::Acquire) / ONE
    }

    /// One more.
    pub(crate) fn up(&self) {
        let before = self.word.fetch_add(ONE, Ordering::Relaxed);
        debug_assert!(before / ONE < MOST, "so many guards do not fit into memory");
    }

    /// One, if it is zero. Acquires what was done before it was.
    pub(crate) fn up_from_zero(&self) -> bool {
        let acquire = if planted(Fault::CountdownForgetsWhatWasDone) {
            Ordering::Relaxed
        } else {
            Ordering::Acquire
        };
        // At zero nobody waits, so the flag is not set.
        self.word.compare_exchange(0, ONE, acquire, Ordering::Relaxed).is_ok()
    }

    /// So many less, zero at the least. Whether it is zero by this step.
    ///
    /// At zero it writes zero again: whoever goes up from there acquires what was done before this, too.
    pub(crate) fn down(&self, by: usize) -> bool {
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            let left = (word / ONE).saturating_sub(by);
            if left == 0 && word & CROWDED != 0 {
                return self.down_under_the_lock(by);
            }
            let next = (left * ONE) | (word & CROWDED);
            match self.word.compare_exchange_weak(word, next, Ordering::Release, Ordering::Relaxed)
            {
                Ok(_) => return left == 0 && word != 0,
                Err(now) => word = now,
            }
        }
    }

    #[cold]
    fn down_under_the_lock(&self, by: usize) -> bool {
        let mut waiters = lock(&self.waiters);
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            let left = (word / ONE).saturating_sub(by);
            let next = if left == 0 { 0 } else { (left * ONE) | (word & CROWDED) };
            // Acquires what others did before their steps, for those who are called by way of the lock.
            match self.word.compare_exchange_weak(word, next, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) if left == 0 => break,
                Ok(_) => return false,
                Err(now) => word = now,
            }
        }
        let calls = waiters.call();
        self.called.store(waiters.round(), Ordering::Release);
        drop(waiters);
        drop(calls);
        word != 0
    }
}

impl Place for &Countdown {
    fn enter(&self, waker: Waker) -> Option<Ticket> {
        if planted(Fault::CountdownLooksBeforeItWaits) {
            if self.number() == 0 {
                return None;
            }
            let mut waiters = lock(&self.waiters);
            self.word.fetch_or(CROWDED, Ordering::Relaxed);
            return Some(waiters.enter(waker));
        }
        let mut waiters = lock(&self.waiters);
        let mut word = self.word.load(Ordering::Acquire);
        loop {
            if word < ONE {
                drop(waiters);
                return None;
            }
            if word & CROWDED != 0 {
                // So it does not get to zero while we have the lock.
                return Some(waiters.enter(waker));
            }
            match self.word.compare_exchange_weak(
                word,
                word | CROWDED,
                Ordering::Relaxed,
                Ordering::Acquire,
            ) {
                Ok(_) => return Some(waiters.enter(waker)),
                Err(now) => word = now,
            }
        }
    }

    fn is_open(&self) -> bool {
        self.number() == 0
    }

    fn was_called(&self, ticket: Ticket) -> bool {
        ticket.is_before(self.called.load(Ordering::Acquire))
    }

    fn list<R>(&self, work: impl FnOnce(&mut Waiters) -> R) -> R {
        work(&mut lock(&self.waiters))
    }

    fn leave(&self, ticket: Ticket) -> Option<Waker> {
        let mut waiters = lock(&self.waiters);
        let left = waiters.leave(ticket);
        if waiters.is_empty() {
            self.word.fetch_and(!CROWDED, Ordering::Relaxed);
        }
        left
    }
}
