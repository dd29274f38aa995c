//! What single threads keep: a few objects for each, reached by nobody else.
//!
//! To hand an object from thread to thread takes a locked instruction, or a lock with two. Most objects go back to the
//! thread that took them, so those are not shared at all: a thread comes to its own by plain loads and stores. One of them
//! is *hot*, the last that came back: it has a place of its own, which costs less than the stack for the others.

#![expect(
    unsafe_code,
    reason = "what one thread alone may reach cannot be had in a shared place by safe means"
)]

use crossbeam_utils::CachePadded;
use smallvec::SmallVec;

use crate::shim::UnsafeCell;
use crate::shim::atomic::AtomicU64;
use crate::shim::atomic::Ordering::Relaxed;
use crate::sync::seat::Mine;

/// What is kept at each of the first seats of the process.
pub(super) struct Seats<T> {
    seats: Box<[CachePadded<Seat<T>>]>,
}

struct Seat<T> {
    own: UnsafeCell<Own<T>>,
    traffic: Traffic,
}

/// What a thread keeps.
struct Own<T> {
    hot: Option<Box<T>>,
    /// As many more as its capacity says.
    stack: Vec<Box<T>>,
    /// Of the clearing that it has heard of.
    era: u64,
}

/// How many were taken, those that had to be made too, and how many came back, those that were not kept too.
#[derive(Default)]
pub(super) struct Traffic {
    pub(super) taken: AtomicU64,
    pub(super) given: AtomicU64,
}

/// Several that leave a stack together.
pub(super) type Several<T> = SmallVec<[Box<T>; 8]>;

// SAFETY: as for a mutex around what each thread keeps. Objects are handed from thread to thread, since a seat is
// (`Send`); two threads are never at one seat, which `Mine` proves.
unsafe impl<T: Send> Sync for Seats<T> {}

impl<T> Seats<T> {
    pub(super) fn new(seats: usize) -> Self {
        Self { seats: (0..seats).map(|_| CachePadded::new(Seat::new())).collect() }
    }

    /// Takes the hot one, and counts it, unless it is of another era.
    #[inline]
    pub(super) fn take_hot(&self, mine: Mine, era: u64) -> Option<Box<T>> {
        self.with(mine, |own, traffic| {
            if own.era != era {
                return None;
            }
            let hot = own.hot.take()?;
            add_own(&traffic.taken);
            Some(hot)
        })?
    }

    /// Puts one where the hot one is, if none is, and counts it. Otherwise it comes out again.
    #[inline]
    pub(super) fn put_hot(&self, mine: Mine, era: u64, object: Box<T>) -> Result<(), Box<T>> {
        let mut object = Some(object);
        self.with(mine, |own, traffic| {
            if own.hot.is_none() && own.era == era {
                add_own(&traffic.given);
                own.hot = object.take();
            }
        });
        object.map_or(Ok(()), Err)
    }

    /// Counts one that is taken; whether this thread has a seat here.
    pub(super) fn count_taken(&self, mine: Mine) -> bool {
        self.with(mine, |_, traffic| add_own(&traffic.taken)).is_some()
    }

    /// Counts one that came back; whether this thread has a seat here.
    pub(super) fn count_given(&self, mine: Mine) -> bool {
        self.with(mine, |_, traffic| add_own(&traffic.given)).is_some()
    }

    /// Takes the last that was pushed, and counts it, unless it is of another era.
    pub(super) fn pop(&self, mine: Mine, era: u64) -> Option<Box<T>> {
        self.with(mine, |own, traffic| {
            if own.era != era {
                return None;
            }
            let object = own.stack.pop()?;
            add_own(&traffic.taken);
            Some(object)
        })?
    }

    /// Pushes one, and counts it, if there is room. Otherwise it comes out again.
    pub(super) fn push(&self, mine: Mine, era: u64, object: Box<T>) -> Result<(), Box<T>> {
        let mut object = Some(object);
        self.with(mine, |own, traffic| {
            if own.room() > 0 && own.era == era {
                add_own(&traffic.given);
                own.stack.extend(object.take());
            }
        });
        object.map_or(Ok(()), Err)
    }

    /// Has one back that was taken out by [`take_half`](Self::take_half).
    pub(super) fn push_back(&self, mine: Mine, object: Box<T>) -> Option<Box<T>> {
        let mut object = Some(object);
        self.with(mine, |own, _| {
            if own.room() > 0 {
                own.stack.extend(object.take());
            }
        });
        object
    }

    /// Pushes what `more` gives, as far as there is room for half a stack. It must be plain data.
    pub(super) fn refill(&self, mine: Mine, more: &mut impl Iterator<Item = Box<T>>) {
        self.with(mine, |own, _| {
            let half = (own.stack.capacity() / 2).min(own.room());
            own.stack.extend(more.take(half));
        });
    }

    /// Takes the half of the stack that has lain there longest.
    pub(super) fn take_half(&self, mine: Mine) -> Several<T> {
        let half = self.with(mine, |own, _| own.stack.len() / 2).unwrap_or(0);
        // Before, since an allocator is foreign code, too.
        let mut taken = Several::with_capacity(half);
        self.with(mine, |own, _| taken.extend(own.stack.drain(..half.min(own.stack.len()))));
        taken
    }

    /// Enters the era, with a stack for `size`. What was kept in another one comes out. `None` if that has been done.
    pub(super) fn enter(&self, mine: Mine, era: u64, size: usize) -> Option<Several<T>> {
        let is_there =
            |own: &mut Own<T>, _: &Traffic| own.era == era && own.stack.capacity() >= size;
        if self.with(mine, is_there)? {
            return None;
        }
        let fresh = Own { hot: None, stack: Vec::with_capacity(size), era };
        let before = self.with(mine, |own, _| {
            let hot = own.hot.take_if(|_| own.era == era);
            let before = std::mem::replace(own, fresh);
            own.hot = hot;
            before
        })?;
        Some(before.into_all().collect())
    }

    /// The traffic at each seat.
    pub(super) fn traffic(&self) -> impl Iterator<Item = &Traffic> {
        self.seats.iter().map(|seat| &seat.traffic)
    }

    /// All that all threads keep, once nobody else is there.
    pub(super) fn into_all(self) -> impl Iterator<Item = Box<T>> {
        let seats = self.seats.into_iter().map(CachePadded::into_inner);
        seats.flat_map(|seat| seat.own.into_inner().into_all())
    }

    /// Works on what this thread keeps; `None`, and nothing happens, if it has no seat here.
    ///
    /// `work` runs no foreign code, nor does it allocate: nothing that could come here again, and it is all in this file.
    #[inline]
    fn with<R>(&self, mine: Mine, work: impl FnOnce(&mut Own<T>, &Traffic) -> R) -> Option<R> {
        let seat = self.seats.get(mine.number())?;
        // SAFETY: this thread alone has the seat as long as it lives, and who had it before gave it back under a lock. That
        // `work` does not come here again is said above.
        seat.own.with_mut(|own| Some(work(unsafe { &mut *own }, &seat.traffic)))
    }
}

impl<T> Seat<T> {
    fn new() -> Self {
        let own = Own { hot: None, stack: Vec::new(), era: 0 };
        Self { own: UnsafeCell::new(own), traffic: Traffic::default() }
    }
}

impl<T> Own<T> {
    fn room(&self) -> usize {
        self.stack.capacity() - self.stack.len()
    }

    fn into_all(self) -> impl Iterator<Item = Box<T>> {
        self.stack.into_iter().chain(self.hot)
    }
}

/// Adds one where nobody else does.
#[inline]
fn add_own(count: &AtomicU64) {
    count.store(count.load(Relaxed).wrapping_add(1), Relaxed);
}
