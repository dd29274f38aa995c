//! How long calls took in a span of time, gathered by all threads.
//!
//! A call is one exchange of a word: who reads it reads what belongs together. What does not fit is for whoever holds the
//! lock of the policy to carry over: after a thousand calls, or when they took nine minutes together.

use crossbeam_utils::CachePadded;

use crate::shim::atomic::AtomicU64;
use crate::shim::atomic::Ordering::{AcqRel, Acquire, Relaxed};
use crate::shim::{Fault, planted};
use crate::sync::packed::Field;

const COUNT: Field = Field::first(10);
const DROPPED: Field = COUNT.then(1);
const PEAK: Field = DROPPED.then(21);
const UNITS: Field = PEAK.then(32);

/// Time is summed in units of 128 ns, a thousandth of the shortest call that matters.
const UNIT_SHIFT: u32 = 7;

/// The calls of a span of time since they were last [taken](Self::take).
#[derive(Debug)]
pub(super) struct Samples {
    word: CachePadded<AtomicU64>,
}

/// What they come to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Sum {
    /// How many there are, the dropped ones too.
    pub(super) count: u64,
    /// Nanoseconds that those took which were not dropped.
    pub(super) nanos: u64,
    /// The most that were under way when one of them began.
    pub(super) peak: u32,
    /// Whether one was dropped: timed out, or answered that there was too much.
    pub(super) dropped: bool,
}

impl Samples {
    pub(super) fn new() -> Self {
        Self { word: CachePadded::new(AtomicU64::new(0)) }
    }

    /// Adds a call. Whether there was room for it; it is for the lock otherwise.
    #[inline]
    pub(super) fn add(&self, sample: &Sum) -> bool {
        let units = sample.nanos >> UNIT_SHIFT;
        let mut word = self.word.load(Relaxed);
        loop {
            let sum = UNITS.get(word) + units;
            if COUNT.get(word) == COUNT.most() || sum > UNITS.most() {
                return false;
            }
            let peak = PEAK.get(word).max(u64::from(sample.peak)).min(PEAK.most());
            let dropped = DROPPED.get(word) | u64::from(sample.dropped);
            let next =
                COUNT.of(COUNT.get(word) + 1) | DROPPED.of(dropped) | PEAK.of(peak) | UNITS.of(sum);
            match self.word.compare_exchange_weak(word, next, AcqRel, Acquire) {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
    }

    /// All of them, and begins anew.
    pub(super) fn take(&self) -> Sum {
        if planted(Fault::SamplesAreTakenInTwoSteps) {
            let word = self.word.load(Acquire);
            self.word.store(0, Relaxed);
            return Sum::of(word);
        }
        Sum::of(self.word.swap(0, AcqRel))
    }

    /// All of them, which stay.
    pub(super) fn look(&self) -> Sum {
        Sum::of(self.word.load(Acquire))
    }
}

impl Sum {
    pub(super) fn one(nanos: u64, peak: u32, dropped: bool) -> Self {
        Self { count: 1, nanos: if dropped { 0 } else { nanos }, peak, dropped }
    }

    pub(super) fn add(&mut self, other: Self) {
        self.count += other.count;
        self.nanos = self.nanos.saturating_add(other.nanos);
        self.peak = self.peak.max(other.peak);
        self.dropped |= other.dropped;
    }

    fn of(word: u64) -> Self {
        Self {
            count: COUNT.get(word),
            nanos: UNITS.get(word) << UNIT_SHIFT,
            peak: PEAK.get(word) as u32,
            dropped: DROPPED.get(word) != 0,
        }
    }
}
