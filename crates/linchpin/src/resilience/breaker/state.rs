//! How a breaker is, and what changed it.

use std::fmt;
use std::time::Duration;

use crate::time::Instant;

/// How a [`Breaker`](super::Breaker) is.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum State {
    /// Calls pass and are counted.
    Closed,
    /// By an operator: calls pass and are not counted.
    ForcedClosed,
    /// By an operator: every call is refused.
    ForcedOpen,
    /// A few probes are let through to see whether the callee is well.
    HalfOpen,
    /// By an operator: calls pass and are counted, and nothing opens it.
    MetricsOnly,
    /// Calls are refused for a time.
    Open,
}

/// What changed the [`State`], or would have.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Cause {
    /// Too many failures in a row.
    Consecutive,
    /// Too large a share of failures.
    Failures,
    /// An operator.
    Operator,
    /// A probe was under way for too long.
    ProbeHung,
    /// Too many probes failed, or were slow.
    ProbesFailed,
    /// Enough probes succeeded.
    ProbesSucceeded,
    /// Too large a share of slow calls.
    Slow,
    /// It was open for long enough.
    Waited,
}

/// A transition, or a threshold that was reached while nothing opens it (`from` and `to` are the same).
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Change {
    /// How it was.
    pub from: State,
    /// How it is since.
    pub to: State,
    /// Why.
    pub cause: Cause,
    /// When: when it was due, which may be before somebody looked.
    pub at: Instant,
    /// What was in the window that was judged; of a half-open breaker, its probes.
    pub calls: u64,
    /// Failures among them.
    pub failures: u64,
    /// Slow calls among them.
    pub slow: u64,
    /// For how long it opened.
    pub open_for: Option<Duration>,
}

/// The numbers of a [`Breaker`](super::Breaker).
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Numbers {
    /// How it is.
    pub state: State,
    /// Since when.
    pub since: Instant,
    /// Transitions so far.
    pub generation: u64,
    /// Calls in the window; none where calls are not counted.
    pub calls: u64,
    /// Failures among them.
    pub failures: u64,
    /// Slow calls among them, where these count.
    pub slow: u64,
    /// Failures in a row, up to now.
    pub consecutive_failures: u64,
    /// Half-open: probes under way.
    pub probes: u64,
    /// Half-open: probes that succeeded so far.
    pub probes_succeeded: u64,
    /// Half-open: probes that failed so far.
    pub probes_failed: u64,
    /// How often it opened since it was last closed.
    pub opens: u32,
    /// Open: how long it stays so.
    pub retry_after: Option<Duration>,
}

impl State {
    /// All of them.
    pub(super) const ALL: [Self; 6] = [
        Self::Closed,
        Self::ForcedClosed,
        Self::ForcedOpen,
        Self::HalfOpen,
        Self::MetricsOnly,
        Self::Open,
    ];

    /// The word for logs and labels.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::ForcedClosed => "forced_closed",
            Self::ForcedOpen => "forced_open",
            Self::HalfOpen => "half_open",
            Self::MetricsOnly => "metrics_only",
            Self::Open => "open",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Cause {
    const ALL: [Self; 8] = [
        Self::Consecutive,
        Self::Failures,
        Self::Operator,
        Self::ProbeHung,
        Self::ProbesFailed,
        Self::ProbesSucceeded,
        Self::Slow,
        Self::Waited,
    ];

    pub(super) fn of_code(code: u64) -> Self {
        Self::ALL[code as usize % Self::ALL.len()]
    }

    /// The word for logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Consecutive => "failures_in_a_row",
            Self::Failures => "failures",
            Self::Operator => "operator",
            Self::ProbeHung => "probe_hung",
            Self::ProbesFailed => "probes_failed",
            Self::ProbesSucceeded => "probes_succeeded",
            Self::Slow => "slow_calls",
            Self::Waited => "waited",
        }
    }

    /// Why a call is refused meanwhile.
    pub(super) fn reason(self) -> &'static str {
        match self {
            Self::Consecutive => "open: too many failures in a row",
            Self::Failures => "open: too many calls failed",
            Self::ProbeHung => "open: a probe hung",
            Self::ProbesFailed => "open: its probes failed",
            Self::Slow => "open: too many calls were slow",
            Self::Operator => "held open by an operator",
            Self::ProbesSucceeded | Self::Waited => "half-open: every probe is under way",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
