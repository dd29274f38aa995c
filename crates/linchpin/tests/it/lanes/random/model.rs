//! The rules of lanes, as plainly as they can be written.

use std::collections::BTreeMap;

use linchpin::sync::lanes::Class;

pub(super) const GROUPS: usize = 3;
pub(super) const LANES: usize = 4;
pub(super) const CLASSES: [Class; 3] = [Class::Proven, Class::Fresh, Class::Slow];

#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    pub(super) places: usize,
    pub(super) window: usize,
    pub(super) items: usize,
    pub(super) bytes: usize,
    pub(super) lane_items: usize,
    pub(super) lane_bytes: usize,
    pub(super) slow_after: u64,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Ended {
    Abandoned,
    Answered,
    TimedOut,
}

/// Number, bytes and item.
pub(super) type Waiting = (usize, usize, usize);

#[derive(Debug)]
pub(super) struct Lane {
    pub(super) class: Class,
    window: usize,
    pub(super) waiting: Vec<Waiting>,
    pub(super) items: usize,
    pub(super) bytes: usize,
    /// Of its items those that are on their way below.
    pub(super) leaving: usize,
    pub(super) held: Option<u64>,
    pub(super) due: Option<u64>,
    /// What was due when the visit began, and whether it has told what it leaves.
    pub(super) visit: Option<(u64, bool)>,
    turn: Option<usize>,
}

#[derive(Debug)]
struct Begun {
    lane: usize,
    since: u64,
    has_place: bool,
    is_late: bool,
    waiting: Waiting,
}

#[derive(Debug)]
pub(super) struct Model {
    pub(super) rules: Rules,
    pub(super) now: u64,
    pub(super) lanes: Vec<Lane>,
    pub(super) held: [Option<u64>; GROUPS],
    turns: [Option<usize>; GROUPS],
    begun: BTreeMap<usize, Begun>,
    number: usize,
    /// How often each lane, or group, was passed by each other since it could start, or did.
    passed: BTreeMap<(bool, usize, usize), usize>,
}

/// What a class may still have of a whole of which so much is used.
pub(super) fn left(class: Class, whole: usize, used: [usize; 3]) -> usize {
    let [proven, fresh, slow] = used;
    let all = whole.saturating_sub(proven + fresh + slow);
    let half = (whole / 2).max(1).saturating_sub(fresh + slow);
    let quarter = (whole / 4).max(1).saturating_sub(slow);
    match class {
        Class::Proven => all,
        Class::Fresh => all.min(half),
        Class::Slow => all.min(half).min(quarter),
    }
}

impl Model {
    pub(super) fn new(rules: Rules) -> Self {
        let lane = |_| Lane {
            class: Class::Fresh,
            window: 1,
            waiting: Vec::new(),
            items: 0,
            bytes: 0,
            leaving: 0,
            held: None,
            due: None,
            visit: None,
            turn: None,
        };
        Self {
            rules,
            now: 0,
            lanes: (0..GROUPS * LANES).map(lane).collect(),
            held: [None; GROUPS],
            turns: [None; GROUPS],
            begun: BTreeMap::new(),
            number: 0,
            passed: BTreeMap::new(),
        }
    }

    // ===== what there is =====

    fn sum(&self, of: impl Fn(usize, &Lane) -> usize) -> [usize; 3] {
        CLASSES.map(|class| {
            let lanes = self.lanes.iter().enumerate().filter(|(_, lane)| lane.class == class);
            lanes.map(|(at, lane)| of(at, lane)).sum()
        })
    }

    pub(super) fn under_way(&self, lane: usize) -> usize {
        self.begun.values().filter(|one| one.lane == lane && one.has_place).count()
    }

    fn places(&self) -> [usize; 3] {
        self.sum(|at, _| self.under_way(at))
    }

    pub(super) fn items(&self) -> [usize; 3] {
        self.sum(|_, lane| lane.items)
    }

    pub(super) fn bytes(&self) -> [usize; 3] {
        self.sum(|_, lane| lane.bytes)
    }

    /// What is under way, in memory, and how much it weighs.
    pub(super) fn numbers(&self, class: usize) -> (usize, usize, usize) {
        (self.places()[class], self.items()[class], self.bytes()[class])
    }

    pub(super) fn most(&self, lane: &Lane) -> usize {
        let eighth = (left(lane.class, self.rules.items, self.items()) / 8).max(1);
        let most = self.rules.lane_items.min(eighth);
        match lane.class {
            Class::Slow => most.min(2),
            _ if lane.held.is_some() => most.min(2),
            Class::Fresh => most.min(8),
            Class::Proven => most,
        }
    }

    pub(super) fn has_room(&self, at: usize) -> bool {
        let lane = &self.lanes[at];
        let group = &self.lanes[at / LANES * LANES..][..LANES];
        let items: usize = group.iter().map(|lane| lane.items).sum();
        let bytes: usize = group.iter().map(|lane| lane.bytes).sum();
        left(lane.class, self.rules.items, self.items()) > 0
            && left(lane.class, self.rules.bytes, self.bytes()) > 0
            && 2 * items < self.rules.items
            && 2 * bytes < self.rules.bytes
    }

    // ===== turns =====

    fn is_ready(&self, at: usize) -> bool {
        let lane = &self.lanes[at];
        !lane.waiting.is_empty() && lane.held.is_none() && self.under_way(at) < lane.window
    }

    fn is_group_ready(&self, group: usize) -> bool {
        let mut lanes = group * LANES..(group + 1) * LANES;
        self.held[group].is_none() && lanes.any(|at| self.is_ready(at))
    }

    fn may_start(&self, at: usize) -> bool {
        let open = left(self.lanes[at].class, self.rules.places, self.places()) > 0;
        open && self.is_ready(at) && self.held[at / LANES].is_none()
    }

    fn may_group_start(&self, group: usize) -> bool {
        (group * LANES..(group + 1) * LANES).any(|at| self.may_start(at))
    }

    /// Who has become ready goes to the end, and who may not start has not been passed.
    pub(super) fn turn(&mut self) {
        for at in 0..self.lanes.len() {
            let ready = self.is_ready(at);
            let before = self.lanes[at].turn.filter(|_| ready);
            self.number += 1;
            self.lanes[at].turn = ready.then(|| before.unwrap_or(self.number));
        }
        for group in 0..GROUPS {
            let ready = self.is_group_ready(group);
            let before = self.turns[group].filter(|_| ready);
            self.number += 1;
            self.turns[group] = ready.then(|| before.unwrap_or(self.number));
        }
        let mut passed = std::mem::take(&mut self.passed);
        passed.retain(
            |(is_group, who, _), _| {
                if *is_group { self.may_group_start(*who) } else { self.may_start(*who) }
            },
        );
        self.passed = passed;
    }

    fn pass(&mut self, is_group: bool, who: usize, by: usize) {
        let times = self.passed.entry((is_group, who, by)).or_default();
        *times += 1;
        assert!(*times < 2, "{who} was passed twice by {by}, a group: {is_group}");
    }

    pub(super) fn at(&mut self, now: u64) {
        self.now = now;
        let is_late =
            |one: &Begun| one.has_place && !one.is_late && now - one.since > self.rules.slow_after;
        let late: Vec<usize> =
            self.begun.iter().filter(|(_, one)| is_late(one)).map(|(id, _)| *id).collect();
        for id in late {
            let one = self.begun.get_mut(&id).unwrap();
            one.is_late = true;
            let lane = &mut self.lanes[one.lane];
            (lane.class, lane.window) = (Class::Slow, 1);
            self.turn();
        }
        loop {
            let lanes = self.lanes.iter().enumerate();
            let lanes = lanes.filter_map(|(at, lane)| Some((lane.held?, false, at)));
            let groups = self.held.iter().enumerate();
            let groups = groups.filter_map(|(at, held)| Some(((*held)?, true, at)));
            let first = lanes.chain(groups).min().filter(|(until, ..)| *until <= now);
            match first {
                Some((_, true, group)) => self.held[group] = None,
                Some((_, false, lane)) => self.lanes[lane].held = None,
                None => return,
            }
            self.turn();
        }
    }

    // ===== what is done =====

    pub(super) fn offer(&mut self, at: usize, bytes: usize) -> bool {
        let lane = &self.lanes[at];
        let is_due = lane.due.is_some_and(|due| due <= self.now);
        let is_unknown = lane.visit.is_some_and(|(_, is_told)| !is_told);
        !is_due && !is_unknown && self.sit(at, bytes)
    }

    pub(super) fn sit(&mut self, at: usize, bytes: usize) -> bool {
        let lane = &self.lanes[at];
        let fits = lane.items < self.most(lane) && lane.bytes < self.rules.lane_bytes;
        if !fits || !self.has_room(at) {
            return false;
        }
        self.lanes[at].items += 1;
        self.lanes[at].bytes += bytes;
        true
    }

    pub(super) fn stand(&mut self, at: usize, bytes: usize) {
        self.lanes[at].items -= 1;
        self.lanes[at].bytes -= bytes;
    }

    pub(super) fn put(&mut self, at: usize, bytes: usize, item: usize) {
        self.number += 1;
        let number = self.number;
        self.lanes[at].waiting.push((number, bytes, item));
        self.turn();
    }

    pub(super) fn next(&mut self, id: usize) -> Option<usize> {
        let groups = (0..GROUPS).filter(|group| self.may_group_start(*group));
        let group = groups.min_by_key(|group| self.turns[*group])?;
        let lanes = (group * LANES..(group + 1) * LANES).filter(|at| self.may_start(*at));
        let at = lanes.min_by_key(|at| self.lanes[*at].turn)?;
        for other in (group * LANES..(group + 1) * LANES).filter(|other| *other != at) {
            if self.may_start(other) {
                self.pass(false, other, at);
            }
        }
        for other in (0..GROUPS).filter(|other| *other != group) {
            if self.may_group_start(other) {
                self.pass(true, other, group);
            }
        }
        self.passed.retain(|(is_group, who, _), _| *who != if *is_group { group } else { at });
        let waiting = self.lanes[at].waiting.remove(0);
        let begun = Begun { lane: at, since: self.now, has_place: true, is_late: false, waiting };
        self.begun.insert(id, begun);
        (self.lanes[at].turn, self.turns[group]) = (None, None);
        self.turn();
        assert!(self.under_way(at) <= self.lanes[at].window);
        assert!(self.places().iter().sum::<usize>() <= self.rules.places);
        Some(waiting.2)
    }

    pub(super) fn end(&mut self, id: usize, how: Ended) {
        let one = self.begun.get_mut(&id).unwrap();
        if !std::mem::replace(&mut one.has_place, false) {
            return;
        }
        let (at, was_late) = (one.lane, one.is_late);
        let is_late = |other: &Begun| other.lane == at && other.has_place && other.is_late;
        let is_late = was_late || self.begun.values().any(is_late);
        let lane = &mut self.lanes[at];
        match how {
            Ended::TimedOut => (lane.class, lane.window) = (Class::Slow, 1),
            Ended::Answered if !is_late => {
                let window = if lane.class == Class::Proven { lane.window + 1 } else { 2 };
                (lane.class, lane.window) = (Class::Proven, window.min(self.rules.window));
            }
            Ended::Answered | Ended::Abandoned => {}
        }
        self.turn();
    }

    pub(super) fn drop_begun(&mut self, id: usize) {
        self.end(id, Ended::Abandoned);
        let one = self.begun.remove(&id).unwrap();
        self.stand(one.lane, one.waiting.1);
    }

    pub(super) fn put_back(&mut self, id: usize) {
        let one = self.begun.remove(&id).unwrap();
        let waiting = &mut self.lanes[one.lane].waiting;
        waiting.push(one.waiting);
        waiting.sort_unstable();
        self.turn();
    }

    pub(super) fn take_back(&mut self, at: usize) -> Vec<usize> {
        let taken = std::mem::take(&mut self.lanes[at].waiting);
        for (_, bytes, _) in &taken {
            self.stand(at, *bytes);
        }
        self.turn();
        taken.into_iter().map(|(_, _, item)| item).collect()
    }

    pub(super) fn hold(&mut self, id: usize, until: u64) {
        let lane = &mut self.lanes[self.begun[&id].lane];
        lane.held = lane.held.max(Some(until));
        self.turn();
    }

    pub(super) fn hold_group(&mut self, id: usize, until: u64) {
        let held = &mut self.held[self.begun[&id].lane / LANES];
        *held = (*held).max(Some(until));
        self.turn();
    }

    pub(super) fn release(&mut self, at: usize) {
        self.lanes[at].held = None;
        self.turn();
    }

    pub(super) fn release_group(&mut self, group: usize) {
        self.held[group] = None;
        self.turn();
    }
}
