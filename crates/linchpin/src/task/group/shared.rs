//! What a group and its tasks share: who is still there, what they came to, who waits for them.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Poller, Poll, Waker};

use super::verdict::{Outcome, Verdict};
use crate::context::{Child, Context};
use crate::shim::{Fault, Mutex, lock, planted};

/// The shared state. One lock, taken once when a task comes and once when it goes.
pub(crate) struct Shared<T> {
    context: Child,
    ledger: Mutex<Ledger<T>>,
}

/// A task that is not spawned before another has ended.
pub(super) type Job = Pin<Box<dyn Future<Output = ()> + Send>>;

struct Ledger<T> {
    verdict: Verdict<T>,
    /// Tasks that came and did not go, those in the queue too.
    live: usize,
    /// Those who run queued jobs, one after the other.
    workers: usize,
    queue: VecDeque<Job>,
    joiner: Option<Waker>,
}

/// A task's duty to say how it ended. Dropped without a word, it says that it was dropped.
pub(crate) struct Ticket<T> {
    shared: Arc<Shared<T>>,
    place: Option<usize>,
    due: bool,
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
            live: 0,
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

    pub(crate) fn live(&self) -> usize {
        lock(&self.ledger).live
    }

    /// A task comes. With `result`, what it returns has a place among the results.
    pub(crate) fn enter(self: &Arc<Self>, result: bool) -> Ticket<T> {
        let mut ledger = lock(&self.ledger);
        ledger.live += 1;
        let place = result.then(|| ledger.verdict.reserve());
        drop(ledger);
        Ticket { shared: self.clone(), place, due: true }
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

    /// Ready when nobody is left. One waiter at a time.
    pub(crate) fn poll_empty(&self, cx: &mut Poller<'_>) -> Poll<()> {
        if planted(Fault::GroupLooksBeforeItRegisters) {
            let empty = lock(&self.ledger).live == 0;
            lock(&self.ledger).joiner = Some(cx.waker().clone());
            return if empty { Poll::Ready(()) } else { Poll::Pending };
        }
        // Looking and leaving the waker are one step under the lock, so the last to go sees the waker or was seen.
        let mut ledger = lock(&self.ledger);
        if ledger.live == 0 {
            return Poll::Ready(());
        }
        ledger.joiner = Some(cx.waker().clone());
        Poll::Pending
    }

    /// What it all came to; the group is empty and unused afterwards.
    pub(crate) fn verdict(&self) -> Verdict<T> {
        std::mem::replace(&mut lock(&self.ledger).verdict, Verdict::new())
    }

    fn settle(&self, place: Option<usize>, outcome: Outcome<T>) {
        let mut ledger = lock(&self.ledger);
        let cause = ledger.verdict.record(place, outcome, &self.context);
        drop(ledger);
        // Before this task is counted as gone, so that a joiner who finds nobody left finds the context ended, too.
        if let Some(cause) = cause {
            self.context.cancel(cause);
        }
        self.leave();
    }

    fn leave(&self) {
        let mut ledger = lock(&self.ledger);
        ledger.live -= 1;
        let joiner = if ledger.live == 0 { ledger.joiner.take() } else { None };
        drop(ledger);
        if let Some(joiner) = joiner {
            joiner.wake();
        }
    }
}

impl<T> Ticket<T> {
    pub(crate) fn context(&self) -> &Context {
        &self.shared.context
    }

    /// The task ended like this.
    pub(crate) fn settle(mut self, outcome: Outcome<T>) {
        self.due = false;
        self.shared.settle(self.place, outcome);
    }

    /// The task ended, and there is nothing to say about it.
    pub(crate) fn leave(mut self) {
        self.due = false;
        self.shared.leave();
    }
}

impl<T> Drop for Ticket<T> {
    fn drop(&mut self) {
        if self.due {
            self.shared.settle(self.place, Outcome::Dropped);
        }
    }
}
