//! What a group and its tasks share: who is still there, what they came to, who waits for them.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Poller, Poll, Waker};

use super::verdict::{Outcome, Place, Verdict};
use crate::context::{Child, Context};
use crate::shim::{Fault, Mutex, lock, planted};

/// The shared state. The group counts who came, which takes no lock, and the ledger who went, under one.
pub(crate) struct Shared<T> {
    context: Child,
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
}

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
            joiner: None,
        };
        Arc::new(Self { context, ledger: Mutex::new(ledger) })
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

    fn settle(&self, place: Option<Place>, outcome: Outcome<T>) {
        // The user's own error and panic are looked at, and let go, without the lock.
        let outcome = outcome.judged();
        let mut ledger = lock(&self.ledger);
        let Some(news) = ledger.verdict.record(place, outcome, &self.context) else {
            let joiner = ledger.leave();
            drop(ledger);
            return wake(joiner);
        };
        drop(ledger);
        // Before this task is counted as gone, so that a joiner who finds nobody left finds the context ended, too.
        news.tell(&self.context);
        self.leave();
    }

    fn leave(&self) {
        let joiner = lock(&self.ledger).leave();
        wake(joiner);
    }
}

impl<T> Ledger<T> {
    /// A task goes. If it was the last one, whoever waits for that is to be woken.
    fn leave(&mut self) -> Option<Joiner> {
        self.gone += 1;
        self.joiner.take_if(|joiner| joiner.all == self.gone)
    }
}

fn wake(joiner: Option<Joiner>) {
    if let Some(joiner) = joiner {
        joiner.waker.wake();
    }
}

impl<T> Ticket<T> {
    /// For a task that comes. With a place, what it returns is among the results.
    pub(crate) fn new(shared: &Arc<Shared<T>>, place: Option<Place>) -> Self {
        Self { shared: Some(shared.clone()), place }
    }

    pub(crate) fn context(&self) -> &Context {
        &self.shared.as_ref().expect("there until it is used").context
    }

    /// The task ended like this.
    pub(crate) fn settle(mut self, outcome: Outcome<T>) {
        if let Some(shared) = self.shared.take() {
            shared.settle(self.place, outcome);
        }
    }

    /// The task ended, and there is nothing to say about it.
    pub(crate) fn leave(mut self) {
        if let Some(shared) = self.shared.take() {
            shared.leave();
        }
    }
}

impl<T> Drop for Ticket<T> {
    fn drop(&mut self) {
        let Some(shared) = self.shared.take() else { return };
        match self.place {
            Some(_) => shared.settle(self.place, Outcome::Dropped),
            // Dropped by whoever has its handle, which is no failure.
            None => shared.leave(),
        }
    }
}
