//! What a call says of its callee: the one word in which all policies count.

use std::time::Duration;

use super::again::Again;
use super::failed::{Failed, FailedKind};
use super::refusal::Refusal;
use crate::context::{Cause, Ended};
use crate::error::{Error, Kind};

/// What a call says of its callee.
///
/// Not whether the caller is content: a callee that answers "no such thing" is well, and its answer a success.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Outcome {
    /// The callee is not well: it failed, took too long, or panicked.
    Failure,
    /// The call says nothing: it was dropped or cancelled, or another policy refused it before the callee was asked.
    Ignored,
    /// The callee did what it should.
    Success,
}

/// Tells what a result says of the callee. One classifier serves all policies around a call.
///
/// It sees the result of the callee alone: what the policies themselves add (a refusal, the end of the context, a time
/// limit) they classify by themselves. A closure is one, too:
///
/// ```
/// # use linchpin::resilience::{Outcome, breaker::{self, Breaker}};
/// struct Response { status: u16 }
///
/// let breaker = Breaker::new("search", breaker::Options::default())?.classified(
///     |result: Result<&Response, &std::io::Error>| match result {
///         Ok(response) if response.status == 429 => Outcome::Ignored,
///         Ok(response) if response.status < 500 => Outcome::Success,
///         _ => Outcome::Failure,
///     },
/// );
/// # let call = breaker.call_sync(|| Ok(Response { status: 204 }));
/// # assert_eq!(call.unwrap().status, 204);
/// # Ok::<(), linchpin::Error>(())
/// ```
pub trait Classify<T, E> {
    /// What `result` says of the callee. Must be quick; a panic is the caller's, and the call a failure.
    fn classify(&self, result: Result<&T, &E>) -> Outcome;

    /// Whether the same call makes sense once more. By default a failure does, unless it may have been done already
    /// and doing it twice would harm.
    fn again(&self, result: Result<&T, &E>) -> Again {
        Again::of(self.classify(result))
    }

    /// Whether the callee has too much to do: it timed out, or says so. By default nothing tells.
    fn overloaded(&self, _: Result<&T, &E>) -> bool {
        false
    }

    /// What `result` says of the callee's load, which is what a [`Throttle`](super::throttle::Throttle) counts: a failure
    /// if it turned the call away or did not answer, a success if it took it on. By default a failure if it is
    /// [`overloaded`](Self::overloaded), else what [`classify`](Self::classify) says.
    fn load(&self, result: Result<&T, &E>) -> Outcome {
        if self.overloaded(result) { Outcome::Failure } else { self.classify(result) }
    }

    /// How long the callee asks to be left alone, if it does: a `Retry-After`, a pushback.
    fn retry_after(&self, _: Result<&T, &E>) -> Option<Duration> {
        None
    }
}

/// The default: every error is a failure.
#[derive(Clone, Copy, Debug, Default)]
pub struct ByResult;

/// For calls that fail with an [`Error`]: its [`Kind`] decides ([`Outcome::of_kind`]), and a [`Refusal`] anywhere in its
/// chain says nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct ByKind;

/// For a policy around a call that fails with [`Failed`]: the inner policies' words are understood
/// ([`Outcome::of_failed`]), and the callee's own result is left to `C`.
#[derive(Clone, Copy, Debug, Default)]
pub struct ByFailed<C = ByResult>(pub C);

// ===== impl Outcome =====

impl Outcome {
    /// What an error of that kind says of who answered with it.
    ///
    /// A failure is what breaks at the callee (gRPC's `Unavailable`, `Internal`, `DeadlineExceeded`, `Unknown`,
    /// `DataLoss`, `Unimplemented`; HTTP's 5xx). Nothing is said by `Cancelled`, which is the caller's doing, and by
    /// `ResourceExhausted`: 429 is a callee that is well and asks for less. All others are answers.
    #[must_use]
    pub fn of_kind(kind: Kind) -> Self {
        match kind {
            Kind::DataLoss
            | Kind::DeadlineExceeded
            | Kind::Internal
            | Kind::Unavailable
            | Kind::Unimplemented
            | Kind::Unknown => Self::Failure,
            Kind::Cancelled | Kind::ResourceExhausted => Self::Ignored,
            _ => Self::Success,
        }
    }

    /// What the end of a context says of a callee that was running: a deadline cuts one that took too long, anything
    /// else is the caller's doing.
    #[must_use]
    pub fn of_end(ended: &Ended) -> Self {
        match ended.cause() {
            Cause::Deadline => Self::Failure,
            _ => Self::Ignored,
        }
    }

    /// What an inner policy's word says of the callee: a refusal nothing, a time limit and a panic that it failed, the
    /// end of the context what [`of_end`](Self::of_end) says. `None` if it is the callee's own error.
    ///
    /// An end by a deadline counts as a failure though the callee may not have been asked: the inner policy does not
    /// tell. A stack of policies knows, and does not ask here.
    #[must_use]
    pub fn of_failed<E>(failed: &Failed<E>) -> Option<Self> {
        match failed.kind() {
            FailedKind::Callee(_) => None,
            FailedKind::Ended(ended) => Some(Self::of_end(ended)),
            FailedKind::Exhausted | FailedKind::Panicked(_) | FailedKind::TimedOut => {
                Some(Self::Failure)
            }
            FailedKind::Refused(_) => Some(Self::Ignored),
        }
    }

    /// The word for logs and labels.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Failure => "failure",
            Self::Ignored => "ignored",
            Self::Success => "success",
        }
    }
}

// ===== impl Classify =====

impl<T, E> Classify<T, E> for ByResult {
    fn classify(&self, result: Result<&T, &E>) -> Outcome {
        if result.is_ok() { Outcome::Success } else { Outcome::Failure }
    }
}

impl<T> Classify<T, Error> for ByKind {
    fn classify(&self, result: Result<&T, &Error>) -> Outcome {
        match result {
            Ok(_) => Outcome::Success,
            Err(error) if error.find::<Refusal>().is_some() => Outcome::Ignored,
            Err(error) => Outcome::of_kind(error.kind()),
        }
    }

    fn again(&self, result: Result<&T, &Error>) -> Again {
        match result {
            Ok(_) => Again::Never,
            Err(error) => match error.find::<Refusal>() {
                Some(refusal) => Again::of_refusal(refusal),
                None => Again::of_kind(error.kind()),
            },
        }
    }

    /// By its kind: `DeadlineExceeded`, `ResourceExhausted`, `Unavailable`. A refusal on this side says nothing.
    fn overloaded(&self, result: Result<&T, &Error>) -> bool {
        let full = [Kind::DeadlineExceeded, Kind::ResourceExhausted, Kind::Unavailable];
        let says =
            |error: &Error| full.contains(&error.kind()) && error.find::<Refusal>().is_none();
        result.is_err_and(says)
    }

    /// A call that fails for another reason was taken on.
    fn load(&self, result: Result<&T, &Error>) -> Outcome {
        match self.classify(result) {
            _ if self.overloaded(result) => Outcome::Failure,
            Outcome::Ignored => Outcome::Ignored,
            _ => Outcome::Success,
        }
    }

    fn retry_after(&self, result: Result<&T, &Error>) -> Option<Duration> {
        result.err()?.find::<Refusal>()?.retry_after
    }
}

impl<T, E, C: Classify<T, E>> Classify<T, Failed<E>> for ByFailed<C> {
    fn classify(&self, result: Result<&T, &Failed<E>>) -> Outcome {
        match result {
            Ok(value) => self.0.classify(Ok(value)),
            Err(failed) => match failed.kind() {
                FailedKind::Callee(error) => self.0.classify(Err(error)),
                _ => Outcome::of_failed(failed).unwrap_or(Outcome::Failure),
            },
        }
    }

    fn again(&self, result: Result<&T, &Failed<E>>) -> Again {
        match result {
            Ok(value) => self.0.again(Ok(value)),
            Err(failed) => match failed.kind() {
                FailedKind::Callee(error) => self.0.again(Err(error)),
                FailedKind::Refused(refusal) => Again::of_refusal(refusal),
                FailedKind::TimedOut => Again::IfHarmless,
                _ => Again::Never,
            },
        }
    }

    fn overloaded(&self, result: Result<&T, &Failed<E>>) -> bool {
        match result {
            Ok(value) => self.0.overloaded(Ok(value)),
            Err(failed) => match failed.kind() {
                FailedKind::Callee(error) => self.0.overloaded(Err(error)),
                FailedKind::TimedOut => true,
                FailedKind::Ended(ended) => Outcome::of_end(ended) == Outcome::Failure,
                _ => false,
            },
        }
    }

    fn load(&self, result: Result<&T, &Failed<E>>) -> Outcome {
        match result {
            Ok(value) => self.0.load(Ok(value)),
            Err(failed) => match failed.kind() {
                FailedKind::Callee(error) => self.0.load(Err(error)),
                _ => Outcome::of_failed(failed).unwrap_or(Outcome::Failure),
            },
        }
    }

    fn retry_after(&self, result: Result<&T, &Failed<E>>) -> Option<Duration> {
        match result {
            Ok(value) => self.0.retry_after(Ok(value)),
            Err(failed) => match failed.kind() {
                FailedKind::Callee(error) => self.0.retry_after(Err(error)),
                FailedKind::Refused(refusal) => refusal.retry_after,
                _ => None,
            },
        }
    }
}

impl<T, E, F: Fn(Result<&T, &E>) -> Outcome> Classify<T, E> for F {
    fn classify(&self, result: Result<&T, &E>) -> Outcome {
        self(result)
    }
}
