//! A worker of a group: a task of the runtime that runs one piece of work after the other.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context as Poller, Poll};

use super::crew::Sent;
use super::shared::Shared;
use super::spawned::poll_member;
use super::verdict::{Outcome, Place};
use crate::error::Error;
use crate::task::caught::Caught;
use crate::task::raw;

/// What a group was given to run.
pub(crate) type Work<T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send>>;

/// Work that has not begun.
pub(crate) struct Job<T> {
    pub(crate) place: Place,
    pub(crate) work: Work<T>,
}

/// A worker, counted among the crew until it is dropped.
struct Worker<T> {
    shared: Arc<Shared<T>>,
    stage: Stage<T>,
    /// Whether others wait for the thread, and come when this one's work waits.
    alone: bool,
    /// Where it has left its waker for an abort, for good: a task has but one.
    waits: Option<u32>,
}

enum Stage<T> {
    Coming,
    Running { place: Place, work: Caught<Work<T>>, waited: bool },
    Gone,
}

/// Sends a worker, if one is to be sent.
///
/// # Panics
///
/// Outside a tokio runtime.
pub(super) fn send<T: Send + 'static>(shared: &Arc<Shared<T>>, sent: Sent) {
    if sent.0 {
        let worker =
            Worker { shared: shared.clone(), stage: Stage::Coming, alone: false, waits: None };
        drop(raw(run(worker)));
    }
}

async fn run<T: Send + 'static>(mut worker: Worker<T>) {
    worker.arrive();
    while let Some(outcome) = poll_fn(|cx| worker.poll(cx)).await {
        worker.next(outcome);
        // Work that is always ready must not keep the thread to itself.
        tokio::task::coop::consume_budget().await;
    }
}

impl<T: Send + 'static> Worker<T> {
    fn arrive(&mut self) {
        let (first, sent, alone) = self.shared.arrive();
        self.alone = alone;
        self.begin(first);
        send(&self.shared, sent);
    }

    fn begin(&mut self, job: Option<Job<T>>) {
        self.stage = match job {
            Some(Job { place, work }) => {
                Stage::Running { place, work: Caught::new(work), waited: false }
            }
            None => Stage::Gone,
        };
    }

    /// How the work ended, of which nothing is left then; `None` if there is none.
    fn poll(&mut self, cx: &mut Poller<'_>) -> Poll<Option<Outcome<T>>> {
        let Self { shared, stage, alone, waits } = self;
        let Stage::Running { work, waited, .. } = stage else { return Poll::Ready(None) };
        poll_member(shared.is_aborted(), Pin::new(work), cx, |waker| {
            if *alone && !std::mem::replace(waited, true) {
                send(shared, shared.work_waits());
            }
            shared.wait(waits, waker)
        })
        .map(Some)
    }

    fn next(&mut self, outcome: Outcome<T>) {
        let Stage::Running { place, .. } = std::mem::replace(&mut self.stage, Stage::Gone) else {
            unreachable!("it had work");
        };
        let next = self.shared.settle_and_next(place, outcome);
        self.begin(next);
    }
}

impl<T> Drop for Worker<T> {
    /// The runtime ends, and with it whoever would run what is queued; or it is done.
    fn drop(&mut self) {
        match std::mem::replace(&mut self.stage, Stage::Gone) {
            Stage::Coming => self.shared.worker_missed(),
            Stage::Running { place, work, .. } => {
                let outcome = Outcome::of_discarded(pin!(work).discard());
                self.shared.worker_lost(place, outcome);
            }
            Stage::Gone => {}
        }
        self.shared.wait_over(self.waits);
    }
}
