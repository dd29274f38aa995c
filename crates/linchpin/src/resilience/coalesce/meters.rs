//! What a coalescing says about itself, resolved once.

use std::time::Duration;

use metrics::{Counter, Histogram};

use crate::resilience::news::told;
use crate::resilience::{Failed, FailedKind};
use crate::shim::atomic::{AtomicU64, Ordering};
use crate::sync::singleflight;

#[derive(Debug)]
pub(super) struct Meters {
    pub(super) name: &'static str,
    /// Those who shared, and those who led.
    calls: [[Counter; End::ALL.len()]; 2],
    seconds: Histogram,
    failed: AtomicU64,
    panicked: AtomicU64,
    timed_out: AtomicU64,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum End {
    Dropped,
    Ended,
    Failed,
    Panicked,
    Succeeded,
    TimedOut,
}

/// A [`Coalesce`](super::Coalesce) in numbers, since it was built.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Numbers {
    /// Flights begun: so often was work called.
    pub flights: u64,
    /// Callers that shared the flight of another. Once more for each time one came anew.
    pub shared: u64,
    /// Flights that have not ended.
    pub running: usize,
    /// Callers that got the error of their flight.
    pub failed: u64,
    /// Callers whose flight panicked.
    pub panicked: u64,
    /// Callers whose flight took too long.
    pub timed_out: u64,
}

impl End {
    const ALL: [Self; 6] =
        [Self::Dropped, Self::Ended, Self::Failed, Self::Panicked, Self::Succeeded, Self::TimedOut];

    pub(super) fn of<V, E>(result: &Result<V, Failed<E>>) -> Self {
        match result.as_ref().map_err(Failed::kind) {
            Ok(_) => Self::Succeeded,
            Err(FailedKind::Ended(_)) => Self::Ended,
            Err(FailedKind::Panicked(_)) => Self::Panicked,
            Err(FailedKind::TimedOut) => Self::TimedOut,
            Err(_) => Self::Failed,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Dropped => "dropped",
            Self::Ended => "ended",
            Self::Failed => "failure",
            Self::Panicked => "panicked",
            Self::Succeeded => "success",
            Self::TimedOut => "timed_out",
        }
    }
}

impl Meters {
    pub(super) fn new(name: &'static str) -> Self {
        let calls = |role: &'static str, end: End| metrics::counter!("linchpin_coalesce_calls_total", "coalesce" => name, "role" => role, "outcome" => end.as_str());
        Self {
            name,
            calls: ["shares", "leads"].map(|role| End::ALL.map(|end| calls(role, end))),
            seconds: metrics::histogram!("linchpin_coalesce_flight_seconds", "coalesce" => name),
            failed: AtomicU64::new(0),
            panicked: AtomicU64::new(0),
            timed_out: AtomicU64::new(0),
        }
    }

    pub(super) fn ended(&self, has_led: bool, end: End) {
        let one_more = |counter: &AtomicU64| {
            counter.fetch_add(1, Ordering::Relaxed);
        };
        match end {
            End::Failed => one_more(&self.failed),
            End::Panicked => one_more(&self.panicked),
            End::TimedOut => one_more(&self.timed_out),
            End::Dropped | End::Ended | End::Succeeded => {}
        }
        told(|| {
            self.calls[usize::from(has_led)][end as usize].increment(1);
            let outcome = end.as_str();
            tracing::debug!(coalesce = self.name, has_led, outcome, "a call has ended");
        });
    }

    /// A flight that was not ready at once took so long.
    pub(super) fn flew(&self, took: Duration) {
        told(|| self.seconds.record(took));
    }

    pub(super) fn numbers(&self, group: singleflight::Numbers) -> Numbers {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let singleflight::Numbers { calls, shared, running } = group;
        Numbers {
            flights: calls,
            shared,
            running,
            failed: read(&self.failed),
            panicked: read(&self.panicked),
            timed_out: read(&self.timed_out),
        }
    }
}

impl AsRef<Self> for Meters {
    fn as_ref(&self) -> &Self {
        self
    }
}
