//! What a limiter says.

use std::fmt;
use std::time::Duration;

/// Passed, and what is left: of GCRA and a leaky bucket what is left now, of a window what is left of it.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct Decision {
    pub(super) limit: u32,
    /// What is left, in units of `unit`: it is divided only if somebody asks.
    pub(super) room: u64,
    pub(super) unit: u64,
    pub(super) reset: u64,
    pub(super) window: u64,
    pub(super) wait: u64,
}

/// Passes, at its time.
#[derive(Clone, Copy, Debug)]
pub(in crate::resilience) struct Slot {
    pub(super) at: u64,
    pub(super) ticket: Ticket,
    pub(super) decision: Decision,
}

/// What it takes to give a slot back.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Ticket {
    /// Of the settings under which it was given. A ticket of others is void.
    pub(super) version: u64,
    /// The state before.
    pub(super) before: u64,
    /// The state after: who finds it has the newest ticket.
    pub(super) after: u64,
    pub(super) cost: u32,
    /// The window before, for those who count.
    pub(super) window: super::counting::Window,
}

/// Does not pass.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct No {
    pub(super) cause: Cause,
    /// How long to wait until it would.
    pub(super) retry_after: u64,
    pub(super) used: u64,
    pub(super) limit: u32,
}

/// Why not.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Cause {
    /// It costs more than ever passes.
    Never,
    /// The queue is full.
    QueueFull,
    /// It would have to wait for too long.
    Spent,
}

// ===== impl Decision =====

impl Decision {
    /// How much may pass at once: the burst, the count of a window, the places of a leaky bucket's queue and one.
    #[must_use]
    pub fn limit(&self) -> u32 {
        self.limit
    }

    /// How much more may pass now.
    #[must_use]
    pub fn remaining(&self) -> u32 {
        u32::try_from(self.room / self.unit).unwrap_or(u32::MAX).min(self.limit)
    }

    /// How long until the whole limit may pass again, if nobody comes.
    #[must_use]
    pub fn reset_after(&self) -> Duration {
        Duration::from_nanos(self.reset)
    }

    /// In how long a whole limit comes back: the burst by the rate, the period of a window. With [`limit`](Self::limit)
    /// that is the policy as clients are told of it.
    #[must_use]
    pub fn window(&self) -> Duration {
        Duration::from_nanos(self.window)
    }

    /// How long it was from the decision to its turn; zero for who did not wait.
    #[must_use]
    pub fn waited(&self) -> Duration {
        Duration::from_nanos(self.wait)
    }
}

impl fmt::Debug for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decision")
            .field("limit", &self.limit())
            .field("remaining", &self.remaining())
            .field("reset_after", &self.reset_after())
            .field("window", &self.window())
            .field("waited", &self.waited())
            .finish()
    }
}

// ===== impl No =====

impl No {
    pub(super) fn never(cost: u32, limit: u32) -> Self {
        Self { cause: Cause::Never, retry_after: 0, used: u64::from(cost), limit }
    }
}
