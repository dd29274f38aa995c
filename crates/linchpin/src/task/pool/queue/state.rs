//! What the queue's lock guards.

use std::collections::BTreeMap;
use std::task::Waker;

use super::crew::{Crew, Running};
use super::lane::{Entry, Lane};
use super::{After, Bounds, Cleared, Offer, TOP};
use crate::task::pool::Priority;
use crate::task::pool::stats::{End, Stats};
use crate::time::Instant;

pub(super) struct State<J> {
    pub(super) lanes: Vec<Lane<J>>,
    /// The lane that is looked at first.
    turn: usize,
    /// Jobs in all queues.
    queued: usize,
    pub(super) crew: Crew,
    pub(super) drains: BTreeMap<u64, (usize, Waker)>,
    drain: u64,
}

impl<J> State<J> {
    pub(super) fn new(bounds: Bounds, hires: bool) -> Self {
        Self {
            lanes: vec![Lane::new(None, bounds)],
            turn: 0,
            queued: 0,
            crew: Crew::new(hires),
            drains: BTreeMap::new(),
            drain: 0,
        }
    }

    // ----- jobs

    pub(super) fn offer(
        &mut self,
        lane: usize,
        priority: Priority,
        (job, now): (J, Instant),
        displaces: bool,
        after: &mut After,
    ) -> Offer<J> {
        let to = &mut self.lanes[lane];
        if to.closed {
            return Offer::Closed(job);
        }
        let mut displaced = None;
        if !to.has_place() {
            let oldest = if displaces { to.jobs.displace(priority) } else { None };
            let Some(oldest) = oldest else { return Offer::Full(job) };
            to.tally.ended(End::Dropped);
            self.queued -= 1;
            displaced = Some(oldest.job);
        }
        self.push(lane, priority, (job, now), after);
        Offer::Taken { displaced }
    }

    pub(super) fn push(
        &mut self,
        lane: usize,
        priority: Priority,
        (job, since): (J, Instant),
        after: &mut After,
    ) {
        let lane = &mut self.lanes[lane];
        lane.tally.submitted += 1;
        lane.jobs.push(priority, Entry { job, since });
        self.queued += 1;
        self.rouse(after);
    }

    /// The next job for `worker`.
    pub(super) fn take(&mut self, worker: usize, now: Instant, after: &mut After) -> Option<J> {
        let lane = self.next_lane()?;
        self.turn = lane + 1;
        let entry = self.lanes[lane].jobs.pop()?;
        self.queued -= 1;
        self.lanes[lane].running += 1;
        self.lanes[lane].tally.waited(entry.since, now);
        self.climb(lane, |lane| lane.load += 1);
        self.crew.begin(worker, Running { lane, since: now });
        self.rouse(after);
        self.dismiss(after);
        Some(entry.job)
    }

    /// How the job of `worker` ended, if it had one.
    pub(super) fn end(&mut self, worker: usize, end: End, now: Instant, after: &mut After) {
        let Some(Running { lane, since }) = self.crew.end(worker) else { return };
        self.climb(lane, |lane| lane.load -= 1);
        let of = &mut self.lanes[lane];
        of.running -= 1;
        of.tally.ended(end);
        if end != End::Dropped {
            of.tally.ran(since, now);
        }
        of.grant(&mut after.wake);
        self.tell_drains(after);
    }

    /// Whose job is next: lane by lane in turn.
    fn next_lane(&self) -> Option<usize> {
        if self.queued == 0 {
            return None;
        }
        if let [only] = &*self.lanes {
            return (only.jobs.len() > 0 && only.load < only.limit).then_some(TOP);
        }
        let (before, from) = self.lanes.split_at(self.turn.min(self.lanes.len()));
        let from = from.iter().zip(before.len()..);
        let mut lanes = from.chain(before.iter().zip(0..));
        lanes.find(|(lane, _)| lane.jobs.len() > 0 && self.may_run(lane)).map(|(_, index)| index)
    }

    fn may_run(&self, lane: &Lane<J>) -> bool {
        lane.load < lane.limit && lane.parent.is_none_or(|parent| self.may_run(&self.lanes[parent]))
    }

    fn climb(&mut self, from: usize, change: impl Fn(&mut Lane<J>)) {
        let mut next = Some(from);
        while let Some(lane) = next {
            change(&mut self.lanes[lane]);
            next = self.lanes[lane].parent;
        }
    }

    // ----- workers

    /// Sees to it that a worker comes, if there is work for one.
    pub(super) fn rouse(&mut self, after: &mut After) {
        if !self.crew.is_coming() && self.next_lane().is_some() {
            self.crew.call(self.lanes[TOP].limit, after);
        }
    }

    /// The same without a new worker.
    pub(super) fn rouse_idle(&mut self, after: &mut After) {
        if !self.crew.is_coming() && self.next_lane().is_some() {
            self.crew.call_idle(after);
        }
    }

    pub(super) fn is_short_of_workers(&self) -> bool {
        self.crew.staying() < self.lanes[TOP].limit
    }

    /// Whether one worker more than needed is there.
    pub(super) fn is_superfluous(&self) -> bool {
        self.surplus() > 0 || self.is_over()
    }

    /// Whether workers have nothing to come for any more.
    fn is_over(&self) -> bool {
        self.lanes[TOP].closed && self.queued == 0
    }

    fn surplus(&self) -> usize {
        self.crew.staying().saturating_sub(self.lanes[TOP].limit)
    }

    /// Wakes idle workers that are to leave.
    fn dismiss(&mut self, after: &mut After) {
        let leave = if self.is_over() { self.crew.live() } else { self.surplus() };
        self.crew.dismiss(leave, after);
    }

    /// What is queued where no worker is left.
    pub(super) fn orphans(&mut self, after: &mut After) -> Vec<J> {
        let mut orphans = Vec::new();
        for lane in 0..self.lanes.len() {
            orphans.extend(self.empty(lane));
            self.lanes[lane].grant(&mut after.wake);
        }
        orphans
    }

    // ----- owners

    pub(super) fn add(&mut self, parent: usize, bounds: Bounds) -> usize {
        let mut lane = Lane::new(Some(parent), bounds);
        lane.closed = self.lanes[parent].closed;
        match self.lanes.iter().position(Lane::is_vacant) {
            Some(free) => {
                self.lanes[free] = lane;
                free
            }
            None => {
                self.lanes.push(lane);
                self.lanes.len() - 1
            }
        }
    }

    pub(super) fn resize(&mut self, lane: usize, limit: usize, after: &mut After) {
        self.lanes[lane].limit = limit;
        self.lanes[lane].grant(&mut after.wake);
        self.dismiss(after);
        self.rouse(after);
    }

    pub(super) fn close(&mut self, lane: usize, after: &mut After) {
        for below in self.subtree(lane) {
            after.wake.extend(self.lanes[below].close());
        }
        self.dismiss(after);
        self.tell_drains(after);
    }

    pub(super) fn clear(&mut self, lane: usize, after: &mut After) -> Cleared<J> {
        let lanes = self.subtree(lane);
        let jobs = lanes.iter().flat_map(|lane| self.empty(*lane)).collect();
        let running = self.crew.stop(&lanes, after);
        self.close(lane, after);
        Cleared { jobs, running }
    }

    fn empty(&mut self, lane: usize) -> Vec<J> {
        let lane = &mut self.lanes[lane];
        let entries = lane.jobs.take_all();
        self.queued -= entries.len();
        let dropped = |entry: Entry<J>| {
            lane.tally.ended(End::Dropped);
            entry.job
        };
        entries.into_iter().map(dropped).collect()
    }

    pub(super) fn is_drained(&self, lane: usize) -> bool {
        let is_done = |lane: &usize| self.lanes[*lane].closed && self.lanes[*lane].is_idle();
        self.subtree(lane).iter().all(is_done) && (lane != TOP || self.crew.live() == 0)
    }

    /// Leaves the waker of somebody who waits for the end of `lane`.
    pub(super) fn watch(&mut self, key: Option<u64>, lane: usize, waker: Waker) -> u64 {
        let key = key.unwrap_or_else(|| {
            self.drain += 1;
            self.drain
        });
        self.drains.insert(key, (lane, waker));
        key
    }

    pub(super) fn tell_drains(&mut self, after: &mut After) {
        if self.drains.is_empty() {
            return;
        }
        let drained = self.drains.values().filter(|(lane, _)| self.is_drained(*lane));
        after.wake.extend(drained.map(|(_, waker)| waker.clone()));
    }

    pub(super) fn stats(&self, index: usize) -> Stats {
        let lane = &self.lanes[index];
        Stats {
            limit: lane.limit,
            workers: self.crew.live(),
            queued: lane.jobs.len(),
            waiting: lane.waiting(),
            running: lane.running + lane.guests,
            ..lane.tally.stats()
        }
    }

    /// `lane` and all below it that are in use.
    fn subtree(&self, lane: usize) -> Vec<usize> {
        let is_below = |index: &usize| {
            let mut next = Some(*index);
            while let Some(above) = next {
                if above == lane {
                    return true;
                }
                next = self.lanes[above].parent;
            }
            false
        };
        (0..self.lanes.len()).filter(is_below).collect()
    }
}
