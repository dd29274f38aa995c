//! What submitters say, and what they get back.

use std::fmt;

use tokio::task::coop::consume_budget;

use super::enter::{CLOSED, NotNow, NotTaken};
use super::handle::Handle;
use super::job::{self, Due, Submission};
use super::work::{Awaits, Blocks, Work};
use super::{Pool, Threads};
use crate::context::Context;
use crate::error::{Error, Kind};
use crate::resilience::{Failed, FailedKind};
use crate::task::span::SpawnSpan;

/// A job that was not taken in, with the reason.
pub struct NotSubmitted<F> {
    /// The job, as it was.
    pub job: F,
    reason: Failed,
}

// ===== impl Pool =====

impl Pool {
    /// Submits a job; where the queue is full, as the pool's [`Overflow`](super::Overflow) says.
    ///
    /// The job begins when a worker is free for it, with `ctx` as its context, and not if that has ended by then.
    ///
    /// # Errors
    ///
    /// [`NotSubmitted`] with the job: the queue is full or the pool is closed, or `ctx` ended first.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the line and drops the job, which does not run; but with [`Overflow::CallerRuns`](super::Overflow::CallerRuns) it
    /// may be half done.
    pub async fn submit<F, Fut, T>(
        &self,
        ctx: &Context,
        job: F,
    ) -> Result<Handle<T>, NotSubmitted<F>>
    where
        F: FnOnce(Context) -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, Error>> + Send + 'static,
        T: Send + 'static,
    {
        // A loop that submits lets the workers run, too.
        consume_budget().await;
        let (due, submission) = self.job(awaits(ctx, job));
        let entered = match self.owner.enter_now(ctx, self.priority, due) {
            Ok(()) => Ok(()),
            Err(NotNow::Never(not)) => Err(not),
            Err(NotNow::Full(job)) => self.owner.enter_late(ctx, self.priority, job).await,
        };
        submitted(submission, entered, |work| work.job)
    }

    /// Submits a job if it can be queued now.
    ///
    /// # Errors
    ///
    /// As [`submit`](Self::submit), at once.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn try_submit<F, Fut, T>(&self, ctx: &Context, job: F) -> Result<Handle<T>, NotSubmitted<F>>
    where
        F: FnOnce(Context) -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, Error>> + Send + 'static,
        T: Send + 'static,
    {
        let (due, submission) = self.job(awaits(ctx, job));
        let entered = self.try_enter(ctx, due);
        submitted(submission, entered, |work| work.job)
    }
}

impl Pool<Threads> {
    /// Submits a job that may block; where the queue is full, as the pool's [`Overflow`](super::Overflow) says.
    ///
    /// Its context ends with `ctx` and with the pool.
    ///
    /// # Errors
    ///
    /// As [`Pool::submit`](Pool#method.submit).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the line and drops the job, which does not run.
    pub async fn submit<F, T>(&self, ctx: &Context, job: F) -> Result<Handle<T>, NotSubmitted<F>>
    where
        F: FnOnce(&Context) -> Result<T, Error> + Send + 'static,
        T: Send + 'static,
    {
        consume_budget().await;
        let (due, submission) = self.job(self.blocks(ctx, job));
        let entered = match self.owner.enter_now(ctx, self.priority, due) {
            Ok(()) => Ok(()),
            Err(NotNow::Never(not)) => Err(not),
            Err(NotNow::Full(job)) => self.owner.enter_late(ctx, self.priority, job).await,
        };
        submitted(submission, entered, |work| work.job)
    }

    /// Submits a job that may block, if it can be queued now. Needs no runtime.
    ///
    /// # Errors
    ///
    /// As [`submit`](Self::submit), at once.
    pub fn try_submit<F, T>(&self, ctx: &Context, job: F) -> Result<Handle<T>, NotSubmitted<F>>
    where
        F: FnOnce(&Context) -> Result<T, Error> + Send + 'static,
        T: Send + 'static,
    {
        let (due, submission) = self.job(self.blocks(ctx, job));
        let entered = self.try_enter(ctx, due);
        submitted(submission, entered, |work| work.job)
    }

    fn blocks<F>(&self, ctx: &Context, job: F) -> Blocks<F> {
        let pool = Some(Context::clone(&self.owner.context));
        Blocks { job, context: ctx.clone(), pool, span: SpawnSpan::here() }
    }
}

impl<K> Pool<K> {
    fn try_enter(&self, ctx: &Context, job: Due) -> Result<(), NotTaken> {
        self.owner.enter_now(ctx, self.priority, job).map_err(|not_now| match not_now {
            NotNow::Never(not) => not,
            NotNow::Full(job) => self.owner.full(job),
        })
    }

    fn job<W: Work<T>, T: Send + 'static>(&self, work: W) -> (Due, Submission<W, T>) {
        job::job(work, self.owner.profile.clone())
    }
}

fn awaits<F>(ctx: &Context, job: F) -> Awaits<F> {
    Awaits { job, context: ctx.clone(), span: SpawnSpan::here() }
}

/// What the submitter gets: the handle of a job that was taken in, or one that was not, as it was.
fn submitted<W: Work<T>, T: Send + 'static, F>(
    submission: Submission<W, T>,
    entered: Result<(), NotTaken>,
    job: impl FnOnce(W) -> F,
) -> Result<Handle<T>, NotSubmitted<F>> {
    match entered {
        Ok(()) => Ok(Handle::new(submission.taken_in())),
        Err(NotTaken { job: due, reason }) => {
            Err(NotSubmitted { job: job(submission.reclaim(due)), reason })
        }
    }
}

// ===== impl NotSubmitted =====

impl<F> NotSubmitted<F> {
    /// Why: the context ended, or the pool refused.
    #[must_use]
    pub fn reason(&self) -> &FailedKind {
        self.reason.kind()
    }
}

impl<F> fmt::Display for NotSubmitted<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not submitted: {}", self.reason)
    }
}

impl<F> fmt::Debug for NotSubmitted<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NotSubmitted").field("reason", &self.reason).finish_non_exhaustive()
    }
}

impl<F> std::error::Error for NotSubmitted<F> {}

impl<F> From<NotSubmitted<F>> for Error {
    /// [`Kind::Unavailable`] for a closed pool, [`Kind::ResourceExhausted`] for a full one, and what the end of a
    /// context is. The job is dropped.
    fn from(not: NotSubmitted<F>) -> Self {
        match not.reason.into_kind() {
            FailedKind::Refused(refusal) if refusal.reason == CLOSED => {
                Self::new(Kind::Unavailable, refusal)
            }
            kind => Failed::from(kind).into(),
        }
    }
}
