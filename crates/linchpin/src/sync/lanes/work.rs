//! The way of an item through memory: a seat, a wait, a turn, an end.

use super::Full;
use super::class::Class;
use super::machine::{Attempt, Machine, Whom};
use super::rows::{Name, Waiting};
use crate::time::{Instant, Timestamp};

/// An item that was begun.
#[derive(Debug)]
pub(super) struct Begun<T> {
    pub(super) lane: u32,
    pub(super) attempt: u64,
    pub(super) waiting: Waiting<T>,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum End {
    /// Nothing is learnt of it.
    Abandoned,
    Answered,
    TimedOut,
}

impl<G: Clone + Eq, K: Clone + Eq, T> Machine<G, K, T> {
    /// Takes room in memory for an item that would be next of all that its lane has below.
    pub(super) fn offer(
        &mut self,
        name: &Name<G, K>,
        bytes: usize,
        today: Timestamp,
    ) -> Result<u32, Full> {
        let lane = self.list(name, today)?;
        if self.lane(lane).below.is_before(today) {
            return Err(Full);
        }
        self.sit(lane, bytes)?;
        Ok(lane)
    }

    /// Takes room in memory.
    pub(super) fn sit(&mut self, lane: u32, bytes: usize) -> Result<(), Full> {
        let row = self.lanes.get(lane).ok_or(Full)?;
        let (class, group, most) = (row.class, row.group, self.most(row));
        let is_full = row.items >= most || row.bytes >= self.options.lane_bytes;
        let is_out = self.items.left(class) == 0 || self.bytes.left(class) == 0;
        let (all_items, all_bytes) = (self.options.items, self.options.bytes);
        if is_full || is_out || !self.group(group).has_room(all_items, all_bytes) {
            return Err(Full);
        }
        self.items.take(class, 1);
        self.bytes.take(class, bytes);
        let row = self.group(group);
        (row.items, row.bytes) = (row.items + 1, row.bytes + bytes);
        let row = self.lane(lane);
        (row.items, row.bytes) = (row.items + 1, row.bytes + bytes);
        self.settle(lane);
        Ok(())
    }

    /// Gives the room of an item back.
    pub(super) fn stand(&mut self, lane: u32, bytes: usize) {
        let row = self.lane(lane);
        (row.items, row.bytes) = (row.items - 1, row.bytes - bytes);
        let (class, group) = (row.class, row.group);
        self.items.give(class, 1);
        self.bytes.give(class, bytes);
        let row = self.group(group);
        (row.items, row.bytes) = (row.items - 1, row.bytes - bytes);
        self.settle(lane);
    }

    /// An item takes its seat.
    pub(super) fn put(&mut self, lane: u32, bytes: usize, item: T) {
        let number = self.number;
        self.number += 1;
        self.lane(lane).put(Waiting { number, bytes, item });
        self.settle(lane);
    }

    pub(super) fn can_start(&self) -> bool {
        self.starts.first(self.places.open()).is_some()
    }

    /// Begins the item whose turn it is.
    pub(super) fn next(&mut self) -> Option<Begun<T>> {
        let open = self.places.open();
        let group = self.starts.first(open)?;
        let part = &mut self.groups.get_mut(group)?.starts;
        let lane = part.first(open)?;
        let row = self.lanes.get_mut(lane)?;
        let waiting = row.waiting.pop_front()?;
        self.starts.pass(part, &mut row.start, group);
        row.under_way += 1;
        self.places.take(row.class, 1);
        let attempt = self.number;
        self.number += 1;
        self.attempts.insert(attempt, Attempt { lane, since: self.now });
        self.settle(lane);
        Some(Begun { lane, attempt, waiting })
    }

    /// An attempt is over: its place is free, and something may be learnt of its lane.
    pub(super) fn end(&mut self, attempt: u64, end: End) {
        let Some(Attempt { lane, .. }) = self.attempts.remove(&attempt) else { return };
        let (is_late, most) = (attempt < self.late, self.window);
        let row = self.lane(lane);
        row.under_way -= 1;
        row.late -= usize::from(is_late);
        let (class, window, late) = (row.class, row.window, row.late);
        self.places.give(class, 1);
        match end {
            End::TimedOut => self.rank(lane, Class::Slow, 1),
            // It is slow by what is still under way, whatever else it answers.
            End::Answered if is_late || late > 0 => {}
            End::Answered if class == Class::Proven => {
                self.rank(lane, class, (window + 1).min(most));
            }
            End::Answered => self.rank(lane, Class::Proven, most.min(2)),
            End::Abandoned => {}
        }
        self.settle(lane);
    }

    /// An item goes back to where it came from, and is its lane's next.
    pub(super) fn put_back(&mut self, lane: u32, attempt: Option<u64>, waiting: Waiting<T>) {
        self.lane(lane).put(waiting);
        match attempt {
            Some(attempt) => self.end(attempt, End::Abandoned),
            None => self.settle(lane),
        }
    }

    /// Takes out all items of a lane that wait.
    pub(super) fn take_back(&mut self, name: &Name<G, K>) -> Vec<T> {
        let Some(lane) = self.find(name) else { return Vec::new() };
        let waiting = std::mem::take(&mut self.lane(lane).waiting);
        let taken = waiting.into_iter().map(|waiting| {
            self.stand(lane, waiting.bytes);
            waiting.item
        });
        taken.collect()
    }

    pub(super) fn release_lane(&mut self, name: &Name<G, K>) -> bool {
        let Some(lane) = self.find(name) else { return false };
        self.release(Whom::Lane(lane));
        self.lane(lane).may_start()
    }

    pub(super) fn release_key(&mut self, key: &K) {
        let held = |lane: &u32| self.lanes.get(*lane).is_some_and(|row| row.name.key == *key);
        let lanes = self.holds.iter().filter_map(|(_, whom)| match whom {
            Whom::Lane(lane) => Some(*lane),
            Whom::Group(_) => None,
        });
        for lane in lanes.filter(held).collect::<Vec<_>>() {
            self.release(Whom::Lane(lane));
        }
    }

    pub(super) fn release_group(&mut self, key: &G, hash: u64) {
        if let Some(group) = self.find_group(key, hash) {
            self.release(Whom::Group(group));
        }
    }

    /// Holds back the group of a lane.
    pub(super) fn hold_group_of(&mut self, lane: u32, until: Instant) {
        let group = self.lane(lane).group;
        self.hold(Whom::Group(group), until);
    }

    /// When the first hold is over.
    pub(super) fn held_until(&self) -> Option<Instant> {
        self.holds.first().map(|(until, _)| *until)
    }
}
