//! Migrations of a file of SQLite.

use linchpin::Result;
use linchpin::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

use super::{Applied, Migration, Migrations, refused};
use crate::sqlite::Sql;

const TABLE: &str = "CREATE TABLE IF NOT EXISTS _linchpin_migrations (
    version INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    checksum BLOB NOT NULL,
    applied_at INTEGER NOT NULL
) STRICT";

impl Migrations {
    /// What [`apply`](Self::apply) would do now, in order. Changes nothing.
    ///
    /// # Errors
    ///
    /// [`Kind::FailedPrecondition`](linchpin::Kind::FailedPrecondition) when the database is at a version this binary does not know, when
    /// an applied migration was edited or is missing here, or when a new one would come before one
    /// already applied; storage errors as in [`sqlite::error`](crate::sqlite::error).
    pub fn plan(&self, conn: &Connection) -> Result<Vec<Migration>> {
        self.pending(&Applied::load(conn)?)
    }

    /// Applies what is pending and returns how many that were.
    ///
    /// Each runs in its own `IMMEDIATE` transaction, so a failure keeps those before it, and two
    /// processes that start at once apply each only once.
    ///
    /// # Errors
    ///
    /// Those of [`plan`](Self::plan), and whatever a migration's SQL fails with.
    pub fn apply(&self, conn: &mut Connection) -> Result<usize> {
        let mut count = 0;
        loop {
            let tx = conn
                .transaction_with_behavior(TransactionBehavior::Immediate)
                .sql("begin migration")?;
            let Some(next) = self.plan(&tx)?.first().copied() else {
                return Ok(count);
            };
            let step = || format!("migration {} ({})", next.version, next.name);
            tx.execute_batch(TABLE).sql("create the table of migrations")?;
            tx.execute_batch(next.sql).sql(step())?;
            if tx.is_autocommit() {
                return Err(refused(format!("{} ended its transaction", step())));
            }
            tx.execute(
                "INSERT INTO _linchpin_migrations (version, name, checksum, applied_at) \
                 VALUES (?1, ?2, ?3, ?4)",
                (next.version, next.name, next.checksum().as_ref(), Timestamp::now().as_micros()),
            )
            .sql("record migration")?;
            tx.commit().sql(step())?;
            tracing::info!(version = next.version, name = next.name, "migration applied");
            count += 1;
        }
    }
}

impl Applied {
    /// All rows, in ascending order; none when there is no table yet.
    fn load(conn: &Connection) -> Result<Vec<Self>> {
        let table =
            "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = '_linchpin_migrations'";
        let exists = conn.query_row(table, [], |_| Ok(())).optional().sql("look for migrations")?;
        if exists.is_none() {
            return Ok(Vec::new());
        }
        conn.prepare("SELECT version, name, checksum FROM _linchpin_migrations ORDER BY version")
            .and_then(|mut rows| {
                let read = |row: &rusqlite::Row<'_>| {
                    Ok(Self { version: row.get(0)?, name: row.get(1)?, checksum: row.get(2)? })
                };
                rows.query_map([], read)?.collect()
            })
            .sql("load migrations")
    }
}
