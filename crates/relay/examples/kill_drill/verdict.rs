//! The books, compared: what clients were told, what the receiver got, what the database says.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use linchpin::time::Instant;
use relay::ids::MessageId;
use rusqlite::{Connection, OpenFlags};

use crate::Failure;
use crate::service::LOOK_AGAIN;

/// What is known outside the service.
pub(crate) struct Books {
    pub(crate) acknowledged: BTreeSet<String>,
    /// Requests by message id.
    pub(crate) received: BTreeMap<String, usize>,
}

/// What the comparison found.
#[derive(Default)]
pub(crate) struct Verdict {
    /// Acknowledged and not stored, or never received.
    pub(crate) lost: usize,
    pub(crate) stored: usize,
    /// Requests beyond those recorded: sent, then killed before the attempt was recorded, then sent again.
    pub(crate) repeated: usize,
    pub(crate) integrity: String,
    pub(crate) faults: Vec<String>,
}

/// The attempts that are recorded for a message.
#[derive(Clone, Copy, Default)]
struct Recorded {
    attempts: usize,
    successes: usize,
}

/// Waits until no delivery is left to be made, or nothing has happened for so long. Returns how many are left.
pub(crate) async fn drained(database: &Path, still: Duration) -> Result<i64, Failure> {
    let conn = open(database)?;
    let count = "SELECT (SELECT count(*) FROM delivery), (SELECT count(*) FROM attempt)";
    let look =
        || conn.query_row(count, (), |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)));
    let (mut seen, mut since) = (look()?, Instant::now());
    while seen.0 > 0 && since.elapsed() < still {
        tokio::time::sleep(LOOK_AGAIN).await;
        let now = look()?;
        if now != seen {
            (seen, since) = (now, Instant::now());
        }
    }
    Ok(seen.0)
}

/// Compares the books with the database of a service that has stopped.
pub(crate) fn compare(books: &Books, database: &Path) -> Result<Verdict, Failure> {
    let conn = open(database)?;
    let integrity = conn.query_row("PRAGMA integrity_check", (), |row| row.get::<_, String>(0))?;
    let stored = stored(&conn)?;
    let mut verdict = Verdict { stored: stored.len(), integrity, ..Verdict::default() };
    if verdict.integrity != "ok" {
        verdict.faults.push(format!("integrity check: {}", verdict.integrity));
    }
    for id in &books.acknowledged {
        if !stored.contains_key(id) {
            verdict.lost += 1;
            verdict.faults.push(format!("{id} was acknowledged and is not stored"));
        } else if !books.received.contains_key(id) {
            verdict.lost += 1;
            verdict.faults.push(format!("{id} was acknowledged and never received"));
        }
    }
    for id in books.received.keys().filter(|id| !stored.contains_key(*id)) {
        verdict.faults.push(format!("{id} was received and is not stored"));
    }
    for (id, Recorded { attempts, successes }) in &stored {
        let received = books.received.get(id).copied().unwrap_or(0);
        if *successes != 1 {
            verdict.faults.push(format!("{id} has {successes} recorded successes"));
        }
        if *attempts > received {
            verdict.faults.push(format!("{id}: {attempts} attempts recorded, {received} received"));
        }
        verdict.repeated += received.saturating_sub(*attempts);
    }
    Ok(verdict)
}

/// Every stored message with its recorded attempts.
fn stored(conn: &Connection) -> rusqlite::Result<BTreeMap<String, Recorded>> {
    let mut query = conn.prepare(
        "SELECT m.id, count(a.id), count(a.id) FILTER (WHERE a.status = 0)
         FROM message m LEFT JOIN attempt a ON a.message = m.id GROUP BY m.id",
    )?;
    let read = |row: &rusqlite::Row<'_>| {
        let id: MessageId = row.get(0)?;
        let count = |index| row.get::<_, i64>(index).map(|count| count as usize);
        Ok((id.to_string(), Recorded { attempts: count(1)?, successes: count(2)? }))
    };
    query.query_map((), read)?.collect()
}

fn open(database: &Path) -> rusqlite::Result<Connection> {
    Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY)
}

/// A number with a comma between thousands.
pub(crate) fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
