//! What does not fit lies below, and comes up by visits.

use super::Full;
use super::class::{Class, Open};
use super::machine::Machine;
use super::rows::Name;
use crate::time::Timestamp;

/// A lane of which something is to come up, and for how many items it has room.
pub(super) type Called = (u32, usize);

impl<G: Clone + Eq, K: Clone + Eq, T> Machine<G, K, T> {
    /// A lane has something below that is due then.
    pub(super) fn store(&mut self, name: &Name<G, K>, due: Timestamp) -> Result<(), Full> {
        let Ok(lane) = self.list(name, due) else {
            self.note_unlisted(due);
            return Err(Full);
        };
        self.due_at(lane, due);
        Ok(())
    }

    /// The same for a lane that is known, unless it has something that is due before.
    pub(super) fn due_at(&mut self, lane: u32, due: Timestamp) {
        let below = &mut self.lane(lane).below;
        if !below.is_due && below.due.is_none_or(|first| due < first) {
            let before = below.due.replace(due);
            if let Some(before) = before {
                self.dues.remove(&(before, lane));
            }
            self.is_news |= self.dues.first().is_none_or(|(first, _)| due < *first);
            self.dues.insert((due, lane));
            self.settle(lane);
        }
    }

    /// Nothing that was known to lie below a lane is known any more.
    fn clear(&mut self, lane: u32) {
        let below = &mut self.lane(lane).below;
        if let Some(due) = below.due.take()
            && !std::mem::take(&mut below.is_due)
        {
            self.dues.remove(&(due, lane));
        }
    }

    pub(super) fn can_visit(&self) -> bool {
        self.visits.first(self.memory()).is_some()
    }

    /// Classes for which there is room in memory.
    fn memory(&self) -> Open {
        let (items, bytes) = (self.items.open(), self.bytes.open());
        Class::ALL.map(|class| items[class as usize] && bytes[class as usize])
    }

    /// Calls up to `most` lanes, of which something that lies below is due, has room and may go.
    pub(super) fn visit(&mut self, most: usize, today: Timestamp) -> Vec<Called> {
        while let Some((due, lane)) = self.dues.first().copied()
            && due <= today
        {
            self.dues.pop_first();
            self.lane(lane).below.is_due = true;
            self.settle(lane);
        }
        std::iter::from_fn(|| self.call()).take(most).collect()
    }

    fn call(&mut self) -> Option<Called> {
        let open = self.memory();
        let group = self.visits.first(open)?;
        let part = &mut self.groups.get_mut(group)?.visits;
        let lane = part.first(open)?;
        let row = self.lanes.get_mut(lane)?;
        self.visits.pass(part, &mut row.visit, group);
        row.below.is_due = false;
        row.below.visit = row.below.due.take();
        row.below.is_told = false;
        let row = self.lanes.get(lane)?;
        let room = self.most(row).saturating_sub(row.items);
        self.settle(lane);
        Some((lane, room))
    }

    /// A visit has found out what it leaves below, which is what there is.
    pub(super) fn leave(&mut self, lane: u32, next: Option<Timestamp>) {
        self.clear(lane);
        self.lane(lane).below.is_told = true;
        match next {
            Some(next) => self.due_at(lane, next),
            None => self.settle(lane),
        }
    }

    /// A visit is over. If it came to nothing, what was due is still due.
    pub(super) fn visited(&mut self, lane: u32, is_done: bool) {
        let below = &mut self.lane(lane).below;
        let due = below.visit.take();
        if !(is_done && below.is_told)
            && let Some(due) = due
        {
            self.due_at(lane, due);
        }
        self.settle(lane);
    }

    /// When the first of what lies below is due.
    pub(super) fn due(&self) -> Option<Timestamp> {
        self.dues.first().map(|(due, _)| *due)
    }

    /// Whether it is time to look for lanes that are not known; it is only said once.
    pub(super) fn take_unlisted(&mut self, today: Timestamp) -> bool {
        let is_time = |due: &Timestamp| *due <= today && self.has_vacancy(*due);
        let found = self.unlisted.filter(is_time);
        if found.is_some() {
            self.unlisted = None;
        }
        found.is_some()
    }
}
