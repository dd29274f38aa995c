//! What a pool has seen.

use crate::shim::atomic::AtomicU64;
use crate::shim::atomic::Ordering::Relaxed;

/// The numbers of a pool. Exact while nobody uses it; otherwise they may be out by what happens meanwhile.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Stats {
    /// Taken and neither back nor detached: in use, or forgotten. A pool whose users are gone and where this is not zero
    /// has a leak.
    pub out: u64,
    /// Lying ready, for single threads and for all.
    pub kept: u64,
    /// Made because none lay ready, or brought by `give`.
    pub made: u64,
    /// Taken without being made.
    pub reused: u64,
    /// Dropped by the pool: no room, not fit to be kept, or cleared.
    pub discarded: u64,
}

/// What is counted seldom.
#[derive(Default)]
pub(super) struct Tally {
    made: AtomicU64,
    detached: AtomicU64,
    discarded: AtomicU64,
    /// Counted as taken, and then the making of them panicked.
    unmade: AtomicU64,
}

impl Tally {
    pub(super) fn made(&self) {
        self.made.fetch_add(1, Relaxed);
    }

    pub(super) fn detached(&self) {
        self.detached.fetch_add(1, Relaxed);
    }

    pub(super) fn discarded(&self) {
        self.discarded.fetch_add(1, Relaxed);
    }

    pub(super) fn unmade(&self) {
        self.unmade.fetch_add(1, Relaxed);
    }

    /// With how many came back to the stock and were taken from it.
    pub(super) fn stats(&self, counts: impl FnOnce() -> (u64, u64)) -> Stats {
        // In an order in which what happens meanwhile makes nothing negative that was positive before.
        let (discarded, detached) = (self.discarded.load(Relaxed), self.detached.load(Relaxed));
        let unmade = self.unmade.load(Relaxed);
        let (given, taken) = counts();
        let (made, taken) = (self.made.load(Relaxed), taken.saturating_sub(unmade));
        Stats {
            out: taken.saturating_sub(given + detached),
            kept: (made + given).saturating_sub(taken + discarded),
            made,
            reused: taken.saturating_sub(made),
            discarded,
        }
    }
}
