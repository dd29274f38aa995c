//! A place inside a bulkhead.

use std::fmt;
use std::thread;

use super::core::Held;
use crate::resilience::Outcome;

/// A place inside a [`Bulkhead`](super::Bulkhead), or as many as one weighs. Dropping it lets the next in.
///
/// Of [`enter`](super::Bulkhead::enter) it borrows the bulkhead; a `Permit<'static>` of
/// [`enter_owned`](super::Bulkhead::enter_owned) may go wherever it likes: into the task or the blocking code that does
/// the work, so that the place is taken for as long as the work runs, whoever still waits for it.
///
/// How the call has ended is for metrics only: dropped without a word it is [`Outcome::Ignored`], while a panic unwinds
/// [`Outcome::Failure`].
#[must_use = "dropping the permit at once gives the place up"]
pub struct Permit<'a> {
    core: Held<'a>,
    weight: usize,
    /// Made while a panic unwound, which is then none of its call.
    unwinding: bool,
    end: End,
}

#[derive(Clone, Copy, Debug)]
enum End {
    Unsaid,
    Said(Outcome),
    /// Somebody else gives the places up.
    Kept,
}

impl<'a> Permit<'a> {
    /// For who has just taken the places.
    #[inline]
    pub(super) fn new(core: Held<'a>, weight: usize) -> Self {
        Self { core, weight, unwinding: thread::panicking(), end: End::Unsaid }
    }

    /// How many places it takes.
    #[must_use]
    pub fn weight(&self) -> usize {
        self.weight
    }

    /// Gives the place up and says how the call has ended.
    #[inline]
    pub fn record(mut self, outcome: Outcome) {
        self.says(outcome);
    }

    /// How the call has ended, for who gives the place up in a moment.
    #[inline]
    pub(super) fn says(&mut self, outcome: Outcome) {
        self.end = End::Said(outcome);
    }

    /// Leaves the places taken, for who [gives](super::Bulkhead::give) them up.
    pub(in crate::resilience) fn keep(mut self) {
        self.end = End::Kept;
    }
}

impl Drop for Permit<'_> {
    #[inline]
    fn drop(&mut self) {
        let outcome = match self.end {
            End::Said(outcome) => outcome,
            End::Unsaid if thread::panicking() && !self.unwinding => Outcome::Failure,
            End::Unsaid => Outcome::Ignored,
            End::Kept => return,
        };
        self.core.get().give(self.weight, outcome);
    }
}

impl fmt::Debug for Permit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit")
            .field("bulkhead", &self.core.get().name())
            .field("weight", &self.weight)
            .finish_non_exhaustive()
    }
}
