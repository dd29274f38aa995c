//! A counter with a cell for each thread.

use std::fmt;
use std::sync::OnceLock;
use std::thread;

use crossbeam_utils::CachePadded;

use crate::shim::atomic::AtomicU64;
use crate::shim::atomic::Ordering::{Acquire, Relaxed, Release};
use crate::shim::{Fault, planted};
use crate::sync::seat::seat;

/// A count that threads add to without waiting for one another's cache line.
///
/// Adding is a load and a store in a line of the thread's own: no instruction that locks the line. There are four cells
/// for each processor, and sixteen at least, in 128 bytes each, which the first [`add`](Self::add) allocates. The cells
/// go to the threads that came first and still live; the others share one more, by ordinary atomic additions.
///
/// The count is a `u64` that goes up and wraps round. It cannot be reset, as a scrape that resets loses what comes in
/// between: subtract the sum that was read last.
///
/// ```
/// # use linchpin::sync::counter::Counter;
/// static REQUESTS: Counter = Counter::new();
/// REQUESTS.add(2);
/// REQUESTS.add(1);
/// assert_eq!(REQUESTS.sum(), 3);
/// ```
#[derive(Default)]
pub struct Counter {
    cells: OnceLock<Cells>,
}

pub(crate) struct Cells {
    /// One for each of the first seats: written by who sits there.
    own: Box<[CachePadded<AtomicU64>]>,
    /// For all others.
    shared: CachePadded<AtomicU64>,
}

impl Counter {
    /// A counter at zero.
    #[must_use]
    pub const fn new() -> Self {
        Self { cells: OnceLock::new() }
    }

    /// Adds `count`.
    #[inline]
    pub fn add(&self, count: u64) {
        self.cells.get_or_init(Cells::usual).add(seat(), count);
    }

    /// The sum of all that was added.
    ///
    /// What happened before is in it; what is added at the same time is or is not. No sum is smaller than an earlier one
    /// that the same thread read or was told of.
    #[must_use]
    pub fn sum(&self) -> u64 {
        self.cells.get().map_or(0, Cells::sum)
    }
}

impl fmt::Debug for Counter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Counter").field(&self.sum()).finish()
    }
}

impl Cells {
    #[cold]
    fn usual() -> Self {
        let processors = thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self::new((processors * 4).clamp(16, 256))
    }

    pub(crate) fn new(cells: usize) -> Self {
        let own = (0..cells).map(|_| CachePadded::new(AtomicU64::new(0))).collect();
        Self { own, shared: CachePadded::new(AtomicU64::new(0)) }
    }

    #[inline]
    pub(crate) fn add(&self, seat: usize, count: u64) {
        let seat = if planted(Fault::CounterAddsInAnothersCell) { 0 } else { seat };
        if let Some(cell) = self.own.get(seat) {
            // Nobody else writes here, so nothing is lost in between. Who had the seat before released it to who took it.
            cell.store(cell.load(Relaxed).wrapping_add(count), Release);
        } else {
            self.shared.fetch_add(count, Release);
        }
    }

    pub(crate) fn sum(&self) -> u64 {
        let cells = self.own.iter().chain([&self.shared]);
        cells.fold(0, |sum, cell| sum.wrapping_add(cell.load(Acquire)))
    }
}
