//! The store of rates on Postgres.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use linchpin::context::Ended;
use linchpin::resilience::limiter::shared::{Answer, Quota, RateStore, Visit};
use linchpin::sync::Mutex;
use linchpin::task::Task;
use linchpin::{Context, Error, Kind, Result};
use sqlx::PgPool;

use super::{answer, signed};
use crate::migrate::{Migration, Migrations};
use crate::postgres::{error, keep_swept};

/// Keeps rates on Postgres 14 or later, for who has that and no Redis.
///
/// A visit is one statement, which calls a function of ours: the server's clock judges, a row holds all quotas of a key,
/// and a refusal writes nothing and takes no lock. The tables are `UNLOGGED`: no visit waits for a disk, a crash of the
/// server empties them (at most a burst of each key passes more), and a restart in order does not.
///
/// Nothing expires on a server by itself: [`sweep`](Self::sweep) lets go of keys that are full again, some at a time, and
/// [`keep_swept`](Self::keep_swept) is the task that does it.
///
/// The pool is best one of its own, of a few connections and with `test_before_acquire(false)`, which saves each visit a
/// second round trip; then let `before_acquire` ping what has lain idle for 50 ms or so, or each connection that a restart
/// of the server has broken fails a visit, which takes the store away once more. Its connections must be in the isolation level `READ COMMITTED`, as they are by default.
///
/// ```no_run
/// # use linchpin::{Context, resilience::limiter::Rate};
/// use linchpin::resilience::limiter::shared::{Options, Shared};
/// use linchpin_data::rate::Postgres;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let ctx = Context::root();
/// let pool = sqlx::postgres::PgPoolOptions::new().test_before_acquire(false).connect_lazy("postgres://localhost")?;
/// let store = Postgres::new(pool);
/// store.migrate().await?;
/// let customers = Shared::new("customer", Rate::per_second(10), Options::default(), store)?;
/// customers.take(&ctx, "ann", 1).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Postgres {
    pool: PgPool,
    hand: Arc<Mutex<String>>,
}

const SCHEMA: &[Migration] =
    &[Migration { version: 1, name: "rates", sql: include_str!("schema.sql") }];

/// How many keys a sweep looks at.
const LOOKS: i32 = 1000;

// ===== impl Postgres =====

impl Postgres {
    /// A store in that database. Asks nothing of it.
    #[must_use]
    pub fn new(pool: PgPool) -> Self {
        Self { pool, hand: Arc::default() }
    }

    /// Makes its tables and functions, if they are not there; how many migrations that took.
    ///
    /// # Errors
    ///
    /// As [`Migrations::apply_to`].
    ///
    /// # Cancel safety
    ///
    /// As [`Migrations::apply_to`].
    pub async fn migrate(&self) -> Result<usize> {
        Migrations::new(SCHEMA)?.apply_to(&self.pool, "linchpin_rate").await
    }

    /// Looks at the next thousand keys and lets go of those that are full again; how many went. Begins anew behind the
    /// last.
    ///
    /// # Errors
    ///
    /// Of kind `Unavailable`, if the database does not answer.
    ///
    /// # Cancel safety
    ///
    /// Dropped before its end it may have swept, or not.
    pub async fn sweep(&self) -> Result<u64> {
        let hand = self.hand.lock().clone();
        let (next, went): (Option<String>, i64) =
            sqlx::query_as("SELECT next, went FROM linchpin_rate_sweep($1, $2)")
                .bind(hand)
                .bind(LOOKS)
                .fetch_one(&self.pool)
                .await
                .map_err(error("sweep rates"))?;
        *self.hand.lock() = next.unwrap_or_default();
        Ok(u64::try_from(went).unwrap_or(0))
    }

    /// A task that sweeps each `every` until its context ends; an error is logged, and it goes on.
    ///
    /// # Errors
    ///
    /// If `every` is nothing.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn keep_swept(&self, ctx: &Context, every: Duration) -> Result<Task<Ended>> {
        let store = self.clone();
        keep_swept("sweep of rates", ctx, every, move || {
            let store = store.clone();
            async move { store.sweep().await }
        })
    }
}

impl RateStore for Postgres {
    async fn take<'a>(&'a self, visit: &'a Visit<'a>) -> Result<Answer> {
        let numbers: Vec<i64> =
            sqlx::query_scalar("SELECT linchpin_rate_take($1, $2, $3, $4, $5, $6, $7)")
                .bind(visit.key())
                .bind(i64::from(visit.cost()))
                .bind(signed(visit.wait_us()))
                .bind(visit.now_us().map(signed))
                .bind(each(visit, Quota::interval_us))
                .bind(each(visit, |quota| quota.burst().into()))
                .bind(each(visit, Quota::longest_wait_us))
                .fetch_one(&self.pool)
                .await
                .map_err(error("take"))?;
        answer(visit, &numbers)
    }

    async fn penalize<'a>(&'a self, visit: &'a Visit<'a>) -> Result<()> {
        sqlx::query("SELECT linchpin_rate_penalize($1, $2, $3, $4, $5, $6)")
            .bind(visit.key())
            .bind(signed(visit.wait_us()))
            .bind(visit.now_us().map(signed))
            .bind(each(visit, Quota::interval_us))
            .bind(each(visit, |quota| quota.burst().into()))
            .bind(each(visit, Quota::longest_wait_us))
            .execute(&self.pool)
            .await
            .map_err(error("penalize"))?;
        Ok(())
    }

    async fn epoch(&self) -> Result<u64> {
        let random =
            getrandom::u64().map_err(|cause| Error::new(Kind::Internal, cause.to_string()))?;
        // An update that changes nothing, so that what stands is returned.
        let epoch: i64 = sqlx::query_scalar(
            "INSERT INTO linchpin_rate_epoch (epoch) VALUES ($1) \
             ON CONFLICT (one) DO UPDATE SET epoch = linchpin_rate_epoch.epoch RETURNING epoch",
        )
        .bind(signed(random >> 11))
        .fetch_one(&self.pool)
        .await
        .map_err(error("epoch"))?;
        Ok(u64::try_from(epoch).unwrap_or(0))
    }
}

/// A number of each quota.
fn each(visit: &Visit<'_>, number: impl Fn(&Quota) -> u64) -> Vec<i64> {
    visit.quotas().iter().map(|quota| signed(number(quota))).collect()
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Postgres").finish_non_exhaustive()
    }
}
