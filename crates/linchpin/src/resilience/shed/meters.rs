//! What a shedder says about itself, resolved once.

use std::time::Duration;

use metrics::{Counter, Histogram};

use super::state::{Cause, No};
use crate::resilience::news::{told, told_often};
use crate::resilience::{Outcome, Priority};

#[derive(Debug)]
pub(super) struct Meters {
    /// By class.
    admitted: [Counter; Priority::ALL.len()],
    /// By class and cause.
    shed: [[Counter; Cause::ALL.len()]; Priority::ALL.len()],
    failures: Counter,
    ignored: Counter,
    successes: Counter,
    seconds: Histogram,
}

impl Meters {
    pub(super) fn new(name: &'static str) -> Self {
        let admitted = |class: Priority| metrics::counter!("linchpin_shed_admitted_total", "shedder" => name, "class" => class.as_str());
        let shed = |class: Priority| {
            Cause::ALL.map(|cause| {
                let (class, reason) = (class.as_str(), cause.as_str());
                metrics::counter!("linchpin_shed_refused_total", "shedder" => name, "class" => class, "reason" => reason)
            })
        };
        let calls = |outcome: Outcome| metrics::counter!("linchpin_shed_calls_total", "shedder" => name, "outcome" => outcome.as_str());
        Self {
            admitted: Priority::ALL.map(admitted),
            shed: Priority::ALL.map(shed),
            failures: calls(Outcome::Failure),
            ignored: calls(Outcome::Ignored),
            successes: calls(Outcome::Success),
            seconds: metrics::histogram!("linchpin_shed_call_seconds", "shedder" => name),
        }
    }

    #[inline]
    pub(super) fn admitted(&self, class: Priority) {
        told_often(|| self.admitted[class as usize].increment(1));
    }

    #[inline]
    pub(super) fn ended(&self, outcome: Outcome, nanos: u64) {
        told_often(|| match outcome {
            Outcome::Success => {
                self.successes.increment(1);
                self.seconds.record(Duration::from_nanos(nanos));
            }
            Outcome::Failure => self.failures.increment(1),
            Outcome::Ignored => self.ignored.increment(1),
        });
    }

    pub(super) fn refused(&self, name: &'static str, no: &No, load: f64) {
        told(|| {
            self.shed[no.class as usize][no.cause as usize].increment(1);
            let (class, reason) = (no.class.as_str(), no.cause.as_str());
            tracing::debug!(shedder = name, class, reason, load, "shed");
        });
    }
}
