//! What a balancer says about itself, resolved once. A target is no label.

use std::time::Duration;

use metrics::{Counter, Gauge, Histogram};

use super::state::{Cause, Change};
use crate::resilience::Outcome;
use crate::resilience::news::{told, told_often};

#[derive(Debug)]
pub(super) struct Meters {
    failures: Counter,
    ignored: Counter,
    successes: Counter,
    refused: Counter,
    seconds: Histogram,
    ejections: [Counter; Cause::ALL.len()],
    overflows: Counter,
    targets: Gauge,
    ejected: Gauge,
    panicking: Gauge,
}

impl Meters {
    pub(super) fn new(name: &'static str) -> Self {
        let calls = |outcome: Outcome| {
            let outcome = outcome.as_str();
            metrics::counter!("linchpin_balancer_calls_total", "balancer" => name, "outcome" => outcome)
        };
        let ejections = |cause: Cause| {
            let cause = cause.as_str();
            metrics::counter!("linchpin_balancer_ejections_total", "balancer" => name, "cause" => cause)
        };
        Self {
            failures: calls(Outcome::Failure),
            ignored: calls(Outcome::Ignored),
            successes: calls(Outcome::Success),
            refused: metrics::counter!("linchpin_balancer_refused_total", "balancer" => name),
            seconds: metrics::histogram!("linchpin_balancer_call_seconds", "balancer" => name),
            ejections: Cause::ALL.map(ejections),
            overflows: metrics::counter!("linchpin_balancer_overflows_total", "balancer" => name),
            targets: metrics::gauge!("linchpin_balancer_targets", "balancer" => name),
            ejected: metrics::gauge!("linchpin_balancer_ejected", "balancer" => name),
            panicking: metrics::gauge!("linchpin_balancer_panicking", "balancer" => name),
        }
    }

    #[inline]
    pub(super) fn ended(&self, outcome: Outcome, took: Duration) {
        told_often(|| {
            match outcome {
                Outcome::Failure => self.failures.increment(1),
                Outcome::Ignored => self.ignored.increment(1),
                Outcome::Success => self.successes.increment(1),
            }
            if outcome != Outcome::Ignored {
                self.seconds.record(took);
            }
        });
    }

    #[cold]
    pub(super) fn refused(&self, name: &'static str) {
        told(|| {
            self.refused.increment(1);
            tracing::debug!(balancer = name, "there is no target");
        });
    }

    pub(super) fn changed(&self, name: &'static str, change: &Change) {
        match change {
            Change::Ejected { target, cause, time, times } => {
                self.ejected.increment(1);
                self.ejections[*cause as usize].increment(1);
                tracing::warn!(balancer = name, %target, %cause, ejected_for = ?time, times, "a target is ejected");
            }
            Change::Spared { target, cause } => {
                self.overflows.increment(1);
                tracing::warn!(balancer = name, %target, %cause, "a target would be ejected, but too many are");
            }
            Change::Returned { target } => {
                self.ejected.decrement(1);
                tracing::info!(balancer = name, %target, "a target returns");
            }
            Change::Panicking(true) => {
                self.panicking.increment(1);
                tracing::warn!(balancer = name, "so many targets are ejected that all are used");
            }
            Change::Panicking(false) => {
                self.panicking.decrement(1);
                tracing::info!(balancer = name, "enough targets are left");
            }
            Change::Came { target } => {
                self.targets.increment(1);
                tracing::debug!(balancer = name, %target, "a target has come");
            }
            Change::Went { target, was_ejected } => {
                self.targets.decrement(1);
                if *was_ejected {
                    self.ejected.decrement(1);
                }
                tracing::debug!(balancer = name, %target, "a target has gone");
            }
        }
    }

    pub(super) fn ends(&self, targets: usize, ejected: usize, panicking: bool) {
        told(|| {
            self.targets.decrement(targets as f64);
            self.ejected.decrement(ejected as f64);
            self.panicking.decrement(f64::from(u8::from(panicking)));
        });
    }
}
