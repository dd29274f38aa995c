//! Numbered schema changes, each applied once, in order, in a transaction of its own.
//!
//! What was applied stands in the table `_linchpin_migrations`, with a checksum of its SQL. A file
//! that a newer binary has touched is refused, and so is one whose applied migrations differ from
//! this binary's: both would otherwise fail later, in the middle of a request.

use aws_lc_rs::digest;
use linchpin::time::Timestamp;
use linchpin::{Error, Kind, Result};
use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

use crate::sqlite::Sql;

const TABLE: &str = "CREATE TABLE IF NOT EXISTS _linchpin_migrations (
    version INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    checksum BLOB NOT NULL,
    applied_at INTEGER NOT NULL
) STRICT";

/// One schema change.
#[derive(Clone, Copy, Debug)]
pub struct Migration {
    /// Its place in the order; from 1, gaps allowed.
    pub version: u32,
    /// What it does, in a word or two, for messages.
    pub name: &'static str,
    /// The statements. They run inside a transaction and must not end it.
    pub sql: &'static str,
}

impl Migration {
    fn checksum(&self) -> digest::Digest {
        digest::digest(&digest::SHA256, self.sql.as_bytes())
    }
}

/// A checked list of [`Migration`]s, in ascending order of version.
#[derive(Clone, Copy, Debug)]
pub struct Migrations {
    list: &'static [Migration],
}

impl Migrations {
    /// Checks the list.
    ///
    /// # Errors
    ///
    /// [`Kind::InvalidArgument`] when a version is 0 or not greater than the one before it.
    pub fn new(list: &'static [Migration]) -> Result<Self> {
        let mut last = 0;
        for Migration { version, name, .. } in list {
            if *version <= last {
                let why = format!(
                    "migration {version} ({name}) follows {last}: versions start at 1 and ascend"
                );
                return Err(Error::new(Kind::InvalidArgument, why));
            }
            last = *version;
        }
        Ok(Self { list })
    }

    /// What [`apply`](Self::apply) would do now, in order. Changes nothing.
    ///
    /// # Errors
    ///
    /// [`Kind::FailedPrecondition`] when the database is at a version this binary does not know, when
    /// an applied migration was edited or is missing here, or when a new one would come before one
    /// already applied; storage errors as in [`sqlite::error`](crate::sqlite::error).
    pub fn plan(&self, conn: &Connection) -> Result<Vec<Migration>> {
        let applied = Applied::load(conn)?;
        // Newest first, so that a message about a newer database names where it stands now.
        for found in applied.iter().rev() {
            let Some(known) = self.list.iter().find(|known| known.version == found.version) else {
                return Err(self.unknown(found));
            };
            if known.checksum().as_ref() != found.checksum {
                return Err(drifted(known, found));
            }
        }
        let newest = applied.last().map_or(0, |found| found.version);
        let pending =
            |known: &&Migration| applied.iter().all(|found| found.version != known.version);
        let plan: Vec<Migration> = self.list.iter().filter(pending).copied().collect();
        match plan.first() {
            Some(late) if late.version < newest => Err(refused(format!(
                "migration {} ({}) comes before version {newest}, which this database already has: \
                 give it a greater version",
                late.version, late.name,
            ))),
            _ => Ok(plan),
        }
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

    fn unknown(&self, found: &Applied) -> Error {
        let newest = self.list.last().map_or(0, |known| known.version);
        if found.version > newest {
            return refused(format!(
                "this database is at version {} ({}), this binary knows up to {newest}: \
                 use a newer binary",
                found.version, found.name,
            ));
        }
        refused(format!(
            "this database has migration {} ({}), which this binary lacks",
            found.version, found.name,
        ))
    }
}

/// A row of the table.
struct Applied {
    version: u32,
    name: String,
    checksum: Vec<u8>,
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

fn drifted(known: &Migration, found: &Applied) -> Error {
    refused(format!(
        "migration {} was applied as `{}` with checksum {}, this binary has `{}` with checksum {}: \
         an applied migration must stay as it was, add a new one instead",
        known.version,
        found.name,
        short(&found.checksum),
        known.name,
        short(known.checksum().as_ref()),
    ))
}

fn refused(why: String) -> Error {
    Error::new(Kind::FailedPrecondition, why)
}

/// The first bytes of a checksum, enough to tell two apart in a message.
fn short(checksum: &[u8]) -> String {
    format!("{:016x}", checksum.first_chunk().map_or(0, |first| u64::from_be_bytes(*first)))
}
