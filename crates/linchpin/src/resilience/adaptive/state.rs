//! How an adaptive limit is, and what calls say of it.

use std::time::Duration;

use crate::resilience::Outcome;

/// What a call says of the limit.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Ending {
    /// It failed in a way that says nothing of how much there is to do: it was answered too soon to be measured.
    Failure,
    /// It says nothing at all: it was dropped or cancelled, or refused before anybody was asked.
    Ignored,
    /// It timed out, or was answered that there is too much.
    Overloaded,
    /// It was done, and took its time.
    Success,
}

/// The limit has changed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Change {
    pub(super) from: u32,
    pub(super) to: u32,
    pub(super) rtt: Duration,
    pub(super) inflight: u32,
    pub(super) dropped: bool,
}

/// The numbers of an [`Adaptive`](super::Adaptive) limit.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Numbers {
    /// How many may be under way.
    pub limit: u32,
    /// How many are. More than the limit after it has gone down, and by the shares of partitions.
    pub inflight: u32,
    /// How long calls took that it has learnt from last: a window of Gradient2, or a call.
    pub rtt: Option<Duration>,
    /// How long they take when there is no queue ([`Estimator::unloaded`](super::Estimator::unloaded)).
    pub unloaded: Option<Duration>,
    /// How many of those under way wait for others, by these two.
    pub queue: Option<f64>,
    /// Calls that it has learnt from, since it was built.
    pub samples: u64,
    /// Calls that are gathered in the window at hand.
    pub pending: u64,
}

impl From<Outcome> for Ending {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Failure => Self::Failure,
            Outcome::Ignored => Self::Ignored,
            Outcome::Success => Self::Success,
        }
    }
}

impl Ending {
    /// The word for logs and labels.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Failure => "failure",
            Self::Ignored => "ignored",
            Self::Overloaded => "overloaded",
            Self::Success => "success",
        }
    }
}
