//! Stops waiting for what takes too long.
//!
//! | what the work is | use | what becomes of it |
//! |---|---|---|
//! | a future | [`Timeout::call`] | it is dropped at the limit |
//! | one that owns what must be put in order | [`Timeout::wait`] | its context ends at the limit, and it is waited for |
//! | what must not be dropped half-way | [`Timeout::abandon`] | it goes on, as a task that is counted |
//! | code that blocks its thread | [`Timeout::abandon_blocking`] | the same |
//!
//! A limit is for one attempt, and belongs inside of a retry and a breaker; a deadline is for all of them, and belongs to
//! the [`Context`]. The two are told apart: the limit is [`FailedKind::TimedOut`] and says
//! that the callee took too long; the deadline, even if it comes at the same moment, is
//! [`FailedKind::Ended`], and so is whatever else ends the context.

mod core;
mod flight;
mod layer;
mod limited;
#[cfg(all(test, linchpin_loom))]
#[path = "../../model/timeout.rs"]
mod model;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use self::core::Core;
pub use self::core::Numbers;
pub use self::layer::{Layer, Timed, TimedFuture};
use self::limited::Timely;
pub(super) use self::limited::{Cut, Limits, Patience};
use crate::context::Context;
use crate::error::{Error, Kind, catch_async};
use crate::resilience::bad_options::YEAR;
use crate::resilience::{BadOptions, Failed, FailedKind, Snapshot};
use crate::task;

/// A limit on the time of a call. Clones share its numbers.
///
/// The time counts from when the work first has to wait: work that is done at once costs no timer and no look at the
/// clock, and work that never waits is never cut. A result that is there at the very moment of the limit wins; an error
/// is too late then, and the call has timed out.
///
/// ```
/// # use std::time::Duration;
/// # use linchpin::{Context, resilience::{FailedKind, timeout::Timeout}};
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> linchpin::Result<()> {
/// let timeout = Timeout::new("payments", Duration::from_secs(10))?;
/// let ctx = Context::root();
/// assert_eq!(timeout.call(&ctx, || async { Ok::<_, ()>(7) }).await.unwrap(), 7);
///
/// let hung = timeout.call(&ctx, std::future::pending::<Result<(), ()>>).await;
/// assert!(matches!(hung.unwrap_err().kind(), FailedKind::TimedOut));
/// # Ok(())
/// # }
/// ```
///
/// Set it a little above the slowest answers that are still answers, such as the slowest in a thousand.
#[derive(Clone, Debug)]
pub struct Timeout {
    pub(super) core: Arc<Core>,
}

impl Timeout {
    /// A limit; `name` tells it apart in logs and metrics.
    ///
    /// # Errors
    ///
    /// If it is zero, which could mean "at once" as well as "no limit", or longer than a year.
    pub fn new(name: &'static str, limit: Duration) -> Result<Self, BadOptions> {
        if limit.is_zero() || limit > YEAR {
            let why = format!("a limit of {limit:?}; say above zero and at most a year");
            return Err(BadOptions::new("Timeout", why));
        }
        Ok(Self { core: Arc::new(Core::new(name, limit)) })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.core.name
    }

    /// How long a call may take.
    #[must_use]
    pub fn limit(&self) -> Duration {
        self.core.limit
    }

    // ----- calls

    /// Runs `work` under `ctx`, and drops it when its time is up.
    ///
    /// # Errors
    ///
    /// `TimedOut` at the limit; `Ended` if the context has ended before, without `work` having been called, or
    /// meanwhile; else what `work` failed with.
    ///
    /// # Panics
    ///
    /// If `work` does; outside of a tokio runtime with timers if it has to wait.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops `work` where it stands.
    #[inline]
    pub async fn call<T, E, F, Fut>(&self, ctx: &Context, work: F) -> Result<T, Failed<E>>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        ctx.check()?;
        Timely::new(ctx, &*self.core, work()).await
    }

    /// Runs `work` with a context that ends at the limit, and waits for it to end by itself.
    ///
    /// For work that owns something and puts it in order when it is told to stop. Work that does not heed its context
    /// is never cut.
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call), once `work` has failed. If it succeeds all the same, that is the result.
    ///
    /// # Panics
    ///
    /// If `work` does.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the context and drops `work` where it stands.
    pub async fn wait<T, E, F, Fut>(&self, ctx: &Context, work: F) -> Result<T, Failed<E>>
    where
        F: FnOnce(Context) -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        ctx.check()?;
        let from = crate::time::Instant::now();
        let own = ctx.with_deadline(from + self.core.limit);
        let error = match work((*own).clone()).await {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        if own.check().is_ok() {
            return Err(FailedKind::Callee(error).into());
        }
        self.core.discarded();
        ctx.check()?;
        self.core.fired(from);
        Err(FailedKind::TimedOut.into())
    }

    /// Runs `work` as a task called `name`, and leaves it when its time is up: it goes on, and is counted until it ends.
    ///
    /// What it needs while it runs, such as the permit of a bulkhead, belongs into it: then the place is taken for as
    /// long as the work runs, and not as long as somebody waits. The last clone of the timeout owns what goes on: with it,
    /// or with the runtime, work that waits is dropped.
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call); `Panicked` if `work` panicked while somebody waited. A panic after that is logged.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with timers.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves `work` as the limit does.
    pub async fn abandon<T, E>(
        &self,
        ctx: &Context,
        name: &'static str,
        work: impl Future<Output = Result<T, E>> + Send + 'static,
    ) -> Result<T, Failed<E>>
    where
        T: Send + 'static,
        E: Send + 'static,
    {
        ctx.check()?;
        let (caller, worker) = flight::begin(&self.core.abandoned);
        let (give, take) = oneshot::channel();
        self.core.tasks.spawn(name, async move {
            let outcome = catch_async(work).await;
            drop(worker);
            if let Err(Err(panic)) = give.send(outcome) {
                tracing::error!(task = name, error = %panic.report(), "abandoned work panicked");
            }
        });
        let result = async {
            match take.await {
                Ok(Ok(result)) => result.map_err(|error| FailedKind::Callee(error).into()),
                Ok(Err(panic)) => Err(FailedKind::Panicked(panic).into()),
                Err(_) => Err(FailedKind::Panicked(Error::new(Kind::Cancelled, GONE)).into()),
            }
        };
        let result = Timely::new(ctx, &*self.core, result).await.map_err(Failed::flatten);
        drop(caller);
        result
    }

    /// The same for code that blocks its thread, which nothing can stop.
    ///
    /// # Errors
    ///
    /// As [`abandon`](Self::abandon).
    ///
    /// # Panics
    ///
    /// As [`abandon`](Self::abandon).
    ///
    /// # Cancel safety
    ///
    /// As [`abandon`](Self::abandon).
    pub async fn abandon_blocking<T, E>(
        &self,
        ctx: &Context,
        name: &'static str,
        work: impl FnOnce() -> Result<T, E> + Send + 'static,
    ) -> Result<T, Failed<E>>
    where
        T: Send + 'static,
        E: Send + 'static,
    {
        self.abandon(ctx, name, async move { task::blocking(name, work).join().await }).await
    }

    /// This limit around each call of a tower service. See [`Timed`].
    #[must_use]
    pub fn layer(&self) -> Layer {
        Layer::new(self.core.clone())
    }

    // ----- for people

    /// Its numbers.
    #[must_use]
    pub fn numbers(&self) -> Numbers {
        self.core.numbers()
    }

    /// It as people look at it.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let Numbers { fired, late, abandoned } = self.numbers();
        Snapshot {
            policy: "timeout",
            instance: self.core.name,
            key: None,
            state: "ready",
            numbers: vec![
                ("limit", self.core.limit.as_secs_f64()),
                ("fired", fired as f64),
                ("late", late as f64),
                ("abandoned", abandoned as f64),
            ],
        }
    }
}

/// Its limit.
impl fmt::Display for Timeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.core.limit)
    }
}

const GONE: &str = "the task was ended from outside";
