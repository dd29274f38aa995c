//! What tells an answer from something that stands in for it.

use std::fmt;
use std::ops::Deref;

/// Why something less than the answer was given.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Reason {
    /// A circuit breaker is open.
    CircuitOpen,
    /// The deadline has cut the call, and there was [grace](super::Options::grace).
    Deadline,
    /// It is not needed: the fallback is [exercised](super::Options::exercise_rate), and what it says thrown away.
    Exercise,
    /// The callee failed, or could not be reached.
    Failed,
    /// Another policy on this side refused: a bulkhead, a shedder, an adaptive limit.
    Refused,
    /// The callee took too long.
    TimedOut,
}

/// The mark of an answer that is none: which fallback gave it, and why.
///
/// What carries it must not be cached as fresh, nor kept for who asks again with the same idempotency key.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub struct Degraded {
    /// The name of the [`Fallback`](super::Fallback).
    pub fallback: &'static str,
    /// Why it was asked.
    pub reason: Reason,
}

/// A value, and whether it is the answer or stands in for it.
///
/// Dereferences to the value.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use = "it may be degraded"]
pub struct Served<T> {
    value: T,
    degraded: Option<Degraded>,
}

// ===== impl Reason =====

impl Reason {
    pub(super) const ALL: [Self; 6] = [
        Self::CircuitOpen,
        Self::Deadline,
        Self::Exercise,
        Self::Failed,
        Self::Refused,
        Self::TimedOut,
    ];

    /// The word for logs and labels.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CircuitOpen => "circuit_open",
            Self::Deadline => "deadline",
            Self::Exercise => "exercise",
            Self::Failed => "failed",
            Self::Refused => "refused",
            Self::TimedOut => "timed_out",
        }
    }

    /// Where a policy of that kind refused. Whoever is over a rate is to know that, so for a limiter nothing stands in.
    #[must_use]
    pub fn of_policy(policy: &str) -> Option<Self> {
        match policy {
            "breaker" => Some(Self::CircuitOpen),
            "limiter" => None,
            _ => Some(Self::Refused),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Degraded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "by fallback `{}`: {}", self.fallback, self.reason)
    }
}

// ===== impl Served =====

impl<T> Served<T> {
    pub(super) fn answer(value: T) -> Self {
        Self { value, degraded: None }
    }

    pub(super) fn instead(value: T, degraded: Degraded) -> Self {
        Self { value, degraded: Some(degraded) }
    }

    /// The mark, if it is not the answer.
    #[must_use]
    pub fn degraded(&self) -> Option<Degraded> {
        self.degraded
    }

    /// The value, whichever it is.
    #[must_use]
    pub fn into_inner(self) -> T {
        self.value
    }

    /// The answer; what stands in for it as an error, for who can do without.
    ///
    /// # Errors
    ///
    /// The value and its mark, if it is not the answer.
    pub fn into_answer(self) -> Result<T, (T, Degraded)> {
        match self.degraded {
            None => Ok(self.value),
            Some(degraded) => Err((self.value, degraded)),
        }
    }

    /// The value, on which `mark` leaves the mark if it is not the answer: a header, an extension of a response.
    pub fn marked(mut self, mark: impl FnOnce(&mut T, Degraded)) -> T {
        if let Some(degraded) = self.degraded {
            mark(&mut self.value, degraded);
        }
        self.value
    }

    /// The same with another value, as degraded as this one.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Served<U> {
        Served { value: change(self.value), degraded: self.degraded }
    }
}

impl<T> Deref for Served<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}
