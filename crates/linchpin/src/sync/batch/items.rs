//! What the work gets.

use std::collections::{VecDeque, vec_deque};
use std::fmt;
use std::sync::Arc;

use super::queue::Entry;
use super::slot::{Slot, Slots};

/// The items of one run, in the order in which they came.
///
/// They are answered [all by one function](Self::answer), or one by one: as an iterator it gives each item with its
/// [`Reply`]. What the work has not answered when it is done is answered by its own result.
pub struct Batch<T, R = ()> {
    /// Without their slots.
    entries: VecDeque<Entry<T, R>>,
    /// Shared by the batch as a whole, and not once more for each item.
    slots: Arc<Slots<R>>,
}

/// The way back to the submitter of one item. Dropping it answers nothing.
pub struct Reply<R> {
    slot: Option<Arc<Slot<R>>>,
}

/// The items of a batch, each with its reply.
pub struct IntoIter<T, R> {
    entries: vec_deque::IntoIter<Entry<T, R>>,
    slots: Arc<Slots<R>>,
    next: usize,
}

impl<T, R> Batch<T, R> {
    pub(super) fn new(entries: VecDeque<Entry<T, R>>, slots: Arc<Slots<R>>) -> Self {
        Self { entries, slots }
    }

    /// How many there are: one at least.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none, which is never so when the work gets it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The items, to look at.
    pub fn items(&self) -> impl ExactSizeIterator<Item = &T> {
        self.entries.iter().map(|entry| &entry.item)
    }

    /// Answers each item by `work`.
    pub fn answer(self, mut work: impl FnMut(T) -> R) {
        for (index, entry) in self.entries.into_iter().enumerate() {
            let result = work(entry.item);
            if let Some(Some(slot)) = self.slots.get(index) {
                slot.answer(Ok(result));
            }
        }
    }
}

impl<T, R> IntoIterator for Batch<T, R> {
    type Item = (T, Reply<R>);
    type IntoIter = IntoIter<T, R>;

    fn into_iter(self) -> IntoIter<T, R> {
        IntoIter { entries: self.entries.into_iter(), slots: self.slots, next: 0 }
    }
}

impl<T, R> Iterator for IntoIter<T, R> {
    type Item = (T, Reply<R>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let entry = self.entries.next()?;
        let slot = self.slots.get(self.next).cloned().flatten();
        self.next += 1;
        Some((entry.item, Reply { slot }))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.entries.size_hint()
    }
}

impl<R> Reply<R> {
    /// Answers the item, if anybody waits for it. The submitter has it at once, while the rest of the batch goes on.
    pub fn send(self, result: R) {
        if let Some(slot) = self.slot {
            slot.answer(Ok(result));
        }
    }
}

impl<T, R> fmt::Debug for Batch<T, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch").field("len", &self.len()).finish_non_exhaustive()
    }
}

impl<R> fmt::Debug for Reply<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply").finish_non_exhaustive()
    }
}

impl<T, R> fmt::Debug for IntoIter<T, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IntoIter").field("len", &self.entries.len()).finish_non_exhaustive()
    }
}
