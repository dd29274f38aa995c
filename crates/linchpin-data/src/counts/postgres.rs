//! The store of counts on Postgres.

use std::fmt;
use std::time::Duration;

use linchpin::context::Ended;
use linchpin::resilience::breaker::fleet::{CountStore, Counts, Told};
use linchpin::task::Task;
use linchpin::{Context, Result};
use sqlx::PgPool;

use super::forget_us;
use crate::migrate::{Migration, Migrations};
use crate::postgres::{error, keep_swept};

/// Keeps the counts of breakers on Postgres 14 or later, for who has that and no Redis.
///
/// A node is one row of its breaker. What it tells is one statement, whose work grows with the nodes: it writes the node's
/// row, lets go of the others that were silent for as long as the window of the breaker, and reads the rest. No two wait for
/// each other. The server's clock counts. The table is `UNLOGGED`: no word waits for a disk, and after a crash of the server
/// each node is heard of again when it has told its next one.
///
/// A breaker that nobody tells of any more leaves its rows behind: [`sweep`](Self::sweep) lets go of them, and
/// [`keep_swept`](Self::keep_swept) is the task that does it.
///
/// The pool may be that of [`rate::Postgres`](crate::rate::Postgres), where it says how one is set.
///
/// ```no_run
/// # use linchpin::resilience::breaker::{self, Breaker};
/// use linchpin::resilience::breaker::fleet::{Fleet, Options};
/// use linchpin_data::counts::Postgres;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let pool = sqlx::postgres::PgPoolOptions::new().test_before_acquire(false).connect_lazy("postgres://localhost")?;
/// let store = Postgres::new(pool);
/// store.migrate().await?;
/// let breaker = Breaker::new("payments", breaker::Options::default())?;
/// let fleet = Fleet::join(&breaker, store, Options::default())?;
/// # drop(fleet);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Postgres {
    pool: PgPool,
}

const SCHEMA: &[Migration] =
    &[Migration { version: 1, name: "counts", sql: include_str!("schema.sql") }];

// ===== impl Postgres =====

impl Postgres {
    /// A store in that database. Asks nothing of it.
    #[must_use]
    pub fn new(pool: PgPool) -> Self {
        Self { pool }
    }

    /// Makes its table, if it is not there; how many migrations that took.
    ///
    /// # Errors
    ///
    /// As [`Migrations::apply_to`].
    ///
    /// # Cancel safety
    ///
    /// As [`Migrations::apply_to`].
    pub async fn migrate(&self) -> Result<usize> {
        Migrations::new(SCHEMA)?.apply_to(&self.pool, "linchpin_counts").await
    }

    /// Lets go of all nodes whose word holds no longer; how many went. It looks at the whole table, which is as long as
    /// there are nodes and breakers.
    ///
    /// # Errors
    ///
    /// Of kind `Unavailable`, if the database does not answer.
    ///
    /// # Cancel safety
    ///
    /// Dropped before its end it may have swept, or not.
    pub async fn sweep(&self) -> Result<u64> {
        let swept = sqlx::query(include_str!("sweep.sql")).execute(&self.pool).await;
        Ok(swept.map_err(error("sweep counts"))?.rows_affected())
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
        keep_swept("sweep of counts", ctx, every, move || {
            let store = store.clone();
            async move { store.sweep().await }
        })
    }
}

impl CountStore for Postgres {
    async fn exchange<'a>(&'a self, told: &'a Told<'a>) -> Result<Vec<Counts>> {
        let Counts { node, calls, failures, slow } = told.counts;
        let others: Vec<(i64, i64, i64, i64)> = sqlx::query_as(include_str!("exchange.sql"))
            .bind(told.group)
            .bind(node.cast_signed())
            .bind(calls.cast_signed())
            .bind(failures.cast_signed())
            .bind(slow.cast_signed())
            .bind(forget_us(told))
            .fetch_all(&self.pool)
            .await
            .map_err(error("exchange"))?;
        // Nothing is reckoned with there, so the bits are what counts.
        let counts = |(node, calls, failures, slow): (i64, i64, i64, i64)| Counts {
            node: node.cast_unsigned(),
            calls: calls.cast_unsigned(),
            failures: failures.cast_unsigned(),
            slow: slow.cast_unsigned(),
        };
        Ok(others.into_iter().map(counts).collect())
    }
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Postgres").finish_non_exhaustive()
    }
}
