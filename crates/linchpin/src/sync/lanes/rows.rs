//! What is known of a lane and of a group.

use std::collections::VecDeque;
use std::hash::{BuildHasher as _, Hash};

use hashbrown::DefaultHashBuilder;

use super::class::Class;
use super::order::{Part, Spot};
use super::surplus::In;
use crate::time::{Instant, Timestamp};

/// The name of a lane. Its hashes are taken before the lock, so that what may panic under it is a comparison or a clone.
#[derive(Clone, Debug)]
pub(super) struct Name<G, K> {
    pub(super) group: G,
    pub(super) key: K,
    pub(super) group_hash: u64,
    pub(super) hash: u64,
}

#[derive(Debug)]
pub(super) struct LaneRow<G, K, T> {
    pub(super) name: Name<G, K>,
    pub(super) group: u32,
    pub(super) class: Class,
    /// So many may be under way at once.
    pub(super) window: usize,
    /// In the order in which they were put.
    pub(super) waiting: VecDeque<Waiting<T>>,
    pub(super) under_way: usize,
    /// Those of them that have taken too long already.
    pub(super) late: usize,
    /// What takes room in memory: seats, what waits, what is under way and what was answered and is still held.
    pub(super) items: usize,
    pub(super) bytes: usize,
    pub(super) held: Option<Instant>,
    pub(super) below: Below,
    pub(super) start: Spot,
    pub(super) visit: Spot,
    pub(super) rest: Rest,
    pub(super) spare: In,
}

/// An item that waits.
#[derive(Debug)]
pub(super) struct Waiting<T> {
    pub(super) number: u64,
    pub(super) bytes: usize,
    pub(super) item: T,
}

/// What a lane has that is not in memory.
#[derive(Debug, Default)]
pub(super) struct Below {
    /// When the first of it is due.
    pub(super) due: Option<Timestamp>,
    /// Whether that is so by now.
    pub(super) is_due: bool,
    /// What was due when the visit began that is under way.
    pub(super) visit: Option<Timestamp>,
    /// Whether that visit has told what it leaves.
    pub(super) is_told: bool,
}

/// Whether a lane could be forgotten.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Rest {
    /// It has something below, to be done later.
    Asleep(Timestamp),
    Busy,
    /// It has nothing, since then.
    Idle(Instant),
}

#[derive(Debug)]
pub(super) struct GroupRow<G> {
    pub(super) key: G,
    pub(super) hash: u64,
    /// How many are listed.
    pub(super) lanes: usize,
    pub(super) items: usize,
    pub(super) bytes: usize,
    pub(super) held: Option<Instant>,
    pub(super) starts: Part,
    pub(super) visits: Part,
}

// ===== impl Name =====

impl<G: Hash, K: Hash> Name<G, K> {
    pub(super) fn new(hasher: &DefaultHashBuilder, group: G, key: K) -> Self {
        let group_hash = hasher.hash_one(&group);
        let hash = hasher.hash_one((group_hash, &key));
        Self { group, key, group_hash, hash }
    }
}

// ===== impl LaneRow =====

impl<G, K, T> LaneRow<G, K, T> {
    pub(super) fn new(name: Name<G, K>, group: u32) -> Self {
        Self {
            name,
            group,
            class: Class::Fresh,
            window: 1,
            waiting: VecDeque::new(),
            under_way: 0,
            late: 0,
            items: 0,
            bytes: 0,
            held: None,
            below: Below::default(),
            start: None,
            visit: None,
            rest: Rest::Busy,
            spare: In::default(),
        }
    }

    pub(super) fn may_start(&self) -> bool {
        !self.waiting.is_empty() && self.held.is_none() && self.under_way < self.window
    }

    /// Whether something below may come up: by so many at least, or each visit would bring one.
    pub(super) fn may_be_visited(&self, most: usize, bytes: usize) -> bool {
        let has_room = self.items * 2 <= most && self.bytes < bytes;
        self.below.is_due && self.below.visit.is_none() && self.held.is_none() && has_room
    }

    pub(super) fn rest(&self, now: Instant) -> Rest {
        let is_busy = self.items > 0 || self.held.is_some() || self.below.visit.is_some();
        match (self.below.due, self.rest) {
            _ if is_busy => Rest::Busy,
            (Some(_), _) if self.below.is_due => Rest::Busy,
            (Some(due), _) => Rest::Asleep(due),
            (None, Rest::Idle(since)) => Rest::Idle(since),
            (None, _) => Rest::Idle(now),
        }
    }

    /// Puts an item where it belongs among those that wait.
    pub(super) fn put(&mut self, waiting: Waiting<T>) {
        let at = self.waiting.partition_point(|other| other.number < waiting.number);
        self.waiting.insert(at, waiting);
    }
}

// ===== impl Below =====

impl Below {
    /// Whether what comes now would pass something.
    pub(super) fn is_before(&self, now: Timestamp) -> bool {
        self.due.is_some_and(|due| due <= now) || self.visit.is_some() && !self.is_told
    }
}

// ===== impl GroupRow =====

impl<G> GroupRow<G> {
    pub(super) fn new(key: G, hash: u64) -> Self {
        let (starts, visits) = (Part::default(), Part::default());
        Self { key, hash, lanes: 0, items: 0, bytes: 0, held: None, starts, visits }
    }

    /// Whether it has less than half of the memory.
    pub(super) fn has_room(&self, items: usize, bytes: usize) -> bool {
        self.items < items.div_ceil(2) && self.bytes < bytes.div_ceil(2)
    }
}
