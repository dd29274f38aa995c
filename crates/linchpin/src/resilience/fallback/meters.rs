//! What a fallback says about itself, resolved once.

use metrics::Counter as Meter;

use super::degraded::{Degraded, Reason};
use crate::resilience::news::{told, told_often};
use crate::shim::atomic::{AtomicU64, Ordering};
use crate::sync::counter::Counter;

#[derive(Debug)]
pub(super) struct Meters {
    calls: Meter,
    /// By reason: what it gave, and what failed.
    used: [Meter; Reason::ALL.len()],
    failed: [Meter; Reason::ALL.len()],
    seen: Seen,
}

/// The same for people.
#[derive(Debug, Default)]
struct Seen {
    calls: Counter,
    used: AtomicU64,
    failed: AtomicU64,
    exercised: AtomicU64,
    exercises_failed: AtomicU64,
}

/// A [`Fallback`](super::Fallback) in numbers, since it was built.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Numbers {
    /// Calls that began.
    pub calls: u64,
    /// Calls that it answered.
    pub used: u64,
    /// Calls that it could not answer either.
    pub failed: u64,
    /// How often it was exercised, though not needed.
    pub exercised: u64,
    /// How often it failed then.
    pub exercises_failed: u64,
}

impl Meters {
    pub(super) fn new(name: &'static str) -> Self {
        let used = |reason: Reason| metrics::counter!("linchpin_fallback_used_total", "fallback" => name, "reason" => reason.as_str());
        let failed = |reason: Reason| metrics::counter!("linchpin_fallback_failed_total", "fallback" => name, "reason" => reason.as_str());
        Self {
            calls: metrics::counter!("linchpin_fallback_calls_total", "fallback" => name),
            used: Reason::ALL.map(used),
            failed: Reason::ALL.map(failed),
            seen: Seen::default(),
        }
    }

    #[inline]
    pub(super) fn called(&self) {
        told_often(|| self.calls.increment(1));
        self.seen.calls.add(1);
    }

    pub(super) fn used(&self, Degraded { fallback, reason }: Degraded) {
        let Seen { used, exercised, .. } = &self.seen;
        one_more(if reason == Reason::Exercise { exercised } else { used });
        told(|| {
            self.used[reason as usize].increment(1);
            tracing::debug!(fallback, %reason, "something stands in for the answer");
        });
    }

    pub(super) fn failed(&self, Degraded { fallback, reason }: Degraded) {
        let Seen { failed, exercised, exercises_failed, .. } = &self.seen;
        if reason == Reason::Exercise {
            one_more(exercised);
            one_more(exercises_failed);
        } else {
            one_more(failed);
        }
        told(|| {
            self.failed[reason as usize].increment(1);
            tracing::warn!(fallback, %reason, "the fallback failed");
        });
    }

    pub(super) fn numbers(&self) -> Numbers {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let Seen { calls, used, failed, exercised, exercises_failed } = &self.seen;
        Numbers {
            calls: calls.sum(),
            used: read(used),
            failed: read(failed),
            exercised: read(exercised),
            exercises_failed: read(exercises_failed),
        }
    }
}

fn one_more(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
