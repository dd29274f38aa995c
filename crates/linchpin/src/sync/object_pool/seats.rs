//! What single threads keep: a few objects for each, reached by nobody else.
//!
//! To hand an object from thread to thread takes a locked instruction, or a lock with two. Most objects go back to the
//! thread that took them, so those are not shared at all: a thread comes to its own by plain loads and stores. It has a
//! drawer for each kind of object, and the last that came back is the first to go out, as its memory is warm.

#![expect(
    unsafe_code,
    reason = "what one thread alone may reach cannot be had in a shared place by safe means"
)]

use crossbeam_utils::CachePadded;
use smallvec::SmallVec;

use crate::shim::UnsafeCell;
use crate::shim::atomic::Ordering::Relaxed;
use crate::shim::atomic::{AtomicBool, AtomicU64};
use crate::sync::seat::Mine;

/// What is kept at each of the first seats of the process.
pub(super) struct Seats<T> {
    seats: Box<[CachePadded<Seat<T>>]>,
}

struct Seat<T> {
    own: UnsafeCell<Drawers<T>>,
    /// All was cleared, and who sits here has not heard of it: what lies in the drawers is to be dropped.
    stale: AtomicBool,
    traffic: Traffic,
}

/// What a thread keeps: of each kind as many as the capacity says. None at all before the first is opened.
///
/// Each has cache lines of its own, since it lies where the allocator puts it: beside another thread's, perhaps.
type Drawers<T> = Box<[CachePadded<Vec<Box<T>>>]>;

/// How many were taken, those that had to be made too, and how many came back, those that were not kept too.
#[derive(Default)]
pub(super) struct Traffic {
    pub(super) taken: AtomicU64,
    pub(super) given: AtomicU64,
}

/// Several that leave a drawer together.
pub(super) type Several<T> = SmallVec<[Box<T>; 8]>;

// SAFETY: as for a mutex around what each thread keeps. Objects are handed from thread to thread, since a seat is
// (`Send`); two threads are never at one seat, which `Mine` proves.
unsafe impl<T: Send> Sync for Seats<T> {}

impl<T> Seats<T> {
    pub(super) fn new(seats: usize) -> Self {
        Self { seats: (0..seats).map(|_| CachePadded::new(Seat::new())).collect() }
    }

    /// Takes the last that came back, and counts it.
    #[inline]
    pub(super) fn pop(&self, mine: Mine, kind: usize) -> Option<Box<T>> {
        self.with(mine, |own, seat| {
            if seat.stale.load(Relaxed) {
                return None;
            }
            let object = own.get_mut(kind)?.pop()?;
            add_own(&seat.traffic.taken);
            Some(object)
        })?
    }

    /// Has one back, and counts it, if there is room. Otherwise it comes out again.
    #[inline]
    pub(super) fn push(&self, mine: Mine, kind: usize, object: Box<T>) -> Result<(), Box<T>> {
        let mut object = Some(object);
        self.with(mine, |own, seat| {
            if seat.stale.load(Relaxed) {
                return None;
            }
            let drawer = own.get_mut(kind)?;
            if drawer.len() < drawer.capacity() {
                drawer.push(object.take()?);
                add_own(&seat.traffic.given);
            }
            Some(())
        });
        object.map_or(Ok(()), Err)
    }

    /// Counts one that is taken; whether this thread has a seat here.
    pub(super) fn count_taken(&self, mine: Mine) -> bool {
        self.with(mine, |_, seat| add_own(&seat.traffic.taken)).is_some()
    }

    /// Counts one that came back; whether this thread has a seat here.
    pub(super) fn count_given(&self, mine: Mine) -> bool {
        self.with(mine, |_, seat| add_own(&seat.traffic.given)).is_some()
    }

    /// Makes a drawer for `size` of that kind, one of so many kinds; whether there was none.
    pub(super) fn open(&self, mine: Mine, kind: usize, kinds: usize, size: usize) -> bool {
        let is_open = |own: &mut Drawers<T>, _: &Seat<T>| {
            own.get(kind).is_some_and(|drawer| drawer.capacity() >= size)
        };
        if self.with(mine, is_open).unwrap_or(true) {
            return false;
        }
        // Made and dropped outside, since an allocator is foreign code, too.
        let mut drawers: Drawers<T> = (0..kinds).map(|_| CachePadded::default()).collect();
        let mut drawer = CachePadded::new(Vec::with_capacity(size));
        self.with(mine, |own, _| {
            if own.is_empty() {
                std::mem::swap(own, &mut drawers);
            }
            if let Some(closed) = own.get_mut(kind).filter(|closed| closed.capacity() < size) {
                std::mem::swap(closed, &mut drawer);
            }
        });
        true
    }

    /// Has one back that was taken out by [`take_half`](Self::take_half).
    pub(super) fn push_back(&self, mine: Mine, kind: usize, object: Box<T>) -> Option<Box<T>> {
        let mut object = Some(object);
        self.with(mine, |own, _| {
            let drawer = own.get_mut(kind).filter(|drawer| drawer.len() < drawer.capacity())?;
            drawer.extend(object.take());
            Some(())
        });
        object
    }

    /// Pushes what `more` gives, until the drawer is half full. It must be plain data.
    pub(super) fn refill(&self, mine: Mine, kind: usize, more: &mut impl Iterator<Item = Box<T>>) {
        self.with(mine, |own, _| {
            let drawer = own.get_mut(kind)?;
            let room = (drawer.capacity() / 2).saturating_sub(drawer.len());
            drawer.extend(more.take(room));
            Some(())
        });
    }

    /// Takes the half of a drawer that has lain there longest.
    pub(super) fn take_half(&self, mine: Mine, kind: usize) -> Several<T> {
        let half = self.with(mine, |own, _| own.get(kind).map_or(0, |drawer| drawer.len() / 2));
        let half = half.unwrap_or(0);
        // Before, since an allocator is foreign code, too.
        let mut taken = Several::with_capacity(half);
        self.with(mine, |own, _| {
            let drawer = own.get_mut(kind)?;
            let half = half.min(drawer.len());
            taken.extend(drawer.drain(..half));
            Some(())
        });
        taken
    }

    /// Says at each seat that all was cleared.
    pub(super) fn mark_stale(&self) {
        self.seats.iter().for_each(|seat| seat.stale.store(true, Relaxed));
    }

    /// Whether all was cleared and this thread has not done its part.
    pub(super) fn is_stale(&self, mine: Mine) -> bool {
        self.with(mine, |_, seat| seat.stale.load(Relaxed)).unwrap_or(false)
    }

    /// Takes all that this thread keeps, if all was cleared.
    pub(super) fn take_stale(&self, mine: Mine) -> Option<impl Iterator<Item = Box<T>>> {
        let drawers = self.with(mine, |own, seat| {
            let stale = seat.stale.load(Relaxed) && seat.stale.swap(false, Relaxed);
            stale.then(|| std::mem::take(own))
        })??;
        Some(all_of(drawers))
    }

    /// The traffic at each seat.
    pub(super) fn traffic(&self) -> impl Iterator<Item = &Traffic> {
        self.seats.iter().map(|seat| &seat.traffic)
    }

    /// All that all threads keep, once nobody else is there.
    pub(super) fn into_all(self) -> impl Iterator<Item = Box<T>> {
        let seats = self.seats.into_iter().map(CachePadded::into_inner);
        seats.flat_map(|seat| all_of(seat.own.into_inner()))
    }

    /// Works on what this thread keeps; `None`, and nothing happens, if it has no seat here.
    ///
    /// `work` runs no foreign code, nor does it allocate: nothing that could come here again, and it is all in this file.
    #[inline]
    fn with<R>(&self, mine: Mine, work: impl FnOnce(&mut Drawers<T>, &Seat<T>) -> R) -> Option<R> {
        let seat = self.seats.get(mine.number())?;
        // SAFETY: this thread alone has the seat as long as it lives, and who had it before gave it back under a lock. That
        // `work` does not come here again is said above.
        seat.own.with_mut(|own| Some(work(unsafe { &mut *own }, seat)))
    }
}

impl<T> Seat<T> {
    fn new() -> Self {
        Self {
            own: UnsafeCell::new(Drawers::default()),
            stale: AtomicBool::new(false),
            traffic: Traffic::default(),
        }
    }
}

fn all_of<T>(drawers: Drawers<T>) -> impl Iterator<Item = Box<T>> {
    drawers.into_iter().flat_map(CachePadded::into_inner)
}

/// Adds one where nobody else does.
#[inline]
fn add_own(count: &AtomicU64) {
    count.store(count.load(Relaxed).wrapping_add(1), Relaxed);
}
