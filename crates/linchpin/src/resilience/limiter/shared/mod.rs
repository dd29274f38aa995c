//! A limit that a whole fleet shares: the state of each key lies in a store.
//!
//! [`Shared`] is the limiter, [`RateStore`] the port to the store. [`Memory`] is the store within a process; those of Redis
//! and Postgres are in `linchpin_data::rate`.
//!
//! ```text
//!                  answers in time                         answers the one who asks
//!   The store is there ──────────▶ its word counts    away ───────────────────────▶ there
//!        │                                              ▲   one visit in 100 ms asks; the others do not wait:
//!        └──────────────────────────────────────────────┘   all pass, none passes, or each process keeps to its share
//!           an error, or no answer within 50 ms
//! ```

mod inner;
mod layer;
mod line;
mod memory;
mod meters;
#[cfg(all(test, linchpin_loom))]
#[path = "../../../model/shared_limiter.rs"]
mod model;
mod options;
mod owed;
mod quota;
mod store;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep_until;

use self::inner::{ABOVE, Away, CLOSED, Inner};
pub use self::layer::{Layer, Limited, LimitedFuture};
use self::line::Line;
pub use self::memory::Memory;
pub use self::meters::Numbers;
use self::meters::StoreMeters;
pub use self::options::{OnStoreError, Options};
pub use self::quota::Quota;
pub use self::store::{Answer, DynRateStore, Left, MOST_QUOTAS, RateStore, Visit};
use super::decision::{Decision, No};
use super::meters::Meters;
use super::options::LONGEST;
use super::rate::Rate;
use super::refuse::POLICY;
use crate::context::Context;
use crate::error::{Error, Kind};
use crate::resilience::{BadOptions, Failed, FailedKind, Snapshot, begun};
use crate::shim::atomic::{AtomicBool, AtomicU64};
use crate::shim::{Mutex, lock};
use crate::time::Instant;

/// A limiter for each key that all processes share which use the same store and name. Clones share all.
///
/// Each visit is one round trip to the store, which judges it by its own clock. So a fleet of any size lets no more pass
/// than one process would: a burst, and then the rate. For one process take a [`Keyed`](super::Keyed) limiter, which
/// answers ten thousand times faster and has no store to lose.
///
/// ```
/// # use linchpin::Context;
/// # use linchpin::resilience::limiter::Rate;
/// use linchpin::resilience::limiter::shared::{Memory, OnStoreError, Options, Shared};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> linchpin::Result<()> {
/// # let ctx = Context::root();
/// let store = Memory::new("customer", 100_000)?; // or Redis, or Postgres
/// let options = Options::default().burst(2).on_store_error(OnStoreError::LocalShare(10));
/// let customers = Shared::new("customer", Rate::per_minute(60), options, store)?;
/// assert_eq!(customers.take(&ctx, "ann", 1).await?.remaining(), 1);
/// customers.take(&ctx, "ann", 1).await?;
/// assert!(customers.take(&ctx, "ann", 1).await.is_err());
/// # Ok(())
/// # }
/// ```
///
/// # When the store is slow or gone
///
/// A store that fails, or does not answer within [`Options::timeout`], is away. Visits then do not wait for it and are
/// judged as [`OnStoreError`] says; one in [`Options::ask_again`] asks, and its answer brings the store back. Each switch is
/// one event. An end of the caller's context says nothing of the store.
///
/// What passes without the store is counted ([`Numbers::passed_without_store`]), and so is a store that came back without
/// what it knew ([`Numbers::forgot`]). One that kept it lets nothing more pass; one that lost it at most a burst of each key.
/// What passed by shares meanwhile it is told: before its first visit of a key each process takes the burst from it, so far
/// as the process has used its own part. So an outage with shares lets one burst of each key more pass, with or without a
/// loss, if the processes use a key alike; if they do not, at most one more than that.
///
/// # Turns
///
/// A turn that lies ahead ([`reserve`](Self::reserve), [`acquire`](Self::acquire)) does not come back when it is given up:
/// that would be another round trip, which a drop cannot make. Nobody passes sooner for it.
pub struct Shared<S = Arc<dyn DynRateStore>> {
    inner: Arc<Inner<S>>,
}

// ===== impl Shared =====

impl<S: RateStore> Shared<S> {
    /// A limiter by that store; `name` tells it apart there, in refusals, logs and metrics, and all that share a limit have
    /// the same, with the same rate and options. Asks nothing of the store.
    ///
    /// # Errors
    ///
    /// If rate and options do not fit together.
    pub fn new(
        name: &'static str,
        rate: Rate,
        options: Options,
        store: S,
    ) -> Result<Self, BadOptions> {
        let inner = Inner {
            name,
            store,
            local: Memory::new(name, options.max_local_keys)?,
            owes_until: AtomicU64::new(0),
            line: Line::new(),
            plan: Mutex::new(Arc::new(options.plan(rate)?)),
            unsure: AtomicBool::new(true),
            epoch: Mutex::new(None),
            meters: Meters::new(name),
            store_meters: StoreMeters::new(name),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Takes `cost` of what `key` may, now. A cost of zero always passes, takes nothing and tells what there is.
    ///
    /// # Errors
    ///
    /// `Refused` if that is not left; `retry_after` says how long to wait if nobody comes meanwhile. A cost above a burst
    /// is of kind `InvalidArgument`, without `retry_after`: it can never pass. `Ended` if the context has ended, or ends
    /// meanwhile. A store that fails is no error: see [`OnStoreError`].
    ///
    /// # Cancel safety
    ///
    /// Dropped before its end it may have taken the cost, or not.
    pub async fn take(&self, ctx: &Context, key: &str, cost: u32) -> Result<Decision, Failed> {
        self.visit(ctx, key, cost, Duration::ZERO).await
    }

    /// Takes `cost` of what `key` may, for a time that is at most `max_wait` ahead, and never more than
    /// [`Options::longest_wait`]: in [`waited`](Decision::waited) from now on.
    ///
    /// # Errors
    ///
    /// As [`take`](Self::take); if it is further ahead nothing is taken, and `retry_after` is the wait.
    ///
    /// # Cancel safety
    ///
    /// As [`take`](Self::take).
    pub async fn reserve(
        &self,
        ctx: &Context,
        key: &str,
        cost: u32,
        max_wait: Duration,
    ) -> Result<Decision, Failed> {
        self.visit(ctx, key, cost, max_wait).await
    }

    /// Takes `cost` of what `key` may, and waits for its turn.
    ///
    /// # Errors
    ///
    /// As [`take`](Self::take). `Refused` at once, and nothing is taken, if the wait is longer than what the context leaves
    /// or than [`Options::longest_wait`].
    ///
    /// # Cancel safety
    ///
    /// As [`take`](Self::take); a turn that was taken is lost.
    pub async fn acquire(&self, ctx: &Context, key: &str, cost: u32) -> Result<Decision, Failed> {
        let left = ctx.remaining().unwrap_or(LONGEST);
        let decision = self.visit(ctx, key, cost, left).await?;
        if decision.wait > 0 {
            let now = Instant::now();
            let at = now + decision.waited();
            ctx.run_until(at, sleep_until(at.into_tokio_at(now))).await?;
            begun::now();
        }
        Ok(decision)
    }

    /// Calls `work` if `key` may, now. Who wants to wait for a turn [acquires](Self::acquire) it before.
    ///
    /// # Errors
    ///
    /// `Refused` without `work` having been called, as [`take`](Self::take) of one; `Ended` if the context has ended, before
    /// or meanwhile; else what `work` failed with.
    ///
    /// # Panics
    ///
    /// If `work` does.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops `work` where it stands. What has begun is spent; before, as [`take`](Self::take).
    pub async fn call<T, E, F, Fut>(
        &self,
        ctx: &Context,
        key: &str,
        work: F,
    ) -> Result<T, Failed<E>>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        self.take(ctx, key, 1).await.map_err(Failed::widen)?;
        ctx.run_on(work()).await?.map_err(|error| FailedKind::Callee(error).into())
    }

    /// This limiter before each call of a tower service whose request has a key. See [`Limited`].
    ///
    /// `key` gives `None` for a request that is not limited.
    #[must_use]
    pub fn layer<R, K, X>(&self, key: X) -> Layer<S, X>
    where
        X: Fn(&R) -> Option<K>,
        K: AsRef<str>,
    {
        Layer::new(self.clone(), key)
    }

    /// Lets nothing of `key` pass for so long, when one may: for who was told so by the callee (`Retry-After`). While the
    /// store is away only this process remembers it, if it judges by itself, and the others learn of it when it is back.
    ///
    /// # Errors
    ///
    /// Of kind `InvalidArgument` if it is longer than [`Options::longest_wait`]; that of the context if it ends.
    ///
    /// # Cancel safety
    ///
    /// As [`take`](Self::take).
    pub async fn penalize(&self, ctx: &Context, key: &str, wait: Duration) -> crate::Result<()> {
        ctx.check()?;
        let inner = &*self.inner;
        let plan = inner.plan();
        let longest = plan.quotas[0].longest_wait();
        if wait > longest {
            let why = format!("a penalty of {wait:?}, the longest wait is {longest:?}");
            return Err(Error::new(Kind::InvalidArgument, why));
        }
        let key = inner.key(key);
        let visit = Visit::new(&key, &plan.quotas, 0).wait(wait);
        let told = inner.ask(ctx, &plan, || inner.store.penalize(&visit)).await?;
        if told.is_err() && !plan.shares.is_empty() {
            inner.penalize(&plan, &Visit::new(&key, &plan.shares, 0).wait(wait)).await?;
        }
        tracing::debug!(limiter = inner.name, ?wait, "penalized");
        Ok(())
    }

    /// Takes another rate and other options from now on, in this process; the others have to be told, too. What is owed
    /// stays, at most a whole new burst and the longest wait. How many keys are remembered without the store stays as it
    /// was built.
    ///
    /// # Errors
    ///
    /// If they do not fit together; nothing has changed then.
    pub fn reconfigure(&self, rate: Rate, options: Options) -> Result<(), BadOptions> {
        let plan = Arc::new(options.plan(rate)?);
        *lock(&self.inner.plan) = plan;
        tracing::info!(limiter = self.inner.name, %rate, "the limiter has another rate");
        Ok(())
    }

    async fn visit(
        &self,
        ctx: &Context,
        key: &str,
        cost: u32,
        max_wait: Duration,
    ) -> Result<Decision, Failed> {
        ctx.check()?;
        let inner = &*self.inner;
        let plan = inner.plan();
        if let Some(quota) = plan.quotas.iter().find(|quota| cost > quota.burst()) {
            return Err(inner.refuse(key, &No::never(cost, quota.burst()), false).into());
        }
        let max_wait = max_wait.min(plan.quotas[0].longest_wait());
        let stored = inner.key(key);
        let visit = Visit::new(&stored, &plan.quotas, cost).wait(max_wait);
        match inner.ask(ctx, &plan, || inner.take(&plan, &visit)).await? {
            Ok(answer) => inner.conclude(key, &visit, &answer, true),
            Err(Away { again }) => {
                let local = Visit::new(&stored, &plan.shares, cost).wait(max_wait);
                match plan.options.on_store_error {
                    OnStoreError::Open => Ok(inner.open(&visit)),
                    OnStoreError::Closed => Err(inner.closed(key, CLOSED, again).into()),
                    OnStoreError::LocalShare(_) => {
                        if plan.shares.iter().any(|share| cost > share.burst()) {
                            return Err(inner.closed(key, ABOVE, again).into());
                        }
                        inner.conclude(key, &local, &inner.judge(&plan, &local), false)
                    }
                }
            }
        }
    }
}

impl<S> Shared<S> {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.inner.name
    }

    /// Its rate, the first if it has several.
    #[must_use]
    pub fn rate(&self) -> Rate {
        self.inner.plan().rate
    }

    /// Its numbers.
    #[must_use]
    pub fn numbers(&self) -> Numbers {
        let line = &self.inner.line;
        self.inner.store_meters.numbers(line.is_away(), line.switches())
    }

    /// It as people look at it.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let (rate, numbers) = (self.rate(), self.numbers());
        let shown = vec![
            ("per_second", f64::from(rate.count()) / rate.period().as_secs_f64()),
            ("passed", numbers.passed as f64),
            ("passed_without_store", numbers.passed_without_store as f64),
            ("refused", numbers.refused as f64),
            ("switches", numbers.switches as f64),
            ("failures", numbers.failures as f64),
            ("forgot", numbers.forgot as f64),
        ];
        let state = if numbers.away { "away" } else { "there" };
        Snapshot { policy: POLICY, instance: self.inner.name, key: None, state, numbers: shown }
    }
}

impl<S> Clone for Shared<S> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone() }
    }
}

impl<S> fmt::Debug for Shared<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("name", &self.inner.name)
            .field("plan", &self.inner.plan())
            .field("away", &self.inner.line.is_away())
            .finish_non_exhaustive()
    }
}
