//! What a file is, seen without a change to it.

use std::path::Path;

use linchpin::{Error, Kind, Result};
use linchpin_data::migrate::Migrations;
use linchpin_data::sqlite::Sql as _;
use rusqlite::{Connection, OpenFlags};

use super::{APPLICATION_ID, schema};

/// Whether the file at `path` is Relay's.
///
/// # Errors
///
/// Those of [`look`].
pub(crate) fn is_ours(path: &Path) -> Result<()> {
    look(path).map(drop)
}

/// Opens a file of Relay to read it, beside one that runs or without one. It may be of any age: nothing is brought up to date.
///
/// # Errors
///
/// [`Kind::FailedPrecondition`] if it is not there or another program's, [`Kind::DataLoss`] if it is no database, and those of
/// the database.
pub(crate) fn look(path: &Path) -> Result<Connection> {
    if path.try_exists().is_ok_and(|exists| !exists) {
        let why = format!("{} is not there", path.display());
        return Err(Error::new(Kind::FailedPrecondition, why));
    }
    let conn = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
        .sql(format!("open {}", path.display()))?;
    ours(&conn, path)?;
    Ok(conn)
}

/// The version of the schema that the file has.
///
/// # Errors
///
/// Those of the database.
pub(crate) fn schema_of(conn: &Connection) -> Result<u32> {
    conn.query_row(SCHEMA, (), |row| row.get(0)).sql("read the schema")
}

const SCHEMA: &str = "SELECT max(version) FROM _linchpin_migrations";

/// The same of one that is open.
///
/// # Errors
///
/// As [`is_ours`].
pub(crate) fn ours(conn: &Connection, path: &Path) -> Result<()> {
    let found: i32 = conn
        .pragma_query_value(None, "application_id", |row| row.get(0))
        .sql(format!("read {}", path.display()))?;
    if found == APPLICATION_ID {
        return Ok(());
    }
    let why = format!(
        "{} is another program's: its application id is {found:#x}, and Relay's {APPLICATION_ID:#x}",
        path.display()
    );
    Err(Error::new(Kind::FailedPrecondition, why))
}

/// How many changes the schema lacks until it is that of this binary.
///
/// # Errors
///
/// [`Kind::FailedPrecondition`] if the file is of a newer Relay, or of another one; those of the database.
pub(crate) fn pending(conn: &Connection) -> Result<usize> {
    Ok(Migrations::new(schema::MIGRATIONS)?.plan(conn)?.len())
}
