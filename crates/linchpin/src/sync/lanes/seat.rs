//! Room in memory for an item that is not there yet.

use std::fmt;
use std::hash::Hash;

use super::Lanes;

/// Room in memory for an item of a lane. Dropping it gives the room back.
#[must_use = "dropping the seat at once gives it back"]
pub struct Seat<G: Clone + Eq + Hash, K: Clone + Eq + Hash, T> {
    lanes: Lanes<G, K, T>,
    lane: u32,
    /// Until it is taken.
    bytes: Option<usize>,
}

impl<G: Clone + Eq + Hash, K: Clone + Eq + Hash, T> Seat<G, K, T> {
    pub(super) fn new(lanes: Lanes<G, K, T>, lane: u32, bytes: usize) -> Self {
        Self { lanes, lane, bytes: Some(bytes) }
    }

    /// Puts the item into its lane, behind those that wait.
    pub fn put(mut self, item: T) {
        if let Some(bytes) = self.bytes.take() {
            self.lanes.with(|machine| machine.put(self.lane, bytes, item));
        }
    }
}

impl<G: Clone + Eq + Hash, K: Clone + Eq + Hash, T> Drop for Seat<G, K, T> {
    fn drop(&mut self) {
        if let Some(bytes) = self.bytes.take() {
            self.lanes.with(|machine| machine.stand(self.lane, bytes));
        }
    }
}

impl<G: Clone + Eq + Hash, K: Clone + Eq + Hash, T> fmt::Debug for Seat<G, K, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seat").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}
