//! What all handles of a timeout share.

use std::sync::Arc;
use std::time::Duration;

use metrics::{Counter, Gauge};

use crate::resilience::news::told;
use crate::shim::atomic::{AtomicU64, Ordering};
use crate::task::Tracker;
use crate::time::Instant;

#[derive(Debug)]
pub(in crate::resilience) struct Core {
    pub(super) name: &'static str,
    pub(super) limit: Duration,
    /// Who owns the work that may be abandoned.
    pub(super) tasks: Tracker,
    /// Apart from the rest: work holds it, and is no reason for its owner to live.
    pub(super) abandoned: Arc<Abandoned>,
    fired: AtomicU64,
    late: AtomicU64,
    fired_total: Counter,
    late_total: Counter,
}

/// How much work is under way that nobody waits for any more.
#[derive(Debug)]
pub(super) struct Abandoned {
    pub(super) under_way: AtomicU64,
    gauge: Gauge,
}

impl Core {
    pub(super) fn new(name: &'static str, limit: Duration) -> Self {
        let gauge = metrics::gauge!("linchpin_timeout_abandoned_in_flight", "timeout" => name);
        Self {
            name,
            limit,
            tasks: Tracker::new(name),
            abandoned: Arc::new(Abandoned { under_way: AtomicU64::new(0), gauge }),
            fired: AtomicU64::new(0),
            late: AtomicU64::new(0),
            fired_total: metrics::counter!("linchpin_timeout_fired_total", "timeout" => name),
            late_total: metrics::counter!("linchpin_timeout_late_results_total", "timeout" => name),
        }
    }

    /// The limit has cut work.
    #[cold]
    pub(super) fn fired(&self, from: Instant) {
        self.fired.fetch_add(1, Ordering::Relaxed);
        told(|| {
            self.fired_total.increment(1);
            let elapsed = from.elapsed();
            tracing::debug!(timeout = self.name, scope = "attempt", limit = ?self.limit, ?elapsed, "timed out");
        });
    }

    /// An error came too late to be told.
    pub(super) fn discarded(&self) {
        self.late.fetch_add(1, Ordering::Relaxed);
        told(|| {
            self.late_total.increment(1);
            tracing::debug!(timeout = self.name, "a late error is discarded");
        });
    }

    pub(super) fn numbers(&self) -> Numbers {
        Numbers {
            fired: self.fired.load(Ordering::Relaxed),
            late: self.late.load(Ordering::Relaxed),
            abandoned: self.abandoned.under_way.load(Ordering::Relaxed),
        }
    }
}

/// A [`Timeout`](super::Timeout) in numbers.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Numbers {
    /// Calls that it cut, since it was built.
    pub fired: u64,
    /// Errors that came when the time was up already, since it was built.
    pub late: u64,
    /// Work that is under way and that nobody waits for any more.
    pub abandoned: u64,
}

impl Abandoned {
    #[cfg(all(test, linchpin_loom))]
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { under_way: AtomicU64::new(0), gauge: Gauge::noop() })
    }

    pub(super) fn one_more(&self) {
        self.under_way.fetch_add(1, Ordering::Relaxed);
        told(|| self.gauge.increment(1));
    }

    pub(super) fn one_less(&self) {
        self.under_way.fetch_sub(1, Ordering::Relaxed);
        told(|| self.gauge.decrement(1));
    }
}
