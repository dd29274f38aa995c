//! What a breaker says about itself, resolved once.

use std::time::Duration;

use metrics::{Counter, Gauge, Histogram};

use super::machine::{No, Recorded};
use super::state::{Change, State};
use crate::resilience::Outcome;
use crate::resilience::news::{told, told_often};

/// For one breaker, or for all of a registry: a key is no label.
#[derive(Debug)]
pub(super) struct Meters {
    failures: Counter,
    ignored: Counter,
    successes: Counter,
    stale: Counter,
    refused: Counter,
    seconds: Histogram,
    /// How many breakers of that name are in each state.
    states: [Gauge; State::ALL.len()],
}

impl Meters {
    pub(super) fn new(name: &'static str) -> Self {
        let calls = |outcome: &'static str| metrics::counter!("linchpin_breaker_calls_total", "breaker" => name, "outcome" => outcome);
        let state = |state: State| {
            let state = state.as_str();
            metrics::gauge!("linchpin_breaker_state", "breaker" => name, "state" => state)
        };
        Self {
            failures: calls(Outcome::Failure.as_str()),
            ignored: calls(Outcome::Ignored.as_str()),
            successes: calls(Outcome::Success.as_str()),
            stale: calls("stale"),
            refused: metrics::counter!("linchpin_breaker_refused_total", "breaker" => name),
            seconds: metrics::histogram!("linchpin_breaker_call_seconds", "breaker" => name),
            states: State::ALL.map(state),
        }
    }

    pub(super) fn born(&self) {
        told(|| self.states[State::Closed as usize].increment(1));
    }

    pub(super) fn gone(&self, state: State) {
        told(|| self.states[state as usize].decrement(1));
    }

    #[inline]
    pub(super) fn refused(&self, name: &'static str, no: &No) {
        told_often(|| {
            self.refused.increment(1);
            tracing::debug!(breaker = name, cause = %no.cause, retry_after = ?no.retry_after, "refused");
        });
    }

    #[inline]
    pub(super) fn succeeded(&self, took: Option<Duration>) {
        told_often(|| {
            self.successes.increment(1);
            if let Some(took) = took {
                self.seconds.record(took);
            }
        });
    }

    pub(super) fn ended(
        &self,
        name: &'static str,
        outcome: Outcome,
        recorded: Recorded,
        took: Option<Duration>,
    ) {
        let counter = match (recorded, outcome) {
            (Recorded::Stale, _) => &self.stale,
            (_, Outcome::Failure) => &self.failures,
            (_, Outcome::Ignored) => &self.ignored,
            (_, Outcome::Success) => &self.successes,
        };
        told_often(|| {
            counter.increment(1);
            if let Some(took) = took {
                self.seconds.record(took);
            }
            if recorded != Recorded::Counted {
                seldom(name, outcome, recorded);
            }
        });
    }

    pub(super) fn changed(&self, name: &'static str, key: Option<&str>, change: &Change) {
        let Change { from, to, cause, calls, failures, slow, open_for, .. } = change;
        if from != to {
            self.gone(*from);
            self.states[*to as usize].increment(1);
        }
        macro_rules! tell {
            ($level:ident, $text:literal) => {
                tracing::$level!(
                    breaker = name, key, %from, %to, %cause, calls, failures, slow, ?open_for, $text
                )
            };
        }
        match to {
            State::Open => tell!(warn, "the breaker has opened"),
            _ if from == to => tell!(warn, "the breaker would have opened"),
            _ => tell!(info, "the breaker is in another state"),
        }
    }
}

#[cold]
fn seldom(name: &'static str, outcome: Outcome, recorded: Recorded) {
    let outcome = outcome.as_str();
    match recorded {
        Recorded::Probe => tracing::debug!(breaker = name, outcome, "a probe has ended"),
        Recorded::Stale => tracing::trace!(breaker = name, outcome, "ended too late to count"),
        _ => tracing::trace!(breaker = name, outcome, "not counted"),
    }
}
