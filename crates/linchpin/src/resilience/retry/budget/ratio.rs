//! Retries as a share of the calls in a window of time.

use std::time::Duration;

use crossbeam_utils::CachePadded;

use crate::resilience::buckets::Buckets;
use crate::shim::atomic::{AtomicU64, Ordering};
use crate::shim::{Fault, Mutex, lock, planted};
use crate::time::Instant;

/// Calls are deposits, retries withdrawals, in integers: a share of 0.3 is 30 of a hundred and not 33.
#[derive(Debug)]
pub(in crate::resilience::retry) struct Ratio {
    /// Calls that are not in the window yet.
    waiting: CachePadded<AtomicU64>,
    /// What a retry takes of what a call gives.
    cost: i64,
    /// What is there without any call.
    reserve: i64,
    tenths: Mutex<Tenths>,
}

/// Calls and retries in the window.
type Tenths = Buckets<10, 2>;

/// What a call gives.
const SCALE: i64 = 1_000;
/// So many calls come into the window together.
const BUNDLE: u64 = 16;

impl Ratio {
    pub(in crate::resilience::retry) fn new(
        share: f64,
        least_per_second: u32,
        window: Duration,
        now: Instant,
    ) -> Self {
        let cost = ((SCALE as f64 / share).round() as i64).max(1);
        let least = f64::from(least_per_second) * window.as_secs_f64();
        Self {
            waiting: CachePadded::new(AtomicU64::new(0)),
            cost,
            // So saved up, it may be without bound.
            reserve: (least as i64).min(i64::MAX / 4 / cost) * cost,
            tenths: Mutex::new(Tenths::new(window, now, now)),
        }
    }

    /// A call has begun.
    #[inline]
    pub(in crate::resilience::retry) fn deposit(&self, clock: impl FnOnce() -> Instant) {
        if self.waiting.fetch_add(1, Ordering::Relaxed) % BUNDLE == BUNDLE - 1 {
            self.take_in(clock());
        }
    }

    #[cold]
    fn take_in(&self, now: Instant) {
        self.advance(&mut lock(&self.tenths), now);
    }

    /// Takes what a retry costs, if it is there.
    pub(in crate::resilience::retry) fn withdraw(&self, now: Instant) -> bool {
        let mut tenths = lock(&self.tenths);
        self.advance(&mut tenths, now);
        if self.there(&tenths) < self.cost {
            return false;
        }
        if planted(Fault::BudgetLooksBeforeItTakes) {
            drop(tenths);
            tenths = lock(&self.tenths);
        }
        tenths.add([0, 1]);
        true
    }

    pub(in crate::resilience::retry) fn left(&self, now: Instant) -> f64 {
        let mut tenths = lock(&self.tenths);
        self.advance(&mut tenths, now);
        (self.there(&tenths).max(0) / self.cost) as f64
    }

    /// Brings the window to `now`, with all that has come in.
    fn advance(&self, tenths: &mut Tenths, now: Instant) {
        tenths.advance(now);
        let calls = if planted(Fault::BudgetForgetsWhoComesMeanwhile) {
            let calls = self.waiting.load(Ordering::Relaxed);
            self.waiting.store(0, Ordering::Relaxed);
            calls
        } else {
            self.waiting.swap(0, Ordering::Relaxed)
        };
        tenths.add([calls, 0]);
    }

    fn there(&self, tenths: &Tenths) -> i64 {
        let [calls, retries] = tenths.sums();
        self.reserve + calls as i64 * SCALE - retries as i64 * self.cost
    }
}
