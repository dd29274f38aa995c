//! A bucket of tokens that successes fill.

use crate::shim::atomic::{AtomicU32, Ordering};
use crate::shim::{Fault, planted};

#[derive(Debug)]
pub(in crate::resilience::retry) struct Bucket {
    tokens: AtomicU32,
    capacity: u32,
    cost: u32,
    throttled_cost: u32,
}

impl Bucket {
    pub(super) fn new(capacity: u32, cost: u32, throttled_cost: u32) -> Self {
        Self { tokens: AtomicU32::new(capacity), capacity, cost, throttled_cost }
    }

    fn cost(&self, is_throttled: bool) -> u32 {
        if is_throttled { self.throttled_cost } else { self.cost }
    }

    pub(super) fn withdraw(&self, is_throttled: bool) -> bool {
        let cost = self.cost(is_throttled);
        step(&self.tokens, |tokens| tokens.checked_sub(cost))
    }

    /// Full is the usual case, and a look is enough then.
    #[inline]
    pub(super) fn add(&self, tokens: u32) {
        if self.tokens.load(Ordering::Relaxed) < self.capacity {
            step(&self.tokens, |held| Some(held.saturating_add(tokens).min(self.capacity)));
        }
    }

    pub(super) fn refund(&self, was_throttled: bool) {
        self.add(self.cost(was_throttled));
    }

    pub(super) fn left(&self) -> f64 {
        f64::from(self.tokens.load(Ordering::Relaxed) / self.cost)
    }
}

/// Changes the word as `next` says, from what it was judged by; whether it said anything.
pub(super) fn step(word: &AtomicU32, next: impl Fn(u32) -> Option<u32>) -> bool {
    if planted(Fault::BudgetStoresUnseen) {
        let to = next(word.load(Ordering::Relaxed));
        if let Some(to) = to {
            word.store(to, Ordering::Relaxed);
        }
        return to.is_some();
    }
    word.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).is_ok()
}
