//! What is in the database's file.

use std::path::Path;
use std::time::Duration;

use linchpin::Result;
use linchpin::time::Timestamp;
use linchpin_data::sqlite::Sql as _;
use rusqlite::{Connection, OpenFlags};

use super::report::Report;
use super::{keys, rows};
use crate::config::Config;
use crate::store;

/// How long another program's lock is waited for.
const PATIENCE: Duration = Duration::from_secs(5);
/// So many faults of a damaged file are told.
const DAMAGES: i64 = 3;
/// A clock that is behind by so many seconds is one that was set ...
const BEHIND: u64 = 5;
/// ... and by so many it delays what is due.
const FAR_BEHIND: u64 = 300;

/// In the order in which they came: a look at the end of the table.
const NEWEST: &str = "
    SELECT max(coalesce((SELECT created_at FROM message ORDER BY rowid DESC LIMIT 1), 0),
               coalesce((SELECT created_at FROM attempt ORDER BY rowid DESC LIMIT 1), 0))";

pub(super) fn check(report: &mut Report, config: &Config) {
    match open(&config.database).and_then(|conn| look(report, config, &conn)) {
        Ok(()) => {}
        Err(error) => report.cannot("database", &error),
    }
}

fn open(path: &Path) -> Result<Connection> {
    let what = || format!("open {}", path.display());
    let conn = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).sql(what())?;
    conn.busy_timeout(PATIENCE).sql(what())?;
    conn.pragma_update(None, "query_only", true).sql(what())?;
    Ok(conn)
}

fn look(report: &mut Report, config: &Config, conn: &Connection) -> Result<()> {
    if let Err(error) = store::ours(conn, &config.database) {
        let advice = "name Relay's own file in `database`; a damaged one has to come from a backup";
        report.fail("database", error.report(), advice);
        return Ok(());
    }
    // All of it as it is at one moment.
    let conn = conn.unchecked_transaction().sql("begin to read")?;
    make(report, "integrity", &conn, integrity);
    make(report, "pages", &conn, pages);
    // What is of another version has other tables.
    if is_current(report, &conn) {
        make(report, "rows", &conn, rows::check);
        make(report, "hours", &conn, rows::check_hours);
        make(report, "clock", &conn, clock);
        make(report, "keys", &conn, |report, conn| keys::check(report, conn, &config.vault));
    }
    Ok(())
}

/// Makes a check, or notes why it cannot be made.
fn make(
    report: &mut Report,
    check: &'static str,
    conn: &Connection,
    with: impl FnOnce(&mut Report, &Connection) -> Result<()>,
) {
    if let Err(error) = with(report, conn) {
        report.cannot(check, &error);
    }
}

fn integrity(report: &mut Report, conn: &Connection) -> Result<()> {
    let damages: Vec<String> = conn
        .prepare(&format!("PRAGMA quick_check({DAMAGES})"))
        .and_then(|mut check| check.query_map((), |row| row.get(0))?.collect())
        .sql("check the file")?;
    if damages == ["ok"] {
        report.ok("integrity", "no page is damaged");
    } else {
        let advice =
            "stop Relay, keep the file, and `relay restore` the last backup; look after the disk";
        report.fail("integrity", damages.join("\n"), advice);
    }
    Ok(())
}

fn pages(report: &mut Report, conn: &Connection) -> Result<()> {
    const INCREMENTAL: i64 = 2;
    let number = |pragma: &str| {
        conn.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0))
            .sql(format!("read {pragma}"))
    };
    let found = format!("{} of {} are free", number("freelist_count")?, number("page_count")?);
    if number("auto_vacuum")? == INCREMENTAL {
        report.ok("pages", found);
    } else {
        report.warn(
            "pages",
            format!("{found}, and the file never gives them back"),
            "while Relay is down: `sqlite3 FILE 'PRAGMA auto_vacuum = INCREMENTAL; VACUUM'`",
        );
    }
    Ok(())
}

/// Whether the file is of the version that this binary works with.
fn is_current(report: &mut Report, conn: &Connection) -> bool {
    let version = store::schema_version();
    let pending = store::pending(conn);
    match &pending {
        Ok(0) => report.ok("schema", format!("version {version}")),
        Ok(pending) => report.warn(
            "schema",
            format!(
                "{pending} changes are missing up to version {version}; the next start makes them"
            ),
            "take a backup first: an older Relay does not open the file after that",
        ),
        Err(error) => {
            report.fail(
                "schema",
                error.report(),
                "use the Relay that has made the file, or a newer one",
            );
        }
    }
    matches!(pending, Ok(0))
}

fn clock(report: &mut Report, conn: &Connection) -> Result<()> {
    let newest: i64 = conn.query_row(NEWEST, (), |row| row.get(0)).sql("find the newest row")?;
    let newest = Timestamp::from_micros(newest);
    let behind = newest.since(Timestamp::now()).as_secs();
    let found = format!("{behind} s behind {newest}, when the newest row was made");
    let advice = "set it, and keep it by NTP: until then new rows are sorted before old ones, and what is due waits";
    match behind {
        FAR_BEHIND.. => report.fail("clock", found, advice),
        BEHIND.. => report.warn("clock", found, advice),
        _ => report.ok("clock", "not behind what is stored"),
    }
    Ok(())
}
