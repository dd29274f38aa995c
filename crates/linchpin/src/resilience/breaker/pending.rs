//! Calls under way, for who counts those that take too long before they end.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::time::Instant;

/// Calls under way by when they began, and which of them are overdue already.
#[derive(Debug, Default)]
pub(super) struct Pending {
    fresh: BTreeSet<(Instant, u64)>,
    overdue: BTreeSet<(Instant, u64)>,
}

impl Pending {
    pub(super) fn begin(&mut self, started: Instant, id: u64) {
        self.fresh.insert((started, id));
    }

    pub(super) fn end(&mut self, started: Instant, id: u64) {
        let _was_overdue =
            !self.fresh.remove(&(started, id)) && self.overdue.remove(&(started, id));
    }

    /// How many are under way for longer than `threshold`. Each is looked at once.
    pub(super) fn overdue(&mut self, threshold: Duration, now: Instant) -> u64 {
        while let Some(call) = self.fresh.first().copied()
            && now - call.0 > threshold
        {
            self.fresh.remove(&call);
            self.overdue.insert(call);
        }
        self.overdue.len() as u64
    }

    /// Looks at all of them anew: the threshold is another.
    pub(super) fn reconsider(&mut self) {
        self.fresh.append(&mut self.overdue);
    }

    pub(super) fn clear(&mut self) {
        self.fresh.clear();
        self.overdue.clear();
    }
}
