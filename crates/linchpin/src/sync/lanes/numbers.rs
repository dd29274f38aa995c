//! What lanes have, and which are the slowest.

use std::collections::HashSet;
use std::time::Duration;

use super::class::Class;
use super::machine::Machine;
use crate::time::Timestamp;

/// What the lanes of a class have now.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Numbers {
    /// Lanes that are known.
    pub lanes: usize,
    /// Items under way.
    pub under_way: usize,
    /// Items in memory: seats that were given, and items until they are dropped.
    pub items: usize,
    /// What these weigh.
    pub bytes: usize,
}

/// A lane as it is now.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Listed<G, K> {
    /// Its group.
    pub group: G,
    /// The lane.
    pub key: K,
    /// What it costs.
    pub class: Class,
    /// Items that wait in memory.
    pub waiting: usize,
    /// Items under way.
    pub under_way: usize,
    /// For how long the oldest of them has been.
    pub longest: Duration,
    /// For how long it is held still, by itself or with its group.
    pub held: Option<Duration>,
    /// When something that lies below is due.
    pub below: Option<Timestamp>,
}

impl<G: Clone + Eq, K: Clone + Eq, T> Machine<G, K, T> {
    pub(super) fn numbers(&self, class: Class) -> Numbers {
        Numbers {
            lanes: self.counts[class as usize],
            under_way: self.places.used(class),
            items: self.items.used(class),
            bytes: self.bytes.used(class),
        }
    }

    pub(super) fn oldest_below(&self) -> Option<Timestamp> {
        self.lanes.iter().filter_map(|row| row.below.due.or(row.below.visit)).min()
    }

    pub(super) fn slowest(&self, most: usize) -> Vec<Listed<G, K>> {
        let mut seen = HashSet::new();
        let oldest = self.attempts.values().filter(|attempt| seen.insert(attempt.lane));
        let listed = oldest.filter_map(|attempt| {
            let row = self.lanes.get(attempt.lane)?;
            let group = self.groups.get(row.group)?;
            Some(Listed {
                group: row.name.group.clone(),
                key: row.name.key.clone(),
                class: row.class,
                waiting: row.waiting.len(),
                under_way: row.under_way,
                longest: self.now - attempt.since,
                held: row.held.max(group.held).map(|until| until - self.now),
                below: row.below.due.or(row.below.visit),
            })
        });
        listed.take(most).collect()
    }
}
