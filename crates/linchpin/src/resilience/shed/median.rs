//! How long half of all calls take, without a list of them.
//!
//! The estimate goes up by a fiftieth when a call took longer and down by as much when it did not: it comes to rest where
//! as many do as do not, within a few percent. A thousandth and a second are some 350 calls apart.

use std::time::Duration;

// Std's, not the shim's: each step is judged by the one word that it changes, and one that is lost is made up for.
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use crate::sync::packed::Field;

const CALLS: Field = Field::first(4);
const NANOS: Field = CALLS.then(60);

/// The word holds how many calls were seen, up to the most that a field of its size can tell, and the estimate.
#[derive(Debug)]
pub(super) struct Median(AtomicU64);

const STEP: f64 = 1.02;

impl Median {
    pub(super) fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    pub(super) fn add(&self, nanos: u64) {
        let word = self.0.load(Relaxed);
        let (calls, median) = (CALLS.get(word), NANOS.get(word));
        let next = match median {
            0 => nanos,
            median if nanos > median => (median as f64 * STEP).ceil() as u64,
            median => (median as f64 / STEP) as u64,
        };
        let calls = CALLS.of((calls + 1).min(CALLS.most()));
        let next = calls | NANOS.of(next.clamp(1, NANOS.most()));
        // Whoever comes second says nothing.
        self.0.compare_exchange(word, next, Relaxed, Relaxed).ok();
    }

    /// `None` before a few calls were seen.
    pub(super) fn get(&self) -> Option<Duration> {
        let word = self.0.load(Relaxed);
        (CALLS.get(word) == CALLS.most()).then(|| Duration::from_nanos(NANOS.get(word)))
    }
}
