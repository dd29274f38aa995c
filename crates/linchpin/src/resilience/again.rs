//! Whether the same call makes sense once more.

use super::outcome::Outcome;
use super::refusal::Refusal;
use crate::error::Kind;

/// Whether the same call makes sense once more: what a [`Retry`](super::retry::Retry) reads from a result beside its
/// [`Outcome`].
///
/// The two are not the same. A 429 says that the callee is well, and may be sent again; a "not implemented" says that it
/// is not, and will be answered so the next time too.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Again {
    /// The result is final: a success, an answer that will not change, the end of the context.
    Never,
    /// The callee asks not to be called again (gRPC's negative pushback).
    PushedBack,
    /// A policy on this side refused, and the same call would only wear down what it protects. The word is the policy's.
    Refused(&'static str),
    /// It failed and may have been done all the same: again if doing it twice does no harm.
    IfHarmless,
    /// It certainly was not done: the connection was refused, the stream was never begun. Again in any case.
    Undone,
    /// The same, because the callee asks for less (429): again, after a longer wait.
    Throttled,
}

impl Again {
    /// What an outcome alone says: a failure may be tried again.
    #[must_use]
    pub fn of(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Failure => Self::IfHarmless,
            Outcome::Ignored | Outcome::Success => Self::Never,
        }
    }

    /// What an error of that kind says. `Unavailable`, `DeadlineExceeded`, `Internal` and `Unknown` (HTTP's 408, 500, 502
    /// to 504) may pass; `ResourceExhausted` (429) asks for less; all others are final, `Unimplemented` (501) and
    /// `DataLoss` too.
    #[must_use]
    pub fn of_kind(kind: Kind) -> Self {
        match kind {
            Kind::DeadlineExceeded | Kind::Internal | Kind::Unavailable | Kind::Unknown => {
                Self::IfHarmless
            }
            Kind::ResourceExhausted => Self::Throttled,
            _ => Self::Never,
        }
    }

    /// What a refusal says, which nobody was asked after.
    #[must_use]
    pub fn of_refusal(refusal: &Refusal) -> Self {
        if refusal.retryable { Self::Undone } else { Self::Refused(refusal.policy) }
    }
}
