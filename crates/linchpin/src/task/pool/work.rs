//! What a job does, and what it comes to.

use std::panic::resume_unwind;
use std::time::Duration;

use super::job::{Begun, Seat};
use super::stats::End;
use crate::context::Context;
use crate::error::{Error, Kind, Panicked, catch, catch_async};
use crate::task::span::SpawnSpan;

/// What is to be done, of which there are two kinds.
pub(super) trait Work<T: Send + 'static>: Send + Sized + 'static {
    fn context(&self) -> &Context;

    fn begin(self, begun: Begun<Self, T>, seat: &mut Seat) -> Option<End>;

    /// It is under its pool no more.
    fn hand_back(&mut self) {}
}

/// Work that awaits.
pub(super) struct Awaits<F> {
    pub(super) job: F,
    pub(super) context: Context,
    pub(super) span: SpawnSpan,
}

/// Work that blocks.
pub(super) struct Blocks<F> {
    pub(super) job: F,
    pub(super) context: Context,
    /// What a shutdown is told by, unless the pool has handed the job back.
    pub(super) pool: Option<Context>,
    pub(super) span: SpawnSpan,
}

/// What a job came to.
pub(super) enum Outcome<T> {
    Returned(Result<T, Error>),
    Panicked(Error),
    TimedOut(Error),
    Dropped(Error),
}

// ===== impl Work =====

impl<F, Fut, T> Work<T> for Awaits<F>
where
    F: FnOnce(Context) -> Fut + Send + 'static,
    Fut: Future<Output = Result<T, Error>> + Send + 'static,
    T: Send + 'static,
{
    fn context(&self) -> &Context {
        &self.context
    }

    fn begin(self, begun: Begun<Self, T>, seat: &mut Seat) -> Option<End> {
        match begun.profile().timeout {
            None => seat.set(run(self, begun)),
            Some(limit) => seat.set(run_within(limit, self, begun)),
        }
        None
    }
}

impl<F, T> Work<T> for Blocks<F>
where
    F: FnOnce(&Context) -> Result<T, Error> + Send + 'static,
    T: Send + 'static,
{
    fn context(&self) -> &Context {
        &self.context
    }

    fn begin(self, begun: Begun<Self, T>, _: &mut Seat) -> Option<End> {
        let Self { job, context, pool, span } = self;
        let both = pool.map(|pool| Context::merge([&context, &pool]));
        let context = both.as_deref().unwrap_or(&context);
        let limited = begun.profile().timeout.map(|limit| context.with_timeout(limit));
        let context = limited.as_deref().unwrap_or(context);
        let in_span = || {
            let _entered = span.enter();
            job(context)
        };
        Some(begun.over(Outcome::of(catch(in_span))))
    }

    fn hand_back(&mut self) {
        self.pool = None;
    }
}

/// Everything of the work is gone when this is over: `begun`, which tells the handle, is dropped last.
async fn run<F, Fut, T>(work: Awaits<F>, begun: Begun<Awaits<F>, T>) -> End
where
    F: FnOnce(Context) -> Fut + Send + 'static,
    Fut: Future<Output = Result<T, Error>> + Send + 'static,
    T: Send + 'static,
{
    let Awaits { job, context, span } = work;
    let work = span.run(async { job(context).await });
    let outcome = Outcome::of(catch_async(work).await);
    begun.over(outcome)
}

/// The same for work that may take so long. Apart from it, since a timer is as large as many a job.
async fn run_within<F, Fut, T>(limit: Duration, work: Awaits<F>, begun: Begun<Awaits<F>, T>) -> End
where
    F: FnOnce(Context) -> Fut + Send + 'static,
    Fut: Future<Output = Result<T, Error>> + Send + 'static,
    T: Send + 'static,
{
    let Awaits { job, context, span } = work;
    let limited = context.with_timeout(limit);
    let context = Context::clone(&limited);
    let work = span.run(async { job(context).await });
    let timeout = tokio::time::timeout(limit, catch_async(work));
    // What is dropped at the end of its time may panic, too.
    let outcome = match catch_async(timeout).await {
        Ok(Ok(result)) => Outcome::of(result),
        Ok(Err(_)) => {
            let why = format!("the job took longer than {limit:?}");
            Outcome::TimedOut(Error::new(Kind::DeadlineExceeded, why))
        }
        Err(panic) => Outcome::Panicked(panic),
    };
    begun.over(outcome)
}

// ===== impl Outcome =====

impl<T> Outcome<T> {
    fn of(result: Result<Result<T, Error>, Error>) -> Self {
        result.map_or_else(Self::Panicked, Self::Returned)
    }

    pub(super) fn end(&self) -> End {
        match self {
            Self::Returned(Ok(_)) => End::Done,
            Self::Returned(Err(_)) => End::Failed,
            Self::TimedOut(_) => End::TimedOut,
            Self::Panicked(_) => End::Panicked,
            Self::Dropped(_) => End::Dropped,
        }
    }

    /// A panic being an error.
    pub(super) fn into_result(self) -> Result<T, Error> {
        match self {
            Self::Returned(result) => result,
            Self::Panicked(error) | Self::TimedOut(error) | Self::Dropped(error) => Err(error),
        }
    }

    /// A panic being raised again.
    pub(super) fn unwind(self) -> Result<T, Error> {
        if let Self::Panicked(error) = &self
            && let Some(payload) = error.find::<Panicked>().and_then(Panicked::take_payload)
        {
            resume_unwind(payload);
        }
        self.into_result()
    }
}
