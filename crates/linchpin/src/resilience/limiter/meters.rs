//! What a limiter says about itself, resolved once.

use std::time::Duration;

use metrics::{Counter, Gauge, Histogram};
use tracing::Level;
use tracing::level_filters::LevelFilter;

use super::decision::{Cause, No};
use crate::resilience::news::{told, told_often};

/// For one limiter, or for all keys of one: a key is no label.
#[derive(Debug)]
pub(super) struct Meters {
    passed: Counter,
    refused: Counter,
    waited: Counter,
    seconds: Histogram,
}

/// The same for the keys themselves.
#[derive(Debug)]
pub(super) struct KeyMeters {
    keys: Gauge,
    pruned: Counter,
    overflowed: Counter,
}

impl Meters {
    pub(super) fn new(name: &'static str) -> Self {
        let decisions = |outcome: &'static str| metrics::counter!("linchpin_limiter_decisions_total", "limiter" => name, "outcome" => outcome);
        Self {
            passed: decisions("passed"),
            refused: decisions("refused"),
            waited: decisions("waited"),
            seconds: metrics::histogram!("linchpin_limiter_wait_seconds", "limiter" => name),
        }
    }

    /// Passes at once.
    #[inline]
    pub(super) fn passed(&self) {
        told_often(|| self.passed.increment(1));
    }

    /// Passes, after such a wait.
    #[inline]
    pub(super) fn granted(&self, name: &'static str, wait: u64) {
        if wait == 0 {
            self.passed();
        } else {
            self.waits(name, wait);
        }
    }

    fn waits(&self, name: &'static str, wait: u64) {
        let wait = Duration::from_nanos(wait);
        told(|| {
            self.waited.increment(1);
            self.seconds.record(wait);
            tracing::trace!(limiter = name, ?wait, "has a turn");
        });
    }

    #[inline]
    pub(super) fn refused(&self, name: &'static str, no: &No) {
        told_often(|| self.refused.increment(1));
        if LevelFilter::current() >= Level::DEBUG {
            tell(name, no.cause, no.retry_after);
        }
    }
}

/// Apart, so that a refusal which nobody hears of needs no place for what would be told.
#[cold]
fn tell(name: &'static str, cause: Cause, retry_after: u64) {
    let retry_after = Duration::from_nanos(retry_after);
    told(|| tracing::debug!(limiter = name, ?cause, ?retry_after, "refused"));
}

impl KeyMeters {
    pub(super) fn new(name: &'static str) -> Self {
        Self {
            keys: metrics::gauge!("linchpin_limiter_keys", "limiter" => name),
            pruned: metrics::counter!("linchpin_limiter_pruned_total", "limiter" => name),
            overflowed: metrics::counter!("linchpin_limiter_overflowed_total", "limiter" => name),
        }
    }

    pub(super) fn came(&self) {
        told(|| self.keys.increment(1));
    }

    pub(super) fn went(&self, keys: usize) {
        if keys > 0 {
            told(|| {
                self.keys.decrement(keys as f64);
                self.pruned.increment(keys as u64);
            });
        }
    }

    /// The limiter of keys itself went.
    pub(super) fn gone(&self, keys: usize) {
        told(|| self.keys.decrement(keys as f64));
    }

    #[cold]
    pub(super) fn overflowed(&self, name: &'static str, max_keys: usize) {
        told(|| {
            self.overflowed.increment(1);
            tracing::debug!(limiter = name, max_keys, "no room for a key: it shares a bucket");
        });
    }
}
