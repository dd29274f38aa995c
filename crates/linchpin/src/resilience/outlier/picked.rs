//! A call that was given a target.

use std::fmt;
use std::ops::Deref;
use std::thread;

use super::core::{Core, Ticket};
use super::target::Target;
use crate::resilience::Outcome;
use crate::resilience::held::Held;
use crate::time::Instant;

/// The target of a call, under way to it until the outcome is recorded. Dereferences to a [`Target`], and that to yours.
///
/// Dropped without a word the call is [`Outcome::Ignored`], while a panic unwinds [`Outcome::Failure`]; it is not under way
/// any more either way.
#[must_use = "dropping it at once says that the call was ignored"]
pub struct Picked<'a, T> {
    core: Held<'a, Core<T>>,
    ticket: Ticket<T>,
    /// Made while a panic unwound, which is then none of its call.
    unwinding: bool,
    recorded: bool,
}

impl<'a, T> Picked<'a, T> {
    #[inline]
    pub(super) fn new(core: Held<'a, Core<T>>, ticket: Ticket<T>) -> Self {
        Self { core, ticket, unwinding: thread::panicking(), recorded: false }
    }

    /// Says how the call has ended. Reads the clock.
    #[inline]
    pub fn record(self, outcome: Outcome) {
        self.record_at(Instant::now(), outcome);
    }

    /// The same for who knows the time.
    #[inline]
    pub fn record_at(mut self, now: Instant, outcome: Outcome) {
        self.recorded = true;
        self.core.end(&self.ticket, outcome, now);
    }

    /// The target, to be kept for longer.
    #[must_use]
    pub fn target(&self) -> Target<T> {
        self.ticket.target.clone()
    }
}

impl<T> Deref for Picked<'_, T> {
    type Target = Target<T>;

    #[inline]
    fn deref(&self) -> &Target<T> {
        &self.ticket.target
    }
}

impl<T> Drop for Picked<'_, T> {
    fn drop(&mut self) {
        if !self.recorded {
            let panicked = thread::panicking() && !self.unwinding;
            let outcome = if panicked { Outcome::Failure } else { Outcome::Ignored };
            self.core.end(&self.ticket, outcome, Instant::now());
        }
    }
}

impl<T> fmt::Debug for Picked<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Picked").field(self.ticket.target.text()).finish()
    }
}
