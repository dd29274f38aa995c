//! What the lock of a semaphore guards.

use std::time::Duration;

use super::level::End;
use super::line::{Calls, Line};
use super::options::Options;
use super::protocol::Why;
use crate::shim::MutexGuard;
use crate::time::Instant;

/// The lock, and whom to call when it is free: dropped in this order.
pub(super) struct Held<'a> {
    pub(super) state: MutexGuard<'a, State>,
    pub(super) calls: Calls,
}

pub(super) struct State {
    pub(super) line: Line,
    /// Permits to be withdrawn as they come back, since the semaphore has shrunk.
    pub(super) debt: usize,
    pub(super) order: Order,
    /// Since when somebody waits without a break, where the order asks for it.
    pub(super) standing: Option<Instant>,
}

/// Who of those with the same priority is next.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Order {
    #[default]
    OldestFirst,
    NewestFirst,
    /// The newest while somebody has been waiting for so long without a break, else the oldest.
    NewestWhileStanding(Duration),
}

// ===== impl State =====

impl State {
    pub(super) fn new(options: &Options) -> Self {
        let line = Line::new(options.overtaking);
        Self { line, debt: 0, order: options.order, standing: None }
    }

    /// Since when somebody waits, where the order asks for it.
    #[inline]
    pub(super) fn stands(&mut self) -> Option<Instant> {
        match self.order {
            Order::NewestWhileStanding(_) => Some(*self.standing.get_or_insert_with(Instant::now)),
            Order::NewestFirst | Order::OldestFirst => None,
        }
    }

    #[inline]
    pub(super) fn served_end(&self) -> End {
        match self.order {
            Order::NewestFirst => End::Newest,
            Order::NewestWhileStanding(interval) if self.stands_for(interval) => End::Newest,
            Order::OldestFirst | Order::NewestWhileStanding(_) => End::Oldest,
        }
    }

    #[inline(never)]
    fn stands_for(&self, interval: Duration) -> bool {
        self.standing.is_some_and(|since| since.elapsed() >= interval)
    }
}

// ===== impl Held =====

impl Held<'_> {
    /// Refuses those who wait for more than there are.
    pub(super) fn refuse_above(&mut self, limit: usize) {
        self.state.line.refuse(|permits| permits > limit, Why::TooFew(limit), &mut self.calls);
    }
}
