//! What is told of attempts: the metrics, the log and the bus.

use super::ready::Ready;
use super::record::Attempt;
use crate::events::Attempted;
use crate::model::time::Time;

/// The metrics of the dispatcher.
#[derive(Debug)]
pub(super) struct Meters {
    success: metrics::Counter,
    failure: metrics::Counter,
    exhausted: metrics::Counter,
    pub(super) dropped: metrics::Counter,
    /// Went back to the database, as others needed the room.
    pub(super) laid: metrics::Counter,
    seconds: metrics::Histogram,
}

// ===== impl Meters =====

impl Meters {
    pub(super) fn new() -> Self {
        let attempts =
            |outcome: &'static str| metrics::counter!("relay_attempts_total", "outcome" => outcome);
        Self {
            success: attempts("success"),
            failure: attempts("failure"),
            exhausted: metrics::counter!("relay_deliveries_exhausted_total"),
            dropped: metrics::counter!("relay_deliveries_dropped_total"),
            laid: metrics::counter!("relay_deliveries_laid_down_total"),
            seconds: metrics::histogram!("relay_attempt_seconds"),
        }
    }

    pub(super) fn count(&self, attempt: &Attempt) {
        if attempt.success { &self.success } else { &self.failure }.increment(1);
        if !attempt.success && attempt.next.is_none() {
            self.exhausted.increment(1);
        }
        self.seconds.record(attempt.duration_ms as f64 / 1_000.0);
    }
}

/// A line of the log.
pub(super) fn log(ready: &Ready, attempt: &Attempt) {
    let (msg, endpoint) = (&ready.message, &ready.endpoint);
    let (number, status, ms) = (ready.attempt + 1, attempt.status_code, attempt.duration_ms);
    if attempt.success {
        tracing::debug!(%msg, %endpoint, attempt = number, status, ms, "delivered");
    } else if let Some(next) = attempt.next {
        let next = next.shown;
        tracing::info!(%msg, %endpoint, attempt = number, status, ms, %next, "not delivered, will retry");
    } else {
        tracing::warn!(%msg, %endpoint, attempt = number, status, ms, "not delivered, given up");
    }
}

/// What is told on the bus.
pub(super) fn attempted(ready: &Ready, attempt: &Attempt) -> Attempted {
    Attempted {
        app_id: ready.app,
        msg_id: ready.message,
        endpoint_id: ready.endpoint,
        attempt: ready.attempt + 1,
        response_status_code: attempt.status_code,
        response_duration_ms: attempt.duration_ms,
        timestamp: Time(attempt.at),
        next_attempt: attempt.next.map(|next| Time(next.shown)),
    }
}
