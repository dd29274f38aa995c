//! Splitting the time that is left between attempts.

use std::time::Duration;

use super::{Child, Context};
use crate::time::Instant;

/// The attempts that fit into what is left of a context: the result of [`Context::budget`].
///
/// An iterator of contexts, one an attempt. Each gets an equal share of what is left when it is asked for, so what
/// an early failure saved goes to those after it, and the last has all that is left. Without a deadline there is
/// nothing to split, and the attempts have none either.
#[derive(Debug)]
pub struct Budget<'a> {
    context: &'a Context,
    attempts: u32,
    at_least: Duration,
}

impl<'a> Budget<'a> {
    pub(super) fn new(context: &'a Context, attempts: u32) -> Self {
        Self { context, attempts, at_least: Duration::ZERO }
    }

    /// No attempt gets less than this; one that would takes from those after it, and one that cannot have it is not
    /// made. Default: zero.
    #[must_use]
    pub fn at_least(mut self, share: Duration) -> Self {
        self.at_least = share;
        self
    }
}

impl Iterator for Budget<'_> {
    type Item = Child;

    /// The context of the next attempt; `None` once the attempts or the time are used up, or the context has ended.
    fn next(&mut self) -> Option<Child> {
        if self.attempts == 0 || self.context.check().is_err() {
            return None;
        }
        let parts = self.attempts;
        self.attempts -= 1;
        let Some(deadline) = self.context.deadline() else { return Some(self.context.child()) };
        let now = Instant::now();
        let left = deadline - now;
        let share = (left / parts).max(self.at_least);
        if share > left || left.is_zero() {
            self.attempts = 0;
            return None;
        }
        Some(self.context.with_deadline(now + share))
    }
}
