//! What a hedge says about itself, resolved once.

use std::time::Duration;

use metrics::{Counter, Gauge};

use crate::resilience::news::{told, told_often};
use crate::resilience::retry::{StopReason, Stopped};
use crate::shim::atomic::{AtomicU64, Ordering};

#[derive(Debug)]
pub(super) struct Meters {
    /// Failure and success, of one attempt and of several.
    calls: [[Counter; 2]; 2],
    /// By why they were sent.
    sent: [Counter; Why::ALL.len()],
    won: Counter,
    lost: Counter,
    spent: Counter,
    stopped: [Counter; StopReason::ALL.len()],
    delay: Gauge,
    seen: Seen,
}

/// The same for people. Calls are counted by the window of the extra load.
#[derive(Debug, Default)]
struct Seen {
    sent: AtomicU64,
    won: AtomicU64,
    lost: AtomicU64,
    spent: AtomicU64,
    failed: AtomicU64,
    panics: AtomicU64,
}

/// Why an attempt beyond the first is sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Why {
    /// The callee asked for that moment.
    Asked,
    /// One before it failed.
    Failed,
    /// The one before it takes long.
    Slow,
}

/// A [`Hedge`](super::Hedge) in numbers, since it was built.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Numbers {
    /// Calls that began.
    pub calls: u64,
    /// Attempts that were sent beyond the first.
    pub sent: u64,
    /// Those among them whose answer was the first.
    pub won: u64,
    /// Attempts, first ones too, that were dropped since another was faster.
    pub lost: u64,
    /// Attempts that were not sent because a budget was spent.
    pub out_of_budget: u64,
    /// Calls that failed for good. Those that were dropped or cancelled are in no number but `calls`.
    pub failed: u64,
    /// Calls whose work panicked; not among those that failed.
    pub panicked: u64,
    /// When the next attempt is due after the one before; `None` while too few samples are known.
    pub delay: Option<Duration>,
}

impl Why {
    const ALL: [Self; 3] = [Self::Asked, Self::Failed, Self::Slow];

    fn as_str(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Failed => "failed",
            Self::Slow => "slow",
        }
    }
}

impl Meters {
    pub(super) fn new(name: &'static str) -> Self {
        let calls = |outcome: &'static str, hedged: &'static str| metrics::counter!("linchpin_hedge_calls_total", "hedge" => name, "outcome" => outcome, "hedged" => hedged);
        let sent = |why: Why| metrics::counter!("linchpin_hedge_sent_total", "hedge" => name, "why" => why.as_str());
        let stopped = |reason: StopReason| metrics::counter!("linchpin_hedge_stopped_total", "hedge" => name, "reason" => reason.as_str());
        Self {
            calls: ["failure", "success"]
                .map(|outcome| ["no", "yes"].map(|hedged| calls(outcome, hedged))),
            sent: Why::ALL.map(sent),
            won: metrics::counter!("linchpin_hedge_won_total", "hedge" => name),
            lost: metrics::counter!("linchpin_hedge_lost_total", "hedge" => name),
            spent: metrics::counter!("linchpin_hedge_out_of_budget_total", "hedge" => name),
            stopped: StopReason::ALL.map(stopped),
            delay: metrics::gauge!("linchpin_hedge_delay_seconds", "hedge" => name),
            seen: Seen::default(),
        }
    }

    #[inline]
    pub(super) fn succeeded_at_once(&self) {
        told_often(|| self.calls[1][0].increment(1));
    }

    pub(super) fn sent(&self, hedge: &'static str, attempt: u32, why: Why) {
        more(&self.seen.sent, 1);
        told(|| {
            self.sent[why as usize].increment(1);
            tracing::debug!(hedge, attempt, why = why.as_str(), "another attempt is sent");
        });
    }

    pub(super) fn spent(&self, hedge: &'static str, attempts: u32) {
        more(&self.seen.spent, 1);
        told(|| {
            self.spent.increment(1);
            tracing::debug!(hedge, attempts, "no budget for another attempt");
        });
    }

    /// The answer of `attempt` was the first; so many others were under way.
    pub(super) fn won(&self, hedge: &'static str, attempt: u32, attempts: u32, lost: u32) {
        more(&self.seen.lost, lost.into());
        if attempt > 1 {
            more(&self.seen.won, 1);
        }
        told(|| {
            self.calls[1][usize::from(attempts > 1)].increment(1);
            self.lost.increment(lost.into());
            if attempt > 1 {
                self.won.increment(1);
            }
            if attempts > 1 {
                tracing::debug!(hedge, attempt, attempts, lost, "an attempt won");
            }
        });
    }

    pub(super) fn failed(&self, hedge: &'static str, stopped: Stopped) {
        let Stopped { attempts, reason, retry_after } = stopped;
        if reason != StopReason::Cancelled {
            more(&self.seen.failed, 1);
        }
        told(|| {
            self.calls[0][usize::from(attempts > 1)].increment(1);
            self.stopped[reason as usize].increment(1);
            tracing::debug!(hedge, attempts, %reason, ?retry_after, "gave up");
        });
    }

    pub(super) fn panicked(&self, attempts: u32) {
        more(&self.seen.panics, 1);
        told(|| self.calls[0][usize::from(attempts > 1)].increment(1));
    }

    pub(super) fn delay(&self, delay: Duration) {
        told(|| self.delay.set(delay.as_secs_f64()));
    }

    pub(super) fn numbers(&self, calls: u64, delay: Option<Duration>) -> Numbers {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let Seen { sent, won, lost, spent, failed, panics } = &self.seen;
        Numbers {
            calls,
            sent: read(sent),
            won: read(won),
            lost: read(lost),
            out_of_budget: read(spent),
            failed: read(failed),
            panicked: read(panics),
            delay,
        }
    }
}

fn more(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}
