//! The rules of what lies below, and of what goes there.

use linchpin::sync::lanes::Class;

use super::model::{LANES, Model, Waiting};

impl Model {
    pub(super) fn store(&mut self, at: usize, due: u64) {
        let lane = &mut self.lanes[at];
        lane.due = Some(lane.due.map_or(due, |first| first.min(due)));
    }

    /// A lane that has nothing in memory, and something due below, if all would let it come up.
    pub(super) fn must_be_visited(&self) -> Option<usize> {
        let must = |at: &usize| {
            let lane = &self.lanes[*at];
            lane.due.is_some_and(|due| due <= self.now)
                && lane.items == 0
                && lane.visit.is_none()
                && lane.held.is_none()
                && self.held[at / LANES].is_none()
                && self.has_room(*at)
        };
        (0..self.lanes.len()).find(must)
    }

    pub(super) fn call(&mut self, at: usize, room: usize) {
        assert!(self.has_room(at) && self.held[at / LANES].is_none());
        let most = self.most(&self.lanes[at]);
        let lane = &mut self.lanes[at];
        assert!(lane.held.is_none() && lane.visit.is_none());
        assert_eq!(room, most.saturating_sub(lane.items));
        let due = lane.due.take().filter(|due| *due <= self.now);
        lane.visit = Some((due.expect("something is due"), false));
    }

    pub(super) fn leave(&mut self, at: usize, next: Option<u64>) {
        let lane = &mut self.lanes[at];
        lane.due = next;
        lane.visit.as_mut().unwrap().1 = true;
    }

    pub(super) fn visited(&mut self, at: usize, is_done: bool) {
        let (due, is_told) = self.lanes[at].visit.take().unwrap();
        if !(is_done && is_told) {
            self.store(at, due);
        }
    }

    // ===== what goes below =====

    /// An item that is on its way below, of a lane which must have been one that may be asked.
    pub(super) fn lay(&mut self, at: usize, item: usize) -> Waiting {
        assert!(self.may_be_laid(at), "{at} keeps what it has: {self:?}");
        let lane = &mut self.lanes[at];
        let waiting = lane.waiting.pop().expect("something waits");
        assert_eq!(waiting.2, item, "the newest first");
        lane.leaving += 1;
        self.turn();
        waiting
    }

    /// Whether a lane has to give what waits to others.
    fn may_be_laid(&self, at: usize) -> bool {
        let lane = &self.lanes[at];
        let is_slow = lane.class == Class::Slow;
        let is_held = lane.held.is_some_and(|until| until - self.now > self.rules.slow_after);
        // A hold is looked at when the lane changes, and only becomes shorter.
        let is_held = is_held || lane.held.is_some();
        let is_over = lane.waiting.len() + self.under_way(at) > 2;
        !lane.waiting.is_empty()
            && ((is_slow || is_held) && is_over
                || is_slow && self.is_slow_over()
                || is_held && self.is_tight())
    }

    fn leaving(&self) -> usize {
        self.lanes.iter().map(|lane| lane.leaving).sum()
    }

    fn is_slow_over(&self) -> bool {
        let (items, bytes) = (self.items()[2], self.bytes()[2]);
        let kept = items.saturating_sub(self.leaving());
        kept > (self.rules.items / 4).max(1) || bytes > (self.rules.bytes / 4).max(1)
    }

    fn is_tight(&self) -> bool {
        self.items().iter().sum::<usize>() - self.leaving()
            > self.rules.items - self.rules.items / 4
    }

    /// A slow lane with more than it is worth, which has to be asked if nobody was.
    pub(super) fn must_be_laid(&self) -> Option<usize> {
        let must = |at: &usize| {
            let lane = &self.lanes[*at];
            let is_over = lane.waiting.len() + self.under_way(*at) > 2 || self.is_slow_over();
            lane.class == Class::Slow && !lane.waiting.is_empty() && is_over
        };
        (0..self.lanes.len()).find(must)
    }

    pub(super) fn laid(&mut self, at: usize, bytes: usize, due: u64) {
        self.lanes[at].leaving -= 1;
        self.store(at, due);
        self.stand(at, bytes);
    }

    pub(super) fn keep(&mut self, at: usize, waiting: Waiting) {
        let lane = &mut self.lanes[at];
        lane.leaving -= 1;
        lane.waiting.push(waiting);
        lane.waiting.sort_unstable();
        self.turn();
    }
}
