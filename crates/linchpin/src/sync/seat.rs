//! A small number for each living thread, so that what is kept for each thread can be an array.
//!
//! A seat belongs to one thread at a time, so what stands at that place of an array is written by nobody else. It is
//! given back when the thread ends, and the lowest free one is given out, so that the numbers in use stay dense.

use std::cell::Cell;
use std::marker::PhantomData;

use crate::shim::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use crate::shim::atomic::{AtomicU64, AtomicUsize};
use crate::shim::{Fault, planted};

/// How many seats there are. A thread that asks when all are taken has none as long as it lives.
pub(crate) const SEATS: usize = WORDS * 64;
const WORDS: usize = 4;

/// What a thread that has not asked yet has for a seat.
const NOT_ASKED: usize = usize::MAX;
/// What a thread has that asked in vain, or is about to end.
const NONE: usize = usize::MAX - 1;

thread_local! {
    /// Without a destructor, so that looking it up is one load and never fails.
    static SEAT: Cell<usize> = const { Cell::new(NOT_ASKED) };
    static HELD: Held = const { Held };
}

#[cfg(not(linchpin_loom))]
static HALL: Hall = Hall::new();

/// The seat of this thread: at least [`SEATS`] if it has none.
#[inline]
pub(crate) fn seat() -> usize {
    match SEAT.get() {
        NOT_ASKED => ask(),
        seat => seat,
    }
}

/// The seat of the thread that has it. It cannot leave the thread, so whoever has one sits there alone.
#[derive(Clone, Copy)]
pub(crate) struct Mine {
    number: usize,
    stays_in_its_thread: PhantomData<*const ()>,
}

/// The seat of this thread; its number is at least [`SEATS`] if it has none.
#[inline]
pub(crate) fn mine() -> Mine {
    Mine { number: seat(), stays_in_its_thread: PhantomData }
}

/// As [`mine`], and none for a thread that has not asked for one yet.
#[inline]
pub(crate) fn mine_if_known() -> Mine {
    Mine { number: SEAT.get(), stays_in_its_thread: PhantomData }
}

impl Mine {
    #[inline]
    pub(crate) fn number(self) -> usize {
        self.number
    }

    /// What a model's thread has from its own hall.
    #[cfg(all(test, linchpin_loom))]
    pub(crate) fn of_model(number: usize) -> Self {
        Self { number, stays_in_its_thread: PhantomData }
    }
}

/// All seats that were ever taken are below it.
///
/// It was raised, in the one order of sequentially consistent operations, before the thread could do anything with its
/// seat.
pub(crate) fn used() -> usize {
    #[cfg(not(linchpin_loom))]
    return HALL.used.load(SeqCst);
    // A model has seats of its own.
    #[cfg(linchpin_loom)]
    0
}

#[cold]
fn ask() -> usize {
    SEAT.set(NONE);
    #[cfg(not(linchpin_loom))]
    if HELD.try_with(|_| ()).is_ok()
        && let Some(seat) = HALL.take()
    {
        SEAT.set(seat);
    }
    SEAT.get()
}

/// Gives the thread's seat back when the thread ends.
struct Held;

impl Drop for Held {
    fn drop(&mut self) {
        let seat = SEAT.replace(NONE);
        #[cfg(not(linchpin_loom))]
        HALL.give(seat);
        #[cfg(linchpin_loom)]
        let _ = seat;
    }
}

/// Which seats are taken, a bit each.
pub(crate) struct Hall {
    taken: [AtomicU64; WORDS],
    used: AtomicUsize,
}

impl Hall {
    #[cfg(not(linchpin_loom))]
    const fn new() -> Self {
        Self { taken: [const { AtomicU64::new(0) }; WORDS], used: AtomicUsize::new(0) }
    }

    #[cfg(all(test, linchpin_loom))]
    pub(crate) fn new() -> Self {
        Self { taken: std::array::from_fn(|_| AtomicU64::new(0)), used: AtomicUsize::new(0) }
    }

    /// The lowest that is free, as far as one look tells.
    ///
    /// What the last holder of a seat has written happens before its next holder gets it: this acquires what
    /// [`give`](Self::give) releases.
    pub(crate) fn take(&self) -> Option<usize> {
        for (index, word) in self.taken.iter().enumerate() {
            let mut taken = word.load(Relaxed);
            while taken != u64::MAX {
                let bit = taken.trailing_ones() as usize;
                let mine = if planted(Fault::SeatIsGivenTwice) { 0 } else { 1 << bit };
                match word.compare_exchange_weak(taken, taken | mine, Acquire, Relaxed) {
                    Ok(_) => {
                        let seat = index * 64 + bit;
                        self.used.fetch_max(seat + 1, SeqCst);
                        return Some(seat);
                    }
                    Err(now) => taken = now,
                }
            }
        }
        None
    }

    pub(crate) fn give(&self, seat: usize) {
        if let Some(word) = self.taken.get(seat / 64) {
            word.fetch_and(!(1 << (seat % 64)), Release);
        }
    }
}
