//! What the limiter of a key is made of: a machine without I/O, and a state for each key.

use super::decision::{Decision, No, Slot, Ticket};

/// What is kept for a key, and when it need not be any more. Times are nanoseconds of [`Instant`](crate::time::Instant).
pub(super) trait Kept: Copy {
    /// What is kept of those who came.
    type State;

    /// The state of who has not come yet.
    fn fresh(&self) -> Self::State;

    /// Whether a fresh state would say the same from now on.
    fn is_fresh(&self, state: &Self::State, now: u64) -> bool;
}

/// An algorithm with its numbers.
pub(super) trait Machine: Kept {
    /// Takes `cost`, to pass within `max_wait`. Whoever is refused leaves no trace. A cost of zero is no visit: it is
    /// told what there is.
    fn take(&self, state: &mut Self::State, now: u64, cost: u32, max_wait: u64)
    -> Result<Slot, No>;

    /// What there is.
    fn look(&self, state: &Self::State, now: u64) -> Decision;

    /// Gives back what was taken, if nobody took anything since; whether it did.
    fn undo(&self, state: &mut Self::State, ticket: &Ticket) -> bool;

    /// Lets nothing pass before `until`.
    fn penalize(&self, state: &mut Self::State, until: u64);

    /// Makes the state of another machine of its kind its own.
    fn carry(&self, old: &Self, state: &mut Self::State, now: u64);
}
