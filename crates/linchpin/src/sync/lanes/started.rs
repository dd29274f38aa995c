//! An item whose turn has come.

use std::fmt;
use std::hash::Hash;
use std::ops::Deref;

use super::Lanes;
use super::machine::Whom;
use super::rows::Waiting;
use super::work::{Begun, End};
use crate::time::Instant;

/// An item whose turn has come: it has a place among those under way until it is [answered](Self::answered), and room in
/// memory until it is dropped.
///
/// Dropped without an answer it was abandoned: its place is free, and nothing is learnt of its lane.
#[must_use = "dropping it at once loses the item"]
pub struct Started<G: Clone + Eq + Hash, K: Clone + Eq + Hash, T> {
    lanes: Lanes<G, K, T>,
    lane: u32,
    /// While it has a place.
    attempt: Option<u64>,
    /// Unless it was put back.
    waiting: Option<Waiting<T>>,
}

impl<G: Clone + Eq + Hash, K: Clone + Eq + Hash, T> Started<G, K, T> {
    pub(super) fn new(lanes: Lanes<G, K, T>, begun: Begun<T>) -> Self {
        let Begun { lane, attempt, waiting } = begun;
        Self { lanes, lane, attempt: Some(attempt), waiting: Some(waiting) }
    }

    /// There was an answer, whatever it was: the place is free, and the lane is well if it came in time.
    ///
    /// The item stays in memory, for what remains to be done with it.
    pub fn answered(&mut self) {
        self.end(End::Answered);
    }

    /// There was no answer, and none is awaited any more: the place is free, and the lane is slow.
    pub fn timed_out(&mut self) {
        self.end(End::TimedOut);
    }

    fn end(&mut self, end: End) {
        if let Some(attempt) = self.attempt.take() {
            self.lanes.with(|machine| machine.end(attempt, end));
        }
    }

    /// Lets nothing of its lane start before `until`, unless the lane is [released](super::Lane::release). A hold that is
    /// longer stays.
    pub fn hold(&self, until: Instant) {
        self.lanes.with(|machine| machine.hold(Whom::Lane(self.lane), until));
    }

    /// Lets nothing of its whole group start before `until`, unless the group is [released](Lanes::release_group). A hold
    /// that is longer stays.
    pub fn hold_group(&self, until: Instant) {
        self.lanes.with(|machine| machine.hold_group_of(self.lane, until));
    }

    /// Puts the item back where it came from: it is the next of its lane, at the lane's next turn.
    ///
    /// Hold the lane or its group first, or that is at once.
    pub fn put_back(mut self) {
        if let Some(waiting) = self.waiting.take() {
            let attempt = self.attempt.take();
            self.lanes.with(|machine| machine.put_back(self.lane, attempt, waiting));
        }
    }
}

impl<G: Clone + Eq + Hash, K: Clone + Eq + Hash, T> Deref for Started<G, K, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.waiting.as_ref().expect("only putting it back takes the item, and that consumes").item
    }
}

impl<G: Clone + Eq + Hash, K: Clone + Eq + Hash, T> Drop for Started<G, K, T> {
    fn drop(&mut self) {
        let Some(waiting) = self.waiting.take() else { return };
        let attempt = self.attempt.take();
        self.lanes.with(|machine| {
            if let Some(attempt) = attempt {
                machine.end(attempt, End::Abandoned);
            }
            machine.stand(self.lane, waiting.bytes);
        });
    }
}

impl<G, K, T> fmt::Debug for Started<G, K, T>
where
    G: Clone + Eq + Hash,
    K: Clone + Eq + Hash,
    T: fmt::Debug,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Started")
            .field("item", &**self)
            .field("has_place", &self.attempt.is_some())
            .finish_non_exhaustive()
    }
}
