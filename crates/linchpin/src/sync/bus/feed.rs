//! A feed: the log of a topic or of a pattern, who reads it, who waits at it.
//!
//! Publishing is under the lock. Reading is not: a reader takes from its segment what has been written there, and comes
//! under the lock to park, and where a segment or its luck ends. It parks and looks for the last time in one hold of the
//! lock, so what is published afterwards finds it parked.

use std::sync::Arc;
use std::task::Waker;

use super::log::{Entry, Envelope, Log, Segment};
use super::numbers::Numbers;
use super::options::{Options, Policy, Subscription};
use super::row::{NOWHERE, Reader, Row, Step};
use crate::shim::atomic::{AtomicU64, Ordering};
use crate::shim::{Fault, Mutex, MutexGuard, lock, planted};
use crate::sync::semaphore::{self, Semaphore};
use crate::sync::waiters::{Calls, Place, Ticket, Waiters};
use crate::task::slab::Slab;

/// What a topic and its subscribers share, or a pattern and its.
pub(crate) struct Feed<T> {
    /// The name of the topic, or the pattern.
    pub(super) name: Arc<str>,
    /// Feeds are locked in the order of these.
    pub(super) id: u64,
    /// How many messages were published, above [`CLOSED`]. Written under the lock.
    head: AtomicU64,
    state: Mutex<State<T>>,
    /// The one publisher whose turn it is to wait for room; the others wait for their turn.
    pub(super) turns: Semaphore,
    /// Counts what subscribers lose.
    lost: metrics::Counter,
}

pub(super) struct State<T> {
    log: Log<T>,
    head: u64,
    /// Below it no subscriber that is strict is full.
    limit: u64,
    rows: Slab<Row>,
    /// Those who wait for a message.
    parked: Waiters,
    /// Publishers who wait for room.
    publishers: Waiters,
    /// The feeds of patterns that this topic matches, in the order of their ids.
    pub(super) patterns: Vec<Arc<Feed<T>>>,
    replay: u64,
    /// How many publishers are in line, first come first served.
    queued: usize,
    closed: bool,
}

/// Why a message was not published. It comes back.
pub(super) enum Refused<T> {
    Closed(T),
    /// Publishers wait at this feed.
    Full(T, Arc<Feed<T>>),
}

/// What is to be done when the lock is free, which it is when this is dropped.
pub(super) struct After<T> {
    _calls: Calls,
    _gone: Vec<Arc<Segment<T>>>,
    _unread: Option<Entry<T>>,
}

/// What a reader finds under the lock.
pub(crate) enum Found<T> {
    /// It may read there, in that segment, after so many that it misses.
    At(u64, Arc<Segment<T>>, u64),
    Nothing,
    Closed,
    Disconnected,
}

/// A place among the readers of a feed.
pub(crate) struct Seat {
    pub(super) reader: Arc<Reader>,
    pub(super) key: u32,
    pub(super) at: u64,
}

const CLOSED: u64 = 1;
const SHIFT: u32 = 1;

// ===== impl Feed =====

impl<T> Feed<T> {
    pub(crate) fn new(name: Arc<str>, id: u64, options: &Options) -> Self {
        Self {
            name,
            id,
            head: AtomicU64::new(0),
            state: Mutex::new(State {
                log: Log::new(),
                head: 0,
                limit: NOWHERE,
                rows: Slab::new(),
                parked: Waiters::default(),
                publishers: Waiters::default(),
                patterns: Vec::new(),
                replay: options.replay as u64,
                queued: 0,
                closed: false,
            }),
            turns: Semaphore::of_policy("bus", 1, semaphore::Options::default().name(options.name)),
            lost: metrics::counter!("linchpin_bus_dropped_total", "bus" => options.name),
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State<T>> {
        lock(&self.state)
    }

    /// How many messages were published so far.
    #[inline]
    pub(super) fn head(&self) -> u64 {
        self.head.load(Ordering::Acquire) >> SHIFT
    }

    /// Whether there are no more than the messages before `at`, and more may come.
    #[inline]
    pub(super) fn is_quiet_at(&self, at: u64) -> bool {
        self.head.load(Ordering::Acquire) == at << SHIFT
    }

    /// Whether nothing more than the messages before `at` will come.
    pub(super) fn ends_at(&self, at: u64) -> bool {
        self.head.load(Ordering::Acquire) == (at << SHIFT) | CLOSED
    }

    /// One more who reads.
    pub(crate) fn enter(&self, subscription: &Subscription) -> Seat {
        let mut state = self.state();
        let buffer = subscription.buffer as u64;
        let kept = state.head.min(state.replay).min(subscription.replay as u64).min(buffer);
        let at = state.head - kept;
        let row = Row::new(subscription.name, subscription.policy, subscription.buffer, at);
        let reader = row.reader.clone();
        if row.is_strict() {
            // The next who publishes counts anew.
            state.limit = 0;
        }
        Seat { reader, key: state.rows.insert(row), at }
    }

    /// One reads no more.
    pub(crate) fn leave(&self, key: u32) {
        let mut state = self.state();
        let _row = state.rows.remove(key);
        // There may be room now, for all of them.
        let calls = state.publishers.call();
        let unread = state.is_unread().then(|| state.log.take());
        drop(state);
        drop((calls, unread));
    }

    /// What one who reads `at` finds there.
    pub(crate) fn look(&self, key: u32, at: u64) -> Found<T> {
        let mut state = self.state();
        let head = state.head;
        let Some(row) = state.rows.get_mut(key) else { return Found::Closed };
        let (at, missed) = match row.step(at, head) {
            Step::At(to, missed) => {
                if missed > 0 {
                    row.reader.moved(to);
                    if row.policy == Policy::DropOldest {
                        self.lost.increment(missed);
                    }
                }
                (to, missed)
            }
            Step::Disconnected => return Found::Disconnected,
        };
        if at < head
            && let Some(segment) = state.log.segment(at)
        {
            return Found::At(at, segment.clone(), missed);
        }
        // A reader that misses the last of what there was has none to read now, and knows where it is.
        match state.closed {
            _ if missed > 0 => Found::At(at, Segment::empty(), missed),
            true => Found::Closed,
            false => Found::Nothing,
        }
    }

    /// How the one of that key is doing.
    pub(super) fn numbers(&self, key: u32) -> Numbers {
        let state = self.state();
        state.rows.get(key).map(|row| row.numbers(state.head)).unwrap_or_default()
    }

    /// A reader made room that a publisher waits for.
    #[cold]
    pub(super) fn made_room(&self, reader: &Reader) {
        let mut state = self.state();
        reader.satisfied();
        let calls = state.publishers.call();
        drop(state);
        drop(calls);
    }

    /// Lets nothing more in. What is there can still be read.
    pub(crate) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        self.head.store((state.head << SHIFT) | CLOSED, Ordering::Release);
        let calls = (state.parked.call(), state.publishers.call());
        drop(state);
        drop(calls);
    }
}

// ===== impl State =====

impl<T> State<T> {
    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    pub(super) fn head(&self) -> u64 {
        self.head
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter()
    }

    /// Gets in line, or out of it.
    pub(super) fn queue(&mut self, more: bool) {
        self.queued = if more { self.queued + 1 } else { self.queued - 1 };
        // Who comes now must see the line.
        self.limit = self.limit.min(self.head);
    }

    pub(super) fn keeps(&self) -> bool {
        self.replay > 0
    }

    pub(super) fn waiting(&self) -> usize {
        self.queued
    }

    /// Whether one more would be read or kept by nobody.
    fn is_unread(&self) -> bool {
        self.rows.len() == 0 && self.replay == 0
    }

    /// Whether a message may be published: unless a subscriber who is waited for is full, or others are in line.
    #[inline]
    pub(crate) fn has_room(&mut self, in_line: bool) -> bool {
        self.head < self.limit || self.looks_for_room(in_line)
    }

    fn looks_for_room(&self, in_line: bool) -> bool {
        if self.queued > 0 && !in_line {
            return false;
        }
        let head = self.head;
        let waits = |row: &Row| row.policy == Policy::Wait && row.room_or_want(head) == 0;
        !self.rows.iter().any(waits)
    }

    /// Has those who are full and not waited for miss the message that is about to be published; counts the room anew.
    #[cold]
    fn overflow(&mut self, feed: &Feed<T>) {
        let (head, mut room) = (self.head, NOWHERE);
        for row in self.rows.iter_mut().filter(|row| row.is_strict()) {
            let mut free = row.room(head);
            if free == 0 {
                match row.policy {
                    Policy::Disconnect => {
                        row.disconnect(head);
                        tracing::warn!(
                            feed = &*feed.name,
                            subscriber = row.name,
                            "too slow: disconnected"
                        );
                        continue;
                    }
                    _ => row.skip(head),
                }
                feed.lost.increment(1);
                free = 1;
            }
            room = room.min(free);
        }
        // While there is a line nobody goes before it: each who comes looks anew.
        let room = if self.queued > 0 { 1 } else { room };
        self.limit = head.saturating_add(room);
    }

    /// Publishes what [has room](Self::has_room).
    #[inline]
    pub(super) fn append(&mut self, feed: &Feed<T>, entry: Entry<T>) -> Option<After<T>> {
        if self.head >= self.limit {
            self.overflow(feed);
        }
        let at = self.head;
        if self.is_unread() {
            self.told(feed, at + 1);
            return Some(After {
                _calls: Calls::default(),
                _gone: Vec::new(),
                _unread: Some(entry),
            });
        }
        let mut gone = Vec::new();
        if let Err(entry) = self.log.write(entry) {
            gone = self.roll(at, entry);
        }
        self.told(feed, at + 1);
        if gone.is_empty() && self.parked.is_empty() {
            return None;
        }
        Some(After { _calls: self.parked.call(), _gone: gone, _unread: None })
    }

    fn told(&mut self, feed: &Feed<T>, head: u64) {
        self.head = head;
        feed.head.store(head << SHIFT, Ordering::Release);
    }

    /// Begins another segment with `entry`, and lets go of those that nobody needs.
    #[cold]
    fn roll(&mut self, at: u64, entry: Entry<T>) -> Vec<Arc<Segment<T>>> {
        self.log.grow(at);
        let written = self.log.write(entry);
        debug_assert!(written.is_ok(), "a new segment has places");
        let (head, kept) = (self.head, self.head.saturating_sub(self.replay));
        let rows = &self.rows;
        self.log.trim(|from, to| {
            (to > kept && self.replay > 0) || rows.iter().any(|row| row.needs(from, to, head))
        })
    }

    /// The last messages that are kept, for the feed of a pattern.
    pub(super) fn kept(&self) -> impl Iterator<Item = &Arc<Envelope<T>>> {
        let from = self.head - self.head.min(self.replay);
        (from..self.head).filter_map(|at| match self.log.segment(at)?.get(at)? {
            Entry::Shared(envelope) => Some(envelope),
            Entry::Own(_) => None,
        })
    }
}

// ===== where one waits =====

/// Where a reader parks that has read all before `at`.
pub(crate) struct Parking<'a, T> {
    pub(crate) feed: &'a Feed<T>,
    pub(crate) at: u64,
}

impl<T> Place for Parking<'_, T> {
    fn enter(&self, waker: Waker) -> Option<Ticket> {
        if planted(Fault::BusLooksBeforeItParks) {
            let looked = self.feed.head() != self.at;
            let mut state = self.feed.state();
            return (!looked).then(|| state.parked.enter(waker));
        }
        let mut state = self.feed.state();
        if state.head != self.at || state.closed {
            drop(state);
            return None;
        }
        Some(state.parked.enter(waker))
    }

    fn list<R>(&self, work: impl FnOnce(&mut Waiters) -> R) -> R {
        work(&mut self.feed.state().parked)
    }
}

/// Where a publisher waits for room.
pub(crate) struct Room<'a, T>(pub(crate) &'a Feed<T>);

impl<T> Place for Room<'_, T> {
    fn enter(&self, waker: Waker) -> Option<Ticket> {
        let mut state = self.0.state();
        if state.closed || state.has_room(true) {
            drop(state);
            return None;
        }
        Some(state.publishers.enter(waker))
    }

    fn list<R>(&self, work: impl FnOnce(&mut Waiters) -> R) -> R {
        work(&mut self.0.state().publishers)
    }
}
