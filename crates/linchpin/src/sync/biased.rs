//! A lock whose readers write nothing that another processor reads.
//!
//! In an ordinary lock every reader writes the word of the lock, so that processors which read the same thing hand its
//! cache line to and fro. Here a reader writes into a line that belongs to its thread, its [`Seat`]: the address of the
//! lock that it reads under. That works as long as the lock is *calm*, which it becomes after a few reads in a row. A
//! writer ends the calm and waits for those who sit, and until the next calm readers take the mutex, as the writers do.
//! (Dice and Kogan's BRAVO. What differs: a lock becomes calm by count, not by time, and a writer that waits sleeps.)
//!
//! Why nobody reads what is being written: a reader first takes its seat and then looks whether the lock is calm, a
//! writer first ends the calm and then looks at the seats, both by [`announce`]. So the reader sees that the calm is
//! over and gets up, or the writer sees the reader and waits. Whoever holds the mutex alone makes or ends a calm.

#![expect(unsafe_code, reason = "readers that share no line cannot be had from the locks of std")]

use std::hint;
use std::mem;
use std::ops::{Deref, DerefMut};
use std::ptr;

use crossbeam_utils::CachePadded;

use super::seat;
use crate::shim::atomic::AtomicUsize;
use crate::shim::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};
use crate::shim::{Condvar, Fault, PlainGuard, PlainMutex, UnsafeCell};
use crate::shim::{announce, lock_plain, planted};

/// Reads in a row under the mutex that make a lock calm. A calm that ends at once costs a writer a look at the seats,
/// which are in the caches of others: about as much as so many reads gain.
const CALM_AFTER: u32 = if cfg!(linchpin_loom) { 1 } else { 16 };
/// How often a writer looks at a seat before it sleeps: a look-up and a clone take less.
const LOOKS: u32 = if cfg!(linchpin_loom) { 0 } else { 200 };
/// In the word of a seat, whose other bits are an address: the writer sleeps.
const AWAITED: usize = 1;

/// A value that many read and some write. There are no guards to the outside: see [`super::striped`].
pub(crate) struct Biased<T> {
    /// Whether readers may go by their seats alone. Changed under the mutex.
    calm: AtomicUsize,
    /// How many have read under the mutex since somebody wrote.
    reads: PlainMutex<u32>,
    value: UnsafeCell<T>,
}

// SAFETY: as for std's `RwLock`. The value is handed from thread to thread (`Send`), and read by several at once (`Sync`);
// that nobody writes meanwhile is the protocol above.
unsafe impl<T: Send + Sync> Sync for Biased<T> {}

/// Where a thread says under which lock it reads.
pub(crate) struct Seat {
    /// The address of a lock, perhaps [`AWAITED`], or zero. The thread alone sits down and gets up.
    lock: AtomicUsize,
    /// Under it the writer falls asleep and is woken.
    gate: PlainMutex<()>,
    left: Condvar,
}

/// The right to read and write, until it is dropped.
pub(crate) struct Exclusive<'a, T> {
    value: &'a UnsafeCell<T>,
    _reads: PlainGuard<'a, u32>,
}

/// Gets up when it is dropped, so that a panic of the reader does it, too.
struct Seated<'a>(&'a Seat);

/// Everybody's seat.
#[cfg(not(linchpin_loom))]
static SEATS: [CachePadded<Seat>; seat::SEATS] =
    [const { CachePadded::new(Seat::new()) }; seat::SEATS];
/// A model brings its own.
#[cfg(linchpin_loom)]
static SEATS: [CachePadded<Seat>; 0] = [];

/// The seat of this thread, if it has one.
#[inline]
pub(crate) fn mine() -> Option<&'static Seat> {
    SEATS.get(seat::seat()).map(|seat| &**seat)
}

/// The seats that anybody may sit on.
pub(crate) fn all() -> impl Iterator<Item = &'static Seat> {
    SEATS.iter().take(seat::used()).map(|seat| &**seat)
}

// ===== impl Biased =====

impl<T> Biased<T> {
    pub(crate) fn new(value: T) -> Self {
        Self { calm: AtomicUsize::new(0), reads: PlainMutex::new(0), value: UnsafeCell::new(value) }
    }

    /// Reads, from the seat of this thread if it has one and the lock is calm.
    #[inline]
    pub(crate) fn read<R>(&self, seat: Option<&Seat>, work: impl FnOnce(&T) -> R) -> R {
        if self.calm.load(Relaxed) != 0
            && let Some(seated) = seat.and_then(|seat| seat.sit(self.address()))
        {
            if planted(Fault::BiasedLooksBeforeItSits) || self.calm.load(SeqCst) != 0 {
                // SAFETY: a writer that came before this look would have ended the calm; one that came after it saw
                // our seat, and waits. What earlier writers wrote happened before the calm that was seen.
                return self.value.with(|value| work(unsafe { &*value }));
            }
            if planted(Fault::BiasedSitsWhileItQueues) {
                mem::forget(seated);
            }
        }
        let mut reads = lock_plain(&self.reads);
        if *reads < CALM_AFTER {
            *reads += 1;
            if *reads == CALM_AFTER {
                self.calm.store(1, Release);
            }
        }
        // SAFETY: writers hold the mutex, and so do we.
        self.value.with(|value| work(unsafe { &*value }))
    }

    /// Waits until nobody reads or writes. `seats` are asked for once the calm has ended, and must be all on which a
    /// reader may sit.
    ///
    /// # Panics
    ///
    /// If this thread is reading under the lock: it would wait for itself.
    #[inline]
    pub(crate) fn lock<'s, I: Iterator<Item = &'s Seat>>(
        &self,
        mine: Option<&Seat>,
        seats: impl FnOnce() -> I,
    ) -> Exclusive<'_, T> {
        let mut reads = lock_plain(&self.reads);
        *reads = 0;
        if self.calm.load(Relaxed) != 0 {
            self.end_calm(mine, seats);
        }
        Exclusive { value: &self.value, _reads: reads }
    }

    #[cold]
    fn end_calm<'s, I: Iterator<Item = &'s Seat>>(
        &self,
        mine: Option<&Seat>,
        seats: impl FnOnce() -> I,
    ) {
        announce(&self.calm, 0);
        for seat in seats() {
            if mine.is_some_and(|mine| ptr::eq(mine, seat)) {
                assert!(!seat.is_at(self.address()), "a reader wants to write what it is reading");
            } else {
                seat.wait_until_left(self.address());
            }
        }
    }

    fn address(&self) -> usize {
        // Of something with an alignment of its own, so that the lowest bit is free.
        ptr::from_ref(&self.calm).addr()
    }

    pub(crate) fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

// ===== impl Seat =====

impl Seat {
    #[cfg(not(linchpin_loom))]
    const fn new() -> Self {
        Self { lock: AtomicUsize::new(0), gate: PlainMutex::new(()), left: Condvar::new() }
    }

    #[cfg(all(test, linchpin_loom))]
    pub(crate) fn new() -> Self {
        Self { lock: AtomicUsize::new(0), gate: PlainMutex::new(()), left: Condvar::new() }
    }

    /// Sits down, unless the thread already does: inside of one read, another goes by the mutex.
    #[inline]
    fn sit(&self, lock: usize) -> Option<Seated<'_>> {
        if self.lock.load(Relaxed) != 0 {
            return None;
        }
        announce(&self.lock, lock);
        Some(Seated(self))
    }

    fn is_at(&self, lock: usize) -> bool {
        self.lock.load(SeqCst) == lock
    }

    /// Waits until the thread has left that lock. Should it sit down there again it gets up by itself, since the calm
    /// is over.
    fn wait_until_left(&self, lock: usize) {
        for _ in 0..LOOKS {
            if !self.is_at(lock) {
                return;
            }
            hint::spin_loop();
        }
        let mut gate = lock_plain(&self.gate);
        if self.lock.compare_exchange(lock, lock | AWAITED, SeqCst, SeqCst).is_err() {
            return;
        }
        // One at most waits here: the writer who holds that lock's mutex.
        while self.lock.load(Acquire) == lock | AWAITED {
            gate = self.left.wait(gate).unwrap_or_else(std::sync::PoisonError::into_inner);
        }
    }
}

impl Drop for Seated<'_> {
    #[inline]
    fn drop(&mut self) {
        if self.0.lock.swap(0, AcqRel) & AWAITED != 0 && !planted(Fault::BiasedLeavesInSilence) {
            self.0.wake();
        }
    }
}

impl Seat {
    #[cold]
    fn wake(&self) {
        // The writer is asleep, or looks once more before it falls asleep: never between the two.
        drop(lock_plain(&self.gate));
        self.left.notify_all();
    }
}

// ===== impl Exclusive =====

impl<T> Deref for Exclusive<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: we hold the mutex, and nobody has sat since the calm ended.
        self.value.with(|value| unsafe { &*value })
    }
}

impl<T> DerefMut for Exclusive<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above, and this borrow is the only way to the value.
        self.value.with_mut(|value| unsafe { &mut *value })
    }
}
