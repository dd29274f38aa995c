//! The line: who waits, who is next, and who may pass whom.
//!
//! A pure machine that is told how many permits are free, and from which end it is served. Waiters stand in a table and are
//! linked in the order in which they came, a list for each level of priority, so that one leaves from the middle in O(1).
//!
//! They have numbers, too. Nearly always the next is the one with the lowest of all in the table: it leaves the table at
//! once, and [`served`](Line::served) is its number, by which it knows that it was granted what it asked for. One that is
//! called out of order, or in vain, stays in the table until it comes.

use std::iter::successors;
use std::task::Waker;

use super::protocol::Why;
use crate::shim::{Fault, planted};
use crate::task::slab::Slab;
use crate::task::turns::Turns;
use crate::task::wake;

#[derive(Debug)]
pub(super) struct Line {
    waiters: Slab<Waiter>,
    levels: [Level; LEVELS],
    /// A bit for each level in which somebody waits.
    busy: u8,
    waiting: usize,
    turns: Turns<LEVELS>,
    /// How often one may be passed, and how many behind the first are looked at.
    overtaking: usize,
    /// How often somebody was passed.
    passes: usize,
    /// How many have come to wait.
    came: u64,
    served: u64,
}

/// How many levels of priority there are, 0 the most urgent: as many as the users with the most have.
pub(crate) const LEVELS: usize = 4;

/// Where one waits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Place {
    key: u32,
    pub(super) number: u64,
}

/// One who waits, or has been called out of order and has not come yet.
#[derive(Debug)]
struct Waiter {
    number: u64,
    permits: usize,
    level: usize,
    turn: Turn,
    waker: Option<Waker>,
    /// Its neighbours, while it waits.
    before: Option<u32>,
    after: Option<u32>,
    /// The passes before it came.
    passes: usize,
}

/// What a waiter who comes for its turn finds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Turn {
    Waits,
    Granted,
    Refused(Why),
}

/// What a waiter leaves behind. The waker is to be dropped when the lock is free.
#[derive(Debug)]
pub(super) struct Left {
    pub(super) turn: Turn,
    _waker: Option<Waker>,
}

/// Wakers to be called, which they are when this is dropped: when the lock is free.
#[derive(Debug, Default)]
pub(super) struct Calls {
    // Nearly always the only one.
    first: Option<Waker>,
    others: Vec<Waker>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Level {
    first: Option<u32>,
    last: Option<u32>,
}

const STAYS: &str = "a waiter stays until it is served in order or leaves by itself";

// ===== impl Line =====

impl Line {
    pub(super) fn new(overtaking: usize) -> Self {
        Self {
            waiters: Slab::new(),
            levels: [Level::default(); LEVELS],
            busy: 0,
            waiting: 0,
            turns: Turns::new(),
            overtaking,
            passes: 0,
            came: 0,
            served: 0,
        }
    }

    /// Who had a number up to this one has been granted what it asked for, or has left.
    pub(super) fn served(&self) -> u64 {
        self.served
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Gets in line, behind all of the same level, to be called by `waker`.
    #[inline]
    pub(super) fn push(&mut self, permits: usize, level: usize, waker: Option<Waker>) -> Place {
        self.came += 1;
        let number = self.came;
        let before = self.levels[level].last;
        let (turn, passes) = (Turn::Waits, self.passes);
        let waiter = Waiter { number, permits, level, turn, waker, before, after: None, passes };
        let key = self.waiters.insert(waiter);
        match before {
            Some(before) => self.at_mut(before).after = Some(key),
            None => self.levels[level].first = Some(key),
        }
        self.levels[level].last = Some(key);
        self.busy |= 1 << level;
        self.waiting += 1;
        Place { key, number }
    }

    pub(super) fn turn(&self, place: Place) -> Turn {
        if place.number <= self.served { Turn::Granted } else { self.at(place.key).turn }
    }

    /// Whether `waker` would wake one who waits.
    pub(super) fn knows(&self, place: Place, waker: &Waker) -> bool {
        self.at(place.key).waker.as_ref().is_some_and(|left| left.will_wake(waker))
    }

    /// Calls one who waits by `waker`. The one that it left before comes out.
    pub(super) fn set_waker(&mut self, place: Place, waker: Waker) -> Option<Waker> {
        self.at_mut(place.key).waker.replace(waker)
    }

    /// Lets one out, from the line or from the table of those who were called.
    pub(super) fn leave(&mut self, place: Place) -> Left {
        if place.number <= self.served {
            return Left { turn: Turn::Granted, _waker: None };
        }
        let Waiter { turn, level, waker, before, after, .. } = self.take(place.key);
        if turn == Turn::Waits {
            self.unlink(level, before, after);
        }
        Left { turn, _waker: waker }
    }

    /// Grants what it can of the permits that are `free`, and says how many. Of a level the one is next that came first,
    /// or last.
    #[inline]
    pub(super) fn grant(&mut self, free: usize, newest_first: bool, calls: &mut Calls) -> usize {
        let mut left = free;
        // Nobody waits for none.
        while left > 0
            && let Some((level, next)) = self.next(newest_first)
        {
            if self.at(next).permits <= left {
                let busy = self.busy;
                self.turns.take(level, |level| busy & (1 << level) != 0);
                left -= self.serve(next, level, calls);
            } else if let Some(key) = self.one_that_passes(next, newest_first, left) {
                self.passes += 1;
                left -= self.call(key, Turn::Granted, calls);
            } else {
                break;
            }
        }
        free - left
    }

    /// Refuses those who ask for so many permits that `is_refused`.
    pub(super) fn refuse(
        &mut self,
        is_refused: impl Fn(usize) -> bool,
        why: Why,
        calls: &mut Calls,
    ) {
        let refused = self.in_order(false).filter(|key| is_refused(self.at(*key).permits));
        for key in refused.collect::<Vec<_>>() {
            self.call(key, Turn::Refused(why), calls);
        }
    }

    /// Whose turn it is, and of which level.
    fn next(&self, newest_first: bool) -> Option<(usize, u32)> {
        let level = match self.busy {
            0 => return None,
            // Nearly always there is one.
            one if one.is_power_of_two() => one.trailing_zeros() as usize,
            some => self.turns.look(|level| some & (1 << level) != 0)?,
        };
        Some((level, self.levels[level].end(newest_first)?))
    }

    /// Who is to be served with `free` permits, which do not do for the `next`.
    fn one_that_passes(&self, next: u32, newest_first: bool, free: usize) -> Option<u32> {
        if !self.may_pass() {
            return None;
        }
        let others = self.in_order(newest_first).filter(|key| *key != next);
        let mut behind = others.take(self.overtaking);
        behind.find(|key| self.at(*key).permits <= free)
    }

    /// Whether everybody may be passed once more. Each pass counts against all who wait, so the one that came first has
    /// been passed most, and that is the first of a level.
    fn may_pass(&self) -> bool {
        let firsts = self.levels.iter().filter_map(|level| level.first);
        let oldest = firsts.map(|key| self.at(key).passes).min();
        oldest.is_some_and(|passes| self.passes - passes < self.overtaking)
    }

    /// All who wait, the more urgent first.
    fn in_order(&self, newest_first: bool) -> impl Iterator<Item = u32> {
        let follower = move |key: &u32| {
            let waiter = self.at(*key);
            if newest_first { waiter.before } else { waiter.after }
        };
        self.levels.iter().flat_map(move |level| successors(level.end(newest_first), follower))
    }

    /// Grants the next of a level what it asks for: so many permits.
    fn serve(&mut self, next: u32, level: usize, calls: &mut Calls) -> usize {
        let is_first = self.levels[level].first == Some(next);
        let is_lowest = (is_first || planted(Fault::SemaphoreServesByTheNewestNumber))
            && self.waiters.len() == self.waiting
            && self.busy.is_power_of_two();
        if !is_lowest {
            return self.call(next, Turn::Granted, calls);
        }
        let Waiter { number, permits, waker, before, after, .. } = self.take(next);
        self.served = number;
        calls.extend(waker);
        self.unlink(level, before, after);
        permits
    }

    /// Takes one out of the line, who has something to come for. It asks for so many permits.
    fn call(&mut self, key: u32, turn: Turn, calls: &mut Calls) -> usize {
        let waiter = self.at_mut(key);
        waiter.turn = turn;
        calls.extend(waiter.waker.take());
        let Waiter { permits, level, before, after, .. } = *waiter;
        self.unlink(level, before, after);
        permits
    }

    /// Closes the gap between the neighbours of one who was in line.
    #[inline]
    fn unlink(&mut self, level: usize, before: Option<u32>, after: Option<u32>) {
        match before {
            Some(before) => self.at_mut(before).after = after,
            None => self.levels[level].first = after,
        }
        match after {
            Some(after) => self.at_mut(after).before = before,
            None => self.levels[level].last = before,
        }
        if self.levels[level].first.is_none() {
            self.busy &= !(1 << level);
        }
        self.waiting -= 1;
    }

    fn at(&self, key: u32) -> &Waiter {
        self.waiters.get(key).expect(STAYS)
    }

    fn at_mut(&mut self, key: u32) -> &mut Waiter {
        self.waiters.get_mut(key).expect(STAYS)
    }

    fn take(&mut self, key: u32) -> Waiter {
        self.waiters.remove(key).expect(STAYS)
    }
}

// ===== impl Level =====

impl Level {
    fn end(&self, newest: bool) -> Option<u32> {
        if newest { self.last } else { self.first }
    }
}

// ===== impl Calls =====

impl Calls {
    fn extend(&mut self, waker: Option<Waker>) {
        match &self.first {
            None => self.first = waker,
            Some(_) => self.others.extend(waker),
        }
    }
}

impl Drop for Calls {
    #[inline]
    fn drop(&mut self) {
        let Some(first) = self.first.take() else { return };
        if self.others.is_empty() {
            wake("semaphore", Some(first));
        } else {
            wake("semaphore", [first].into_iter().chain(std::mem::take(&mut self.others)));
        }
    }
}
