//! A shedder in a stack of policies, which keeps what it has taken by itself.

use std::fmt;

use super::Shedder;
use crate::context::Context;
use crate::resilience::{Outcome, Refusal};
use crate::time::Instant;

impl<C> Shedder<C> {
    /// Lets a call in for what `ctx` carries, and for who waits no longer than `until`. When that was must come back by
    /// [`give`](Self::give).
    #[inline]
    pub(in crate::resilience) fn take(
        &self,
        ctx: &Context,
        until: Option<Instant>,
        now: Instant,
    ) -> Result<Instant, Refusal> {
        let passed = match until {
            None => self.pass(ctx, now),
            Some(at) => self.pass(&ctx.with_deadline(at), now),
        };
        passed.map_err(|no| self.refusal(&no))?;
        Ok(now)
    }

    /// Says how a call has ended that was let in at `started`.
    ///
    /// What it has waited for in a queue inside is a part of it: it was under way then, too.
    #[inline]
    pub(in crate::resilience) fn give(&self, started: Instant, outcome: Outcome) {
        let now = match outcome {
            Outcome::Success => Instant::now(),
            Outcome::Failure | Outcome::Ignored => started,
        };
        self.core.end(outcome, started, now);
        self.core.leave();
    }
}

impl<C> fmt::Display for Shedder<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.core.options().fmt(f)
    }
}
