//! What a throttle says about itself, resolved once.

use std::time::Duration;

use metrics::{Counter, Gauge, Histogram};

use super::machine::No;
use super::state::Change;
use crate::resilience::Outcome;
use crate::resilience::news::{told, told_often};

#[derive(Debug)]
pub(super) struct Meters {
    accepted: Counter,
    rejected: Counter,
    ignored: Counter,
    refused: Counter,
    probes: Counter,
    seconds: Histogram,
    /// How many throttles of that name refuse calls.
    throttling: Gauge,
}

impl Meters {
    pub(super) fn new(name: &'static str) -> Self {
        let calls = |outcome: &'static str| metrics::counter!("linchpin_throttle_calls_total", "throttle" => name, "outcome" => outcome);
        Self {
            accepted: calls("accepted"),
            rejected: calls("rejected"),
            ignored: calls(Outcome::Ignored.as_str()),
            refused: metrics::counter!("linchpin_throttle_refused_total", "throttle" => name),
            probes: metrics::counter!("linchpin_throttle_probes_total", "throttle" => name),
            seconds: metrics::histogram!("linchpin_throttle_call_seconds", "throttle" => name),
            throttling: metrics::gauge!("linchpin_throttle_throttling", "throttle" => name),
        }
    }

    #[inline]
    pub(super) fn ended(&self, outcome: Outcome, took: Option<Duration>) {
        told_often(|| {
            match outcome {
                Outcome::Failure => self.rejected.increment(1),
                Outcome::Ignored => self.ignored.increment(1),
                Outcome::Success => self.accepted.increment(1),
            }
            if let Some(took) = took {
                self.seconds.record(took);
            }
        });
    }

    pub(super) fn refused(&self, name: &'static str, no: &No) {
        told(|| {
            self.refused.increment(1);
            let No { requests, accepted, chance } = no;
            tracing::debug!(throttle = name, requests, accepted, chance, "refused");
        });
    }

    pub(super) fn probed(&self) {
        told(|| self.probes.increment(1));
    }

    pub(super) fn changed(&self, name: &'static str, change: &Change) {
        let Change { throttling, requests, accepted, chance } = change;
        if *throttling {
            self.throttling.increment(1);
            tracing::warn!(
                throttle = name,
                requests,
                accepted,
                chance,
                "the throttle refuses calls"
            );
        } else {
            self.calm();
            tracing::info!(throttle = name, requests, accepted, "the throttle refuses no calls");
        }
    }

    pub(super) fn calm(&self) {
        self.throttling.decrement(1);
    }
}
