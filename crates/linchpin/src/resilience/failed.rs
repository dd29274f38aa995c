//! Why a call has no result.

use std::convert::Infallible;
use std::fmt;

use super::refusal::Refusal;
use crate::context::Ended;
use crate::error::{Error, Kind};

/// Why a call through a policy has no result. `E` is the callee's own error; a mere admission has none.
///
/// One pointer wide, so that a call which succeeds carries no room for why another did not.
#[derive(Debug)]
pub struct Failed<E = Infallible> {
    kind: Box<FailedKind<E>>,
}

/// The ways to fail.
#[derive(Debug)]
#[non_exhaustive]
pub enum FailedKind<E = Infallible> {
    /// The callee was asked and failed.
    Callee(E),
    /// The context ended before or while waiting; the callee may or may not have been asked.
    Ended(Ended),
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
        &self.kind
    }

    /// What happened, by value.
    #[must_use]
    pub fn into_kind(self) -> FailedKind<E> {
        *self.kind
    }
}

impl<E> From<FailedKind<E>> for Failed<E> {
    fn from(kind: FailedKind<E>) -> Self {
        Self { kind: Box::new(kind) }
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
        match *failed.kind {
            FailedKind::Callee(error) | FailedKind::Panicked(error) => error,
            FailedKind::Ended(ended) => ended.into(),
            FailedKind::Refused(refusal) => refusal.into(),
            FailedKind::TimedOut => Self::new(Kind::DeadlineExceeded, "timed out"),
        }
    }
}

impl<E: fmt::Display> fmt::Display for Failed<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.kind {
            FailedKind::Callee(error) => error.fmt(f),
            FailedKind::Ended(ended) => ended.fmt(f),
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
        match &*self.kind {
            FailedKind::Callee(error) => Some(error),
            FailedKind::Ended(ended) => Some(ended),
            FailedKind::Panicked(error) => Some(error),
            FailedKind::Refused(refusal) => Some(refusal),
            FailedKind::TimedOut => None,
        }
    }
}

impl From<Failed> for Error {
    fn from(failed: Failed) -> Self {
        match *failed.kind {
            FailedKind::Callee(never) => match never {},
            FailedKind::Ended(ended) => ended.into(),
            FailedKind::Panicked(error) => error,
            FailedKind::Refused(refusal) => refusal.into(),
            FailedKind::TimedOut => Self::new(Kind::DeadlineExceeded, "timed out"),
        }
    }
}
