//! What each thread is polling, published in one word for the watch to read.
//!
//! The word holds the number of the thread's outermost poll, its *turn*, and the place in the list of the innermost
//! task, zero between polls. The thread alone writes it, with plain stores and no clock; and it does so only while
//! somebody watches, otherwise a poll costs one load and a branch.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::shim::atomic::AtomicU64;
use crate::shim::{Fault, planted};
use crate::task::registry::Key;

/// One thread's word. The orderings are relaxed because those of the list are enough: see [`find`](Slot::find).
#[derive(Debug)]
pub(crate) struct Slot(AtomicU64);

/// What a [`Slot`] held at one moment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Word {
    /// Grows with each outermost poll. It wraps after four billion of them, which no stall survives.
    pub(crate) turn: u32,
    /// `None` between polls.
    pub(crate) key: Option<Key>,
}

/// A thread that has polled a listed task while somebody watched.
#[derive(Debug)]
pub(super) struct Thread {
    pub(super) number: usize,
    pub(super) name: String,
    pub(super) slot: Slot,
}

/// A poll that is watched, over when this is dropped.
#[must_use]
pub(crate) struct Poll {
    outer: Option<Key>,
}

/// A section that blocks and is not watched, over when this is dropped.
struct Aside {
    key: Option<Key>,
}

/// This thread's entry among those that may be seen, which goes with the thread.
struct Here(Arc<Thread>);

/// Keeps threads publishing while it lives.
#[derive(Debug)]
pub(super) struct Watching(());

/// How many watch. A switch and not part of a protocol, hence std's: a poll that misses a change is not watched, or
/// is in vain.
static WATCHING: AtomicUsize = AtomicUsize::new(0);
static THREADS: Mutex<Vec<Arc<Thread>>> = Mutex::new(Vec::new());

thread_local! {
    static HERE: Here = Here::new();
}

/// Begins to poll the task at `key` on this thread; `None` if nobody watches.
#[inline]
pub(in crate::task) fn enter(key: Key) -> Option<Poll> {
    if WATCHING.load(Relaxed) == 0 { None } else { Poll::begin(key) }
}

/// Runs `work`, which is known to block, unseen by the watch.
///
/// For a section that keeps no other task waiting: around `tokio::task::block_in_place`, which hands the worker's
/// tasks to another thread first, or in a program's own runtime with nothing else on it. What is polled after it counts
/// as a poll of its own. Elsewhere it hides a stall: prefer [`blocking`](crate::task::blocking).
pub fn unwatched<T>(work: impl FnOnce() -> T) -> T {
    let _aside = Aside::begin();
    work()
}

/// The threads that may be seen polling.
pub(super) fn threads() -> Vec<Arc<Thread>> {
    every_thread().clone()
}

// ===== impl Slot =====

impl Slot {
    pub(crate) fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    pub(crate) fn read(&self) -> Word {
        Word::unpack(self.0.load(Relaxed))
    }

    /// Begins a poll; returns what [`leave`](Self::leave) takes back.
    pub(crate) fn enter(&self, key: Key) -> Option<Key> {
        let Word { turn, key: outer } = self.read();
        let turn = if outer.is_none() { turn.wrapping_add(1) } else { turn };
        self.write(Word { turn, key: Some(key) });
        outer
    }

    /// Ends a poll: back to the one around it, which has been going on all the time.
    pub(crate) fn leave(&self, outer: Option<Key>) {
        self.write(Word { key: outer, ..self.read() });
    }

    /// What the list says about the task of `word`, unless the slot has moved on.
    ///
    /// The place may have changed hands since the word was read. If `find` saw a later task there, it acquired what
    /// wrote that task's row, whose owner had acquired the leave of the word's own task, whose thread had moved on
    /// before: then the second look sees another word.
    pub(crate) fn find<T>(&self, word: Word, find: impl FnOnce(Key) -> Option<T>) -> Option<T> {
        let found = find(word.key?)?;
        (planted(Fault::WatchLooksOnce) || self.read() == word).then_some(found)
    }

    fn write(&self, word: Word) {
        self.0.store(word.pack(), Relaxed);
    }
}

impl Word {
    fn pack(self) -> u64 {
        (u64::from(self.turn) << 32) | u64::from(self.key.map_or(0, |key| key.0))
    }

    fn unpack(word: u64) -> Self {
        let key = word as u32;
        Self { turn: (word >> 32) as u32, key: (key != 0).then_some(Key(key)) }
    }
}

// ===== impl Poll, Aside, Here, Watching =====

impl Poll {
    fn begin(key: Key) -> Option<Self> {
        // A thread that is ending, and drops a runtime on its way, is not watched.
        HERE.try_with(|here| Self { outer: here.0.slot.enter(key) }).ok()
    }
}

impl Drop for Poll {
    fn drop(&mut self) {
        // `Err` is impossible where `begin` worked, but for a thread that ends within the poll.
        HERE.try_with(|here| here.0.slot.leave(self.outer)).ok();
    }
}

impl Aside {
    fn begin() -> Self {
        if WATCHING.load(Relaxed) == 0 {
            return Self { key: None };
        }
        let interrupt = |here: &Here| {
            let slot = &here.0.slot;
            let key = slot.read().key;
            slot.leave(None);
            key
        };
        Self { key: HERE.try_with(interrupt).ok().flatten() }
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            HERE.try_with(|here| here.0.slot.enter(key)).ok();
        }
    }
}

impl Here {
    fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let thread = Arc::new(Thread {
            number: NEXT.fetch_add(1, Relaxed),
            name: thread::current().name().unwrap_or("(unnamed)").to_owned(),
            slot: Slot::new(),
        });
        every_thread().push(thread.clone());
        Self(thread)
    }
}

impl Drop for Here {
    fn drop(&mut self) {
        every_thread().retain(|thread| thread.number != self.0.number);
    }
}

impl Watching {
    pub(super) fn begin() -> Self {
        WATCHING.fetch_add(1, Relaxed);
        Self(())
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        WATCHING.fetch_sub(1, Relaxed);
    }
}

fn every_thread() -> MutexGuard<'static, Vec<Arc<Thread>>> {
    THREADS.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_survives_being_packed() {
        for word in [Word { turn: 0, key: None }, Word { turn: u32::MAX, key: Some(Key(u32::MAX)) }]
        {
            assert_eq!(Word::unpack(word.pack()), word);
        }
    }

    #[test]
    fn a_poll_within_a_poll_gives_back_to_the_outer_one() {
        let slot = Slot::new();
        let outermost = slot.enter(Key(1));
        let outer = slot.enter(Key(2));
        assert_eq!(slot.read(), Word { turn: 1, key: Some(Key(2)) });
        slot.leave(outer);
        assert_eq!(slot.read(), Word { turn: 1, key: Some(Key(1)) });
        slot.leave(outermost);
        assert_eq!(slot.read(), Word { turn: 1, key: None });
        let _ = slot.enter(Key(1));
        assert_eq!(slot.read(), Word { turn: 2, key: Some(Key(1)) });
    }

    #[test]
    fn a_section_that_blocks_rightly_is_no_part_of_the_poll() {
        let _watching = Watching::begin();
        let here = || HERE.with(|here| here.0.slot.read());
        let _poll = enter(Key(7));
        let before = here();
        unwatched(|| assert_eq!(here().key, None));
        let after = here();
        assert_eq!(after.key, before.key);
        assert_eq!(after.turn, before.turn + 1);
    }

    #[test]
    fn a_thread_that_ends_is_seen_no_more() {
        let _watching = Watching::begin();
        let seen = || threads().iter().filter(|thread| thread.name == "seen").count();
        let polls = move || {
            drop(enter(Key(7)));
            assert_eq!(seen(), 1);
        };
        thread::Builder::new().name("seen".to_owned()).spawn(polls).unwrap().join().unwrap();
        assert_eq!(seen(), 0);
    }
}
