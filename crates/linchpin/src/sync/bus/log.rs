//! The log of a feed: messages in the order in which they were published, each written once and read in place.
//!
//! It is made of segments, each with a place for so many messages. A reader holds the segment that it is in and reads
//! it without a lock; it comes to the log under the lock of the feed only where the next begins.

use std::collections::VecDeque;
use std::mem::needs_drop;
use std::sync::Arc;

use crate::shim::Slot;
use crate::task::contained;

/// A message in its place.
#[derive(Debug)]
pub(crate) enum Entry<T> {
    /// Of this feed alone.
    Own(T),
    /// In the feeds of patterns too, or kept for replay.
    Shared(Arc<Envelope<T>>),
}

/// A message that stands in several feeds.
#[derive(Debug)]
pub(crate) struct Envelope<T> {
    pub(super) topic: Arc<str>,
    /// Its place among all of the bus that are shared.
    pub(super) order: u64,
    pub(super) value: T,
}

/// So many places.
#[derive(Debug)]
pub(crate) struct Segment<T> {
    base: u64,
    places: Box<[Slot<Entry<T>>]>,
}

#[derive(Debug)]
pub(super) struct Log<T> {
    /// In order, but not without gaps: what nobody will read is not kept.
    segments: VecDeque<Arc<Segment<T>>>,
}

/// A segment begins small, for topics with few messages, and each is twice as long as the one before, up to this ...
const LONGEST: usize = 64;
const SHORTEST: usize = 4;
/// ... or up to about so many bytes.
const LARGEST: usize = 16 << 10;

// ===== impl Entry =====

impl<T> Entry<T> {
    pub(super) fn value(&self) -> &T {
        match self {
            Self::Own(value) => value,
            Self::Shared(envelope) => &envelope.value,
        }
    }

    /// The topic it was published to, if that is not the feed's own.
    pub(super) fn topic(&self) -> Option<&str> {
        match self {
            Self::Own(_) => None,
            Self::Shared(envelope) => Some(&envelope.topic),
        }
    }
}

// ===== impl Segment =====

impl<T> Segment<T> {
    fn new(base: u64, length: usize) -> Arc<Self> {
        Arc::new(Self { base, places: (0..length).map(|_| Slot::new()).collect() })
    }

    /// One without any place.
    pub(super) fn empty() -> Arc<Self> {
        Self::new(0, 0)
    }

    /// The message at `at`, if it has been written; `at` is in this segment, or not far behind.
    #[inline]
    pub(super) fn get(&self, at: u64) -> Option<&Entry<T>> {
        self.places.get(at.wrapping_sub(self.base) as usize)?.get()
    }

    /// How many from `at` on have been written, `most` at the most.
    pub(super) fn written(&self, at: u64, most: usize) -> usize {
        let from = at.wrapping_sub(self.base) as usize;
        let places = self.places.get(from..).unwrap_or_default();
        places.iter().take(most).take_while(|place| place.get().is_some()).count()
    }

    pub(super) fn end(&self) -> u64 {
        self.base + self.places.len() as u64
    }
}

impl<T> Drop for Segment<T> {
    /// Whoever comes by lets go of what others published: a panic in that is not theirs, and does not stop at two.
    fn drop(&mut self) {
        if needs_drop::<T>() {
            for entry in self.places.iter_mut().filter_map(Slot::take) {
                contained("bus", "a message panicked when it was dropped", || drop(entry));
            }
        }
    }
}

// ===== impl Log =====

impl<T> Log<T> {
    pub(super) const fn new() -> Self {
        Self { segments: VecDeque::new() }
    }

    /// Writes what is `at` the end. The last segment must reach there: see [`grow`](Self::grow).
    #[inline]
    pub(super) fn write(&self, at: u64, entry: Entry<T>) {
        if let Some(last) = self.segments.back() {
            last.places[(at - last.base) as usize].set(entry);
        }
    }

    /// Whether there is a place for what is `at` the end.
    #[inline]
    pub(super) fn reaches(&self, at: u64) -> bool {
        self.segments.back().is_some_and(|last| at < last.end())
    }

    /// Adds a segment that begins `at` the end.
    pub(super) fn grow(&mut self, at: u64) {
        let most = (LARGEST / size_of::<Slot<Entry<T>>>()).clamp(SHORTEST, LONGEST);
        let before = self.segments.back().map_or(0, |last| last.places.len());
        self.segments.push_back(Segment::new(at, (before * 2).clamp(SHORTEST, most)));
    }

    /// The segment in which `at` is.
    pub(super) fn segment(&self, at: u64) -> Option<&Arc<Segment<T>>> {
        let behind = self.segments.partition_point(|segment| segment.base <= at);
        self.segments.get(behind.checked_sub(1)?).filter(|segment| at < segment.end())
    }

    /// Lets go of segments of which nothing `is_needed`, but for the last. They are to be dropped outside of the lock.
    pub(super) fn trim(&mut self, is_needed: impl Fn(u64, u64) -> bool) -> Vec<Arc<Segment<T>>> {
        let Some(last) = self.segments.pop_back() else { return Vec::new() };
        let (kept, gone) = self
            .segments
            .drain(..)
            .partition::<Vec<_>, _>(|segment| is_needed(segment.base, segment.end()));
        self.segments.extend(kept);
        self.segments.push_back(last);
        gone
    }

    /// Lets go of all.
    pub(super) fn clear(&mut self) -> VecDeque<Arc<Segment<T>>> {
        std::mem::take(&mut self.segments)
    }
}
