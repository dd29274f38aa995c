//! What a group and its tasks share: who is still there, what they came to, who waits for them.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context as Poller, Poll, Waker};

use super::crew::{Crew, Sent};
use super::verdict::{Outcome, Place, Verdict};
use super::worker::Job;
use crate::context::{Child, Context};
use crate::shim::atomic::{AtomicBool, Ordering};
use crate::shim::{Fault, Mutex, MutexGuard, lock, planted};
use crate::task;
use crate::task::caught::Caught;

use crate::task::slab::Slab;

/// The shared state. The group counts who came, which takes no lock, and the ledger who went, under one.
pub(crate) struct Shared<T> {
    context: Child,
    /// Whether each task is to stop at its next await. Written under the lock of the ledger.
    aborted: AtomicBool,
    ledger: Mutex<Ledger<T>>,
}

struct Ledger<T> {
    verdict: Verdict<T>,
    /// Tasks that went, those that never left the queue too.
    gone: usize,
    crew: Crew<Job<T>>,
    /// Tasks of the runtime that were not done when they were polled; an abort takes them.
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

impl<T> Shared<T> {
    pub(crate) fn new(context: Child) -> Arc<Self> {
        let ledger = Ledger {
            verdict: Verdict::new(),
            gone: 0,
            crew: Crew::new(),
            waiting: Slab::new(),
            joiner: None,
        };
        Arc::new(Self { context, aborted: AtomicBool::new(false), ledger: Mutex::new(ledger) })
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

    /// At most so many pieces of work run at once.
    pub(crate) fn limit(&self, running: usize) {
        lock(&self.ledger).crew.limit(running);
    }

    /// The runtime has so many threads.
    pub(super) fn threads(&self, threads: usize) {
        lock(&self.ledger).crew.threads(threads);
    }

    /// Whether as much work is there as may run.
    pub(super) fn is_full(&self) -> bool {
        lock(&self.ledger).crew.is_full()
    }

    pub(crate) fn push(&self, job: Job<T>) -> Sent {
        lock(&self.ledger).crew.push(job)
    }

    /// A worker is there, and is to say when its work waits if that is so.
    pub(crate) fn arrive(&self) -> (Option<Job<T>>, Sent, bool) {
        let mut ledger = lock(&self.ledger);
        let (first, sent) = ledger.crew.arrive();
        (first, sent, ledger.crew.is_alone())
    }

    /// The work of a worker waits.
    pub(super) fn work_waits(&self) -> Sent {
        lock(&self.ledger).crew.wait()
    }

    /// A worker was dropped in the middle of its work, and has dropped that.
    pub(super) fn worker_lost(&self, place: Place, outcome: Outcome<T>) {
        self.settle(Some(place), None, outcome);
        lock(&self.ledger).crew.lose();
        self.drop_queue();
    }

    /// A worker was dropped on its way.
    pub(super) fn worker_missed(&self) {
        lock(&self.ledger).crew.miss();
        self.drop_queue();
    }

    /// Has every task stop at its next await, and drops what has not begun.
    pub(crate) fn abort(&self) {
        let mut ledger = lock(&self.ledger);
        self.aborted.store(true, Ordering::Release);
        let waiting = std::mem::take(&mut ledger.waiting);
        drop(ledger);
        task::wake("group", waiting.into_values());
        self.drop_queue();
    }

    pub(crate) fn is_aborted(&self) -> bool {
        self.aborted.load(Ordering::Acquire)
    }

    /// Drops what has not begun.
    pub(super) fn drop_queue(&self) {
        let queue = lock(&self.ledger).crew.take_queue();
        for Job { place, work } in queue {
            let outcome = Outcome::of_discarded(pin!(Caught::new(work)).discard());
            self.settle(Some(place), None, outcome);
        }
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

    /// How a worker's work ended, and what it has next; `None` if it is to go.
    pub(crate) fn settle_and_next(&self, place: Place, outcome: Outcome<T>) -> Option<Job<T>> {
        let Outcome::Returned(Ok(value)) = outcome else {
            self.settle_slowly(Some(place), None, outcome);
            return lock(&self.ledger).crew.next();
        };
        let mut ledger = lock(&self.ledger);
        if planted(Fault::GroupLooksBeforeItGoes) && !ledger.crew.has_work() {
            drop(ledger);
            self.settle(Some(place), None, Outcome::Returned(Ok(value)));
            lock(&self.ledger).crew.lose();
            return None;
        }
        ledger.verdict.record_value(place, value);
        // Looking for work and going are one step under the lock: what comes later sees that a worker is missing.
        let (next, joiner) = (ledger.crew.next(), ledger.leave());
        drop(ledger);
        task::wake("group", joiner);
        next
    }

    #[inline]
    fn settle(&self, place: Option<Place>, waits: Option<u32>, outcome: Outcome<T>) {
        match (place, outcome) {
            (Some(place), Outcome::Returned(Ok(value))) => {
                let mut ledger = lock(&self.ledger);
                ledger.verdict.record_value(place, value);
                self.leave_ledger(ledger, waits);
            }
            (place, outcome) => self.settle_slowly(place, waits, outcome),
        }
    }

    #[cold]
    fn settle_slowly(&self, place: Option<Place>, waits: Option<u32>, outcome: Outcome<T>) {
        // The user's own error and panic are looked at, and let go, without the lock.
        let outcome = outcome.judged();
        let mut ledger = lock(&self.ledger);
        let Some(news) = ledger.verdict.record(place, outcome, &self.context) else {
            return self.leave_ledger(ledger, waits);
        };
        drop(ledger);
        // Before this task is counted as gone, so that a joiner who finds nobody left finds the context ended, too.
        news.tell(&self.context);
        self.leave(waits);
    }

    fn leave(&self, waits: Option<u32>) {
        self.leave_ledger(lock(&self.ledger), waits);
    }

    #[inline]
    fn leave_ledger(&self, mut ledger: MutexGuard<'_, Ledger<T>>, waits: Option<u32>) {
        let (joiner, _left) = (ledger.leave(), self.take_waker(&mut ledger, waits));
        drop(ledger);
        task::wake("group", joiner);
    }

    /// Leaves a task's waker for an abort, which may have come before, and notes where. Once: a task has but one.
    pub(super) fn wait(&self, waits: &mut Option<u32>, waker: &Waker) -> Result<(), Aborted> {
        if waits.is_some() {
            return Ok(());
        }
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
        *waits = Some(ledger.waiting.insert(waker));
        Ok(())
    }

    /// A worker has no more use for the waker that it left.
    pub(super) fn wait_over(&self, waits: Option<u32>) {
        if waits.is_some() {
            let left = self.take_waker(&mut lock(&self.ledger), waits);
            drop(left);
        }
    }

    /// What a task has left is to be dropped outside of the lock.
    fn take_waker(&self, ledger: &mut Ledger<T>, waits: Option<u32>) -> Option<Waker> {
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

    /// The task is not done. An abort wakes it, by the waker of the first time.
    pub(crate) fn wait(&mut self, waker: &Waker) -> Result<(), Aborted> {
        match &self.shared {
            Some(shared) => shared.wait(&mut self.waits, waker),
            None => Ok(()),
        }
    }

    /// The task ended like this.
    #[inline]
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
