//! What a feed knows of each subscriber: how far it is, how far it may fall behind, what it is not to see.

use std::collections::VecDeque;
use std::sync::Arc;

use super::numbers::Numbers;
use super::options::Policy;
use crate::shim::atomic::{AtomicU64, Ordering};
use crate::shim::{Fault, planted};

/// What a subscriber and its feed share.
#[derive(Debug)]
pub(crate) struct Reader {
    /// The next message to be read, above [`WANTED`].
    cursor: AtomicU64,
    /// Where it is to look under the lock, or [`NOWHERE`].
    stop: AtomicU64,
    dropped: AtomicU64,
}

/// The row of a subscriber.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) reader: Arc<Reader>,
    pub(super) name: &'static str,
    pub(super) policy: Policy,
    pub(super) capacity: u64,
    /// Where it began.
    pub(super) began: u64,
    /// Ranges that it is not to see, in order, and how many messages they are.
    skips: VecDeque<(u64, u64)>,
    skipped: u64,
    /// It was disconnected there.
    end: Option<u64>,
}

/// What a subscriber finds under the lock.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Step {
    /// It may read there, after so many that it misses.
    At(u64, u64),
    Disconnected,
}

/// A publisher waits for room: the next who reads tells it.
const WANTED: u64 = 1;
const SHIFT: u32 = 1;
pub(super) const NOWHERE: u64 = u64::MAX;

// ===== impl Reader =====

impl Reader {
    fn new(at: u64) -> Self {
        Self {
            cursor: AtomicU64::new(at << SHIFT),
            stop: AtomicU64::new(NOWHERE),
            dropped: AtomicU64::new(0),
        }
    }

    #[inline]
    pub(super) fn cursor(&self) -> u64 {
        self.cursor.load(Ordering::Acquire) >> SHIFT
    }

    #[inline]
    pub(super) fn stop(&self) -> u64 {
        self.stop.load(Ordering::Acquire)
    }

    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// It has read up to `at`, for one whom nobody waits for.
    #[inline]
    pub(super) fn moved(&self, at: u64) {
        self.cursor.store(at << SHIFT, Ordering::Release);
    }

    /// It has read `many` more. Whether a publisher waits for that.
    #[inline]
    pub(super) fn advance(&self, many: u64) -> bool {
        if planted(Fault::BusAdvancesUnseen) {
            let wanted = self.cursor.load(Ordering::Acquire) & WANTED != 0;
            self.cursor.fetch_add(many << SHIFT, Ordering::AcqRel);
            return wanted;
        }
        // One word, one order: who wants room comes before and is seen, or after and sees it.
        self.cursor.fetch_add(many << SHIFT, Ordering::AcqRel) & WANTED != 0
    }

    /// Has the next who reads tell; how far it is.
    fn want(&self) -> u64 {
        self.cursor.fetch_or(WANTED, Ordering::AcqRel) >> SHIFT
    }

    pub(super) fn satisfied(&self) {
        self.cursor.fetch_and(!WANTED, Ordering::Relaxed);
    }
}

// ===== impl Row =====

impl Row {
    pub(super) fn new(name: &'static str, policy: Policy, capacity: usize, at: u64) -> Self {
        Self {
            reader: Arc::new(Reader::new(at)),
            name,
            policy,
            capacity: capacity as u64,
            began: at,
            skips: VecDeque::new(),
            skipped: 0,
            end: None,
        }
    }

    /// Whether what is published may depend on how far it is.
    pub(super) fn is_strict(&self) -> bool {
        self.policy != Policy::DropOldest && self.end.is_none()
    }

    /// How many more it takes in, with the log at `head`.
    pub(super) fn room(&self, head: u64) -> u64 {
        self.capacity.saturating_sub(head - self.reader.cursor() - self.skipped)
    }

    /// The same, and if there is none, the next who reads tells.
    pub(super) fn room_or_want(&self, head: u64) -> u64 {
        match self.room(head) {
            0 => self.capacity.saturating_sub(head - self.reader.want() - self.skipped),
            room => room,
        }
    }

    /// It is not to see the message at `head`, which is about to be published.
    pub(super) fn skip(&mut self, head: u64) {
        match self.skips.back_mut() {
            Some((_, end)) if *end == head => *end += 1,
            _ => {
                if self.skips.is_empty() {
                    self.reader.stop.store(head, Ordering::Release);
                }
                self.skips.push_back((head, head + 1));
            }
        }
        self.skipped += 1;
        self.lose(1);
    }

    /// It is not to see anything from `head` on.
    pub(super) fn disconnect(&mut self, head: u64) {
        self.end = Some(head);
        self.reader.stop.store(head, Ordering::Release);
    }

    /// Where a reader at `at` may read, with the log at `head`.
    pub(super) fn step(&mut self, at: u64, head: u64) -> Step {
        if self.end == Some(at) {
            return Step::Disconnected;
        }
        if self.policy == Policy::DropOldest {
            let missed = (head - at).saturating_sub(self.capacity);
            self.lose(missed);
            return Step::At(at + missed, missed);
        }
        let Some((_, end)) = self.skips.pop_front_if(|(from, _)| *from == at) else {
            return Step::At(at, 0);
        };
        self.skipped -= end - at;
        let next = self.skips.front().map_or(NOWHERE, |(from, _)| *from);
        self.reader.stop.store(next, Ordering::Release);
        Step::At(end, end - at)
    }

    /// Whether it is still to read something from `from` up to `to`, with the log at `head`.
    pub(super) fn needs(&self, from: u64, to: u64, head: u64) -> bool {
        let oldest = match self.policy {
            Policy::DropOldest => head.saturating_sub(self.capacity),
            _ => 0,
        };
        let (from, to) =
            (from.max(self.reader.cursor()).max(oldest), to.min(self.end.unwrap_or(head)));
        if from >= to {
            return false;
        }
        let first = self.skips.partition_point(|(_, end)| *end <= from);
        let skips = self.skips.iter().skip(first).take_while(|(begin, _)| *begin < to);
        let skipped: u64 = skips.map(|(begin, end)| (*end).min(to) - (*begin).max(from)).sum();
        skipped < to - from
    }

    /// Its numbers, with the log at `head`.
    pub(super) fn numbers(&self, head: u64) -> Numbers {
        let (cursor, dropped) = (self.reader.cursor(), self.reader.dropped());
        let unread = self.end.unwrap_or(head).saturating_sub(cursor).saturating_sub(self.skipped);
        let lag = unread.min(self.capacity);
        Numbers {
            delivered: (cursor - self.began + self.skipped).saturating_sub(dropped),
            // What has fallen out of the buffer is lost, though the subscriber has not come to see it.
            dropped: dropped + (unread - lag),
            lag,
            buffer: self.capacity,
        }
    }

    fn lose(&self, many: u64) {
        // Written under the lock alone.
        let before = self.reader.dropped.load(Ordering::Relaxed);
        self.reader.dropped.store(before + many, Ordering::Relaxed);
    }
}
