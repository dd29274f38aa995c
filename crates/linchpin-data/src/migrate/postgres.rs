//! Migrations of a database of Postgres.

use linchpin::time::Timestamp;
use linchpin::{Error, Kind, Result};
use sqlx::{Connection as _, PgConnection, PgPool, Postgres, Transaction};

use super::{Applied, Migrations};

/// Several components keep their tables in one database, each with versions of its own.
const TABLE: &str = "CREATE TABLE IF NOT EXISTS _linchpin_migrations (
    owner text NOT NULL,
    version integer NOT NULL,
    name text NOT NULL,
    checksum bytea NOT NULL,
    applied_at bigint NOT NULL,
    PRIMARY KEY (owner, version)
)";

/// Whoever applies migrations has this lock of the database meanwhile.
const LOCK: i64 = 0x6c69_6e63_6870_696e;

impl Migrations {
    /// Applies what is pending of those of `owner`, a component with versions of its own, and returns how many that were.
    ///
    /// Each runs in its own transaction, under a lock of the database, so a failure keeps those before it, and two
    /// processes that start at once apply each only once.
    ///
    /// # Errors
    ///
    /// [`Kind::FailedPrecondition`] when the database is at a version this binary does not know, when an applied migration
    /// was edited or is missing here, or when a new one would come before one already applied; [`Kind::Unavailable`] when
    /// the database fails.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the connection, and what is under way is rolled back.
    pub async fn apply_to(&self, pool: &PgPool, owner: &str) -> Result<usize> {
        let unavailable = |cause: sqlx::Error| {
            Error::new(Kind::Unavailable, cause).context(format!("migrate `{owner}`"))
        };
        // Not one of the pool any more: a transaction whose future is dropped would stay open in it.
        let mut conn = pool.acquire().await.map_err(unavailable)?.detach();
        let mut count = 0;
        loop {
            let mut tx = begin(&mut conn).await.map_err(unavailable)?;
            let applied = load(&mut tx, owner).await.map_err(unavailable)?;
            let Some(next) = self.pending(&applied)?.first().copied() else {
                tx.commit().await.map_err(unavailable)?;
                conn.close().await.map_err(unavailable)?;
                return Ok(count);
            };
            let step = |cause: sqlx::Error| {
                let step = format!("migration {} ({}) of `{owner}`", next.version, next.name);
                Error::new(Kind::Unavailable, cause).context(step)
            };
            sqlx::raw_sql(next.sql).execute(&mut *tx).await.map_err(step)?;
            sqlx::query(
                "INSERT INTO _linchpin_migrations (owner, version, name, checksum, applied_at) \
                 VALUES ($1, $2, $3, $4, $5)",
            )
            .bind(owner)
            .bind(i32::try_from(next.version).unwrap_or(i32::MAX))
            .bind(next.name)
            .bind(next.checksum().as_ref())
            .bind(Timestamp::now().as_micros())
            .execute(&mut *tx)
            .await
            .map_err(step)?;
            tx.commit().await.map_err(step)?;
            tracing::info!(owner, version = next.version, name = next.name, "migration applied");
            count += 1;
        }
    }
}

async fn begin(conn: &mut PgConnection) -> sqlx::Result<Transaction<'_, Postgres>> {
    let mut tx = conn.begin().await?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(LOCK).execute(&mut *tx).await?;
    sqlx::query(TABLE).execute(&mut *tx).await?;
    Ok(tx)
}

/// All rows of an owner, in ascending order.
async fn load(tx: &mut PgConnection, owner: &str) -> sqlx::Result<Vec<Applied>> {
    let rows: Vec<(i32, String, Vec<u8>)> = sqlx::query_as(
        "SELECT version, name, checksum FROM _linchpin_migrations WHERE owner = $1 ORDER BY version",
    )
    .bind(owner)
    .fetch_all(tx)
    .await?;
    let read = |(version, name, checksum)| Applied {
        version: u32::try_from(version).unwrap_or(0),
        name,
        checksum,
    };
    Ok(rows.into_iter().map(read).collect())
}
