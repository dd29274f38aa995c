//! What an adaptive limit says about itself, resolved once.

use std::time::Duration;

use metrics::{Counter, Gauge, Histogram};

use super::gate::Full;
use super::state::{Change, Ending};
use crate::resilience::news::{told, told_often};

#[derive(Debug)]
pub(super) struct Meters {
    failures: Counter,
    ignored: Counter,
    overloaded: Counter,
    successes: Counter,
    refused: Counter,
    seconds: Histogram,
    limit: Gauge,
    /// At most, in what was learnt from last.
    inflight: Gauge,
}

impl Meters {
    pub(super) fn new(name: &'static str) -> Self {
        let calls = |ending: Ending| metrics::counter!("linchpin_adaptive_calls_total", "adaptive" => name, "outcome" => ending.as_str());
        Self {
            failures: calls(Ending::Failure),
            ignored: calls(Ending::Ignored),
            overloaded: calls(Ending::Overloaded),
            successes: calls(Ending::Success),
            refused: metrics::counter!("linchpin_adaptive_refused_total", "adaptive" => name),
            seconds: metrics::histogram!("linchpin_adaptive_call_seconds", "adaptive" => name),
            limit: metrics::gauge!("linchpin_adaptive_limit", "adaptive" => name),
            inflight: metrics::gauge!("linchpin_adaptive_in_flight_peak", "adaptive" => name),
        }
    }

    pub(super) fn born(&self, limit: u32) {
        told(|| self.limit.set(limit));
    }

    #[inline]
    pub(super) fn ended(&self, ending: Ending, nanos: u64) {
        told_often(|| match ending {
            Ending::Success => {
                self.successes.increment(1);
                self.seconds.record(Duration::from_nanos(nanos));
            }
            Ending::Failure => self.failures.increment(1),
            Ending::Ignored => self.ignored.increment(1),
            Ending::Overloaded => self.overloaded.increment(1),
        });
    }

    #[cold]
    pub(super) fn refused(&self, name: &'static str, full: Full) {
        told(|| {
            self.refused.increment(1);
            let Full { inside, limit } = full;
            tracing::debug!(adaptive = name, inside, limit, "refused");
        });
    }

    pub(super) fn changed(&self, name: &'static str, change: &Change) {
        let Change { from, to, rtt, inflight, dropped } = change;
        self.limit.set(*to);
        self.inflight.set(*inflight);
        tracing::debug!(
            adaptive = name,
            from,
            to,
            ?rtt,
            inflight,
            dropped,
            "the limit has changed"
        );
    }
}
