//! Connections, set up the same way each time.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use linchpin::{Error, Kind, Result};
use rusqlite::config::DbConfig;
use rusqlite::hooks::{AuthAction, Authorization};
use rusqlite::{Connection, OpenFlags};

use super::error::Sql;
use super::options::Options;

/// The savepoint around each submission.
pub(super) const SAVEPOINT: &str = "linchpin_submission";

/// Statements kept prepared on each connection.
const STATEMENTS: usize = 128;
const JOURNAL_BYTES: u32 = 64 << 20;

/// Opens the file for the first time in this process: makes it if absent, checks whose it is, and
/// settles what can only be settled before the first table.
pub(super) fn create(path: &Path, options: &Options) -> Result<Connection> {
    create_with(path, OpenFlags::SQLITE_OPEN_CREATE, options)
}

/// The same with flags of the caller's.
pub(super) fn create_with(path: &Path, flags: OpenFlags, options: &Options) -> Result<Connection> {
    let conn = open(path, OpenFlags::SQLITE_OPEN_READ_WRITE | flags, options)?;
    let empty = number(&conn, "page_count")? == 0;
    if empty {
        // Before WAL mode, which writes the first page.
        set(&conn, "auto_vacuum", "INCREMENTAL")?;
    }
    if let Some(id) = options.application_id {
        let found = number(&conn, "application_id")?;
        if empty {
            set(&conn, "application_id", id)?;
        } else if found != i64::from(id) {
            let why = format!(
                "{} belongs to another application: its id is {found:#x}, not {id:#x}",
                path.display(),
            );
            return Err(Error::new(Kind::FailedPrecondition, why));
        }
    }
    let mode: String = conn
        .pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))
        .sql("switch to WAL mode")?;
    if mode != "wal" {
        let why = format!("{} cannot be in WAL mode, it stays in `{mode}`", path.display());
        return Err(Error::new(Kind::FailedPrecondition, why));
    }
    writable(conn, options)
}

/// Opens the writer's connection again. Never makes the file: an empty one in its place would look
/// like a healthy database that lost everything.
pub(super) fn reopen(path: &Path, options: &Options) -> Result<Connection> {
    writable(open(path, OpenFlags::SQLITE_OPEN_READ_WRITE, options)?, options)
}

/// Opens a connection that cannot write.
pub(super) fn read_only(path: &Path, options: &Options) -> Result<Connection> {
    let conn = open(path, OpenFlags::SQLITE_OPEN_READ_ONLY, options)?;
    set(&conn, "query_only", true)?;
    Ok(conn)
}

/// Up while a submission's closure runs: it may then not begin, commit or roll back.
///
/// Two layers. The authorizer refuses such statements when they are prepared, which costs the closure
/// an error and its neighbours nothing. The commit hook turns any commit made meanwhile into a
/// rollback: after `ON CONFLICT ROLLBACK` the connection is in autocommit mode, and the closure's
/// next statement would otherwise be kept alone.
#[derive(Clone, Debug, Default)]
pub(super) struct Guard(Arc<AtomicBool>);

impl Guard {
    pub(super) fn install(&self, conn: &mut Connection) -> Result<()> {
        let up = Arc::clone(&self.0);
        conn.authorizer(Some(move |asked: rusqlite::hooks::AuthContext<'_>| {
            let control = match asked.action {
                AuthAction::Transaction { .. } => true,
                AuthAction::Savepoint { savepoint_name, .. } => {
                    savepoint_name.eq_ignore_ascii_case(SAVEPOINT)
                }
                _ => false,
            };
            if control && up.load(Ordering::Relaxed) {
                Authorization::Deny
            } else {
                Authorization::Allow
            }
        }))
        .sql("install the authorizer")?;
        let up = Arc::clone(&self.0);
        conn.commit_hook(Some(move || up.load(Ordering::Relaxed))).sql("install the commit hook")
    }

    /// Runs a closure that catches its own panics under the guard.
    pub(super) fn over<T>(&self, closure: impl FnOnce() -> T) -> T {
        // Relaxed: one thread raises, reads and lowers it.
        self.0.store(true, Ordering::Relaxed);
        let result = closure();
        self.0.store(false, Ordering::Relaxed);
        result
    }
}

fn open(path: &Path, flags: OpenFlags, options: &Options) -> Result<Connection> {
    let what = || format!("open database {}", path.display());
    // Each connection has one thread, so SQLite's own mutexes are not needed.
    let conn =
        Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX).sql(what())?;
    conn.busy_timeout(options.busy_timeout).sql(what())?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS);
    // Else what is bound may change the plan, and many a kept statement is prepared again each time that it is run: any with
    // a `LIMIT ?`, and any that compares a column with a parameter beside its index.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).sql(what())?;
    // Negative: in KiB rather than pages.
    let kib = i64::try_from(options.cache_bytes / 1024).unwrap_or(i64::MAX);
    set(&conn, "cache_size", -kib)?;
    set(&conn, "temp_store", "MEMORY")?;
    set(&conn, "foreign_keys", true)?;
    Ok(conn)
}

fn writable(conn: Connection, options: &Options) -> Result<Connection> {
    set(&conn, "synchronous", "FULL")?;
    set(&conn, "journal_size_limit", JOURNAL_BYTES)?;
    set(&conn, "wal_autocheckpoint", options.wal_autocheckpoint)?;
    if options.overwrite_deleted {
        set(&conn, "secure_delete", "FAST")?;
    }
    Ok(conn)
}

fn set(conn: &Connection, pragma: &str, value: impl rusqlite::ToSql) -> Result<()> {
    // Some pragmas answer with the value that they took, some with nothing.
    conn.pragma(None, pragma, value, |_| Ok(())).sql(format!("set pragma {pragma}"))
}

fn number(conn: &Connection, pragma: &str) -> Result<i64> {
    conn.pragma_query_value(None, pragma, |row| row.get(0)).sql(format!("read pragma {pragma}"))
}
