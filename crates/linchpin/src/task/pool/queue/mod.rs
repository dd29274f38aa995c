//! The protocol between submitters, workers and those who wait for the end: one lock, under
//! which no clock is read and nobody is woken.
//!
//! A job that is queued wakes one idle worker, and none while a worker that was woken has not come yet: that one takes
//! a job and wakes the next if there is more to do. So a burst of short jobs costs a wake-up or two and not one each,
//! and no job waits while a worker is idle.

mod crew;
mod fair;
mod lane;
mod state;

use std::sync::Arc;
use std::task::{Context as Poller, Poll, Waker};

use self::lane::Turn;
use self::state::State;
use super::Priority;
use super::stats::{End, Stats};
use crate::shim::atomic::AtomicBool;
use crate::shim::{Fault, Mutex, MutexGuard, lock, planted};
use crate::task::wake;
use crate::time::Instant;

/// What pools that share workers share.
pub(crate) struct Queue<J> {
    state: Mutex<State<J>>,
}

/// What is to be done once the lock is free.
#[derive(Default)]
#[must_use = "somebody waits for it"]
pub(crate) struct After {
    pub(crate) wake: Wakers,
    pub(crate) hire: Option<Hired>,
}

/// Those who are to be woken: nobody most of the time, or one.
#[derive(Default)]
pub(crate) struct Wakers {
    first: Option<Waker>,
    more: Vec<Waker>,
}

/// A new worker, which is counted already.
pub(crate) struct Hired {
    pub(crate) worker: usize,
    /// Set to stop the job that the worker runs.
    pub(crate) stop: Arc<AtomicBool>,
}

/// What became of a job that was offered.
pub(crate) enum Offer<J> {
    Taken { displaced: Option<J> },
    Full(J),
    Closed(J),
}

/// What a worker is to do.
pub(crate) enum Next<J> {
    Run(J),
    Wait,
    Leave,
}

/// What was taken out of pools that are shut down.
pub(crate) struct Cleared<J> {
    pub(crate) jobs: Vec<J>,
    /// How many running jobs were told to stop.
    pub(crate) running: usize,
}

/// Bounds of a pool.
#[derive(Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) limit: usize,
    pub(crate) room: usize,
}

/// The pool at the top, whose limit is the number of workers.
pub(crate) const TOP: usize = 0;

impl Wakers {
    pub(crate) fn wake(self) {
        wake("pool", self.first.into_iter().chain(self.more));
    }

    fn push(&mut self, waker: Waker) {
        if self.first.is_none() {
            self.first = Some(waker);
        } else {
            self.more.push(waker);
        }
    }
}

impl Extend<Waker> for Wakers {
    fn extend<I: IntoIterator<Item = Waker>>(&mut self, wakers: I) {
        wakers.into_iter().for_each(|waker| self.push(waker));
    }
}

impl<J> Queue<J> {
    /// With `hires` workers are asked for when there is work; otherwise they are [enlisted](Self::enlist).
    pub(crate) fn new(bounds: Bounds, hires: bool) -> Self {
        Self { state: Mutex::new(State::new(bounds, hires)) }
    }

    // ----- submitters

    /// Queues `job` if there is a place; in that of the oldest job no more urgent, if `displaces`.
    pub(crate) fn offer(
        &self,
        lane: usize,
        priority: Priority,
        job: J,
        displaces: bool,
    ) -> (Offer<J>, After) {
        let (now, mut after) = (Instant::now(), After::default());
        let mut state = self.lock();
        let offer = state.offer(lane, priority, (job, now), displaces, &mut after);
        (offer, after)
    }

    /// A job was not taken in.
    pub(crate) fn refused(&self, lane: usize) {
        self.lock().lanes[lane].tally.refused += 1;
    }

    /// Gets in line for a place.
    pub(crate) fn line_up(&self, lane: usize, priority: Priority, waker: &Waker) -> (u64, After) {
        let (waker, mut after) = (waker.clone(), After::default());
        let mut state = self.lock();
        let lane = &mut state.lanes[lane];
        let number = lane.line_up(priority, waker);
        // A place may have become free since the offer.
        lane.grant(&mut after.wake);
        (number, after)
    }

    /// Whether the place is granted (`true`), or there will be none (`false`).
    pub(crate) fn poll_place(
        &self,
        lane: usize,
        priority: Priority,
        number: u64,
        waker: &Waker,
    ) -> Poll<bool> {
        let mut state = self.lock();
        match state.lanes[lane].look(priority, number, waker) {
            Turn::Granted => Poll::Ready(true),
            Turn::Closed => Poll::Ready(false),
            Turn::Waits => Poll::Pending,
        }
    }

    /// Queues `job` in the place that was granted.
    pub(crate) fn redeem(
        &self,
        lane: usize,
        priority: Priority,
        number: u64,
        job: J,
    ) -> (Offer<J>, After) {
        let (now, mut after) = (Instant::now(), After::default());
        let mut state = self.lock();
        if !state.lanes[lane].redeem(number) {
            return (Offer::Closed(job), after);
        }
        state.push(lane, priority, (job, now), &mut after);
        (Offer::Taken { displaced: None }, after)
    }

    /// Leaves the line, for whatever reason; a place that was granted goes to the next.
    pub(crate) fn leave_line(&self, lane: usize, priority: Priority, number: u64) -> After {
        let mut after = After::default();
        let mut state = self.lock();
        let lane = &mut state.lanes[lane];
        lane.leave_line(priority, number);
        if !planted(Fault::PoolForgetsTheNextInLine) {
            lane.grant(&mut after.wake);
        }
        after
    }

    /// A submitter runs its own job.
    pub(crate) fn guest_begins(&self, lane: usize) {
        let mut state = self.lock();
        let lane = &mut state.lanes[lane];
        lane.tally.submitted += 1;
        lane.guests += 1;
    }

    pub(crate) fn guest_ends(&self, lane: usize, end: End, since: Instant) -> After {
        let (now, mut after) = (Instant::now(), After::default());
        let mut state = self.lock();
        let of = &mut state.lanes[lane];
        of.guests -= 1;
        of.tally.ended(end);
        if end != End::Dropped {
            of.tally.ran(since, now);
        }
        state.tell_drains(&mut after);
        after
    }

    // ----- workers

    /// A worker that comes without having been asked for, if one is missing.
    pub(crate) fn enlist(&self) -> Option<Hired> {
        let mut state = self.lock();
        state.is_short_of_workers().then(|| state.crew.hire())
    }

    /// Takes down how the last job ended, and says what is next. With `tired` no job is taken.
    pub(crate) fn turn(
        &self,
        worker: usize,
        ended: Option<End>,
        tired: bool,
        waker: &Waker,
    ) -> (Next<J>, After) {
        let (now, mut after) = (Instant::now(), After::default());
        let mut state = self.lock();
        state.crew.arrive(worker, waker);
        if let Some(end) = ended {
            state.end(worker, end, now, &mut after);
        }
        if tired {
            return (Next::Wait, after);
        }
        if state.is_superfluous() {
            state.crew.part(worker);
            return (Next::Leave, after);
        }
        if let Some(job) = state.take(worker, now, &mut after) {
            return (Next::Run(job), after);
        }
        if planted(Fault::PoolLooksBeforeItIdles) {
            drop(state);
            state = self.lock();
        }
        // Looking for a job and becoming idle are one step under the lock: what comes later sees an idle worker.
        state.crew.idle(worker);
        (Next::Wait, after)
    }

    /// A worker is gone: as it was told, or with its runtime. If nobody is left who would run what is queued, that
    /// comes out.
    pub(crate) fn gone(&self, worker: usize) -> (Vec<J>, After) {
        let (now, mut after) = (Instant::now(), After::default());
        let mut state = self.lock();
        state.end(worker, End::Dropped, now, &mut after);
        let as_told = state.crew.leave(worker);
        let mut orphans = Vec::new();
        if as_told {
            state.rouse(&mut after);
        } else if state.crew.live() > 0 {
            // A runtime that is going takes no new worker.
            state.rouse_idle(&mut after);
        } else {
            orphans = state.orphans(&mut after);
        }
        state.tell_drains(&mut after);
        (orphans, after)
    }

    // ----- owners

    /// A pool below `parent`.
    pub(crate) fn add(&self, parent: usize, bounds: Bounds) -> usize {
        self.lock().add(parent, bounds)
    }

    pub(crate) fn resize(&self, lane: usize, limit: usize) -> After {
        let mut after = After::default();
        self.lock().resize(lane, limit, &mut after);
        after
    }

    /// No job is taken in any more.
    pub(crate) fn close(&self, lane: usize) -> After {
        let mut after = After::default();
        self.lock().close(lane, &mut after);
        after
    }

    /// Closes, takes out what is queued, the most urgent first, and tells what runs to stop.
    pub(crate) fn clear(&self, lane: usize) -> (Cleared<J>, After) {
        let mut after = After::default();
        let cleared = self.lock().clear(lane, &mut after);
        (cleared, after)
    }

    /// Nobody holds the pool any more.
    pub(crate) fn left(&self, lane: usize) -> (Cleared<J>, After) {
        let mut after = After::default();
        let mut state = self.lock();
        let cleared = state.clear(lane, &mut after);
        state.lanes[lane].left = true;
        (cleared, after)
    }

    /// Ready when the closed pool and those below it have nothing left, workers of its own included. `key` is that of
    /// the poll before.
    pub(crate) fn poll_drained(
        &self,
        lane: usize,
        key: &mut Option<u64>,
        cx: &Poller<'_>,
    ) -> Poll<()> {
        let waker = cx.waker().clone();
        let mut state = self.lock();
        if state.is_drained(lane) {
            return Poll::Ready(());
        }
        *key = Some(state.watch(*key, lane, waker));
        Poll::Pending
    }

    pub(crate) fn leave_drain(&self, key: u64) {
        let left = self.lock().drains.remove(&key);
        drop(left);
    }

    pub(crate) fn stats(&self, lane: usize) -> Stats {
        self.lock().stats(lane)
    }

    /// How many jobs have a place, and how many there are.
    pub(crate) fn places(&self, lane: usize) -> (usize, usize) {
        let state = self.lock();
        let lane = &state.lanes[lane];
        (lane.admitted(), lane.capacity())
    }

    fn lock(&self) -> MutexGuard<'_, State<J>> {
        lock(&self.state)
    }
}
