//! What was done in the last five seconds, by tenths of a second.
//!
//! The bucket at hand is a word that all count in. Who finds that its time is over turns to the next under a lock, and
//! then works out what the others say: so whoever asks reads two numbers.

use std::time::Duration;

use crate::resilience::samples::{Samples, Sum};
use crate::shim::atomic::AtomicU64;
use crate::shim::atomic::Ordering::{Acquire, Relaxed, Release};
use crate::shim::{Mutex, lock};
use crate::time::Instant;

#[derive(Debug)]
pub(super) struct Recent {
    samples: Samples,
    /// Refused in the bucket at hand.
    shed: AtomicU64,
    /// When it ends.
    due: AtomicU64,
    /// How many the service bears under way, by the other buckets; as bits of a float.
    most: AtomicU64,
    /// The share of what came that was refused, by the other buckets; as bits of a float.
    shed_share: AtomicU64,
    ring: Mutex<Ring>,
}

#[derive(Debug)]
struct Ring {
    origin: Instant,
    /// How many buckets have begun before the one at hand.
    turns: u64,
    /// Of that one, what did not fit into the word.
    carried: Sum,
    buckets: [Bucket; BUCKETS],
}

#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    passed: u64,
    nanos: u64,
    shed: u64,
}

const BUCKETS: usize = 50;
const BUCKET: Duration = Duration::from_millis(100);
const BUCKETS_A_SECOND: f64 = 10.0;
/// If nothing is known a call is taken to last so long: long enough for nothing to be refused.
const UNKNOWN: f64 = 1.0;
/// No call is taken to be shorter: what sleeps for less is hardly under way when somebody looks.
const SHORTEST: f64 = 0.001;

impl Recent {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            samples: Samples::new(),
            shed: AtomicU64::new(0),
            due: AtomicU64::new((now + BUCKET).to_bits()),
            most: AtomicU64::new(most(1, UNKNOWN).to_bits()),
            shed_share: AtomicU64::new(0),
            ring: Mutex::new(Ring {
                origin: now,
                turns: 0,
                carried: Sum::default(),
                buckets: [Bucket::default(); BUCKETS],
            }),
        }
    }

    /// A call was done.
    #[inline]
    pub(super) fn passed(&self, nanos: u64, now: Instant) {
        self.turn(now);
        let sample = Sum::one(nanos, 0, false);
        if !self.samples.add(&sample) {
            self.carry(sample);
        }
    }

    /// One was refused.
    pub(super) fn shed(&self) {
        self.shed.fetch_add(1, Relaxed);
    }

    /// How many under way the service bears: as many as it has done in its best tenth of a second, at its fastest.
    pub(super) fn most(&self, now: Instant) -> f64 {
        self.turn(now);
        f64::from_bits(self.most.load(Acquire))
    }

    /// The share of what came that was refused.
    pub(super) fn shed_share(&self, now: Instant) -> f64 {
        self.turn(now);
        f64::from_bits(self.shed_share.load(Acquire))
    }

    /// All that was done lately, but for the bucket at hand.
    #[cfg(all(test, linchpin_loom))]
    pub(super) fn done(&self, now: Instant) -> u64 {
        self.turn(now);
        lock(&self.ring).buckets.iter().map(|bucket| bucket.passed).sum()
    }

    #[inline]
    fn turn(&self, now: Instant) {
        if now.to_bits() >= self.due.load(Acquire) {
            self.turn_to(now);
        }
    }

    #[cold]
    fn carry(&self, sample: Sum) {
        let carried = &mut lock(&self.ring).carried;
        carried.add(sample);
        carried.add(self.samples.take());
    }

    #[cold]
    fn turn_to(&self, now: Instant) {
        let mut ring = lock(&self.ring);
        let turns = (now - ring.origin).as_nanos() as u64 / BUCKET.as_nanos() as u64;
        // Somebody else has just done it.
        if turns <= ring.turns {
            return;
        }
        let mut sum = std::mem::take(&mut ring.carried);
        sum.add(self.samples.take());
        let (done, shed) = (at(ring.turns), self.shed.swap(0, Relaxed));
        ring.buckets[done] = Bucket { passed: sum.count, nanos: sum.nanos, shed };
        for turn in (ring.turns + 1..=turns).rev().take(BUCKETS) {
            ring.buckets[at(turn)] = Bucket::default();
        }
        ring.turns = turns;
        let (most, shed_share) = ring.judge();
        self.most.store(most.to_bits(), Release);
        self.shed_share.store(shed_share.to_bits(), Release);
        let begun = Duration::from_nanos((turns + 1).saturating_mul(BUCKET.as_nanos() as u64));
        self.due.store((ring.origin + begun).to_bits(), Release);
    }
}

impl Ring {
    /// The one at hand is empty, and says nothing yet.
    fn judge(&self) -> (f64, f64) {
        let best = self.buckets.iter().map(|bucket| bucket.passed).max().unwrap_or(0);
        let times = self.buckets.iter().filter(|bucket| bucket.passed > 0);
        let fastest = times.map(|bucket| bucket.nanos as f64 / bucket.passed as f64 / 1e9);
        let (passed, shed) = self
            .buckets
            .iter()
            .fold((0, 0), |(passed, shed), bucket| (passed + bucket.passed, shed + bucket.shed));
        let share = if shed == 0 { 0.0 } else { shed as f64 / (shed + passed) as f64 };
        (most(best.max(1), fastest.fold(UNKNOWN, f64::min).max(SHORTEST)), share)
    }
}

/// The place of a bucket in the ring.
fn at(turn: u64) -> usize {
    (turn % BUCKETS as u64) as usize
}

/// Little's law: what is under way is how much is done a second, times how long each takes.
fn most(best: u64, seconds: f64) -> f64 {
    (best as f64 * BUCKETS_A_SECOND * seconds).max(1.0)
}
