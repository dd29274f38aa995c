//! The futures that a group spawns.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use futures_util::FutureExt as _;

use super::shared::{Job, Shared, Ticket};
use super::{Listed, Outcome, Place};
use crate::context::Context;
use crate::error::{Error, Kind};

/// `work` under `context`, unless that has ended before it begins.
pub(super) fn begin<T, F, Fut>(
    context: &Context,
    work: F,
) -> impl Future<Output = Result<T, Error>> + use<T, F, Fut>
where
    F: FnOnce(Context) -> Fut,
    Fut: Future<Output = Result<T, Error>>,
{
    let context = context.clone();
    async move {
        context.check()?;
        work(context).await
    }
}

/// A task that says how its work ended once everything of the work is gone.
pub(super) async fn task<T, F>(ticket: Ticket<T>, work: Listed<F>)
where
    F: Future<Output = Result<T, Error>>,
{
    ticket.settle(outcome(work).await);
}

/// The same for a task that gives its result by itself.
pub(super) async fn fork<T, U, F>(ticket: Ticket<T>, work: Listed<F>) -> Result<U, Error>
where
    F: Future<Output = Result<U, Error>>,
{
    // Dropped while it runs: by whoever holds the handle, which is no failure.
    let ticket = Fork(Some(ticket));
    let outcome = outcome(work).await;
    let ticket = ticket.take();
    match outcome {
        Outcome::Returned(Ok(value)) => {
            ticket.leave();
            Ok(value)
        }
        Outcome::Returned(Err(error)) => {
            ticket.settle(Outcome::Returned(Err(error.clone())));
            Err(error)
        }
        Outcome::Panicked(payload) => {
            ticket.settle(Outcome::Panicked(payload));
            Err(Error::new(Kind::Internal, "the task panicked; its group raises the panic again"))
        }
        Outcome::Dropped => unreachable!("it was polled to its end"),
    }
}

/// Runs jobs one after the other, until none is queued.
pub(super) async fn worker<T>(shared: Arc<Shared<T>>, first: Job) {
    let worker = Worker(Some(shared));
    let mut next = Some(first);
    while let Some(job) = next {
        job.await;
        // Jobs that are always ready must not keep the thread to themselves.
        tokio::task::coop::consume_budget().await;
        next = worker.shared().next();
    }
    worker.end();
}

/// Blocking work, on its thread.
pub(super) fn block<T>(
    ticket: Ticket<T>,
    place: Place,
    span: &tracing::Span,
    work: impl FnOnce(&Context) -> Result<T, Error>,
) {
    let context = ticket.context().clone();
    let run = || {
        place.keep_while(|| {
            span.in_scope(|| {
                context.check()?;
                work(&context)
            })
        })
    };
    let outcome = catch_unwind(AssertUnwindSafe(run));
    ticket.settle(outcome.map_or_else(Outcome::Panicked, Outcome::Returned));
}

async fn outcome<T, F>(work: Listed<F>) -> Outcome<T>
where
    F: Future<Output = Result<T, Error>>,
{
    AssertUnwindSafe(work).catch_unwind().await.map_or_else(Outcome::Panicked, Outcome::Returned)
}

/// The ticket of a fork, which leaves without a word when it is dropped.
struct Fork<T>(Option<Ticket<T>>);

impl<T> Fork<T> {
    fn take(mut self) -> Ticket<T> {
        self.0.take().expect("taken once")
    }
}

impl<T> Drop for Fork<T> {
    fn drop(&mut self) {
        if let Some(ticket) = self.0.take() {
            ticket.leave();
        }
    }
}

/// A worker's place under the limit, if it is dropped in the middle of a job.
struct Worker<T>(Option<Arc<Shared<T>>>);

impl<T> Worker<T> {
    fn shared(&self) -> &Shared<T> {
        self.0.as_deref().expect("there until the end")
    }

    fn end(mut self) {
        self.0 = None;
    }
}

impl<T> Drop for Worker<T> {
    fn drop(&mut self) {
        if let Some(shared) = self.0.take() {
            shared.worker_dropped();
        }
    }
}
