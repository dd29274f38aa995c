//! A fixed number of workers, and a queue of jobs in front of them.
//!
//! ```
//! # use linchpin::{Context, task::pool::{Options, Pool}};
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> linchpin::Result<()> {
//! # let ctx = Context::root();
//! let pool = Pool::new(4, Options::default())?;
//! let thumbnail = pool.submit(&ctx, |_ctx| async { Ok("small") }).await?;
//! assert_eq!(thumbnail.join().await?, "small");
//! # Ok(())
//! # }
//! ```

mod enter;
mod handle;
mod job;
mod meters;
mod options;
mod owner;
mod queue;
mod stats;
mod submit;
mod work;
mod worker;

#[cfg(all(test, linchpin_loom))]
#[path = "../../model/pool_handle.rs"]
mod model;

use std::fmt;
use std::marker::PhantomData;
use std::panic::Location;
use std::sync::Arc;

pub use self::handle::{Handle, Unstarted};
pub use self::options::{Options, Overflow, Priority};
use self::owner::Owner;
#[cfg(all(test, linchpin_loom))]
pub(crate) use self::queue::{After, Bounds, Next, Offer, Queue, TOP};
#[cfg(all(test, linchpin_loom))]
pub(crate) use self::stats::End;
pub use self::stats::{BlockingReport, Report, Spent, Stats};
pub use self::submit::NotSubmitted;
use crate::Result;
use crate::context::Context;

/// Workers that run submitted jobs, a bounded number at once, and hand their results back.
///
/// Go's `conc/pool`, `pond` and `workerpool`, with the caller's context in every submission, a queue that is bounded
/// unless you say how far, a refused job handed back, and a report of what a shutdown left undone.
///
/// A job gets the context it was submitted with, and does not begin once that has ended. Its panic ends neither the
/// worker nor its neighbours: it is raised again where the [`Handle`] is joined. Workers are spawned when they are
/// needed, as many as there may be, and stay, idle, until the pool goes: each is in [`live`](super::live) under the
/// pool's name and the line that made the pool. A job runs in the tracing span of its submitter.
///
/// Clones share the workers. Dropping the last clone stops every job at its next await;
/// [`drain`](Self::drain) and [`shutdown`](Self::shutdown) are what guarantees that none is left.
///
/// | you have | use |
/// |---|---|
/// | tasks that succeed or fail together | [`Group`](super::Group), with a limit |
/// | jobs of many callers that share a bound | a pool |
/// | one kind of job that must not take all workers | a [sub-pool](Self::sub) of it |
/// | jobs that block | [`Pool::blocking`] |
/// | only a bound, and tasks of your own | [`Bulkhead`](crate::resilience::bulkhead::Bulkhead) |
///
/// A job that waits for another job of the same pool can wait for ever: give it a pool of its own.
///
/// Costs: a job is one allocation, and two short critical sections of the pool (`scripts/bench tasks`). An idle worker
/// keeps the memory of its last job's future.
pub struct Pool<K = Tasks> {
    owner: Arc<Owner>,
    priority: Priority,
    kind: PhantomData<fn() -> K>,
}

/// A pool whose workers are threads: the result of [`Pool::blocking`].
pub type BlockingPool = Pool<Threads>;

/// The workers of a [`Pool`] are tasks of the runtime.
#[derive(Clone, Copy, Debug)]
pub enum Tasks {}

/// The workers of a [`BlockingPool`] are threads of its own.
#[derive(Clone, Copy, Debug)]
pub enum Threads {}

// ===== impl Pool =====

impl Pool {
    /// A pool in which at most `workers` jobs run at once. It costs nothing before the first job.
    ///
    /// # Errors
    ///
    /// [`InvalidArgument`](crate::Kind::InvalidArgument) for a pool without workers, and for a timeout of zero.
    #[track_caller]
    pub fn new(workers: usize, options: Options) -> Result<Self> {
        options.check(workers, false)?;
        Ok(Self::of(Owner::top(workers, options, false, Location::caller())))
    }
}

impl Pool<Threads> {
    /// A pool of `workers` threads for jobs that block: files, DNS, compression, a driver without async.
    ///
    /// Every worker has its thread from the beginning to the end. A blocking job cannot be stopped: a timeout and a
    /// shutdown are told to it through its context ([`Context::check`], [`Context::blocking`]), and a shutdown waits
    /// for it. Jobs may use the runtime of whoever made the pool.
    ///
    /// # Errors
    ///
    /// As [`Pool::new`], and for [`Overflow::CallerRuns`]; [`ResourceExhausted`](crate::Kind::ResourceExhausted) if
    /// the system has no thread to give.
    ///
    /// ```
    /// # use linchpin::{Context, task::pool::{Options, Pool}};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> linchpin::Result<()> {
    /// # let ctx = Context::root();
    /// let disk = Pool::blocking(2, Options::default().name("disk"))?;
    /// let size = disk.submit(&ctx, |_ctx| Ok(std::fs::read("Cargo.toml").map_or(0, |text| text.len()))).await?;
    /// assert!(size.join().await? > 0);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn blocking(workers: usize, options: Options) -> Result<Self> {
        options.check(workers, true)?;
        let owner = Owner::top(workers, options, true, Location::caller());
        owner.enlist()?;
        Ok(Self::of(owner))
    }
}

impl<K> Pool<K> {
    /// This pool, for jobs of another priority.
    #[must_use]
    pub fn at(&self, priority: Priority) -> Self {
        Self { priority, ..self.clone() }
    }

    /// A pool within this one: at most `limit` of its jobs run at once, on the workers of this pool.
    ///
    /// It has a queue, numbers and an end of its own. Pools that share workers take turns; how many run is bounded by
    /// the limit of each and of all above it. Draining or dropping it leaves this pool open, while
    /// [`close`](Self::close) and what follows from it include all pools within. The workers live as long as
    /// anybody holds either.
    ///
    /// # Errors
    ///
    /// As [`Pool::new`].
    pub fn sub(&self, limit: usize, options: Options) -> Result<Self> {
        options.check(limit, self.owner.is_blocking())?;
        Ok(Self::of(self.owner.sub(limit, options)))
    }

    /// Changes how many jobs may run at once.
    ///
    /// More begin at once if there is work. If fewer, nothing is stopped: workers leave when they are done with their
    /// jobs.
    ///
    /// # Errors
    ///
    /// As [`Pool::new`], and for a blocking pool [`ResourceExhausted`](crate::Kind::ResourceExhausted).
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime, if there is work for another worker.
    pub fn resize(&self, limit: usize) -> Result<()> {
        self.owner.resize(limit)
    }

    /// Takes no job any more, here and in the pools within; those that wait for a place are refused. What is queued
    /// runs.
    pub fn close(&self) {
        self.owner.close();
    }

    /// Closes, and waits until every job is done and every worker has gone; when `ctx` ends first, shuts down.
    ///
    /// Of a sub-pool the workers stay. At the end of `ctx` running jobs are dropped where they wait, and waited for;
    /// blocking jobs are told through their contexts, not waited for, and still `running` in the report.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the pool closed; call it again to go on waiting.
    pub async fn drain(&self, ctx: &Context) -> Report<K> {
        self.owner.close();
        let drained = ctx.run(self.owner.drained()).await;
        if drained.is_ok() {
            return self.report(Vec::new(), 0);
        }
        let (unstarted, stopped) = self.stop();
        if !self.owner.is_blocking() {
            self.owner.drained().await;
        }
        self.report(unstarted, stopped)
    }

    /// Closes, stops every running job at its next await, waits until all have gone, and hands back what was not
    /// started.
    ///
    /// Blocking jobs are told through their contexts, and waited for.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the pool closed and its jobs stopped; those that were not started are dropped.
    pub async fn shutdown(&self) -> Report<K> {
        let (unstarted, stopped) = self.stop();
        self.owner.drained().await;
        self.report(unstarted, stopped)
    }

    /// What it holds and has done. Takes the pool's lock once; stale as soon as it is read.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.owner.stats()
    }

    /// The name that the options gave it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.owner.profile.name
    }

    fn of(owner: Owner) -> Self {
        Self { owner: Arc::new(owner), priority: Priority::default(), kind: PhantomData }
    }

    fn stop(&self) -> (Vec<Unstarted<K>>, usize) {
        let cleared = self.owner.stop();
        (cleared.jobs.into_iter().map(Unstarted::new).collect(), cleared.running)
    }

    fn report(&self, unstarted: Vec<Unstarted<K>>, stopped: usize) -> Report<K> {
        Report { stats: self.stats(), stopped, unstarted }
    }
}

impl<K> Clone for Pool<K> {
    fn clone(&self) -> Self {
        Self { owner: self.owner.clone(), priority: self.priority, kind: PhantomData }
    }
}

impl<K> fmt::Debug for Pool<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stats = self.stats();
        f.debug_struct("Pool")
            .field("name", &self.name())
            .field("limit", &stats.limit)
            .field("running", &stats.running)
            .field("queued", &stats.queued)
            .finish_non_exhaustive()
    }
}
