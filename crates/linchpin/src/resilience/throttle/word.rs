//! The word that all threads change, and the numbers that go with it.
//!
//! The word holds what was counted since its frame was written: who began and is under way, who ended, and who of those
//! was accepted. One exchange of the word counts.

use crate::resilience::frame::frame;
use crate::sync::packed::Field;

/// So many bits for a count. A model reaches what happens when there is no room.
const COUNT: u32 = if cfg!(linchpin_loom) { 2 } else { 16 };

const ACCEPTED: Field = Field::first(COUNT);
const REQUESTS: Field = ACCEPTED.then(COUNT);
const BEGUN: Field = REQUESTS.then(COUNT);
const EPOCH: Field = BEGUN.then(16);

/// The word, taken apart.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Word(pub(super) u64);

impl Word {
    pub(super) fn new(epoch: u64) -> Self {
        Self(EPOCH.of(epoch & EPOCH.most()))
    }

    #[inline]
    pub(super) fn frame(self) -> usize {
        (EPOCH.get(self.0) & 1) as usize
    }

    /// Calls that ended, and calls that were refused.
    #[inline]
    pub(super) fn requests(self) -> u64 {
        REQUESTS.get(self.0)
    }

    /// Those among them that the callee took on.
    #[inline]
    pub(super) fn accepted(self) -> u64 {
        ACCEPTED.get(self.0)
    }

    /// Calls that began in the slot of the frame and are under way.
    #[inline]
    pub(super) fn begun(self) -> u64 {
        BEGUN.get(self.0)
    }

    pub(super) fn is_full(self) -> bool {
        self.requests() == REQUESTS.most() || self.begun() == BEGUN.most()
    }

    /// One more that began; `None` if there is no room.
    #[inline]
    pub(super) fn with_begun(self) -> Option<Self> {
        (self.begun() < BEGUN.most()).then(|| Self(self.0 + BEGUN.of(1)))
    }

    /// One less that is under way; there is one.
    #[inline]
    pub(super) fn without_begun(self) -> Self {
        Self(self.0 - BEGUN.of(1))
    }

    /// One more request; `None` if there is no room.
    #[inline]
    pub(super) fn with_request(self, is_accepted: bool) -> Option<Self> {
        let one = REQUESTS.of(1) | ACCEPTED.of(is_accepted.into());
        (self.requests() < REQUESTS.most()).then(|| Self(self.0 + one))
    }
}

frame! {
    /// When what the word holds belongs to the past.
    until,
    /// Which slot calls begin in now, counted from the first.
    slot,
    /// Whether calls count while they are under way.
    counts_pending,
    /// Requests in the window before those in the word.
    requests,
    /// Those among them that were accepted.
    accepted,
    /// With fewer requests nobody is refused.
    min_requests,
    /// How many requests there may be for one that is accepted, as bits of a float as all that follow.
    multiplier,
    /// One by the aggression.
    exponent,
    /// The highest chance of a refusal.
    most,
    /// In nanoseconds: if nobody passed for so long, one does.
    probe_after,
}
