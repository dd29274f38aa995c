//! No retries while too many attempts fail: gRPC's.

use super::bucket::step;
use crate::shim::atomic::{AtomicU32, Ordering};

/// Counts thousandths of a token.
#[derive(Debug)]
pub(in crate::resilience::retry) struct Throttle {
    tokens: AtomicU32,
    most: u32,
    share: u32,
}

const TOKEN: u32 = 1_000;

impl Throttle {
    pub(super) fn new(most: u32, share: f64) -> Self {
        let most = most * TOKEN;
        let share = (share * f64::from(TOKEN)).round() as u32;
        Self { tokens: AtomicU32::new(most), most, share }
    }

    /// All are there in the usual case, and a look is enough then.
    #[inline]
    pub(super) fn succeeded(&self) {
        if self.tokens.load(Ordering::Relaxed) < self.most {
            let next = |tokens: u32| Some(tokens.saturating_add(self.share).min(self.most));
            step(&self.tokens, next);
        }
    }

    pub(super) fn failed(&self) {
        step(&self.tokens, |tokens| Some(tokens.saturating_sub(TOKEN)));
    }

    pub(super) fn allows(&self) -> bool {
        self.tokens.load(Ordering::Relaxed) > self.most / 2
    }

    /// Nothing is taken by a retry, only by a failure.
    pub(super) fn left(&self) -> f64 {
        f64::from(self.tokens.load(Ordering::Relaxed).saturating_sub(self.most / 2) / TOKEN)
    }
}
