//! A lane by its name.

use std::fmt;
use std::hash::Hash;

use super::rows::Name;
use super::{Full, Lanes, Seat};
use crate::time::Timestamp;

/// A lane of [`Lanes`]: where things for it are said. It need not be known yet.
#[must_use = "it does nothing by itself"]
pub struct Lane<'a, G, K, T> {
    lanes: &'a Lanes<G, K, T>,
    name: Name<G, K>,
}

impl<'a, G: Clone + Eq + Hash, K: Clone + Eq + Hash, T> Lane<'a, G, K, T> {
    pub(super) fn new(lanes: &'a Lanes<G, K, T>, group: G, key: K) -> Self {
        Self { lanes, name: Name::new(&lanes.0.hasher, group, key) }
    }

    /// Takes room in memory for an item of so many bytes.
    ///
    /// # Errors
    ///
    /// [`Full`], if the lane, its group, its class or the memory has as much as it may have; if something of the lane lies
    /// below and is due, which is to go first; or if one lane more cannot be known. Then the item is to be laid below.
    pub fn offer(&self, bytes: usize) -> Result<Seat<G, K, T>, Full> {
        let today = self.lanes.today();
        let lane = self.lanes.with(|machine| machine.offer(&self.name, bytes, today))?;
        Ok(Seat::new(self.lanes.clone(), lane, bytes))
    }

    /// Tells that something of the lane lies below and is due at `due`. It is [visited](Lanes::visits) then.
    ///
    /// Tell it in the order in which it is done, with what [visits leave](super::Visit::leaves): where writes have one writer,
    /// in the write itself. What is told and then not written costs a visit that finds nothing.
    ///
    /// # Errors
    ///
    /// [`Full`], if one lane more cannot be known. It is not forgotten that there is one: see [`Lanes::unlisted`].
    pub fn stored(&self, due: Timestamp) -> Result<(), Full> {
        self.lanes.with(|machine| machine.store(&self.name, due))
    }

    /// Lets the lane go on, if it was [held](super::Started::hold). Whether something of it may start now, when its turn comes.
    pub fn release(&self) -> bool {
        self.lanes.with(|machine| machine.release_lane(&self.name))
    }

    /// Takes out all items that wait, in their order. What is under way stays so.
    #[must_use = "they are in no lane any more"]
    pub fn take_back(&self) -> Vec<T> {
        self.lanes.with(|machine| machine.take_back(&self.name))
    }
}

impl<G: fmt::Debug, K: fmt::Debug, T> fmt::Debug for Lane<'_, G, K, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Lane").field(&self.name.group).field(&self.name.key).finish()
    }
}
