//! What is received: a message, or as many as are there.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use super::log::{Entry, Segment};

/// A message, lent to a [`Subscriber`](super::Subscriber).
pub struct Message<'a, T> {
    entry: &'a Entry<T>,
    /// The name of the feed it was read from.
    feed: &'a Arc<str>,
    missed: u64,
}

/// Messages that were there, one after the other: the result of [`Subscriber::recv_many`](super::Subscriber::recv_many).
///
/// They are all received, whether or not they are taken out of it.
pub struct Batch<'a, T> {
    pub(super) feed: &'a Arc<str>,
    pub(super) segment: &'a Segment<T>,
    pub(super) next: u64,
    pub(super) end: u64,
    pub(super) missed: u64,
}

// ===== impl Message =====

impl<'a, T> Message<'a, T> {
    #[inline]
    pub(super) fn of(entry: &'a Entry<T>, feed: &'a Arc<str>, missed: u64) -> Self {
        Self { entry, feed, missed }
    }

    /// The topic that it was published to.
    #[must_use]
    pub fn topic(&self) -> &'a str {
        self.entry.topic().unwrap_or(self.feed)
    }

    /// How many messages this subscriber has lost between the one that it received before and this one.
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.missed
    }

    /// The message, for as long as it is lent.
    #[must_use]
    pub fn into_inner(self) -> &'a T {
        self.entry.value()
    }
}

impl<T> Clone for Message<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Message<'_, T> {}

impl<T> Deref for Message<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.entry.value()
    }
}

impl<T: fmt::Debug> fmt::Debug for Message<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("topic", &self.topic())
            .field("value", &**self)
            .field("missed", &self.missed)
            .finish()
    }
}

// ===== impl Batch =====

impl<'a, T> Iterator for Batch<'a, T> {
    type Item = Message<'a, T>;

    fn next(&mut self) -> Option<Message<'a, T>> {
        if self.next == self.end {
            return None;
        }
        let entry = self.segment.get(self.next)?;
        self.next += 1;
        Some(Message::of(entry, self.feed, std::mem::take(&mut self.missed)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = (self.end - self.next) as usize;
        (left, Some(left))
    }
}

impl<T> ExactSizeIterator for Batch<'_, T> {}

impl<T> fmt::Debug for Batch<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch").field("len", &self.len()).finish_non_exhaustive()
    }
}
