//! The protocol: whose turn it is to make the value, and who waits for that.
//!
//! One at a time has the turn. Who gives it up without a value hands it to the first in line, who is called; who is
//! called and goes away hands it on. Who has made the value calls all.
//!
//! A word says whether the turn is free, and a flag in it whether somebody may be in line. While nobody is, the turn is
//! taken and given up by one atomic operation each. Who gets in line sets the flag and enters under the lock, if the turn
//! is still taken; whoever has the turn either finds the flag when it is done, or was done before: so nobody is forgotten.
//! Wakers are cloned, called and dropped when the lock is free.

use std::collections::BTreeMap;
use std::mem;
use std::ptr;
use std::task::{Poll, Waker};

use crate::shim::atomic::AtomicUsize;
use crate::shim::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use crate::shim::{Fault, Mutex, MutexGuard, lock, planted};
use crate::task::wake;

/// What all who come for a value share.
pub(crate) struct Turns {
    /// [`FREE`], [`OVER`], or [`TAKEN`] with [`CROWDED`] and the [mark](here) of the thread that makes the value without
    /// ever giving way.
    word: AtomicUsize,
    line: Mutex<Line>,
}

/// Who waits.
struct Line {
    /// Who was given the turn and has not come yet.
    given: Option<u64>,
    /// The number of the next to come.
    next: u64,
    /// In the order in which they came.
    wakers: BTreeMap<u64, Waker>,
}

/// What one who comes finds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Found {
    /// It is one's turn.
    Mine,
    /// The value is there.
    Over,
}

const FREE: usize = 0;
/// The value is there.
const OVER: usize = 1;
const TAKEN: usize = 2;
/// Somebody may be in line: who has the turn is to look when it is done.
const CROWDED: usize = 4;
const FLAGS: usize = OVER | TAKEN | CROWDED;

/// What tells this thread from all others that live, beside the flags.
fn here() -> usize {
    /// Its address leaves room for them.
    #[repr(align(8))]
    struct Mark(u8);
    thread_local! {
        static MARK: Mark = const { Mark(0) };
    }
    MARK.with(|mark| ptr::from_ref(&mark.0).addr())
}

impl Turns {
    #[cfg(not(linchpin_loom))]
    pub(crate) const fn new() -> Self {
        Self { word: AtomicUsize::new(FREE), line: Mutex::new(Line::new()) }
    }

    #[cfg(linchpin_loom)]
    pub(crate) fn new() -> Self {
        Self { word: AtomicUsize::new(FREE), line: Mutex::new(Line::new()) }
    }

    /// For a value that is there from the beginning.
    pub(super) fn over() -> Self {
        Self { word: AtomicUsize::new(OVER), line: Mutex::new(Line::new()) }
    }

    /// Takes the turn, unless somebody has it; `None` then.
    #[inline]
    pub(crate) fn try_take(&self) -> Option<Found> {
        self.take(0)
    }

    /// The same for a thread that does nothing else before it has made the value.
    #[inline]
    pub(super) fn try_take_blocking(&self) -> Option<Found> {
        self.take(here())
    }

    /// Notes the same of this thread, which was given the turn.
    pub(super) fn blocks(&self) {
        self.word.fetch_or(here(), Relaxed);
    }

    /// Whether it is this thread that makes the value, and would wait for itself.
    pub(super) fn waits_for_itself(&self) -> bool {
        self.word.load(Relaxed) & !FLAGS == here()
    }

    /// Comes for the turn or the value. `key` is one's place in line while it is pending.
    pub(crate) fn poll(&self, key: &mut Option<u64>, waker: &Waker) -> Poll<Found> {
        if let Some(found) = self.look(&mut lock(&self.line), key) {
            return Poll::Ready(found);
        }
        let waker = waker.clone();
        // Dropped when the lock is free.
        let before;
        let mut line = lock(&self.line);
        if !planted(Fault::OnceLooksBeforeItWaits)
            && let Some(found) = self.look(&mut line, key)
        {
            return Poll::Ready(found);
        }
        let place = *key.get_or_insert(line.next);
        line.next += u64::from(place == line.next);
        before = line.wakers.insert(place, waker);
        drop(line);
        drop(before);
        Poll::Pending
    }

    /// Comes no more. A turn that was given is handed on.
    pub(crate) fn leave(&self, key: u64) {
        let mut line = lock(&self.line);
        let left = line.wakers.remove(&key);
        let next = match line.given {
            Some(to) if to == key && !planted(Fault::OnceForgetsWhoLeft) => self.hand_on(&mut line),
            _ => None,
        };
        drop(line);
        drop(left);
        wake("once", next);
    }

    /// Gives the turn up without a value: the first in line has it.
    pub(crate) fn give_up(&self) {
        let word = self.word.load(Relaxed);
        let calm =
            word & CROWDED == 0 && self.word.compare_exchange(word, FREE, Release, Relaxed).is_ok();
        if calm {
            return;
        }
        let next = self.hand_on(&mut lock(&self.line));
        wake("once", next);
    }

    /// The value is there, for all who wait.
    pub(crate) fn finish(&self) {
        if self.word.swap(OVER, AcqRel) & CROWDED == 0 {
            return;
        }
        let wakers = mem::take(&mut lock(&self.line).wakers);
        wake("once", wakers.into_values());
    }

    /// The value is gone again. Nobody waits.
    pub(super) fn again(&mut self) {
        self.word.store(FREE, Relaxed);
    }

    #[inline]
    fn take(&self, owner: usize) -> Option<Found> {
        let mut word = self.word.load(Acquire);
        while word == FREE {
            match self.word.compare_exchange_weak(FREE, TAKEN | owner, Acquire, Acquire) {
                Ok(_) => return Some(Found::Mine),
                Err(now) => word = now,
            }
        }
        (word == OVER).then_some(Found::Over)
    }

    /// What is there for one who may be in line, and is not afterwards if there is something. From here on whoever has the
    /// turn looks into the line.
    fn look(&self, line: &mut MutexGuard<'_, Line>, key: &mut Option<u64>) -> Option<Found> {
        let found = if key.is_some() && line.given == *key {
            line.given = None;
            Some(Found::Mine)
        } else {
            self.take_or_crowd()
        };
        if found.is_some() {
            // It is in line no more: whoever gave it the turn or ended the line saw to that.
            *key = None;
        }
        found
    }

    fn take_or_crowd(&self) -> Option<Found> {
        loop {
            if let Some(found) = self.try_take() {
                return Some(found);
            }
            let word = self.word.load(Relaxed);
            let crowded = word & CROWDED != 0;
            if word & TAKEN != 0
                && (crowded
                    || self.word.compare_exchange(word, word | CROWDED, Relaxed, Relaxed).is_ok())
            {
                return None;
            }
        }
    }

    /// The turn is the next one's, who is to be called.
    fn hand_on(&self, line: &mut MutexGuard<'_, Line>) -> Option<Waker> {
        let (word, given, next) = match line.wakers.pop_first() {
            Some((key, waker)) => (TAKEN | CROWDED, Some(key), Some(waker)),
            None => (FREE, None, None),
        };
        line.given = given;
        // With the flag set only who has the turn and holds the lock changes it.
        self.word.store(word, Release);
        next
    }
}

impl Line {
    const fn new() -> Self {
        Self { given: None, next: 0, wakers: BTreeMap::new() }
    }
}
