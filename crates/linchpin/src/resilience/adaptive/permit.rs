//! What an adaptive limit lets through.

use std::fmt;
use std::mem;
use std::thread;

use super::core::Core;
use super::gate::Of;
use super::state::Ending;
use crate::resilience::Outcome;
use crate::resilience::held::Held;
use crate::time::Instant;

/// A call that an [`Adaptive`](super::Adaptive) limit let through, and that it measures.
///
/// Dropped without a word the call says nothing, and its place is free again either way.
#[must_use = "dropping the permit at once gives its place back"]
pub struct Permit<'a> {
    core: Held<'a, Core>,
    started: Instant,
    inflight: u32,
    of: Of,
    /// Made while a panic unwound, which is then none of its call.
    unwinding: bool,
    ended: bool,
}

impl<'a> Permit<'a> {
    #[inline]
    pub(super) fn new(core: Held<'a, Core>, of: Of, inflight: u32, started: Instant) -> Self {
        Self { core, started, inflight, of, unwinding: thread::panicking(), ended: false }
    }

    /// Says how the call has ended, and gives its place back. Only a success is measured.
    ///
    /// A failure that is a timeout or says that there is too much is [`overloaded`](Self::overloaded).
    #[inline]
    pub fn record(mut self, outcome: Outcome) {
        self.says(outcome.into());
    }

    /// The call has timed out, or was answered that there is too much. Gives its place back.
    pub fn overloaded(mut self) {
        self.says(Ending::Overloaded);
    }

    /// The answer is there at the time `now`, and says so much of the limit: the place stays taken until the permit is
    /// dropped.
    ///
    /// For answers with a body, which goes out as fast as the client takes it: that is not how long the work took. What is
    /// said later counts no more.
    pub fn answered(&mut self, now: Instant, ending: Ending) {
        if !mem::replace(&mut self.ended, true) {
            self.core.end(ending, self.inflight, self.started, now);
        }
    }

    /// The call begins only now: what it has waited for in a queue on this side is not how long it takes.
    pub fn begin(&mut self, now: Instant) {
        self.started = now;
    }

    /// How the call has ended, for who drops the permit next. Reads the clock where it matters how long it took.
    #[inline]
    pub(super) fn says(&mut self, ending: Ending) {
        if !mem::replace(&mut self.ended, true) {
            let now = match ending {
                Ending::Success | Ending::Overloaded => Instant::now(),
                Ending::Failure | Ending::Ignored => self.started,
            };
            self.core.end(ending, self.inflight, self.started, now);
        }
    }
}

impl Drop for Permit<'_> {
    #[inline]
    fn drop(&mut self) {
        if !self.ended {
            let panicked = thread::panicking() && !self.unwinding;
            let ending = if panicked { Ending::Failure } else { Ending::Ignored };
            self.core.end(ending, self.inflight, self.started, self.started);
        }
        self.core.leave(self.of);
    }
}

impl fmt::Debug for Permit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit")
            .field("adaptive", &self.core.name)
            .field("inflight", &self.inflight)
            .finish_non_exhaustive()
    }
}
