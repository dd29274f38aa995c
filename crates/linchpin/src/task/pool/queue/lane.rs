//! One pool among those that share workers: its queue, its bounds, its numbers.

use std::collections::{BTreeMap, BTreeSet};
use std::task::Waker;

use super::fair::Levels;
use super::{Bounds, Wakers};
use crate::task::pool::Priority;
use crate::task::pool::stats::Tally;
use crate::task::turns::Turns;
use crate::time::Instant;

/// A pool's part of the state.
pub(super) struct Lane<J> {
    pub(super) parent: Option<usize>,
    /// The most jobs of this pool and of those below it that run at once.
    pub(super) limit: usize,
    room: usize,
    pub(super) jobs: Levels<Entry<J>>,
    line: Line,
    /// Jobs of this pool that run on workers.
    pub(super) running: usize,
    /// Those, and those of the pools below it.
    pub(super) load: usize,
    /// Jobs of this pool that run on the tasks of their submitters.
    pub(super) guests: usize,
    pub(super) closed: bool,
    /// Nobody holds this pool any more.
    pub(super) left: bool,
    pub(super) tally: Tally,
}

/// A queued job.
pub(super) struct Entry<J> {
    pub(super) job: J,
    pub(super) since: Instant,
}

/// Submitters who wait for a place in the queue.
#[derive(Default)]
struct Line {
    waiting: [BTreeMap<u64, Waker>; Priority::LEVELS],
    /// How many that are.
    len: usize,
    /// Those who were given a place and have not taken it yet.
    granted: BTreeSet<u64>,
    turns: Turns<{ Priority::LEVELS }>,
    number: u64,
}

/// What a submitter who looks finds.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Turn {
    Granted,
    Waits,
    Closed,
}

impl<J> Lane<J> {
    pub(super) fn new(parent: Option<usize>, bounds: Bounds) -> Self {
        Self {
            parent,
            limit: bounds.limit,
            room: bounds.room,
            jobs: Levels::new(),
            line: Line::default(),
            running: 0,
            load: 0,
            guests: 0,
            closed: false,
            left: false,
            tally: Tally::default(),
        }
    }

    /// Whether nothing is queued or runs.
    pub(super) fn is_idle(&self) -> bool {
        self.jobs.len() + self.running + self.guests == 0
    }

    /// Whether nothing will ever happen here again.
    pub(super) fn is_vacant(&self) -> bool {
        self.left && self.is_idle() && self.load == 0
    }

    /// Whether a newcomer may queue, ahead of nobody.
    pub(super) fn has_place(&self) -> bool {
        self.line.is_empty() && self.admitted() < self.capacity()
    }

    pub(super) fn waiting(&self) -> usize {
        self.line.len
    }

    /// A submitter gets in line; the number gets it out.
    pub(super) fn line_up(&mut self, priority: Priority, waker: Waker) -> u64 {
        self.line.number += 1;
        self.line.len += 1;
        self.line.waiting[priority.level()].insert(self.line.number, waker);
        self.line.number
    }

    pub(super) fn look(&mut self, priority: Priority, number: u64, waker: &Waker) -> Turn {
        if self.line.granted.contains(&number) {
            return Turn::Granted;
        }
        match self.line.waiting[priority.level()].get_mut(&number) {
            Some(left) => {
                left.clone_from(waker);
                Turn::Waits
            }
            None => Turn::Closed,
        }
    }

    /// Takes the place that was granted; `false` if it was revoked.
    pub(super) fn redeem(&mut self, number: u64) -> bool {
        self.line.granted.remove(&number)
    }

    /// A submitter leaves the line; whatever it had is free.
    pub(super) fn leave_line(&mut self, priority: Priority, number: u64) {
        self.line.granted.remove(&number);
        if self.line.waiting[priority.level()].remove(&number).is_some() {
            self.line.len -= 1;
        }
    }

    /// Gives free places to those who wait, and tells whom to wake.
    pub(super) fn grant(&mut self, wake: &mut Wakers) {
        if self.closed || self.line.is_empty() {
            return;
        }
        while self.admitted() < self.capacity() {
            let Some((number, waker)) = self.line.next() else { return };
            self.line.granted.insert(number);
            wake.push(waker);
        }
    }

    /// Nobody gets in any more. Those who wait are to be woken.
    pub(super) fn close(&mut self) -> impl Iterator<Item = Waker> + use<J> {
        self.closed = true;
        std::mem::take(&mut self.line).waiting.into_iter().flat_map(BTreeMap::into_values)
    }

    /// Jobs that have a place: on a worker, in the queue, or about to be queued.
    pub(super) fn admitted(&self) -> usize {
        self.running + self.jobs.len() + self.line.granted.len()
    }

    pub(super) fn capacity(&self) -> usize {
        self.limit.saturating_add(self.room)
    }
}

impl Line {
    fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn next(&mut self) -> Option<(u64, Waker)> {
        let waiting = &self.waiting;
        let level = self.turns.next(|level| !waiting[level].is_empty())?;
        self.len -= 1;
        self.waiting[level].pop_first()
    }
}
