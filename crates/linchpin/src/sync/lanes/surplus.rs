//! What lanes have in memory and are not worth any more: it goes below, and leaves its room to the others.

use std::collections::BTreeSet;
use std::fmt;
use std::hash::Hash;
use std::ops::Deref;

use super::Lanes;
use super::class::Class;
use super::machine::Machine;
use super::options::LITTLE;
use super::rows::{LaneRow, Waiting};
use crate::time::Timestamp;

/// An item that is to be laid below: its lane has become slow or is held for long, and has more in memory than it is worth.
///
/// It has its room in memory until it is [laid](Self::laid). Dropped before that it goes back to where it came from, and is
/// called again at once: so wait first if it could not be laid below.
#[must_use = "dropping it at once puts it back"]
pub struct Surplus<G: Clone + Eq + Hash, K: Clone + Eq + Hash, T> {
    lanes: Lanes<G, K, T>,
    lane: u32,
    /// Unless it was laid below.
    waiting: Option<Waiting<T>>,
}

/// The lanes with something that waits in memory and could be laid below.
#[derive(Debug, Default)]
pub(super) struct Spare {
    /// Those with more than they are worth.
    over: BTreeSet<u32>,
    /// The slow ones.
    slow: BTreeSet<u32>,
    /// Those that are held for long.
    held: BTreeSet<u32>,
    /// So many items are on their way.
    leaving: usize,
}

/// In which of them a lane is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct In {
    over: bool,
    slow: bool,
    held: bool,
}

// ===== impl Surplus =====

impl<G: Clone + Eq + Hash, K: Clone + Eq + Hash, T> Surplus<G, K, T> {
    pub(super) fn new(lanes: Lanes<G, K, T>, (lane, waiting): (u32, Waiting<T>)) -> Self {
        Self { lanes, lane, waiting: Some(waiting) }
    }

    /// It lies below from now on, and is due then.
    ///
    /// Say so where it is seen, before another can write.
    pub fn laid(mut self, due: Timestamp) {
        if let Some(waiting) = self.waiting.take() {
            self.lanes.with(|machine| machine.laid(self.lane, waiting.bytes, due));
        }
    }
}

impl<G: Clone + Eq + Hash, K: Clone + Eq + Hash, T> Deref for Surplus<G, K, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.waiting.as_ref().expect("only laying it below takes the item, and that consumes").item
    }
}

impl<G: Clone + Eq + Hash, K: Clone + Eq + Hash, T> Drop for Surplus<G, K, T> {
    fn drop(&mut self) {
        if let Some(waiting) = self.waiting.take() {
            self.lanes.with(|machine| machine.keep(self.lane, waiting));
        }
    }
}

impl<G, K, T> fmt::Debug for Surplus<G, K, T>
where
    G: Clone + Eq + Hash,
    K: Clone + Eq + Hash,
    T: fmt::Debug,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Surplus").field(&**self).finish()
    }
}

// ===== impl Machine =====

impl<G: Clone + Eq, K: Clone + Eq, T> Machine<G, K, T> {
    /// Whether a lane that is held is so for longer than one waits for an answer.
    fn is_held_long(&self, row: &LaneRow<G, K, T>) -> bool {
        row.held.is_some_and(|until| until - self.now > self.options.slow_after)
    }

    /// Notes of a lane that has changed what it could leave to others.
    pub(super) fn settle_spare(&mut self, lane: u32) {
        let Some(row) = self.lanes.get(lane) else { return };
        let (slow, held) = (row.class == Class::Slow, self.is_held_long(row));
        let (slow, held) = (slow && !row.waiting.is_empty(), held && !row.waiting.is_empty());
        // What was answered is on its way out.
        let over = (slow || held) && row.waiting.len() + row.under_way > LITTLE;
        let (before, now) = (row.spare, In { over, slow, held });
        if before != now {
            self.lane(lane).spare = now;
            let Spare { over, slow, held, .. } = &mut self.spare;
            for (lanes, is_in) in [(over, now.over), (slow, now.slow), (held, now.held)] {
                if is_in {
                    lanes.insert(lane)
                } else {
                    lanes.remove(&lane)
                };
            }
        }
    }

    /// A lane of which an item is to be laid below.
    ///
    /// First who has more than it is worth; then the slow ones while they have more than their share, since they were not
    /// slow when they took it; then those that are held, while little is left to all others.
    fn overfull(&self) -> Option<u32> {
        let Spare { over, slow, held, leaving } = &self.spare;
        let is_over = |class: Class| {
            let (items, bytes) = (self.options.items, self.options.bytes);
            self.items.used(class).saturating_sub(*leaving) > class.share(items)
                || self.bytes.used(class) > class.share(bytes)
        };
        let is_tight = || {
            let all: usize = Class::ALL.into_iter().map(|class| self.items.used(class)).sum();
            all - leaving > self.options.items - self.options.items / 4
        };
        let slow = || slow.first().filter(|_| is_over(Class::Slow));
        let held = || held.first().filter(|_| is_tight());
        over.first().or_else(slow).or_else(held).copied()
    }

    pub(super) fn has_surplus(&self) -> bool {
        self.overfull().is_some()
    }

    /// Takes out up to `most` items that are to be laid below, of each lane the newest first.
    pub(super) fn surplus(&mut self, most: usize) -> Vec<(u32, Waiting<T>)> {
        let mut taken = Vec::new();
        while taken.len() < most
            && let Some(lane) = self.overfull()
            && let Some(waiting) = self.lane(lane).waiting.pop_back()
        {
            self.spare.leaving += 1;
            self.settle(lane);
            taken.push((lane, waiting));
        }
        taken
    }

    /// An item lies below.
    fn laid(&mut self, lane: u32, bytes: usize, due: Timestamp) {
        self.spare.leaving -= 1;
        // Before its room is free: what comes anew must not pass it.
        self.due_at(lane, due);
        self.stand(lane, bytes);
    }

    /// An item stays.
    fn keep(&mut self, lane: u32, waiting: Waiting<T>) {
        self.spare.leaving -= 1;
        self.lane(lane).put(waiting);
        self.settle(lane);
    }
}
