//! One attempt, as the work sees it.

use crate::context::{Child, Context};
use crate::time::Instant;

/// One attempt of a [`Retry`](super::Retry), as the work sees it. `Copy`: take it along.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a> {
    ctx: &'a Context,
    number: u32,
    /// Where it is earlier than what the context says.
    deadline: Option<Instant>,
}

impl<'a> Attempt<'a> {
    pub(in crate::resilience) fn new(ctx: &'a Context, number: u32) -> Self {
        Self { ctx, number, deadline: None }
    }

    /// With a deadline for all attempts that the context does not know.
    pub(in crate::resilience) fn until(self, deadline: Option<Instant>) -> Self {
        Self { deadline, ..self }
    }

    /// Which attempt it is; the first is 1.
    #[must_use]
    pub fn number(self) -> u32 {
        self.number
    }

    /// Whether there was one before.
    #[must_use]
    pub fn is_retry(self) -> bool {
        self.number > 1
    }

    /// When all attempts together must be over.
    #[must_use]
    pub fn deadline(self) -> Option<Instant> {
        match (self.ctx.deadline(), self.deadline) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        }
    }

    /// The context of the call, which all attempts share and which ends this one too.
    #[must_use]
    pub fn call(self) -> &'a Context {
        self.ctx
    }

    /// A context for this attempt alone, which ends when it is dropped: for work that spawns.
    pub fn context(self) -> Child {
        match self.deadline {
            Some(deadline) => self.ctx.with_deadline(deadline),
            None => self.ctx.child(),
        }
    }
}
