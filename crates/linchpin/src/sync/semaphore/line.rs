//! The line: who waits, who is next, and who may pass whom.
//!
//! A pure machine that is told how many permits are free. Waiters stand in a table and are linked in the order in which
//! they came, a list for each level of priority, so that one leaves from the middle in O(1).

use std::iter::successors;
use std::task::Waker;

use super::protocol::Why;
use crate::task::contained;
use crate::task::pool::Priority;
use crate::task::slab::Slab;
use crate::task::turns::Turns;

#[derive(Debug)]
pub(super) struct Line {
    waiters: Slab<Waiter>,
    levels: [Level; Priority::LEVELS],
    waiting: usize,
    turns: Turns,
    /// How often one may be passed, and how many behind the first are looked at.
    overtaking: usize,
    /// How often somebody was passed.
    passes: usize,
}

/// One who waits, or has been called and has not come yet.
#[derive(Debug)]
struct Waiter {
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
    pub(super) permits: usize,
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

// ===== impl Line =====

impl Line {
    pub(super) fn new(overtaking: usize) -> Self {
        Self {
            waiters: Slab::new(),
            levels: [Level::default(); Priority::LEVELS],
            waiting: 0,
            turns: Turns::new(),
            overtaking,
            passes: 0,
        }
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Gets in line, behind all of the same priority; the key gets one out.
    pub(super) fn push(&mut self, permits: usize, priority: Priority) -> u32 {
        let level = priority.level();
        let before = self.levels[level].last;
        let (turn, passes) = (Turn::Waits, self.passes);
        let waiter = Waiter { permits, level, turn, waker: None, before, after: None, passes };
        let key = self.waiters.insert(waiter);
        match before {
            Some(before) => self.at_mut(before).after = Some(key),
            None => self.levels[level].first = Some(key),
        }
        self.levels[level].last = Some(key);
        self.waiting += 1;
        key
    }

    pub(super) fn turn(&self, key: u32) -> Turn {
        self.at(key).turn
    }

    /// Whether `waker` would wake the waiter.
    pub(super) fn knows(&self, key: u32, waker: &Waker) -> bool {
        self.at(key).waker.as_ref().is_some_and(|left| left.will_wake(waker))
    }

    /// Calls the waiter by `waker`. The one that it left before comes out.
    pub(super) fn set_waker(&mut self, key: u32, waker: Waker) -> Option<Waker> {
        self.at_mut(key).waker.replace(waker)
    }

    /// Lets one out, from the line or from the table of those who were called.
    pub(super) fn leave(&mut self, key: u32) -> Option<Left> {
        if self.turn(key) == Turn::Waits {
            self.unlink(key);
        }
        let Waiter { turn, permits, waker, .. } = self.waiters.remove(key)?;
        Some(Left { turn, permits, _waker: waker })
    }

    /// Grants what it can of the permits that are `free`, and says how many.
    pub(super) fn grant(&mut self, free: usize, calls: &mut Calls) -> usize {
        let mut left = free;
        // Nobody waits for none.
        while left > 0
            && let Some((key, passes)) = self.next(left)
        {
            let Waiter { permits, level, .. } = *self.at(key);
            if passes {
                self.passes += 1;
            } else {
                let levels = &self.levels;
                self.turns.take(level, |level| levels[level].first.is_some());
            }
            left -= permits;
            self.call(key, Turn::Granted, calls);
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
        let refused = self.in_order().filter(|key| is_refused(self.at(*key).permits));
        for key in refused.collect::<Vec<_>>() {
            self.call(key, Turn::Refused(why), calls);
        }
    }

    /// Who is to be served with `free` permits, and whether it passes somebody who is not.
    fn next(&self, free: usize) -> Option<(u32, bool)> {
        let level = self.turns.look(|level| self.levels[level].first.is_some())?;
        let first = self.levels[level].first?;
        if self.at(first).permits <= free {
            return Some((first, false));
        }
        if !self.may_pass() {
            return None;
        }
        let mut behind = self.in_order().filter(|key| *key != first).take(self.overtaking);
        behind.find(|key| self.at(*key).permits <= free).map(|key| (key, true))
    }

    /// Whether everybody may be passed once more. Each pass counts against all who wait, so the one that came first has
    /// been passed most, and that is the first of a level.
    fn may_pass(&self) -> bool {
        let firsts = self.levels.iter().filter_map(|level| level.first);
        let oldest = firsts.map(|key| self.at(key).passes).min();
        oldest.is_some_and(|passes| self.passes - passes < self.overtaking)
    }

    /// All who wait, the more urgent first.
    fn in_order(&self) -> impl Iterator<Item = u32> {
        let levels = self.levels.iter();
        levels.flat_map(|level| successors(level.first, |key| self.at(*key).after))
    }

    /// Takes one out of the line: it has something to come for.
    fn call(&mut self, key: u32, turn: Turn, calls: &mut Calls) {
        self.unlink(key);
        let waiter = self.at_mut(key);
        waiter.turn = turn;
        calls.extend(waiter.waker.take());
    }

    fn unlink(&mut self, key: u32) {
        let Waiter { level, before, after, .. } = *self.at(key);
        match before {
            Some(before) => self.at_mut(before).after = after,
            None => self.levels[level].first = after,
        }
        match after {
            Some(after) => self.at_mut(after).before = before,
            None => self.levels[level].last = before,
        }
        self.waiting -= 1;
    }

    fn at(&self, key: u32) -> &Waiter {
        self.waiters.get(key).expect("a waiter stays until it leaves by itself")
    }

    fn at_mut(&mut self, key: u32) -> &mut Waiter {
        self.waiters.get_mut(key).expect("a waiter stays until it leaves by itself")
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
    fn drop(&mut self) {
        if let Some(first) = self.first.take() {
            call(first);
            std::mem::take(&mut self.others).into_iter().for_each(call);
        }
    }
}

/// One that panics must not keep the others from being called.
fn call(waker: Waker) {
    contained("semaphore", "a waker of a semaphore panicked", || waker.wake());
}
