//! The rules, without a lock and without a clock: who is known, who is ready, and who has what.
//!
//! Whatever changes a lane ends in [`Machine::settle`], which puts it where it belongs by what it is then.

use std::collections::{BTreeMap, BTreeSet};

use hashbrown::HashTable;

use super::Full;
use super::class::{Class, Shares};
use super::options::{LITTLE, NEW, Options, PART};
use super::order::Line;
use super::rows::{GroupRow, LaneRow, Name, Rest};
use super::surplus::Spare;
use crate::task::slab::Slab;
use crate::time::{Instant, Timestamp};

pub(super) struct Machine<G, K, T> {
    pub(super) options: Options,
    /// The most of a lane that is well.
    pub(super) window: usize,
    pub(super) now: Instant,
    pub(super) lanes: Slab<LaneRow<G, K, T>>,
    pub(super) groups: Slab<GroupRow<G>>,
    lane_of: HashTable<u32>,
    group_of: HashTable<u32>,
    /// How many lanes each class has.
    pub(super) counts: [usize; Class::ALL.len()],
    pub(super) places: Shares,
    pub(super) items: Shares,
    pub(super) bytes: Shares,
    pub(super) starts: Line,
    pub(super) visits: Line,
    /// What is under way, in the order in which it was begun.
    pub(super) attempts: BTreeMap<u64, Attempt>,
    /// Attempts below this number have taken too long already.
    pub(super) late: u64,
    /// The number of the attempt, or of the item put, that comes next.
    pub(super) number: u64,
    pub(super) holds: BTreeSet<(Instant, Whom)>,
    /// Lanes whose rows below are due later.
    pub(super) dues: BTreeSet<(Timestamp, u32)>,
    /// Those of them that have nothing else.
    pub(super) asleep: BTreeSet<(Timestamp, u32)>,
    /// Lanes that have nothing at all.
    pub(super) idle: BTreeSet<(Instant, u32)>,
    /// When the first is due of what lies below and belongs to no lane that is known.
    pub(super) unlisted: Option<Timestamp>,
    pub(super) spare: Spare,
    /// Who waits for a time is to look again: there is an earlier one.
    pub(super) is_news: bool,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Attempt {
    pub(super) lane: u32,
    pub(super) since: Instant,
}

/// Whose turns are held back.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Whom {
    Group(u32),
    Lane(u32),
}

const KNOWN: &str = "a lane is known while something of it is in hand";

impl<G: Clone + Eq, K: Clone + Eq, T> Machine<G, K, T> {
    pub(super) fn new(places: usize, options: Options, now: Instant) -> Self {
        Self {
            window: options.window(places),
            now,
            lanes: Slab::new(),
            groups: Slab::new(),
            lane_of: HashTable::new(),
            group_of: HashTable::new(),
            counts: [0; Class::ALL.len()],
            places: Shares::new(places),
            items: Shares::new(options.items),
            bytes: Shares::new(options.bytes),
            starts: Line::default(),
            visits: Line::default(),
            attempts: BTreeMap::new(),
            late: 0,
            number: 0,
            holds: BTreeSet::new(),
            dues: BTreeSet::new(),
            asleep: BTreeSet::new(),
            idle: BTreeSet::new(),
            unlisted: None,
            spare: Spare::default(),
            is_news: false,
            options,
        }
    }

    /// It is `now`: what took too long is slow, holds are over, who had nothing for long is forgotten.
    pub(super) fn at(&mut self, now: Instant) {
        self.now = self.now.max(now);
        self.judge();
        while let Some((until, whom)) = self.holds.first().copied()
            && until <= self.now
        {
            self.release(whom);
        }
        while let Some((since, lane)) = self.idle.first().copied()
            && since + self.options.idle <= self.now
        {
            self.forget(lane);
        }
    }

    fn judge(&mut self) {
        while let Some((number, attempt)) = self.attempts.range(self.late..).next()
            && self.now - attempt.since > self.options.slow_after
        {
            let lane = attempt.lane;
            self.late = number + 1;
            self.lane(lane).late += 1;
            self.rank(lane, Class::Slow, 1);
            self.settle(lane);
        }
    }

    // ===== who is known =====

    pub(super) fn lane(&mut self, lane: u32) -> &mut LaneRow<G, K, T> {
        self.lanes.get_mut(lane).expect(KNOWN)
    }

    pub(super) fn group(&mut self, group: u32) -> &mut GroupRow<G> {
        self.groups.get_mut(group).expect(KNOWN)
    }

    pub(super) fn find(&self, name: &Name<G, K>) -> Option<u32> {
        let is_it = |lane: &u32| {
            let is_it =
                |row: &LaneRow<G, K, T>| row.name.key == name.key && row.name.group == name.group;
            self.lanes.get(*lane).is_some_and(is_it)
        };
        self.lane_of.find(name.hash, is_it).copied()
    }

    pub(super) fn find_group(&self, key: &G, hash: u64) -> Option<u32> {
        let is_it = |group: &u32| self.groups.get(*group).is_some_and(|row| row.key == *key);
        self.group_of.find(hash, is_it).copied()
    }

    /// Finds the lane or makes it known, for something that is to be done at `due`.
    pub(super) fn list(&mut self, name: &Name<G, K>, due: Timestamp) -> Result<u32, Full> {
        if let Some(lane) = self.find(name) {
            return Ok(lane);
        }
        // Keys are a user's: if one of them panics, nothing has changed yet.
        let (own, key) = (name.clone(), name.group.clone());
        if self.lanes.len() >= self.options.max_lanes {
            let spare = self.spare(due).ok_or(Full)?;
            self.forget(spare);
        }
        let group = self.find_group(&key, own.group_hash);
        let group = group.unwrap_or_else(|| self.list_group(key, own.group_hash));
        let lane = self.lanes.insert(LaneRow::new(own, group));
        let lanes = &self.lanes;
        let hash = |lane: &u32| lanes.get(*lane).expect(KNOWN).name.hash;
        self.lane_of.insert_unique(name.hash, lane, hash);
        self.group(group).lanes += 1;
        self.counts[Class::Fresh as usize] += 1;
        self.settle(lane);
        Ok(lane)
    }

    fn list_group(&mut self, key: G, hash: u64) -> u32 {
        let group = self.groups.insert(GroupRow::new(key, hash));
        let groups = &self.groups;
        self.group_of.insert_unique(hash, group, |group| groups.get(*group).expect(KNOWN).hash);
        group
    }

    /// A lane that may be forgotten for one that has something to do at `due`.
    fn spare(&self, due: Timestamp) -> Option<u32> {
        let idle = self.idle.first().map(|(_, lane)| *lane);
        let furthest = self.asleep.last().filter(|(later, _)| *later > due);
        idle.or(furthest.map(|(_, lane)| *lane))
    }

    /// Whether a lane could be listed for something that is to be done at `due`.
    pub(super) fn has_vacancy(&self, due: Timestamp) -> bool {
        self.lanes.len() < self.options.max_lanes || self.spare(due).is_some()
    }

    /// Forgets a lane that has nothing in memory. What it has below is somebody else's to find again.
    fn forget(&mut self, lane: u32) {
        let row = self.lanes.remove(lane).expect(KNOWN);
        match row.rest {
            Rest::Asleep(due) => {
                self.asleep.remove(&(due, lane));
                self.dues.remove(&(due, lane));
                self.note_unlisted(due);
            }
            Rest::Idle(since) => _ = self.idle.remove(&(since, lane)),
            Rest::Busy => {}
        }
        remove(&mut self.lane_of, row.name.hash, lane);
        self.counts[row.class as usize] -= 1;
        self.group(row.group).lanes -= 1;
        self.forget_group(row.group);
    }

    /// Unless it has lanes, or is held.
    pub(super) fn forget_group(&mut self, group: u32) {
        let row = self.group(group);
        if row.lanes == 0 && row.held.is_none() {
            let row = self.groups.remove(group).expect(KNOWN);
            remove(&mut self.group_of, row.hash, group);
        }
    }

    pub(super) fn note_unlisted(&mut self, due: Timestamp) {
        if self.unlisted.is_none_or(|first| due < first) {
            self.unlisted = Some(due);
            self.is_news = true;
        }
    }

    // ===== who is ready =====

    /// How many items a lane may have in memory now.
    pub(super) fn most(&self, row: &LaneRow<G, K, T>) -> usize {
        let is_little = row.class == Class::Slow || row.held.is_some();
        let most = match row.class {
            _ if is_little => LITTLE,
            Class::Fresh => NEW,
            _ => usize::MAX,
        };
        let part = (self.items.left(row.class) / PART).max(1);
        most.min(self.options.lane_items).min(part)
    }

    /// Puts a lane that has changed where it belongs.
    pub(super) fn settle(&mut self, lane: u32) {
        let row = self.lanes.get(lane).expect(KNOWN);
        let may_be_visited = row.may_be_visited(self.most(row), self.options.lane_bytes);
        let row = self.lanes.get_mut(lane).expect(KNOWN);
        let group = self.groups.get_mut(row.group).expect(KNOWN);
        let (starts, visits) = (row.may_start(), may_be_visited);
        let class = |is_ready: bool| is_ready.then_some(row.class);
        self.starts.place(&mut group.starts, &mut row.start, lane, class(starts));
        self.visits.place(&mut group.visits, &mut row.visit, lane, class(visits));
        let (before, rest) = (row.rest, row.rest(self.now));
        row.rest = rest;
        let group = row.group;
        if before != rest {
            match before {
                Rest::Asleep(due) => _ = self.asleep.remove(&(due, lane)),
                Rest::Idle(since) => _ = self.idle.remove(&(since, lane)),
                Rest::Busy => {}
            }
            match rest {
                Rest::Asleep(due) => _ = self.asleep.insert((due, lane)),
                Rest::Idle(since) => _ = self.idle.insert((since, lane)),
                Rest::Busy => {}
            }
            // There may be a vacancy.
            self.is_news |= self.unlisted.is_some() && rest != Rest::Busy;
        }
        self.settle_group(group);
        self.settle_spare(lane);
    }

    pub(super) fn settle_group(&mut self, group: u32) {
        let (items, bytes) = (self.options.items, self.options.bytes);
        let row = self.groups.get_mut(group).expect(KNOWN);
        let (open, has_room) = (row.held.is_none(), row.has_room(items, bytes));
        self.starts.place_group(&mut row.starts, group, open);
        self.visits.place_group(&mut row.visits, group, open && has_room);
    }

    /// Changes the class of a lane, and how many of it may be under way.
    pub(super) fn rank(&mut self, lane: u32, class: Class, window: usize) {
        let row = self.lanes.get_mut(lane).expect(KNOWN);
        let before = std::mem::replace(&mut row.class, class);
        row.window = window;
        if before != class {
            self.places.shift(before, class, row.under_way);
            self.items.shift(before, class, row.items);
            self.bytes.shift(before, class, row.bytes);
            self.counts[before as usize] -= 1;
            self.counts[class as usize] += 1;
        }
    }

    // ===== who is held =====

    /// Holds turns back until then, or as long as they are held already if that is longer.
    pub(super) fn hold(&mut self, whom: Whom, until: Instant) {
        let held = match whom {
            Whom::Group(group) => &mut self.group(group).held,
            Whom::Lane(lane) => &mut self.lane(lane).held,
        };
        let before = *held;
        if until <= self.now || before.is_some_and(|before| before >= until) {
            return;
        }
        match whom {
            Whom::Group(group) => self.group(group).held = Some(until),
            Whom::Lane(lane) => self.lane(lane).held = Some(until),
        }
        self.holds.extend([(until, whom)]);
        if let Some(before) = before {
            self.holds.remove(&(before, whom));
        }
        self.is_news = true;
        self.settle_held(whom);
    }

    pub(super) fn release(&mut self, whom: Whom) {
        let held = match whom {
            Whom::Group(group) => self.group(group).held.take(),
            Whom::Lane(lane) => self.lane(lane).held.take(),
        };
        if let Some(until) = held {
            self.holds.remove(&(until, whom));
            self.settle_held(whom);
        }
    }

    fn settle_held(&mut self, whom: Whom) {
        match whom {
            Whom::Group(group) => {
                self.settle_group(group);
                self.forget_group(group);
            }
            Whom::Lane(lane) => self.settle(lane),
        }
    }
}

fn remove(rows: &mut HashTable<u32>, hash: u64, row: u32) {
    if let Ok(entry) = rows.find_entry(hash, |other| *other == row) {
        entry.remove();
    }
}
