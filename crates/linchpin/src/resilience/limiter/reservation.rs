//! A turn that lies ahead, and the wait for it.

use std::fmt;
use std::sync::Arc;

use tokio::time::sleep_until;

use super::decision::{Decision, Slot, Ticket};
use crate::context::{Context, Ended};
use crate::resilience::begun;
use crate::time::Instant;

/// A turn of one's own: at [`at`](Self::at) one may go ahead, and need not ask again.
///
/// Dropped or cancelled before its time it comes back, if nobody has taken anything since: whoever did has a later turn
/// already, which stays as it is, so the turn is lost then. That is strict: no two act closer than the rate allows. From
/// its time on it is used, however it ends.
#[must_use = "dropping the reservation before its time gives it up"]
pub struct Reservation {
    at: Instant,
    slot: Slot,
    home: Option<Arc<dyn Home>>,
}

/// Who gave a turn.
pub(super) trait Home: Send + Sync {
    /// Takes it back, if it is the newest; whether it was.
    fn undo(&self, ticket: &Ticket) -> bool;
}

impl Reservation {
    pub(super) fn new(slot: Slot, home: Arc<dyn Home>) -> Self {
        Self { at: Instant::from_bits(slot.at), slot, home: Some(home) }
    }

    /// When its time comes. In the past or now if there was nothing to wait for.
    #[must_use]
    pub fn at(&self) -> Instant {
        self.at
    }

    /// What was decided.
    #[must_use]
    pub fn decision(&self) -> Decision {
        self.slot.decision
    }

    /// Gives the turn back. Whether it came back: before its time, and if nobody has taken anything since.
    pub fn cancel(mut self) -> bool {
        self.give_back()
    }

    /// Uses the turn, whatever becomes of this value.
    pub fn keep(mut self) -> Instant {
        self.home = None;
        self.at
    }

    /// Waits for the turn, which is then used.
    ///
    /// # Errors
    ///
    /// When the context ends before, and at once if its deadline is nearer. The turn is given back.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives the turn back, as dropping the reservation does.
    pub async fn wait(self, ctx: &Context) -> Result<Decision, Ended> {
        let now = Instant::now();
        if now < self.at {
            ctx.run_until(self.at, sleep_until(self.at.into_tokio_at(now))).await?;
            begun::now();
        } else {
            ctx.check()?;
        }
        let decision = self.slot.decision;
        self.keep();
        Ok(decision)
    }

    fn give_back(&mut self) -> bool {
        match self.home.take() {
            Some(home) if Instant::now() < self.at => home.undo(&self.slot.ticket),
            _ => false,
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.give_back();
    }
}

impl fmt::Debug for Reservation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reservation")
            .field("at", &self.at)
            .field("decision", &self.slot.decision)
            .finish_non_exhaustive()
    }
}
