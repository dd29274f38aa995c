//! A stretch of a log: places that are written once, one after the other, by one hand, and read in place by many.
//!
//! A number says how many are written. Whoever sees it sees what is in them, and nothing is written there any more, so a
//! reader takes no lock and makes no atomic change. The hand is a [`Pen`], of which there is one for each segment.

#![expect(
    unsafe_code,
    reason = "a place that is written once takes two locked instructions by safe means, as many as the lock above it"
)]

use std::mem::MaybeUninit;
use std::sync::Arc;

use crate::shim::atomic::Ordering::{Acquire, Relaxed, Release};
use crate::shim::atomic::{AtomicBool, AtomicUsize};
use crate::shim::{Fault, UnsafeCell, planted};
use crate::task::each_contained;

/// So many places, of which the first has the number `base` in the log.
pub(crate) struct Segment<E> {
    base: u64,
    /// How many places are written, from the first on. The pen alone changes it.
    written: AtomicUsize,
    /// Whether there is anything to be dropped in them.
    owes: AtomicBool,
    places: Box<[UnsafeCell<MaybeUninit<E>>]>,
}

/// What stands in a segment.
pub(super) trait Placed {
    /// Whether something is to be done when it is dropped.
    fn owes_a_drop(&self) -> bool;
}

/// The one hand that writes a segment.
pub(super) struct Pen<E>(Arc<Segment<E>>);

/// The next place of a segment, with the pen upon it.
pub(super) struct Blank<'a, E> {
    segment: &'a Segment<E>,
    place: &'a UnsafeCell<MaybeUninit<E>>,
    written: usize,
}

// SAFETY: as for std's `OnceLock`. Entries are handed from thread to thread (`Send`), and read by several at once (`Sync`);
// a place is written by the one who has the pen, before it is counted, and read by others once it is.
unsafe impl<E: Send + Sync> Sync for Segment<E> {}

// ===== impl Segment =====

impl<E> Segment<E> {
    fn new(base: u64, length: usize) -> Arc<Self> {
        let places = (0..length).map(|_| UnsafeCell::new(MaybeUninit::uninit())).collect();
        let (written, owes) = (AtomicUsize::new(0), AtomicBool::new(false));
        Arc::new(Self { base, written, owes, places })
    }

    /// One without any place.
    pub(super) fn empty() -> Arc<Self> {
        Self::new(0, 0)
    }

    pub(super) fn base(&self) -> u64 {
        self.base
    }

    pub(super) fn end(&self) -> u64 {
        self.base + self.places.len() as u64
    }

    /// How many from `at` on are written.
    #[inline]
    pub(super) fn written(&self, at: u64) -> usize {
        let written = self.written.load(Acquire);
        written.saturating_sub(at.wrapping_sub(self.base).try_into().unwrap_or(usize::MAX))
    }

    /// What is written at `at`, if something is.
    #[inline]
    pub(super) fn get(&self, at: u64) -> Option<&E> {
        let index = at.wrapping_sub(self.base);
        if index >= self.written.load(Acquire) as u64 {
            return None;
        }
        let place = self.places.get(index as usize)?;
        // SAFETY: it is written, since that many are, and nobody writes there again.
        place.with(|entry| Some(unsafe { (*entry).assume_init_ref() }))
    }
}

impl<E> Drop for Segment<E> {
    /// Whoever comes by lets go of what others wrote: a panic in that is not theirs, and does not stop at two.
    fn drop(&mut self) {
        // Whoever comes last sees all that the pen has done.
        if !self.owes.load(Relaxed) {
            return;
        }
        let written = self.places.iter().take(self.written.load(Relaxed));
        each_contained("bus", "a message panicked when it was dropped", written, |place| {
            // SAFETY: it is written, nobody else has the segment, and each is visited once.
            place.with_mut(|entry| unsafe { (*entry).assume_init_drop() });
        });
    }
}

// ===== impl Pen =====

impl<E> Pen<E> {
    /// A segment of which nothing is written yet.
    pub(super) fn new(base: u64, length: usize) -> Self {
        Self(Segment::new(base, length))
    }

    /// The next place to be written, if there is one more.
    #[inline]
    pub(super) fn place(&mut self) -> Option<Blank<'_, E>> {
        let segment = &*self.0;
        let written = segment.written.load(Relaxed);
        segment.places.get(written).map(|place| Blank { segment, place, written })
    }

    /// What it writes.
    pub(super) fn segment(&self) -> &Arc<Segment<E>> {
        &self.0
    }

    /// Lets go of the pen: nothing more will be written there.
    pub(super) fn into_segment(self) -> Arc<Segment<E>> {
        self.0
    }
}

// ===== impl Blank =====

impl<E: Placed> Blank<'_, E> {
    /// Writes it, and counts it.
    #[inline]
    pub(super) fn write(self, entry: E) {
        if entry.owes_a_drop() {
            self.segment.owes.store(true, Relaxed);
        }
        // SAFETY: there is one pen, borrowed here, and nobody reads what is not counted yet.
        self.place.with_mut(|place| unsafe {
            (*place).write(entry);
        });
        let order = if planted(Fault::BusHandsNothingOn) { Relaxed } else { Release };
        self.segment.written.store(self.written + 1, order);
    }
}
