//! What a retry says about itself, resolved once.

use std::time::Duration;

use metrics::Counter;

use super::stop::{StopReason, Stopped};
use crate::resilience::news::{told, told_often};
use crate::shim::atomic::{AtomicU64, Ordering};

#[derive(Debug)]
pub(super) struct Meters {
    /// Success and failure, at once and after a retry.
    calls: [[Counter; 2]; 2],
    retries: Counter,
    stopped: [Counter; StopReason::ALL.len()],
    seen: Seen,
}

/// The same for people, but for calls that succeed at once: to count those would cost more than the retry does.
#[derive(Debug, Default)]
struct Seen {
    retries: AtomicU64,
    recovered: AtomicU64,
    failed: AtomicU64,
    spent: AtomicU64,
    panics: AtomicU64,
}

/// A [`Retry`](super::Retry) in numbers, since it was built.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Numbers {
    /// Attempts that were scheduled beyond the first.
    pub retries: u64,
    /// Calls that succeeded after a retry.
    pub recovered: u64,
    /// Calls that failed for good. Those that were dropped are in no number.
    pub failed: u64,
    /// Those among them that failed because the budget was spent.
    pub out_of_budget: u64,
    /// Calls whose work panicked; not among those that failed.
    pub panicked: u64,
}

impl Meters {
    pub(super) fn new(name: &'static str) -> Self {
        let calls = |outcome: &'static str, retried: &'static str| metrics::counter!("linchpin_retry_calls_total", "retry" => name, "outcome" => outcome, "retried" => retried);
        let stopped = |reason: StopReason| metrics::counter!("linchpin_retry_stopped_total", "retry" => name, "reason" => reason.as_str());
        Self {
            calls: ["failure", "success"]
                .map(|outcome| ["no", "yes"].map(|retried| calls(outcome, retried))),
            retries: metrics::counter!("linchpin_retry_retries_total", "retry" => name),
            stopped: StopReason::ALL.map(stopped),
            seen: Seen::default(),
        }
    }

    #[inline]
    pub(super) fn succeeded_at_once(&self) {
        told_often(|| self.calls[1][0].increment(1));
    }

    pub(super) fn again(
        &self,
        retry: &'static str,
        attempt: u32,
        delay: Duration,
        asked: Option<Duration>,
    ) {
        one_more(&self.seen.retries);
        told(|| {
            self.retries.increment(1);
            tracing::debug!(
                retry,
                attempt,
                ?delay,
                ?asked,
                "an attempt failed, there will be another"
            );
        });
    }

    pub(super) fn ended(&self, retry: &'static str, is_well: bool, stopped: Stopped) {
        let Stopped { attempts, reason, retry_after } = stopped;
        let has_retried = attempts > 1;
        let Seen { recovered, failed, spent, .. } = &self.seen;
        match (is_well, reason) {
            (true, _) if has_retried => one_more(recovered),
            (true, _) | (false, StopReason::Cancelled) => {}
            (false, StopReason::Budget) => {
                one_more(failed);
                one_more(spent);
            }
            (false, _) => one_more(failed),
        }
        told(|| {
            self.calls[usize::from(is_well)][usize::from(has_retried)].increment(1);
            if is_well {
                tracing::debug!(retry, attempts, "succeeded");
            } else {
                self.stopped[reason as usize].increment(1);
                tracing::debug!(retry, attempts, %reason, ?retry_after, "gave up");
            }
        });
    }

    pub(super) fn panicked(&self, attempts: u32) {
        one_more(&self.seen.panics);
        told(|| self.calls[0][usize::from(attempts > 1)].increment(1));
    }

    pub(super) fn numbers(&self) -> Numbers {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let Seen { retries, recovered, failed, spent, panics } = &self.seen;
        Numbers {
            retries: read(retries),
            recovered: read(recovered),
            failed: read(failed),
            out_of_budget: read(spent),
            panicked: read(panics),
        }
    }
}

fn one_more(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
