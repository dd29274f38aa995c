//! A lane of which something is to come up from below.

use std::fmt;
use std::hash::Hash;

use super::{Full, Lanes, Seat};
use crate::time::Timestamp;

/// A lane of which something below is due and has room in memory. No other visit goes to it meanwhile.
///
/// Take a [seat](Self::seat) for each item, up to [`room`](Self::room), tell what [is left](Self::leaves), and say that it is
/// [done](Self::done). Dropped before that it came to nothing: what was due is still due, and the lane is visited again
/// at its turn, so wait first if it failed.
#[must_use = "dropping it at once calls the lane again"]
pub struct Visit<G: Clone + Eq + Hash, K: Clone + Eq + Hash, T> {
    guard: Guard<G, K, T>,
    key: (G, K),
    room: usize,
}

/// A lane that is being visited.
pub(super) struct Guard<G: Clone + Eq + Hash, K: Clone + Eq + Hash, T> {
    lanes: Lanes<G, K, T>,
    lane: u32,
    is_done: bool,
}

impl<G: Clone + Eq + Hash, K: Clone + Eq + Hash, T> Visit<G, K, T> {
    pub(super) fn new(guard: Guard<G, K, T>, room: usize) -> Self {
        let key = guard.lanes.with(|machine| {
            let name = &machine.lane(guard.lane).name;
            (name.group.clone(), name.key.clone())
        });
        Self { guard, key, room }
    }

    /// The group of the lane.
    #[must_use]
    pub fn group(&self) -> &G {
        &self.key.0
    }

    /// The lane.
    #[must_use]
    pub fn key(&self) -> &K {
        &self.key.1
    }

    /// How many items it had room for when it was called: at least one.
    #[must_use]
    pub fn room(&self) -> usize {
        self.room
    }

    /// Takes room in memory for an item of so many bytes that comes up.
    ///
    /// # Errors
    ///
    /// [`Full`], if others have taken the room meanwhile, or the items before have. It stays below.
    pub fn seat(&self, bytes: usize) -> Result<Seat<G, K, T>, Full> {
        let Guard { lanes, lane, .. } = &self.guard;
        lanes.with(|machine| machine.sit(*lane, bytes))?;
        Ok(Seat::new(lanes.clone(), *lane, bytes))
    }

    /// Tells what is left below: something that is due at `next`, or nothing.
    ///
    /// That replaces all that was [told](super::Lane::stored) of the lane before, and from now on new items may come into memory
    /// if nothing is due. So tell it where it is seen, before another can write.
    pub fn leaves(&mut self, next: Option<Timestamp>) {
        let Guard { lanes, lane, .. } = &self.guard;
        lanes.with(|machine| machine.leave(*lane, next));
    }

    /// It is over, and what it has told is so.
    pub fn done(mut self) {
        self.guard.is_done = true;
    }
}

impl<G: Clone + Eq + Hash, K: Clone + Eq + Hash, T> Guard<G, K, T> {
    pub(super) fn new(lanes: Lanes<G, K, T>, lane: u32) -> Self {
        Self { lanes, lane, is_done: false }
    }
}

impl<G: Clone + Eq + Hash, K: Clone + Eq + Hash, T> Drop for Guard<G, K, T> {
    fn drop(&mut self) {
        self.lanes.with(|machine| machine.visited(self.lane, self.is_done));
    }
}

impl<G, K, T> fmt::Debug for Visit<G, K, T>
where
    G: Clone + Eq + Hash + fmt::Debug,
    K: Clone + Eq + Hash + fmt::Debug,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Visit")
            .field("group", self.group())
            .field("key", self.key())
            .field("room", &self.room())
            .finish_non_exhaustive()
    }
}
