//! What goes by itself: payloads whose time is over, messages and their attempts that are old, and the space they took.
//!
//! A submission takes little, so that a create waits for it no longer than for any other.

#[cfg(feature = "planted-faults")]
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use linchpin::Result;
use linchpin::context::Context;
use linchpin::time::{Instant, Timestamp};
use linchpin_data::sqlite::{Sql as _, Tx};
use rusqlite::Connection;

use super::Store;
use super::hours::Tally;
use super::wipe::wiped;
use crate::ids::{AppId, MessageId};
use crate::model::message::Content;

/// How far a sweep has come.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Swept {
    /// Payloads or messages that are gone.
    pub gone: usize,
    /// Where the next submission goes on; `None` if there is no more.
    pub mark: Option<i64>,
}

/// So many rows a submission looks at ...
const ROWS: i64 = 200;
/// ... so many bytes of payload it frees, but for its last row ...
const BYTES: i64 = 4 << 20;
/// ... and so long it takes at most, but for its last row.
const TIME: Duration = Duration::from_millis(20);
/// A payload of up to so many bytes lies in the page of its row, or in one more.
const SMALL: i64 = 4_096;
/// So many pages go back to the file system at a time ...
const PAGES: i64 = 256;
/// ... while more than one page in so many is free. What is free is used again first.
const FREE: i64 = 10;

const EXPIRED: &str = "
    SELECT rowid, length(payload) FROM message WHERE content_until <= ?1 ORDER BY content_until LIMIT ?2";
const EXPIRE: &str = "
    UPDATE message SET payload = x'', content = ?2, content_until = NULL WHERE rowid = ?1";
/// In the order in which they came, which is that of their time as far as the clock was right.
const OLD: &str = "
    SELECT rowid, app, id, created_at, length(payload) FROM message WHERE rowid > ?1 ORDER BY rowid LIMIT ?2";
/// By the endpoints of the application, each of which has its rows in an index.
const WAITS: &str = "
    SELECT 1 FROM endpoint CROSS JOIN delivery
       ON delivery.endpoint = endpoint.id AND delivery.message = ?2 WHERE endpoint.app = ?1";
const ATTEMPTS: &str = "
    DELETE FROM attempt WHERE message = ?1 RETURNING app, endpoint, created_at, status";
const MESSAGE: &str = "DELETE FROM message WHERE rowid = ?1";

impl Store {
    /// Removes payloads whose time is over at `now`, as many as one submission may.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn sweep_payloads(&self, ctx: &Context, now: Timestamp) -> Result<Swept> {
        self.writer.submit(ctx, move |tx| payloads(tx, now)).await
    }

    /// Removes messages from before `cutoff` with their attempts, as many as one submission may, from behind `mark` on. One
    /// of which a delivery waits or is under way stays.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn sweep_messages(
        &self,
        ctx: &Context,
        cutoff: Timestamp,
        mark: i64,
    ) -> Result<Swept> {
        self.writer.submit(ctx, move |tx| messages(tx, cutoff, mark)).await
    }

    /// Gives a few free pages back to the file system, if a tenth of the file is free. Returns whether it did.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn give_space_back(&self, ctx: &Context) -> Result<bool> {
        self.writer.submit(ctx, |tx| give_back(tx).sql("give space back")).await
    }
}

fn payloads(tx: &Tx<'_>, now: Timestamp) -> Result<Swept> {
    let rows: Vec<(i64, i64)> = tx
        .prepare_cached(EXPIRED)
        .and_then(|mut query| {
            query
                .query_map((now.as_micros(), ROWS), |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect()
        })
        .sql("find expired payloads")?;
    let (mut budget, mut swept) = (Budget::new(), Swept::default());
    for (rowid, bytes) in rows {
        if budget.is_spent() {
            break;
        }
        sparingly(tx, bytes, || {
            tx.prepare_cached(EXPIRE)
                .and_then(|mut update| update.execute((rowid, Content::Expired)))
                .sql("remove a payload")
        })?;
        budget.spend(bytes);
        swept.gone += 1;
        // They are not found again, so it goes on at the front.
        swept.mark = Some(0);
    }
    Ok(swept)
}

fn messages(tx: &Tx<'_>, cutoff: Timestamp, mark: i64) -> Result<Swept> {
    type Old = (i64, AppId, MessageId, i64, i64);

    let rows: Vec<Old> = tx
        .prepare_cached(OLD)
        .and_then(|mut query| {
            let row = |row: &rusqlite::Row<'_>| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
            };
            query.query_map((mark, ROWS), row)?.collect()
        })
        .sql("find old messages")?;
    let (mut budget, mut swept, mut any_old) = (Budget::new(), Swept::default(), false);
    let (mut last, mut tally) = (mark, Tally::default());
    for (rowid, app, id, created, bytes) in rows {
        if budget.is_spent() {
            break;
        }
        last = rowid;
        if created >= cutoff.as_micros() {
            continue;
        }
        any_old = true;
        if !waits(tx, app, id).sql("look for deliveries")? {
            sparingly(tx, bytes, || remove(tx, rowid, id, &mut tally).sql("remove a message"))?;
            swept.gone += 1;
        }
        budget.spend(bytes);
    }
    tally.take_away(tx)?;
    // Where no row is old, those behind it are not old either.
    swept.mark = any_old.then_some(last);
    Ok(swept)
}

fn waits(conn: &Connection, app: AppId, message: MessageId) -> rusqlite::Result<bool> {
    #[cfg(feature = "planted-faults")]
    if HASTY_SWEEP.load(Ordering::Relaxed) {
        return Ok(false);
    }
    conn.prepare_cached(WAITS)?.exists((app, message))
}

fn remove(
    conn: &Connection,
    rowid: i64,
    message: MessageId,
    tally: &mut Tally,
) -> rusqlite::Result<()> {
    let mut attempts = conn.prepare_cached(ATTEMPTS)?;
    let mut gone = attempts.query([message])?;
    while let Some(attempt) = gone.next()? {
        tally.add_row(attempt, 0)?;
    }
    conn.prepare_cached(MESSAGE)?.execute([rowid])?;
    Ok(())
}

/// Has `work` overwrite what it frees, if a payload of so many bytes is as small as that. What is swept need not be overwritten, and
/// for large ones that would be a write for each of their pages; but a page that becomes free may have copies of rows that stay, and
/// are expunged one day.
fn sparingly<T>(tx: &Tx<'_>, bytes: i64, work: impl FnOnce() -> Result<T>) -> Result<T> {
    if bytes <= SMALL { wiped(tx, work) } else { work() }
}

/// Has old messages go before they are delivered: the fault that the kill drill must find where messages are old.
#[cfg(feature = "planted-faults")]
pub fn plant_hasty_sweep() {
    HASTY_SWEEP.store(true, Ordering::Relaxed);
}

#[cfg(feature = "planted-faults")]
static HASTY_SWEEP: AtomicBool = AtomicBool::new(false);

fn give_back(conn: &Connection) -> rusqlite::Result<bool> {
    let number = |sql| conn.query_row(sql, (), |row| row.get::<_, i64>(0));
    let free = number("PRAGMA freelist_count")?;
    if free <= number("PRAGMA page_count")? / FREE {
        return Ok(false);
    }
    let mut vacuum = conn.prepare(&format!("PRAGMA incremental_vacuum({PAGES})"))?;
    let mut rows = vacuum.query(())?;
    // Each step frees a page.
    while rows.next()?.is_some() {}
    drop(rows);
    // A file of a kind that gives nothing back has as many as before.
    Ok(number("PRAGMA freelist_count")? < free)
}

/// What a submission may still do.
pub(super) struct Budget {
    begun: Instant,
    bytes: i64,
}

impl Budget {
    pub(super) fn new() -> Self {
        Self { begun: Instant::now(), bytes: BYTES }
    }

    pub(super) fn spend(&mut self, bytes: i64) {
        self.bytes -= bytes;
    }

    pub(super) fn is_spent(&self) -> bool {
        self.bytes <= 0 || self.begun.elapsed() >= TIME
    }
}
