//! The submitter's side of a job, and jobs that a pool hands back.

use std::fmt;
use std::future::poll_fn;
use std::marker::PhantomData;

use super::job::{Due, Fetched, Held, Seat};
use super::stats::End;
use super::work::Outcome;
use super::{Tasks, Threads};
use crate::error::Error;

/// The result of a job, when there is one.
///
/// Dropping it does not stop the job, which is the pool's: to stop one, end the context it was submitted with. A panic
/// that no handle fetches is logged and counted in `linchpin_task_panics_total`.
#[must_use = "a job's failure is told to its handle only"]
pub struct Handle<T> {
    job: Fetched<T>,
}

/// A job that was queued and did not begin before its pool was shut down.
///
/// It can still be [run](Unstarted::run), by whoever holds it; its handle then gets the result. Dropping it tells the
/// handle that it was dropped.
pub struct Unstarted<K = Tasks> {
    job: Held,
    kind: PhantomData<fn() -> K>,
}

// ===== impl Handle =====

impl<T> Handle<T> {
    pub(super) fn new(job: Fetched<T>) -> Self {
        Self { job }
    }

    /// Waits for the result.
    ///
    /// # Errors
    ///
    /// What the job returned; [`DeadlineExceeded`](crate::Kind::DeadlineExceeded) if it took longer than it may;
    /// [`Ended`](crate::context::Ended) if its context ended before it began;
    /// [`ResourceExhausted`](crate::Kind::ResourceExhausted) if a newer job displaced it, and
    /// [`Cancelled`](crate::Kind::Cancelled) if the pool was shut down first.
    ///
    /// # Panics
    ///
    /// Raises the job's own panic again.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the handle; the job goes on.
    pub async fn join(mut self) -> Result<T, Error> {
        self.fetched().await.unwind()
    }

    /// Waits for the result, a panic being an error with a [`Panicked`](crate::error::Panicked) inside.
    ///
    /// # Errors
    ///
    /// As [`join`](Self::join), and the panic.
    ///
    /// # Cancel safety
    ///
    /// As [`join`](Self::join).
    pub async fn outcome(mut self) -> Result<T, Error> {
        self.fetched().await.into_result()
    }

    /// Whether the result is there.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.job.is_over()
    }

    async fn fetched(&mut self) -> Outcome<T> {
        poll_fn(|cx| self.job.poll(cx)).await
    }
}

impl<T> fmt::Debug for Handle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("is_finished", &self.is_finished()).finish_non_exhaustive()
    }
}

// ===== impl Unstarted =====

impl<K> Unstarted<K> {
    pub(super) fn new(mut job: Due) -> Self {
        job.hand_back();
        Self { job: Held::new(job), kind: PhantomData }
    }
}

impl Unstarted<Tasks> {
    /// Runs the job on the caller's task.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the job, and its handle is told.
    pub async fn run(self) {
        let mut seat = Seat::new(async { End::Dropped });
        if self.job.begin(&mut seat).is_none() {
            seat.await;
        }
    }
}

impl Unstarted<Threads> {
    /// Runs the job on the caller's thread, which it may block.
    pub fn run(self) {
        let mut seat = Seat::new(async { End::Dropped });
        self.job.begin(&mut seat);
    }
}

impl<K> fmt::Debug for Unstarted<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unstarted").finish_non_exhaustive()
    }
}
