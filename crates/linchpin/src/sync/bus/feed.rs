//! A feed: the log of a topic or of a pattern, who reads it, who waits at it.
//!
//! Publishing is under the lock. Reading is not: a reader takes from its segment what has been written there, and comes
//! under the lock to park, and where a segment or its luck ends. It parks and looks for the last time in one hold of the
//! lock, so what is published afterwards finds it parked.

use std::sync::Arc;
use std::task::Waker;

use super::log::Segment;
use super::numbers::Numbers;
use super::options::{Options, Policy, Subscription};
use super::row::{Reader, Row, Step};
use super::state::State;
use crate::shim::atomic::{AtomicU64, Ordering};
use crate::shim::{Fault, Mutex, MutexGuard, lock, planted};
use crate::sync::semaphore::{self, Semaphore};
use crate::sync::waiters::{Place, Ticket, Waiters};

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
    pub(super) lost: metrics::Counter,
}

/// Why a message was not published. It comes back.
pub(super) enum Refused<T> {
    Closed(T),
    /// Publishers wait at this feed.
    Full(T, Arc<Feed<T>>),
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
            state: Mutex::new(State::new(options.replay as u64)),
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

    /// Shows, under the lock, that so many messages were published. A feed that is closed publishes no more.
    #[inline]
    pub(super) fn shows(&self, head: u64) {
        self.head.store(head << SHIFT, Ordering::Release);
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
        state.look_anew();
        Seat { reader, key: state.rows.insert(row), at }
    }

    /// One reads no more.
    pub(crate) fn leave(&self, key: u32) {
        let mut state = self.state();
        let _row = state.rows.remove(key);
        state.look_anew();
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
        state.look_anew();
        self.head.store((state.head << SHIFT) | CLOSED, Ordering::Release);
        let calls = (state.parked.call(), state.publishers.call());
        drop(state);
        drop(calls);
    }
}

// ===== where one waits =====

/// Where a reader parks that has read all before `at`.
pub(crate) struct Parking<T> {
    pub(crate) feed: Arc<Feed<T>>,
    pub(crate) at: u64,
}

impl<T> Place for Parking<T> {
    fn enter(&self, waker: Waker) -> Option<Ticket> {
        if planted(Fault::BusLooksBeforeItParks) {
            let looked = self.feed.head() != self.at;
            let mut state = self.feed.state();
            return (!looked).then(|| state.park(waker));
        }
        let mut state = self.feed.state();
        if state.head != self.at || state.closed {
            drop(state);
            return None;
        }
        Some(state.park(waker))
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
