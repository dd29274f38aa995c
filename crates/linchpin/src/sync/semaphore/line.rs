//! The line: who waits, who is next, and who may pass whom.
//!
//! A pure machine that is told how many permits are free, and from which end it is served. Who waits has a number, and
//! stands in the queue of its [level](super::level) of priority.
//!
//! Nearly always the next is the one with the lowest number of all: then [`served`](Line::served) is its number, by which
//! it knows that it was granted what it asked for. What one was told that is called out of order, or in vain, is kept
//! until it comes.

use std::collections::BTreeMap;
use std::mem;
use std::task::Waker;

use super::level::{End, Level, Waiter};
use super::protocol::Why;
use crate::shim::{Fault, planted};
use crate::task::turns::Turns;
use crate::task::{wake, wake_one};

#[derive(Debug)]
pub(super) struct Line {
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
    /// Who was called out of order and has not come yet.
    called: BTreeMap<u64, Turn>,
}

/// How many levels of priority there are, 0 the most urgent: as many as the users with the most have.
pub(crate) const LEVELS: usize = 4;

/// Where one waits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Place {
    level: usize,
    pub(super) number: u64,
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

const STAYS: &str = "a waiter stays until it is called or leaves by itself";
const BUSY: &str = "somebody waits in a level that is busy";

// ===== impl Line =====

impl Line {
    pub(super) fn new(overtaking: usize) -> Self {
        Self {
            levels: Default::default(),
            busy: 0,
            waiting: 0,
            turns: Turns::new(),
            overtaking,
            passes: 0,
            came: 0,
            served: 0,
            called: BTreeMap::new(),
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
        self.levels[level].push(Waiter { number, permits, waker, passes: self.passes });
        self.busy |= 1 << level;
        self.waiting += 1;
        Place { level, number }
    }

    pub(super) fn turn(&self, place: Place) -> Turn {
        if place.number <= self.served {
            return Turn::Granted;
        }
        self.called.get(&place.number).copied().unwrap_or(Turn::Waits)
    }

    /// Whether `waker` would wake one who waits.
    pub(super) fn knows(&self, place: Place, waker: &Waker) -> bool {
        let waiter = self.levels[place.level].find(place.number).expect(STAYS);
        waiter.waker.as_ref().is_some_and(|left| left.will_wake(waker))
    }

    /// Calls one who waits by `waker`. The one that it left before comes out.
    pub(super) fn set_waker(&mut self, place: Place, waker: Waker) -> Option<Waker> {
        let waiter = self.levels[place.level].find_mut(place.number).expect(STAYS);
        waiter.waker.replace(waker)
    }

    /// Lets one out, who waits or has been called.
    pub(super) fn leave(&mut self, place: Place) -> Left {
        let called = if place.number <= self.served {
            Some(Turn::Granted)
        } else {
            self.called.remove(&place.number)
        };
        match called {
            Some(turn) => Left { turn, _waker: None },
            None => Left { turn: Turn::Waits, _waker: self.take(place).waker },
        }
    }

    /// Grants what it can of the permits that are `free`, and says how many. Of a level the one is next that came first,
    /// or last.
    #[inline]
    pub(super) fn grant(&mut self, free: usize, end: End, calls: &mut Calls) -> usize {
        let mut left = free;
        // Nobody waits for none.
        while left > 0
            && let Some(level) = self.next_level()
        {
            let permits = self.levels[level].at(end).expect(BUSY).permits;
            if permits <= left {
                self.has_its_turn(level);
                self.serve(level, end, calls);
                left -= permits;
            } else {
                match self.let_one_pass(end, left, calls) {
                    Some(permits) => left -= permits,
                    None => break,
                }
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
        let refused = self.in_order(End::Oldest).filter(|(_, waiter)| is_refused(waiter.permits));
        let refused: Vec<Place> = refused.map(|(place, _)| place).collect();
        for place in refused {
            self.call(place, Turn::Refused(why), calls);
        }
    }

    /// Whose turn it is.
    #[inline]
    fn next_level(&self) -> Option<usize> {
        match self.busy {
            0 => None,
            // Nearly always there is one.
            one if one.is_power_of_two() => Some(one.trailing_zeros() as usize),
            _ => self.next_of_several(),
        }
    }

    #[inline(never)]
    fn next_of_several(&self) -> Option<usize> {
        self.turns.look(|level| self.busy & (1 << level) != 0)
    }

    #[inline]
    fn has_its_turn(&mut self, level: usize) {
        match self.busy {
            one if one.is_power_of_two() => self.turns.take(level, |_| false),
            _ => self.has_its_turn_of_several(level),
        }
    }

    #[inline(never)]
    fn has_its_turn_of_several(&mut self, level: usize) {
        self.turns.take(level, |level| self.busy & (1 << level) != 0);
    }

    /// Grants one what it asks for with `free` permits, which do not do for the next: so many.
    #[inline(never)]
    fn let_one_pass(&mut self, end: End, free: usize, calls: &mut Calls) -> Option<usize> {
        if !self.may_pass() {
            return None;
        }
        let next = self.next_level().and_then(|level| self.levels[level].at(end))?.number;
        let others = self.in_order(end).filter(|(place, _)| place.number != next);
        let mut behind = others.take(self.overtaking);
        let (place, _) = behind.find(|(_, waiter)| waiter.permits <= free)?;
        drop(behind);
        self.passes += 1;
        Some(self.call(place, Turn::Granted, calls))
    }

    /// Whether everybody may be passed once more. Each pass counts against all who wait, so the one that came first has
    /// been passed most, and that is the first of a level.
    fn may_pass(&self) -> bool {
        let firsts = self.levels.iter().filter_map(|level| level.at(End::Oldest));
        let oldest = firsts.map(|first| first.passes).min();
        oldest.is_some_and(|passes| self.passes - passes < self.overtaking)
    }

    /// All who wait, the more urgent first.
    fn in_order(&self, end: End) -> impl Iterator<Item = (Place, &Waiter)> {
        self.levels.iter().enumerate().flat_map(move |(level, waiters)| {
            waiters.iter_from(end).map(move |one| (Place { level, number: one.number }, one))
        })
    }

    /// Grants the next of a level what it asks for.
    #[inline]
    fn serve(&mut self, level: usize, end: End, calls: &mut Calls) {
        let waiters = &mut self.levels[level];
        let is_first = end == End::Oldest || waiters.len() == 1;
        let Waiter { number, waker, .. } = waiters.pop(end).expect(BUSY);
        let is_lowest = (is_first || planted(Fault::SemaphoreServesByTheNewestNumber))
            && self.called.is_empty()
            && self.busy.is_power_of_two();
        self.has_gone(level);
        if is_lowest {
            self.served = number;
        } else {
            self.called.insert(number, Turn::Granted);
        }
        calls.add(waker);
    }

    /// Takes one out of the line, who has something to come for. It asks for so many permits.
    fn call(&mut self, place: Place, turn: Turn, calls: &mut Calls) -> usize {
        let Waiter { permits, waker, .. } = self.take(place);
        self.called.insert(place.number, turn);
        calls.add(waker);
        permits
    }

    fn take(&mut self, place: Place) -> Waiter {
        let waiter = self.levels[place.level].take(place.number).expect(STAYS);
        self.has_gone(place.level);
        waiter
    }

    /// Counts one who was in line.
    #[inline]
    fn has_gone(&mut self, level: usize) {
        if self.levels[level].len() == 0 {
            self.busy &= !(1 << level);
        }
        self.waiting -= 1;
    }
}

// ===== impl Calls =====

impl Calls {
    #[inline]
    fn add(&mut self, waker: Option<Waker>) {
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
        wake_one("semaphore", first);
        if !self.others.is_empty() {
            wake("semaphore", mem::take(&mut self.others));
        }
    }
}
