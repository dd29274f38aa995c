//! Retries as a share of the calls under way.

use super::Event;
use crate::shim::atomic::{AtomicU64, Ordering};
use crate::shim::{Fault, planted};

/// One word: the calls under way in the upper half, their retries in the lower.
#[derive(Debug)]
pub(in crate::resilience::retry) struct Concurrent {
    under_way: AtomicU64,
    share: f64,
    least: u32,
}

const CALL: u64 = 1 << 32;

impl Concurrent {
    pub(super) fn new(share: f64, least: u32) -> Self {
        Self { under_way: AtomicU64::new(0), share, least }
    }

    #[inline]
    pub(super) fn tell(&self, event: Event) {
        match event {
            Event::CallBegan => self.under_way.fetch_add(CALL, Ordering::Relaxed),
            Event::CallEnded => self.under_way.fetch_sub(CALL, Ordering::Relaxed),
            Event::RetryEnded => self.under_way.fetch_sub(1, Ordering::Relaxed),
            Event::Failed | Event::Succeeded(_) => 0,
        };
    }

    pub(super) fn withdraw(&self) -> bool {
        let next = |word| (self.room(word) >= 1.0).then_some(word + 1);
        if planted(Fault::BudgetStoresUnseen) {
            let to = next(self.under_way.load(Ordering::Relaxed));
            if let Some(to) = to {
                self.under_way.store(to, Ordering::Relaxed);
            }
            return to.is_some();
        }
        self.under_way.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).is_ok()
    }

    pub(super) fn left(&self) -> f64 {
        self.room(self.under_way.load(Ordering::Relaxed)).max(0.0)
    }

    fn room(&self, word: u64) -> f64 {
        let (calls, retries) = ((word >> 32) as f64, (word & (CALL - 1)) as f64);
        (calls * self.share).floor().max(f64::from(self.least)) - retries
    }
}
