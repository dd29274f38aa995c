//! How the targets are, and what changed them.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::target::Target;

/// Why a target was ejected.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Cause {
    /// Too many failures in a row.
    Consecutive,
    /// Too large a share of failures.
    Failures,
    /// By far fewer successes than the others.
    SuccessRate,
}

/// The numbers of a [`Balancer`](super::Balancer).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Numbers {
    /// Targets there are.
    pub targets: usize,
    /// Those among them that are ejected.
    pub ejected: usize,
    /// So many are ejected that all are used.
    pub panicking: bool,
    /// Calls under way.
    pub under_way: u64,
    /// Ejections so far.
    pub ejections: u64,
    /// How often one was due and too many were ejected already.
    pub overflows: u64,
}

/// The numbers of one target.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TargetNumbers<T> {
    /// Which it is.
    pub target: Target<T>,
    /// Calls under way to it.
    pub under_way: u64,
    /// Calls that ended since the last sweep.
    pub calls: u64,
    /// Those among them that succeeded.
    pub successes: u64,
    /// The share of successes at the last sweep, if enough calls had ended.
    pub success_rate: Option<f64>,
    /// Failures in a row.
    pub consecutive_failures: u32,
    /// What a call takes of late.
    pub latency: Duration,
    /// For how long it is still ejected, if it is.
    pub ejected_for: Option<Duration>,
    /// How often it was ejected.
    pub ejections: u64,
}

/// Something that people want to know.
#[derive(Clone, Debug)]
pub(super) enum Change {
    Ejected {
        target: Arc<str>,
        cause: Cause,
        time: Duration,
        times: u32,
    },
    /// One was due, and too many are ejected already.
    Spared {
        target: Arc<str>,
        cause: Cause,
    },
    Returned {
        target: Arc<str>,
    },
    /// So many are ejected that all are used, or not any more.
    Panicking(bool),
    Came {
        target: Arc<str>,
    },
    Went {
        target: Arc<str>,
        was_ejected: bool,
    },
}

impl Cause {
    pub(super) const ALL: [Self; 3] = [Self::Consecutive, Self::Failures, Self::SuccessRate];

    /// The word for logs and labels.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Consecutive => "failures_in_a_row",
            Self::Failures => "failures",
            Self::SuccessRate => "success_rate",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
