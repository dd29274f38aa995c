//! What a call to a target takes of late.

use crate::shim::atomic::AtomicU64;
use crate::shim::atomic::Ordering::{AcqRel, Acquire, Release};
use crate::shim::{Fault, planted};
use crate::sync::packed::Field;
use crate::time::Instant;

/// A mean of latencies that forgets and that jumps up to a peak, as Finagle's peak EWMA: what took longer than the mean
/// is the mean from then on, what took less draws it down by the time that has passed since the last.
///
/// One word: when it was observed last, in units of about a millisecond, and the mean in nanoseconds as a short float.
#[derive(Debug)]
pub(super) struct Cost {
    origin: Instant,
    word: AtomicU64,
}

const MEAN: Field = Field::first(32);
const STAMP: Field = MEAN.then(32);
/// The time that is told apart, in bits of nanoseconds. A stamp wraps after 52 days.
const UNIT: u32 = 20;

impl Cost {
    pub(super) fn new(now: Instant) -> Self {
        Self { origin: now, word: AtomicU64::new(0) }
    }

    /// The mean in nanoseconds as it is at `now`, if it forgets by a factor of e in `decay` nanoseconds. Zero if nothing
    /// was observed for long.
    #[inline]
    pub(super) fn at(&self, now: Instant, decay: f64) -> f64 {
        let word = self.word.load(Acquire);
        mean(word) * kept(word, self.stamp(now), decay)
    }

    /// A call took so long; or at least so long, if its end says nothing of how long it would have taken.
    #[inline]
    pub(super) fn observe(&self, took: u64, at_least: bool, now: Instant, decay: f64) {
        let (took, stamp) = (took as f64, self.stamp(now));
        let mut word = self.word.load(Acquire);
        loop {
            let mean = mean(word);
            let next = if took > mean || at_least {
                took.max(mean)
            } else {
                let kept = kept(word, stamp, decay);
                mean * kept + took * (1.0 - kept)
            };
            let to = MEAN.of((next as f32).to_bits().into()) | STAMP.of(stamp);
            if planted(Fault::OutlierForgetsAPeak) {
                self.word.store(to, Release);
                return;
            }
            match self.word.compare_exchange_weak(word, to, AcqRel, Acquire) {
                Ok(_) => return,
                Err(other) => word = other,
            }
        }
    }

    #[inline]
    fn stamp(&self, now: Instant) -> u64 {
        (now.nanos_since(self.origin) >> UNIT) & STAMP.most()
    }
}

#[inline]
fn mean(word: u64) -> f64 {
    f32::from_bits(MEAN.get(word) as u32).into()
}

/// What of the mean is left.
#[inline]
fn kept(word: u64, stamp: u64, decay: f64) -> f64 {
    let passed = (stamp as u32).wrapping_sub(STAMP.get(word) as u32);
    // Within a unit, and for a thread that read the clock up to a minute earlier.
    if passed == 0 || passed > u32::MAX - (1 << 16) {
        return 1.0;
    }
    (-(f64::from(passed) * f64::from(1_u32 << UNIT)) / decay).exp()
}
