//! Why there was no further attempt.

use std::fmt;
use std::time::Duration;

use crate::context::{Cause, Ended};

/// Why a [`Retry`](super::Retry) made no further attempt: [`Failed::stop_reason`](crate::resilience::Failed::stop_reason).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum StopReason {
    /// All attempts are used up.
    Attempts,
    /// The budget for retries is spent.
    Budget,
    /// The context was cancelled.
    Cancelled,
    /// A circuit breaker is open.
    CircuitOpen,
    /// The next attempt does not fit before the deadline, or the deadline cut one.
    Deadline,
    /// The error will not go away.
    Final,
    /// The callee asks to be left alone, for good or for longer than one waits.
    Pushback,
    /// Another policy on this side refused.
    Refused,
    /// It may have been done, and nothing says that doing it twice does no harm; or there is no second copy of what was
    /// sent.
    Unsafe,
}

/// What a retry adds to a failure.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::resilience) struct Stopped {
    pub(in crate::resilience) attempts: u32,
    pub(in crate::resilience) reason: StopReason,
    pub(in crate::resilience) retry_after: Option<Duration>,
}

impl StopReason {
    pub(super) const ALL: [Self; 9] = [
        Self::Attempts,
        Self::Budget,
        Self::Cancelled,
        Self::CircuitOpen,
        Self::Deadline,
        Self::Final,
        Self::Pushback,
        Self::Refused,
        Self::Unsafe,
    ];

    pub(in crate::resilience) fn of_end(ended: &Ended) -> Self {
        match ended.cause() {
            Cause::Deadline => Self::Deadline,
            _ => Self::Cancelled,
        }
    }

    /// The word for logs and labels.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Attempts => "attempts",
            Self::Budget => "budget",
            Self::Cancelled => "cancelled",
            Self::CircuitOpen => "circuit_open",
            Self::Deadline => "deadline",
            Self::Final => "final",
            Self::Pushback => "pushback",
            Self::Refused => "refused",
            Self::Unsafe => "unsafe",
        }
    }
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
