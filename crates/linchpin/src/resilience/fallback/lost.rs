//! What a fallback is told of the call that it stands in for.

use super::degraded::{Degraded, Reason};
use crate::context::Context;

/// What a fallback is told of the call that it stands in for.
#[derive(Debug)]
pub struct Lost<'a, T, E> {
    result: Option<Result<&'a T, &'a E>>,
    degraded: Degraded,
    ctx: &'a Context,
}

impl<'a, T, E> Lost<'a, T, E> {
    pub(super) fn new(
        result: Option<Result<&'a T, &'a E>>,
        degraded: Degraded,
        ctx: &'a Context,
    ) -> Self {
        Self { result, degraded, ctx }
    }

    /// The error, unless the answer was none or the deadline has cut the call.
    #[must_use]
    pub fn error(&self) -> Option<&'a E> {
        self.result?.err()
    }

    /// The answer that counts as a failure; where the fallback is [exercised](Reason::Exercise) the good one.
    #[must_use]
    pub fn answer(&self) -> Option<&'a T> {
        self.result?.ok()
    }

    /// Why the fallback is asked.
    #[must_use]
    pub fn reason(&self) -> Reason {
        self.degraded.reason
    }

    /// The mark that its value will have.
    #[must_use]
    pub fn degraded(&self) -> Degraded {
        self.degraded
    }

    /// The context under which the fallback runs: that of the call, or in [grace](super::Options::grace) one with the same
    /// values and a later deadline. Clone it to take it along.
    #[must_use]
    pub fn context(&self) -> &'a Context {
        self.ctx
    }
}

impl<T, E> Clone for Lost<'_, T, E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T, E> Copy for Lost<'_, T, E> {}
