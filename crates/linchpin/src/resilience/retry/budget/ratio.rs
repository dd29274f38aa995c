//! Retries as a share of the calls in a window of time.

use std::time::Duration;

use crossbeam_utils::CachePadded;

use crate::resilience::buckets::Buckets;
use crate::shim::atomic::{AtomicU64, Ordering};
use crate::shim::{Fault, Mutex, lock, planted};
use crate::time::Instant;

/// Calls are deposits, retries withdrawals, in integers: a share of 0.3 is 30 of a hundred and not 33.
#[derive(Debug)]
pub(in crate::resilience) struct Ratio {
    /// Calls that are not in the window yet.
    waiting: CachePadded<AtomicU64>,
    /// What is there without any call.
    reserve: i64,
    window: Mutex<Window>,
}

#[derive(Debug)]
struct Window {
    /// Calls and retries.
    tenths: Buckets<10, 2>,
    /// What a retry takes of what a call gives.
    cost: i64,
    /// All calls that ever came into it.
    calls: u64,
}

/// What was taken, for who gives it back: from which tenth.
#[derive(Clone, Copy, Debug)]
pub(in crate::resilience) struct Taken(u64);

/// What a call gives.
const SCALE: i64 = 1_000;
/// So many calls come into the window together.
const BUNDLE: u64 = 16;

impl Ratio {
    pub(in crate::resilience) fn new(
        share: f64,
        least_per_second: u32,
        window: Duration,
        now: Instant,
    ) -> Self {
        let cost = cost(share);
        let least = f64::from(least_per_second) * window.as_secs_f64();
        Self {
            waiting: CachePadded::new(AtomicU64::new(0)),
            // So saved up, it may be without bound.
            reserve: (least as i64).min(i64::MAX / 4 / cost) * cost,
            window: Mutex::new(Window { tenths: Buckets::new(window, now, now), cost, calls: 0 }),
        }
    }

    /// A call has begun.
    #[inline]
    pub(in crate::resilience) fn deposit(&self, clock: impl FnOnce() -> Instant) {
        if self.waiting.fetch_add(1, Ordering::Relaxed) % BUNDLE == BUNDLE - 1 {
            self.take_in(clock());
        }
    }

    #[cold]
    fn take_in(&self, now: Instant) {
        self.advance(&mut lock(&self.window), now);
    }

    /// Takes what a retry costs, if it is there.
    pub(in crate::resilience) fn withdraw(&self, now: Instant) -> bool {
        self.take(now).is_some()
    }

    /// The same for who may [give it back](Self::give_back).
    pub(in crate::resilience) fn take(&self, now: Instant) -> Option<Taken> {
        let mut window = lock(&self.window);
        self.advance(&mut window, now);
        if self.there(&window) < window.cost {
            return None;
        }
        if planted(Fault::BudgetLooksBeforeItTakes) {
            drop(window);
            window = lock(&self.window);
        }
        window.tenths.add([0, 1]);
        Some(Taken(window.tenths.newest()))
    }

    /// As if it had not been taken.
    pub(in crate::resilience) fn give_back(&self, Taken(tenth): Taken) {
        lock(&self.window).tenths.take_back(tenth, [0, 1]);
    }

    /// Retries may be another share from now on.
    pub(in crate::resilience) fn set_share(&self, share: f64) {
        lock(&self.window).cost = cost(share);
    }

    pub(in crate::resilience) fn left(&self, now: Instant) -> f64 {
        let mut window = lock(&self.window);
        self.advance(&mut window, now);
        (self.there(&window).max(0) / window.cost) as f64
    }

    /// All calls there ever were.
    pub(in crate::resilience) fn calls(&self) -> u64 {
        let window = lock(&self.window);
        window.calls.wrapping_add(self.waiting.load(Ordering::Relaxed))
    }

    /// Brings the window to `now`, with all that has come in.
    fn advance(&self, window: &mut Window, now: Instant) {
        window.tenths.advance(now);
        let calls = if planted(Fault::BudgetForgetsWhoComesMeanwhile) {
            let calls = self.waiting.load(Ordering::Relaxed);
            self.waiting.store(0, Ordering::Relaxed);
            calls
        } else {
            self.waiting.swap(0, Ordering::Relaxed)
        };
        window.tenths.add([calls, 0]);
        window.calls = window.calls.wrapping_add(calls);
    }

    fn there(&self, window: &Window) -> i64 {
        let [calls, retries] = window.tenths.sums();
        self.reserve + calls as i64 * SCALE - retries as i64 * window.cost
    }
}

/// What a retry takes of what a call gives.
fn cost(share: f64) -> i64 {
    ((SCALE as f64 / share).round() as i64).max(1)
}
