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
    /// What a retry or a hedge adds.
    stopped: Option<Stopped>,
    beside: Beside<E>,
}

/// What else a call came to.
#[derive(Debug)]
enum Beside<E> {
    Nothing,
    /// What the other attempts of a hedge failed with.
    Others(Vec<Failed<E>>),
    /// What a fallback was to stand in for.
    InsteadOf(Failed<E>),
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

    /// How many attempts a [`Retry`](super::retry::Retry) or a [`Hedge`](super::hedge::Hedge) has begun; 0 where none was
    /// around the call.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.inner.stopped.map_or(0, |stopped| stopped.attempts)
    }

    /// Why a [`Retry`](super::retry::Retry) or a [`Hedge`](super::hedge::Hedge) made no further attempt; `None` where none
    /// was around the call.
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

    /// What the other attempts of a [`Hedge`](super::hedge::Hedge) failed with, in the order in which they were begun.
    #[must_use]
    pub fn others(&self) -> &[Self] {
        match &self.inner.beside {
            Beside::Others(others) => others,
            Beside::InsteadOf(_) | Beside::Nothing => &[],
        }
    }

    /// What a [`Fallback`](super::fallback::Fallback) was to stand in for, if that failed, too: the source of this error.
    #[must_use]
    pub fn instead_of(&self) -> Option<&Self> {
        match &self.inner.beside {
            Beside::InsteadOf(first) => Some(first),
            Beside::Nothing | Beside::Others(_) => None,
        }
    }

    pub(super) fn stopped(mut self, stopped: Stopped) -> Self {
        self.inner.stopped = Some(stopped);
        self
    }

    pub(super) fn with_others(mut self, others: Vec<Self>) -> Self {
        if !others.is_empty() {
            self.inner.beside = Beside::Others(others);
        }
        self
    }

    pub(super) fn standing_in_for(mut self, first: Self) -> Self {
        self.inner.beside = Beside::InsteadOf(first);
        self
    }
}

impl Failed {
    /// The word of an admission as that of a call, whose callee was not asked.
    #[must_use]
    pub fn widen<E>(self) -> Failed<E> {
        let Inner { kind, stopped, beside } = *self.inner;
        let kind = match kind.callee() {
            Ok(never) => match never {},
            Err(kind) => kind,
        };
        Failed { inner: Box::new(Inner { kind, stopped, beside: beside.map(Self::widen) }) }
    }
}

impl<E> Failed<Failed<E>> {
    /// The word of a policy inside of another as if it were the outer one's own, with the outer retry's attempts.
    #[must_use]
    pub fn flatten(self) -> Failed<E> {
        let Inner { kind, stopped, beside } = *self.inner;
        let mut inner = kind.callee().unwrap_or_else(Failed::from);
        inner.inner.beside = match beside {
            Beside::Nothing => inner.inner.beside,
            beside => beside.map(Self::flatten),
        };
        match stopped {
            Some(stopped) => inner.stopped(stopped),
            None => inner,
        }
    }
}

impl<E> FailedKind<E> {
    /// What the callee failed with, or why else there is no result, which is the same of any callee.
    fn callee<F>(self) -> Result<E, FailedKind<F>> {
        Err(match self {
            Self::Callee(error) => return Ok(error),
            Self::Ended(ended) => FailedKind::Ended(ended),
            Self::Exhausted => FailedKind::Exhausted,
            Self::Panicked(error) => FailedKind::Panicked(error),
            Self::Refused(refusal) => FailedKind::Refused(refusal),
            Self::TimedOut => FailedKind::TimedOut,
        })
    }
}

impl<E> Beside<E> {
    fn map<F>(self, map: fn(Failed<E>) -> Failed<F>) -> Beside<F> {
        match self {
            Self::Nothing => Beside::Nothing,
            Self::Others(others) => Beside::Others(others.into_iter().map(map).collect()),
            Self::InsteadOf(first) => Beside::InsteadOf(map(first)),
        }
    }
}

impl<E> From<FailedKind<E>> for Failed<E> {
    fn from(kind: FailedKind<E>) -> Self {
        Self { inner: Box::new(Inner { kind, stopped: None, beside: Beside::Nothing }) }
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
        let Inner { kind, stopped, beside } = &*self.inner;
        let mut shown = f.debug_tuple("Failed");
        shown.field(kind);
        if let Some(stopped) = stopped {
            shown.field(stopped);
        }
        if !matches!(beside, Beside::Nothing) {
            shown.field(beside);
        }
        shown.finish()
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
    /// [`Error::report`] does not print twice. Of a fallback that failed it is what that stood in for.
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        if let Some(first) = self.instead_of() {
            return Some(first);
        }
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
