//! What a bulkhead says about itself, resolved once.

use std::time::Duration;

use metrics::{Counter, Gauge, Histogram};

use crate::resilience::Outcome;
use crate::resilience::news::{told, told_often};
use crate::shim::atomic::{AtomicU64, Ordering};

#[derive(Debug)]
pub(super) struct Meters {
    permitted: Counter,
    successes: Counter,
    failures: Counter,
    ignored: Counter,
    in_use: Gauge,
    queued: Gauge,
    waited: Histogram,
    refused: [Refused; No::ALL.len()],
    failed: AtomicU64,
}

#[derive(Debug)]
struct Refused {
    times: AtomicU64,
    counter: Counter,
}

/// Why somebody is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum No {
    QueueFull,
    WaitTimeout,
    TooHeavy,
}

impl Meters {
    pub(super) fn new(name: &'static str) -> Self {
        let decisions = |outcome: &'static str| metrics::counter!("linchpin_bulkhead_decisions_total", "bulkhead" => name, "outcome" => outcome);
        let finished = |outcome: Outcome| metrics::counter!("linchpin_bulkhead_finished_total", "bulkhead" => name, "outcome" => outcome.as_str());
        Self {
            permitted: decisions("permitted"),
            successes: finished(Outcome::Success),
            failures: finished(Outcome::Failure),
            ignored: finished(Outcome::Ignored),
            in_use: metrics::gauge!("linchpin_bulkhead_in_use", "bulkhead" => name),
            queued: metrics::gauge!("linchpin_bulkhead_queued", "bulkhead" => name),
            waited: metrics::histogram!("linchpin_bulkhead_wait_seconds", "bulkhead" => name),
            refused: No::ALL
                .map(|no| Refused { times: AtomicU64::new(0), counter: decisions(no.as_str()) }),
            failed: AtomicU64::new(0),
        }
    }

    #[inline]
    pub(super) fn permitted(&self, weight: usize) {
        told_often(|| {
            self.permitted.increment(1);
            self.in_use.increment(weight as f64);
        });
    }

    #[inline]
    pub(super) fn finished(&self, name: &'static str, weight: usize, outcome: Outcome) {
        if outcome == Outcome::Success {
            told_often(|| {
                self.successes.increment(1);
                self.in_use.decrement(weight as f64);
            });
        } else {
            self.finished_otherwise(name, weight, outcome);
        }
    }

    #[cold]
    fn finished_otherwise(&self, name: &'static str, weight: usize, outcome: Outcome) {
        let is_failure = outcome == Outcome::Failure;
        if is_failure {
            self.failed.fetch_add(1, Ordering::Relaxed);
        }
        told(|| {
            let counter = if is_failure { &self.failures } else { &self.ignored };
            counter.increment(1);
            self.in_use.decrement(weight as f64);
            tracing::trace!(bulkhead = name, outcome = outcome.as_str(), "finished");
        });
    }

    pub(super) fn queues(&self) {
        told(|| self.queued.increment(1));
    }

    pub(super) fn queues_no_more(&self) {
        told(|| self.queued.decrement(1));
    }

    pub(super) fn waited(&self, name: &'static str, waited: Duration) {
        told(|| {
            self.waited.record(waited);
            tracing::trace!(bulkhead = name, ?waited, "has a place");
        });
    }

    #[cold]
    pub(super) fn refused(&self, name: &'static str, no: No) {
        let Refused { times, counter } = &self.refused[no as usize];
        times.fetch_add(1, Ordering::Relaxed);
        told(|| {
            counter.increment(1);
            tracing::debug!(bulkhead = name, reason = no.as_str(), "refused");
        });
    }

    pub(super) fn times_refused(&self, no: No) -> u64 {
        self.refused[no as usize].times.load(Ordering::Relaxed)
    }

    pub(super) fn times_failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }
}

impl No {
    const ALL: [Self; 3] = [Self::QueueFull, Self::WaitTimeout, Self::TooHeavy];

    fn as_str(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::WaitTimeout => "wait_timeout",
            Self::TooHeavy => "too_heavy",
        }
    }
}
