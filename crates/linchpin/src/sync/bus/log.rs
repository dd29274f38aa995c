//! The log of a feed: messages in the order in which they were published, each written once and read in place.
//!
//! It is made of segments, each with a place for so many messages. A reader holds the segment that it is in and reads
//! it without a lock; it comes to the log under the lock of the feed only where the next begins.

use std::collections::VecDeque;
use std::mem::needs_drop;
use std::sync::Arc;

use smallvec::SmallVec;

use super::segment::{self, Blank, Pen, Placed};

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

pub(super) struct Log<T> {
    /// Those that are full, in order, but not without gaps: what nobody will read is not kept.
    full: VecDeque<Arc<Segment<T>>>,
    /// The last, which is written.
    last: Option<Pen<Entry<T>>>,
}

/// The segments of a log.
pub(crate) type Segment<T> = segment::Segment<Entry<T>>;

/// Those that nobody needs any more.
pub(super) type Gone<T> = SmallVec<[Arc<Segment<T>>; 2]>;

/// A segment begins small, for topics with few messages, and each is twice as long as the one before, up to this ...
const LONGEST: usize = 128;
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

impl<T> Placed for Entry<T> {
    #[inline]
    fn owes_a_drop(&self) -> bool {
        match self {
            Self::Own(_) => needs_drop::<T>(),
            Self::Shared(_) => true,
        }
    }
}

// ===== impl Log =====

impl<T> Log<T> {
    pub(super) const fn new() -> Self {
        Self { full: VecDeque::new(), last: None }
    }

    /// The place at the end, if there is one: otherwise see [`grow`](Self::grow).
    #[inline]
    pub(super) fn place(&mut self) -> Option<Blank<'_, Entry<T>>> {
        self.last.as_mut()?.place()
    }

    /// Adds a segment that begins `at` the end; its first place.
    pub(super) fn grow(&mut self, at: u64) -> Blank<'_, Entry<T>> {
        let most = (LARGEST / size_of::<Entry<T>>()).clamp(SHORTEST, LONGEST);
        let before = self.last.take().map(Pen::into_segment);
        let length = before.as_ref().map_or(0, |before| (before.end() - before.base()) as usize);
        self.full.extend(before);
        let pen = self.last.insert(Pen::new(at, (length * 2).clamp(SHORTEST, most)));
        pen.place().expect("a new segment has places")
    }

    /// The segment in which `at` is.
    pub(super) fn segment(&self, at: u64) -> Option<&Arc<Segment<T>>> {
        if let Some(last) = self.last.as_ref().map(Pen::segment).filter(|last| last.base() <= at) {
            return Some(last);
        }
        let behind = self.full.partition_point(|segment| segment.base() <= at);
        self.full.get(behind.checked_sub(1)?).filter(|segment| at < segment.end())
    }

    /// Lets go of segments of which nothing `is_needed`, but for the last. They are to be dropped outside of the lock.
    pub(super) fn trim(&mut self, is_needed: impl Fn(u64, u64) -> bool) -> Gone<T> {
        let mut gone = Gone::new();
        self.full.retain(|segment| {
            let is_needed = is_needed(segment.base(), segment.end());
            if !is_needed {
                gone.push(segment.clone());
            }
            is_needed
        });
        gone
    }

    /// Takes all that is in it out.
    pub(super) fn take(&mut self) -> Self {
        std::mem::replace(self, Self::new())
    }
}
