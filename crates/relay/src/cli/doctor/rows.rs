//! Rows that belong to nothing, and sums that do not add up.

use linchpin::Result;
use linchpin_data::sqlite::Sql as _;
use rusqlite::Connection;

use super::report::Report;

/// What is found in a table that should not be there.
struct Foreign {
    what: &'static str,
    sql: &'static str,
    /// What to do where Relay puts up with it; else it does not.
    harmless: Option<&'static str>,
}

/// So many are counted of each.
const MOST: i64 = 1_000;

const DROPPED: &str = "somebody has removed rows by hand; Relay drops these when they come due";
const KEPT: &str =
    "somebody has removed rows by hand; nothing else removes these, and they harm nobody";
const BROKEN: &str = "somebody has changed the file by hand, or a disk has: restore a backup, or remove these by hand";

const FOREIGN: [Foreign; 7] = [
    Foreign {
        what: "endpoints without an application",
        sql: "SELECT 1 FROM endpoint x WHERE NOT EXISTS (
                  SELECT 1 FROM application a WHERE a.org = x.org AND a.id = x.app)",
        harmless: None,
    },
    Foreign {
        what: "messages without an application",
        sql: "SELECT 1 FROM message x WHERE NOT EXISTS (
                  SELECT 1 FROM application a WHERE a.org = x.org AND a.id = x.app)",
        harmless: None,
    },
    Foreign {
        what: "deliveries whose message is gone",
        sql: "SELECT 1 FROM delivery x WHERE NOT EXISTS (
                  SELECT 1 FROM message m WHERE m.org = x.org AND m.app = x.app AND m.id = x.message)",
        harmless: Some(DROPPED),
    },
    Foreign {
        what: "deliveries whose endpoint is gone",
        sql: "SELECT 1 FROM delivery x WHERE NOT EXISTS (
                  SELECT 1 FROM endpoint e WHERE e.org = x.org AND e.app = x.app AND e.id = x.endpoint)",
        harmless: Some(DROPPED),
    },
    Foreign {
        what: "attempts whose message is gone",
        sql: "SELECT 1 FROM attempt x WHERE NOT EXISTS (
                  SELECT 1 FROM message m WHERE m.org = x.org AND m.app = x.app AND m.id = x.message)",
        harmless: Some(KEPT),
    },
    Foreign {
        what: "attempts whose endpoint is gone",
        sql: "SELECT 1 FROM attempt x WHERE NOT EXISTS (
                  SELECT 1 FROM endpoint e WHERE e.org = x.org AND e.app = x.app AND e.id = x.endpoint)",
        harmless: None,
    },
    Foreign {
        what: "running tasks without an endpoint",
        sql: "SELECT 1 FROM background_task x WHERE x.status = 'running' AND NOT EXISTS (
                  SELECT 1 FROM endpoint e WHERE e.org = x.org AND e.app = x.app AND e.id = x.endpoint)",
        harmless: None,
    },
];

/// How many attempts are in an hour, and how many should be.
const HOURS: &str = "
    SELECT (SELECT coalesce(sum(success + fail + canceled), 0) FROM endpoint_hour),
           (SELECT count(*) FROM attempt)
         - (SELECT count(*) FROM attempt, uncounted WHERE attempt.rowid BETWEEN first AND last)";

pub(super) fn check(report: &mut Report, conn: &Connection) -> Result<()> {
    let mut all_well = true;
    for Foreign { what, sql, harmless } in FOREIGN {
        let sql = format!("SELECT count(*) FROM ({sql} LIMIT {MOST})");
        let count: i64 = conn.query_row(&sql, (), |row| row.get(0)).sql("look for lost rows")?;
        if count == 0 {
            continue;
        }
        all_well = false;
        let found = if count < MOST { count.to_string() } else { format!("{MOST} or more") };
        let found = format!("{found} {what}");
        match harmless {
            Some(advice) => report.warn("rows", found, advice),
            None => report.fail("rows", found, BROKEN),
        }
    }
    if all_well {
        report.ok("rows", "each belongs to something");
    }
    Ok(())
}

pub(super) fn check_hours(report: &mut Report, conn: &Connection) -> Result<()> {
    let (counted, wanted): (i64, i64) =
        conn.query_row(HOURS, (), |row| Ok((row.get(0)?, row.get(1)?))).sql("add the hours up")?;
    if counted == wanted {
        report.ok("hours", format!("{counted} attempts, each in its hour"));
    } else {
        report.warn(
            "hours",
            format!("{counted} attempts are in the hours of endpoints, {wanted} are kept: numbers of endpoints are wrong"),
            "while Relay is down: `sqlite3 FILE 'BEGIN; DELETE FROM endpoint_hour; DELETE FROM uncounted; \
             INSERT INTO uncounted SELECT 1, rowid FROM attempt ORDER BY rowid DESC LIMIT 1; COMMIT'`; \
             the next start counts them anew",
        );
    }
    Ok(())
}
