//! What a group and its tasks share: who is still there, what they came to, who waits for them.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Poller, Poll, Waker};

use super::verdict::{Outcome, Place, Verdict};
use crate::context::{Child, Context};
use crate::shim::atomic::{AtomicBool, AtomicUsize, Ordering};
use crate::shim::{Fault, Mutex, lock, planted};
use crate::task::contained;
use crate::task::slab::Slab;

/// The shared state. The group counts who came, which takes no lock, and the ledger who went, under one.
pub(crate) struct Shared<T> {
    context: Child,
    /// How many results are to come. The group alone writes it; the tasks make room by it.
    results: AtomicUsize,
    /// Whether each task is to stop at its next await. Written under the lock of the ledger.
    aborted: AtomicBool,
    ledger: Mutex<Ledger<T>>,
}

/// A task that is not spawned before another has ended.
pub(super) type Job = Pin<Box<dyn Future<Output = ()> + Send>>;

struct Ledger<T> {
    verdict: Verdict<T>,
    /// Tasks that went, those that never left the queue too.
    gone: usize,
    /// Those who run queued jobs, one after the other.
    workers: usize,
    queue: VecDeque<Job>,
    /// Tasks that were not done when they were polled; an abort takes them.
    waiting: Slab<Waker>,
    joiner: Option<Joiner>,
}

/// Who waits until so many have gone.
struct Joiner {
    all: usize,
    waker: Waker,
}

/// A task's duty to say how it ended. Dropped without a word, it says that the task was dropped.
pub(crate) struct Ticket<T> {
    /// Until it is said.
    shared: Option<Arc<Shared<T>>>,
    place: Option<Place>,
    /// Where it waits.
    waits: Option<u32>,
}

/// A task is to stop.
pub(crate) struct Aborted;

/// Room for a worker under a limit.
pub(super) enum Room {
    Free,
    Taken,
}

impl<T> Shared<T> {
    pub(crate) fn new(context: Child) -> Arc<Self> {
        let ledger = Ledger {
            verdict: Verdict::new(),
            gone: 0,
            workers: 0,
            queue: VecDeque::new(),
            waiting: Slab::new(),
            joiner: None,
        };
        Arc::new(Self {
            context,
            results: AtomicUsize::new(0),
            aborted: AtomicBool::new(false),
            ledger: Mutex::new(ledger),
        })
    }

    pub(crate) fn context(&self) -> &Child {
        &self.context
    }

    pub(crate) fn keep_going(&self) {
        lock(&self.ledger).verdict.keep_going();
    }

    /// How many have gone.
    pub(crate) fn gone(&self) -> usize {
        lock(&self.ledger).gone
    }

    /// Whether one more may run under `limit`; it is counted as running then.
    pub(super) fn room(&self, limit: usize) -> Room {
        let mut ledger = lock(&self.ledger);
        if ledger.workers < limit {
            ledger.workers += 1;
            return Room::Free;
        }
        Room::Taken
    }

    /// Queues a job, or hands it back to be run because a worker went away in between.
    pub(super) fn queue(&self, job: Job, limit: usize) -> Option<Job> {
        let mut ledger = lock(&self.ledger);
        if ledger.workers < limit {
            ledger.workers += 1;
            return Some(job);
        }
        ledger.queue.push_back(job);
        None
    }

    /// The next job for a worker that is done with one; `None` ends the worker.
    pub(super) fn next(&self) -> Option<Job> {
        let mut ledger = lock(&self.ledger);
        let job = ledger.queue.pop_front();
        ledger.workers -= usize::from(job.is_none());
        job
    }

    /// A worker was dropped in the middle of a job.
    pub(super) fn worker_dropped(&self) {
        lock(&self.ledger).workers -= 1;
        self.drop_queue();
    }

    /// One more result is to come, in this place. The group alone calls it.
    pub(super) fn next_place(&self) -> Place {
        let others = self.results.load(Ordering::Relaxed);
        self.results.store(others + 1, Ordering::Relaxed);
        Place::after(others)
    }

    /// Has every task stop at its next await, and drops what has not begun.
    pub(crate) fn abort(&self) {
        let mut ledger = lock(&self.ledger);
        self.aborted.store(true, Ordering::Release);
        let waiting = std::mem::take(&mut ledger.waiting);
        drop(ledger);
        waiting.into_values().for_each(wake);
        self.drop_queue();
    }

    pub(crate) fn is_aborted(&self) -> bool {
        self.aborted.load(Ordering::Acquire)
    }

    /// Drops what has not begun; each says for itself that it was dropped.
    pub(super) fn drop_queue(&self) {
        let queue = std::mem::take(&mut lock(&self.ledger).queue);
        drop(queue);
    }

    /// Ready when as many as came, `all`, have gone. One waiter at a time.
    pub(crate) fn poll_gone(&self, all: usize, cx: &mut Poller<'_>) -> Poll<()> {
        let joiner = Joiner { all, waker: cx.waker().clone() };
        if planted(Fault::GroupLooksBeforeItRegisters) {
            let all_gone = self.gone() == all;
            lock(&self.ledger).joiner = Some(joiner);
            return if all_gone { Poll::Ready(()) } else { Poll::Pending };
        }
        // Looking and leaving the waker are one step under the lock, so the last to go sees the waker or was seen.
        let mut ledger = lock(&self.ledger);
        if ledger.gone == all {
            return Poll::Ready(());
        }
        ledger.joiner = Some(joiner);
        Poll::Pending
    }

    /// What it all came to; the group is empty and unused afterwards.
    pub(crate) fn verdict(&self) -> Verdict<T> {
        std::mem::replace(&mut lock(&self.ledger).verdict, Verdict::new())
    }

    fn settle(&self, place: Option<Place>, waits: Option<u32>, outcome: Outcome<T>) {
        // The user's own error and panic are looked at, and let go, without the lock.
        let outcome = outcome.judged();
        let mut ledger = lock(&self.ledger);
        if place.is_some() {
            ledger.verdict.expect(self.results.load(Ordering::Relaxed));
        }
        let Some(news) = ledger.verdict.record(place, outcome, &self.context) else {
            let (joiner, _left) = (ledger.leave(), self.wait_over(&mut ledger, waits));
            drop(ledger);
            return joiner.into_iter().for_each(wake);
        };
        drop(ledger);
        // Before this task is counted as gone, so that a joiner who finds nobody left finds the context ended, too.
        news.tell(&self.context);
        self.leave(waits);
    }

    fn leave(&self, waits: Option<u32>) {
        let mut ledger = lock(&self.ledger);
        let (joiner, _left) = (ledger.leave(), self.wait_over(&mut ledger, waits));
        drop(ledger);
        joiner.into_iter().for_each(wake);
    }

    /// Leaves a task's waker for an abort, which may have come before.
    fn wait(&self, waker: &Waker) -> Result<u32, Aborted> {
        let waker = waker.clone();
        if planted(Fault::GroupLooksBeforeItWaits) && self.is_aborted() {
            return Err(Aborted);
        }
        let mut ledger = lock(&self.ledger);
        // Under the lock: an abort comes before, and is seen, or after, and takes the waker.
        if self.is_aborted() && !planted(Fault::GroupLooksBeforeItWaits) {
            drop(ledger);
            return Err(Aborted);
        }
        Ok(ledger.waiting.insert(waker))
    }

    /// What a task has left is to be dropped outside of the lock.
    fn wait_over(&self, ledger: &mut Ledger<T>, waits: Option<u32>) -> Option<Waker> {
        let waits = waits.filter(|_| !self.is_aborted())?;
        ledger.waiting.remove(waits)
    }
}

impl<T> Ledger<T> {
    /// A task goes. If it was the last one, whoever waits for that is to be woken.
    fn leave(&mut self) -> Option<Waker> {
        self.gone += 1;
        self.joiner.take_if(|joiner| joiner.all == self.gone).map(|joiner| joiner.waker)
    }
}

/// The waker is whatever joins the group has, or is polled within, and none of the tasks' business.
fn wake(waker: Waker) {
    contained("group", "a waker panicked when a task of a group ended", || waker.wake());
}

impl<T> Ticket<T> {
    /// For a task that comes. With a place, what it returns is among the results.
    pub(crate) fn new(shared: &Arc<Shared<T>>, place: Option<Place>) -> Self {
        Self { shared: Some(shared.clone()), place, waits: None }
    }

    pub(crate) fn context(&self) -> &Context {
        &self.shared.as_ref().expect("there until it is used").context
    }

    /// Whether the task is to stop.
    pub(crate) fn is_aborted(&self) -> bool {
        self.shared.as_ref().is_some_and(|shared| shared.is_aborted())
    }

    /// The task is not done. An abort wakes it, by the waker of the first time: a task has but one.
    pub(crate) fn wait(&mut self, waker: &Waker) -> Result<(), Aborted> {
        if let (Some(shared), None) = (&self.shared, self.waits) {
            self.waits = Some(shared.wait(waker)?);
        }
        Ok(())
    }

    /// The task ended like this.
    pub(crate) fn settle(mut self, outcome: Outcome<T>) {
        if let Some(shared) = self.shared.take() {
            shared.settle(self.place, self.waits, outcome);
        }
    }

    /// The task ended, and there is nothing to say about it.
    pub(crate) fn leave(mut self) {
        if let Some(shared) = self.shared.take() {
            shared.leave(self.waits);
        }
    }
}

impl<T> Drop for Ticket<T> {
    fn drop(&mut self) {
        let Some(shared) = self.shared.take() else { return };
        match self.place {
            Some(_) => shared.settle(self.place, self.waits, Outcome::Dropped),
            // Dropped by whoever has its handle, which is no failure.
            None => shared.leave(self.waits),
        }
    }
}
