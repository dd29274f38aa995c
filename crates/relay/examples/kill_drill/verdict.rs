//! The books, compared: what clients were told, what the receiver got, what the database says.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use linchpin::time::Instant;
use relay::ids::{EndpointId, MessageId, TaskId};
use rusqlite::{Connection, OpenFlags};

use crate::Failure;
use crate::books::{Books, Kind, Pair};
use crate::hours::UNLIKE;
use crate::service::LOOK_AGAIN;

/// What the comparison found.
#[derive(Default)]
pub(crate) struct Verdict {
    /// Acknowledged and not stored, or never received though nothing says why.
    pub(crate) lost: usize,
    /// Deliveries with more successes than were asked for.
    pub(crate) twice: usize,
    pub(crate) stored: usize,
    /// Requests beyond those recorded: sent, then killed before the attempt was recorded, then sent again.
    pub(crate) repeated: usize,
    /// Deliveries that were not made, as the attempt list says.
    pub(crate) skipped: usize,
    pub(crate) integrity: String,
    pub(crate) faults: Vec<String>,
}

/// What is recorded of a message and an endpoint.
#[derive(Clone, Copy, Default)]
struct Recorded {
    attempts: usize,
    successes: usize,
    /// Whether the list says that it was not sent, and why.
    is_skipped: bool,
}

/// What the database says.
struct Stored {
    messages: BTreeSet<MessageId>,
    recorded: BTreeMap<Pair, Recorded>,
    /// The numbers of endpoints that are deleted, and of those whose application is.
    deleted: BTreeSet<usize>,
    orphaned: BTreeSet<usize>,
    tasks: BTreeMap<String, String>,
}

/// An endpoint's in-flight request may be what answers one to send it once more, if it is no older.
const UNDER_WAY: Duration = Duration::from_secs(2);

const ORPHANS: &str = "SELECT count(*) FROM attempt WHERE message NOT IN (SELECT id FROM message)";

/// Waits until no delivery is left to be made and no task runs, or nothing has happened for so long. Returns how many are
/// left.
pub(crate) async fn drained(database: &Path, still: Duration) -> Result<i64, Failure> {
    let conn = open(database)?;
    let count = "SELECT (SELECT count(*) FROM delivery)
                        + (SELECT count(*) FROM background_task WHERE status = 'running'),
                        (SELECT max(rowid) FROM attempt)";
    let look = || {
        conn.query_row(count, (), |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Option<i64>>(1)?)))
    };
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

/// Waits until no message is there that is old, or none has gone for so long. Returns how many are left.
pub(crate) async fn swept(database: &Path, still: Duration) -> Result<i64, Failure> {
    let conn = open(database)?;
    let count = "SELECT count(*) FROM message WHERE created_at = 0";
    let look = || conn.query_row(count, (), |row| row.get::<_, i64>(0));
    let (mut left, mut since) = (look()?, Instant::now());
    while left > 0 && since.elapsed() < still {
        tokio::time::sleep(LOOK_AGAIN).await;
        let now = look()?;
        if now != left {
            (left, since) = (now, Instant::now());
        }
    }
    Ok(left)
}

/// Compares the books with the database of a service that has stopped.
pub(crate) fn compare(books: &Books, database: &Path) -> Result<Verdict, Failure> {
    let conn = open(database)?;
    let integrity = conn.query_row("PRAGMA integrity_check", (), |row| row.get::<_, String>(0))?;
    let stored = Stored::read(&conn)?;
    let mut verdict = Verdict { stored: stored.messages.len(), integrity, ..Verdict::default() };
    if verdict.integrity != "ok" {
        verdict.faults.push(format!("integrity check: {}", verdict.integrity));
    }
    verdict.messages(books, &stored);
    verdict.records(books, &stored);
    verdict.resent(books, &stored);
    verdict.tasks(books, &stored);
    verdict.remains(&conn)?;
    Ok(verdict)
}

// ===== impl Verdict =====

impl Verdict {
    /// Prints what is wrong, the first of it.
    pub(crate) fn show(&self) {
        self.faults.iter().take(20).for_each(|fault| println!("FAULT: {fault}"));
    }

    /// Whether all that was acknowledged is there, and was received by whom it was due to; and nothing else was.
    fn messages(&mut self, books: &Books, stored: &Stored) {
        for (id, sent) in &books.sent {
            let is_old = books.old.contains(id);
            if !stored.messages.contains(id) && !is_old {
                self.lost += 1;
                self.faults.push(format!("{id} was acknowledged and is not stored"));
                continue;
            }
            for number in &sent.due {
                let pair = (*id, *number);
                let recorded = stored.recorded.get(&pair).copied().unwrap_or_default();
                if recorded.is_skipped && !may_be_skipped(books, stored, pair) {
                    self.faults.push(format!(
                        "{id} to endpoint {number} was not sent, for a reason it has not"
                    ));
                }
                if books.received.contains_key(&pair) || stored.orphaned.contains(number) {
                    continue;
                }
                // What the list of an old one said has gone with it.
                if recorded.is_skipped || (is_old && stored.deleted.contains(number)) {
                    self.skipped += 1;
                } else {
                    self.lost += 1;
                    self.faults
                        .push(format!("{id} was acknowledged and endpoint {number} never got it"));
                }
            }
        }
        for (id, number) in books.received.keys() {
            if !stored.messages.contains(id) && !books.old.contains(id) {
                self.faults
                    .push(format!("{id} was received by endpoint {number} and is not stored"));
            }
            let gone = books.places.get(number).and_then(|place| place.gone);
            let begun = books.sent.get(id).map(|sent| sent.begun);
            if gone.zip(begun).is_some_and(|(gone, begun)| gone < begun) {
                self.faults.push(format!(
                    "{id} was received by endpoint {number}, which was deleted before"
                ));
            }
        }
    }

    /// Whether each delivery has as many successes as were asked for, and no attempt that nobody got.
    fn records(&mut self, books: &Books, stored: &Stored) {
        let nothing = Recorded::default();
        let pairs: BTreeSet<&Pair> = stored.recorded.keys().chain(books.received.keys()).collect();
        for pair in pairs {
            let Recorded { attempts, successes, .. } =
                *stored.recorded.get(pair).unwrap_or(&nothing);
            let (id, number) = pair;
            if books.old.contains(id) {
                continue;
            }
            let received = books.received.get(pair).map_or(0, |arrivals| arrivals.count);
            let asked = books.resent.get(pair).map_or(0, |resent| resent.asked);
            if successes > 1 + asked {
                self.twice += 1;
                let what = format!("{successes} successes, though asked for {} times", 1 + asked);
                self.faults.push(format!("{id} to endpoint {number} has {what}"));
            }
            if attempts > received {
                let what = format!("{attempts} attempts recorded, {received} received");
                self.faults.push(format!("{id} to endpoint {number}: {what}"));
            }
            if successes == 0 && must_succeed(books, pair) {
                self.faults.push(format!("{id} to endpoint {number} has no success on record"));
            }
            if books.places.get(number).is_none_or(|place| place.kind != Kind::Robbed) {
                self.repeated += received.saturating_sub(attempts);
            }
        }
    }

    /// Whether what was to be sent once more was.
    fn resent(&mut self, books: &Books, stored: &Stored) {
        for (pair, resent) in &books.resent {
            let Some(last) = resent.last else { continue };
            let is_brief = books.sent.get(&pair.0).is_none_or(|sent| sent.is_brief);
            let arrived = books.received.get(pair).map(|arrivals| arrivals.last);
            let is_skipped = stored.recorded.get(pair).is_some_and(|recorded| recorded.is_skipped);
            if !(is_brief && is_skipped) && arrived.is_none_or(|at| at + UNDER_WAY < last) {
                let (id, number) = pair;
                self.lost += 1;
                self.faults.push(format!("{id} was not sent to endpoint {number} once more"));
            }
        }
    }

    /// Whether what is on record has gone with its messages, from the sums by the hour as well.
    fn remains(&mut self, conn: &Connection) -> rusqlite::Result<()> {
        for (sql, what) in [
            (ORPHANS, "attempts are there without their messages"),
            (UNLIKE, "hours do not add up to the attempts in them"),
        ] {
            let count: i64 = conn.query_row(sql, (), |row| row.get(0))?;
            if count > 0 {
                self.faults.push(format!("{count} {what}"));
            }
        }
        Ok(())
    }

    /// Whether each task that was acknowledged came to its end.
    fn tasks(&mut self, books: &Books, stored: &Stored) {
        for (id, stays) in &books.tasks {
            let status = stored.tasks.get(id).map_or("gone", String::as_str);
            // One whose endpoint is deleted under it fails.
            if status != "finished" && (*stays || status != "failed") {
                self.lost += usize::from(status == "gone");
                self.faults.push(format!("the task {id} is {status}"));
            }
        }
    }
}

/// Whether there can be a reason not to send it: the content or the endpoint is gone.
fn may_be_skipped(books: &Books, stored: &Stored, (id, number): Pair) -> bool {
    books.sent.get(&id).is_some_and(|sent| sent.is_brief) || stored.deleted.contains(&number)
}

/// Whether a delivery that was attempted succeeds in the end, whatever comes between.
fn must_succeed(books: &Books, (id, number): &Pair) -> bool {
    let stays = books.places.get(number).is_some_and(|place| place.kind == Kind::Stays);
    stays && books.sent.get(id).is_some_and(|sent| !sent.is_brief)
}

// ===== impl Stored =====

impl Stored {
    fn read(conn: &Connection) -> rusqlite::Result<Self> {
        let messages = conn
            .prepare("SELECT id FROM message")?
            .query_map((), |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        let mut stored = Self {
            messages,
            recorded: BTreeMap::new(),
            deleted: BTreeSet::new(),
            orphaned: BTreeSet::new(),
            tasks: tasks(conn)?,
        };
        let numbers = stored.endpoints(conn)?;
        stored.records(conn, &numbers)?;
        Ok(stored)
    }

    /// Reads which endpoints are deleted. The numbers of all, which their URLs end with.
    fn endpoints(&mut self, conn: &Connection) -> rusqlite::Result<BTreeMap<EndpointId, usize>> {
        let mut numbers = BTreeMap::new();
        let mut query = conn.prepare(
            "SELECT e.id, e.url, e.deleted, a.deleted
             FROM endpoint e JOIN application a ON a.org = e.org AND a.id = e.app",
        )?;
        let mut rows = query.query(())?;
        while let Some(row) = rows.next()? {
            let url: String = row.get(1)?;
            let number = url.rsplit('/').next().and_then(|number| number.parse().ok());
            let Some(number) = number else { continue };
            numbers.insert(row.get(0)?, number);
            if row.get(2)? {
                self.deleted.insert(number);
            }
            if row.get(3)? {
                self.orphaned.insert(number);
            }
        }
        Ok(numbers)
    }

    fn records(
        &mut self,
        conn: &Connection,
        numbers: &BTreeMap<EndpointId, usize>,
    ) -> rusqlite::Result<()> {
        let mut query = conn.prepare(
            "SELECT message, endpoint, count(*) FILTER (WHERE status IN (0, 2)),
                    count(*) FILTER (WHERE status = 0), count(*) FILTER (WHERE status = 4) > 0
             FROM attempt GROUP BY message, endpoint",
        )?;
        let mut rows = query.query(())?;
        while let Some(row) = rows.next()? {
            let count = |index| row.get::<_, i64>(index).map(|count| count as usize);
            let recorded =
                Recorded { attempts: count(2)?, successes: count(3)?, is_skipped: row.get(4)? };
            let endpoint: EndpointId = row.get(1)?;
            self.recorded.insert((row.get(0)?, numbers[&endpoint]), recorded);
        }
        Ok(())
    }
}

/// What has become of background tasks, by their ids.
fn tasks(conn: &Connection) -> rusqlite::Result<BTreeMap<String, String>> {
    let mut query = conn.prepare("SELECT id, status FROM background_task")?;
    let task = |row: &rusqlite::Row<'_>| {
        let id: TaskId = row.get(0)?;
        Ok((id.to_string(), row.get(1)?))
    };
    query.query_map((), task)?.collect()
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
