//! How long attempts take, and which delay follows from that.

use std::time::Duration;

use crossbeam_utils::CachePadded;

use crate::shim::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use crate::shim::{Fault, planted};

/// The last samples, and the delay that was found in them.
///
/// A sample is a place of one's own in the ring, a store there, and a count of those that have been stored. Whoever
/// stores the one that makes a round number looks for the delay; nobody waits for that.
#[derive(Debug)]
pub(super) struct Latency {
    /// Microseconds.
    samples: Box<[AtomicU32]>,
    came: CachePadded<AtomicU64>,
    stored: CachePadded<AtomicU64>,
    /// Somebody looks for the delay.
    looking: AtomicBool,
    /// Nanoseconds.
    delay: AtomicU64,
}

/// Which of the samples is the delay.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rank {
    /// The share of samples that are not longer, by millionths.
    pub(super) millionths: u64,
    /// In nanoseconds: no delay is shorter.
    pub(super) least: u64,
}

/// The samples that are kept.
pub(super) const WINDOW: usize = if cfg!(linchpin_loom) { 4 } else { 1_000 };
/// There is no delay before so many are there.
pub(super) const NEEDED: u64 = if cfg!(linchpin_loom) { 2 } else { 100 };
/// The delay is looked for once in so many.
pub(super) const EVERY: u64 = if cfg!(linchpin_loom) { 2 } else { 50 };

/// No sample has come here yet.
const NONE: u32 = u32::MAX;
/// Nothing is known.
const UNKNOWN: u64 = u64::MAX;

impl Latency {
    pub(super) fn new() -> Self {
        Self {
            samples: (0..WINDOW).map(|_| AtomicU32::new(NONE)).collect(),
            came: CachePadded::new(AtomicU64::new(0)),
            stored: CachePadded::new(AtomicU64::new(0)),
            looking: AtomicBool::new(false),
            delay: AtomicU64::new(UNKNOWN),
        }
    }

    /// The delay that follows, once it is known.
    #[inline]
    pub(super) fn delay(&self) -> Option<Duration> {
        let nanos = self.delay.load(Ordering::Relaxed);
        (nanos != UNKNOWN).then(|| Duration::from_nanos(nanos))
    }

    /// An attempt took so long. The new delay, if this one made it known.
    #[inline]
    pub(super) fn record(&self, took: Duration, rank: impl FnOnce() -> Rank) -> Option<Duration> {
        let micros = u32::try_from(took.as_micros()).unwrap_or(NONE).min(NONE - 1);
        let place = self.came.fetch_add(1, Ordering::Relaxed) as usize % WINDOW;
        let too_soon = planted(Fault::HedgeCountsBeforeItStores).then(|| self.count());
        self.samples[place].store(micros, Ordering::Relaxed);
        let stored = too_soon.unwrap_or_else(|| self.count());
        if stored < NEEDED || !(stored - NEEDED).is_multiple_of(EVERY) {
            return None;
        }
        self.look(rank())
    }

    /// One more is stored, and this thread sees all that were.
    #[inline]
    fn count(&self) -> u64 {
        self.stored.fetch_add(1, Ordering::AcqRel) + 1
    }

    /// Looks for the delay, unless too few samples are there or somebody else is at it.
    #[cold]
    pub(super) fn look(&self, rank: Rank) -> Option<Duration> {
        if self.stored.load(Ordering::Acquire) < NEEDED
            || self.looking.swap(true, Ordering::Acquire)
        {
            return None;
        }
        let mut seen = [NONE; WINDOW];
        let mut count = 0;
        for sample in &self.samples {
            let micros = sample.load(Ordering::Relaxed);
            if micros != NONE {
                seen[count] = micros;
                count += 1;
            }
        }
        // The nearest rank: the first that at least that share of the samples does not exceed.
        let rank_of = (count as u64 * rank.millionths).div_ceil(1_000_000).max(1) as usize;
        let (_, micros, _) = seen[..count].select_nth_unstable(rank_of - 1);
        let nanos = (u64::from(*micros) * 1_000).max(rank.least);
        self.delay.store(nanos, Ordering::Relaxed);
        self.looking.store(false, Ordering::Release);
        Some(Duration::from_nanos(nanos))
    }
}
