//! Why something was shed, and how a shedder is.

use std::time::Duration;

use super::level::Level;
use crate::context::Context;
use crate::resilience::Priority;
use crate::time::Instant;

/// Why something was refused.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) enum Cause {
    /// More is under way than the service bears.
    Busy,
    /// It would be over after its deadline.
    Late,
    /// Its class is shed at this load.
    Priority,
    /// The service is shutting down.
    Stopping,
}

/// What was not let in.
#[derive(Clone, Copy, Debug)]
pub(super) struct No {
    pub(super) cause: Cause,
    pub(super) class: Priority,
    pub(super) used: u64,
    pub(super) limit: u64,
}

/// What is known of a call before it is let in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ask {
    pub(super) class: Priority,
    pub(super) level: Option<Level>,
    pub(super) deadline: Option<Instant>,
}

/// The numbers of a [`Shedder`](super::Shedder).
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Numbers {
    /// The share of the processors that is used.
    pub load: f64,
    /// Whether the kernel holds the process back.
    pub throttled: bool,
    /// How many calls are under way.
    pub inflight: u32,
    /// How many were, on average.
    pub average: f64,
    /// How many the service bears, by what it has done in the last five seconds.
    pub most: f64,
    /// How long half of all calls take, if that is asked for.
    pub median: Option<Duration>,
    /// The share of what came in the last five seconds that was refused.
    pub shed_share: f64,
    /// Calls that were refused, since it was built.
    pub shed: u64,
}

impl Cause {
    pub(super) const ALL: [Self; 4] = [Self::Busy, Self::Late, Self::Priority, Self::Stopping];

    /// The word for logs and labels.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::Late => "late",
            Self::Priority => "priority",
            Self::Stopping => "stopping",
        }
    }
}

impl No {
    /// In words.
    pub(super) fn reason(&self) -> &'static str {
        match (self.cause, self.class) {
            (Cause::Busy, _) => "more is under way than it bears",
            (Cause::Late, _) => "its deadline is nearer than most calls take",
            (Cause::Stopping, _) => "the service is shutting down",
            (Cause::Priority, Priority::Sheddable) => "the load is too high for what is sheddable",
            (Cause::Priority, Priority::SheddablePlus) => {
                "the load is too high for what is sheddable_plus"
            }
            (Cause::Priority, Priority::Critical) => "the load is too high for what is critical",
            (Cause::Priority, Priority::CriticalPlus) => {
                "the load is too high for what is critical_plus"
            }
        }
    }
}

impl Ask {
    /// By what a context carries.
    #[inline]
    pub(super) fn of(ctx: &Context) -> Self {
        Self {
            class: ctx.get::<Priority>().copied().unwrap_or_default(),
            level: ctx.get::<Level>().copied(),
            deadline: ctx.deadline(),
        }
    }
}
