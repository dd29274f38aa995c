//! Why a call has no result.

use std::convert::Infallible;
use std::fmt;
use std::time::Duration;

use super::refusal::Refusal;
use super::retry::{StopReason, Stopped};
use crate::context::Ended;
use crate::error::{Error, Kind};

/// Why a call through a policy has no result. `E` is the callee's own error; a mere admission has none.
///
/// One pointer wide, so that a call which succeeds carries no room for why another did not.
pub struct Failed<E = Infallible> {
    inner: Box<Inner<E>>,
}

struct Inner<E> {
    kind: FailedKind<E>,
    /// What a retry adds.
    stopped: Option<Stopped>,
}

/// The ways to fail.
#[derive(Debug)]
#[non_exhaustive]
pub enum FailedKind<E = Infallible> {
    /// The callee was asked and failed.
    Callee(E),
    /// The context ended before or while waiting; the callee may or may not have been asked.
    Ended(Ended),
    /// A retry gave up on answers that are no errors but count as failures, and was told to make an error of that
    /// ([`exhausted_as_error`](super::retry::Options::exhausted_as_error)).
    Exhausted,
    /// The callee was asked and panicked; the error holds a [`Panicked`](crate::error::Panicked).
    Panicked(Error),
    /// A policy refused; the callee was never asked.
    Refused(Refusal),
    /// The callee was asked and took too long.
    TimedOut,
}

// ===== impl Failed =====

impl<E> Failed<E> {
    /// What happened.
    #[must_use]
    pub fn kind(&self) -> &FailedKind<E> {
        &self.inner.kind
    }

    /// What happened, by value.
    #[must_use]
    pub fn into_kind(self) -> FailedKind<E> {
        self.inner.kind
    }

    /// How many attempts a [`Retry`](super::retry::Retry) has begun; 0 where none was around the call.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.inner.stopped.map_or(0, |stopped| stopped.attempts)
    }

    /// Why a [`Retry`](super::retry::Retry) made no further attempt; `None` where none was around the call.
    #[must_use]
    pub fn stop_reason(&self) -> Option<StopReason> {
        self.inner.stopped.map(|stopped| stopped.reason)
    }

    /// For how long the callee, or a policy before it, asks to be left alone, where that is known.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match &self.inner.kind {
            FailedKind::Refused(refusal) => refusal.retry_after,
            _ => self.inner.stopped?.retry_after,
        }
    }

    pub(super) fn stopped(mut self, stopped: Stopped) -> Self {
        self.inner.stopped = Some(stopped);
        self
    }
}

impl<E> Failed<Failed<E>> {
    /// The word of a policy inside of another as if it were the outer one's own, with the outer retry's attempts.
    #[must_use]
    pub fn flatten(self) -> Failed<E> {
        let Inner { kind, stopped } = *self.inner;
        let inner = match kind {
            FailedKind::Callee(inner) => inner,
            FailedKind::Ended(ended) => ended.into(),
            FailedKind::Exhausted => FailedKind::Exhausted.into(),
            FailedKind::Panicked(error) => FailedKind::Panicked(error).into(),
            FailedKind::Refused(refusal) => refusal.into(),
            FailedKind::TimedOut => FailedKind::TimedOut.into(),
        };
        match stopped {
            Some(stopped) => inner.stopped(stopped),
            None => inner,
        }
    }
}

impl<E> From<FailedKind<E>> for Failed<E> {
    fn from(kind: FailedKind<E>) -> Self {
        Self { inner: Box::new(Inner { kind, stopped: None }) }
    }
}

impl<E> From<Ended> for Failed<E> {
    fn from(ended: Ended) -> Self {
        FailedKind::Ended(ended).into()
    }
}

impl<E> From<Refusal> for Failed<E> {
    fn from(refusal: Refusal) -> Self {
        FailedKind::Refused(refusal).into()
    }
}

impl From<Failed<Error>> for Error {
    /// The callee's own error as it is.
    fn from(failed: Failed<Self>) -> Self {
        match failed.inner.kind {
            FailedKind::Callee(error) | FailedKind::Panicked(error) => error,
            FailedKind::Ended(ended) => ended.into(),
            FailedKind::Exhausted => Self::new(Kind::Unavailable, EXHAUSTED),
            FailedKind::Refused(refusal) => refusal.into(),
            FailedKind::TimedOut => Self::new(Kind::DeadlineExceeded, "timed out"),
        }
    }
}

const EXHAUSTED: &str = "every attempt failed";

impl<E: fmt::Debug> fmt::Debug for Failed<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { kind, stopped } = &*self.inner;
        match stopped {
            None => f.debug_tuple("Failed").field(kind).finish(),
            Some(stopped) => f.debug_tuple("Failed").field(kind).field(stopped).finish(),
        }
    }
}

impl<E: fmt::Display> fmt::Display for Failed<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.inner.kind {
            FailedKind::Callee(error) => error.fmt(f),
            FailedKind::Ended(ended) => ended.fmt(f),
            FailedKind::Exhausted => f.write_str(EXHAUSTED),
            FailedKind::Panicked(error) => error.fmt(f),
            FailedKind::Refused(refusal) => refusal.fmt(f),
            FailedKind::TimedOut => f.write_str("timed out"),
        }
    }
}

impl<E: std::error::Error + 'static> std::error::Error for Failed<E> {
    /// What happened, as the type it is, so that it is found in a chain. It has the same text, which
    /// [`Error::report`] does not print twice.
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.inner.kind {
            FailedKind::Callee(error) => Some(error),
            FailedKind::Ended(ended) => Some(ended),
            FailedKind::Panicked(error) => Some(error),
            FailedKind::Refused(refusal) => Some(refusal),
            FailedKind::Exhausted | FailedKind::TimedOut => None,
        }
    }
}

impl From<Failed> for Error {
    fn from(failed: Failed) -> Self {
        match failed.inner.kind {
            FailedKind::Callee(never) => match never {},
            FailedKind::Ended(ended) => ended.into(),
            FailedKind::Exhausted => Self::new(Kind::Unavailable, EXHAUSTED),
            FailedKind::Panicked(error) => error,
            FailedKind::Refused(refusal) => refusal.into(),
            FailedKind::TimedOut => Self::new(Kind::DeadlineExceeded, "timed out"),
        }
    }
}
