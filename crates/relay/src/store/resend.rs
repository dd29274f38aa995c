//! Which messages a task sends again, and the deliveries that do it.
//!
//! A walk goes through a list in the order of its ids, a section at a time: the endpoint's attempts where failures are to be
//! recovered, the application's messages where those are to be sent that never were. What it finds is looked at more
//! closely on a reader, and once more by the submission that stores the deliveries, which also notes how far the walk
//! has come: whatever ends the process, no message is passed over and none is stored twice.

use std::collections::BTreeSet;

use linchpin::context::Context;
use linchpin::time::Timestamp;
use linchpin::{Error, Kind, Result};
use linchpin_data::sqlite::Sql as _;
use rusqlite::Connection;

use super::task::{self, Mark, Work};
use super::{Store, column, target};
use crate::ids::{AttemptId, MessageId};
use crate::model::attempt::{CANCELED, FAIL};
use crate::model::task::TaskKind;

/// A section of a walk.
#[derive(Debug)]
pub(crate) struct Section {
    /// Messages that may have to be sent, each with its place in the list.
    candidates: Vec<(Mark, MessageId)>,
    /// The end of the section.
    pub(crate) mark: Mark,
}

/// Messages that are to be sent, and how far the walk has come with them.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    messages: Vec<MessageId>,
    mark: Mark,
}

/// How much of the list is a section: little enough that neither a reader nor the writer is held up.
const SECTION: i64 = 200;

const ATTEMPTS: &str = "
    SELECT id, message, status FROM attempt
    WHERE endpoint = ?1 AND id > ?2 AND id <= ?3 AND org = ?4 AND app = ?5
      AND created_at BETWEEN ?6 AND ?7
    ORDER BY id LIMIT ?8";
const MESSAGES: &str = "
    SELECT id, event_type, channels FROM message
    WHERE app = ?1 AND id > ?2 AND id <= ?3 AND org = ?4 AND created_at BETWEEN ?5 AND ?6 AND content = 0
    ORDER BY id LIMIT ?7";
// `+` keeps SQLite from the endpoint's index: a message has few attempts, an endpoint has many.
/// A message fails once in a walk, at the first of its failures there, and not at all if it was delivered. What was not sent
/// to the end, as it had nowhere to go any more, has failed, too.
const FAILED: &str = "
    SELECT NOT EXISTS (SELECT 1 FROM attempt WHERE message = ?1 AND +endpoint = ?2 AND org = ?3
       AND (status = 0 OR (status IN (2, 4) AND id > ?4 AND id < ?5)))";
/// What was not sent, as there was nowhere to send it, is missing still.
const MISSING: &str = "
    SELECT NOT EXISTS (SELECT 1 FROM attempt WHERE message = ?1 AND +endpoint = ?2 AND org = ?3 AND status <> 4)
       AND NOT EXISTS (SELECT 1 FROM delivery WHERE endpoint = ?2 AND message = ?1)";
/// One that waits for its next attempt is brought forward, one that is under way is left alone.
const RECOVER: &str = "
    INSERT INTO delivery (org, app, message, endpoint, attempt, due, leased, manual)
    SELECT ?1, ?2, ?3, ?4, 0, ?5, 0, 1
    WHERE NOT EXISTS (SELECT 1 FROM attempt WHERE message = ?3 AND +endpoint = ?4 AND status = 0)
      AND EXISTS (SELECT 1 FROM message WHERE app = ?2 AND id = ?3 AND content = 0)
    ON CONFLICT (endpoint, message) DO UPDATE SET due = excluded.due
       WHERE leased = 0 AND due > excluded.due";
const REPLAY: &str = "
    INSERT INTO delivery (org, app, message, endpoint, attempt, due, leased, manual)
    SELECT ?1, ?2, ?3, ?4, 0, ?5, 0, 1
    WHERE NOT EXISTS (SELECT 1 FROM attempt WHERE message = ?3 AND +endpoint = ?4 AND status <> 4)
    ON CONFLICT (endpoint, message) DO NOTHING";

impl Store {
    /// The section of the walk behind `mark`; `None` at its end.
    pub(crate) async fn section(
        &self,
        ctx: &Context,
        work: Work,
        mark: Option<Mark>,
    ) -> Result<Option<Section>> {
        self.patient
            .query(ctx, move |conn| {
                let after = mark.unwrap_or(work.low());
                let section = match work.kind {
                    TaskKind::Recover => attempts(conn, &work, &after)?,
                    TaskKind::Replay => messages(conn, &work, &after)?,
                };
                Ok(section)
            })
            .await
    }

    /// Those of a section that are to be sent; `None` if there are none.
    pub(crate) async fn select(
        &self,
        ctx: &Context,
        work: Work,
        section: Section,
    ) -> Result<Option<Batch>> {
        self.patient.query(ctx, move |conn| select(conn, &work, &section)).await
    }

    /// Stores a delivery for each message of a batch, due at once.
    ///
    /// # Errors
    ///
    /// Those of [`target::receives`] if the endpoint does not any more, [`Kind::Aborted`] if the task has come to its
    /// end, those of the database.
    pub(crate) async fn resend(&self, ctx: &Context, work: Work, batch: Batch) -> Result<()> {
        let (now, queue) = (Timestamp::now(), self.queue.clone());
        self.writer
            .submit(ctx, move |tx| {
                target::receives(tx, work.org, work.app, work.endpoint)?;
                let due = queue.clock().now();
                let sent = deliveries(tx, &work, &batch.messages, due)?;
                if !task::advance(tx, work.rowid, &batch.mark, sent, now)? {
                    return Err(Error::new(Kind::Aborted, "the task has come to its end"));
                }
                queue.stored(tx, (work.app, work.endpoint), due);
                Ok(())
            })
            .await
    }
}

impl Work {
    /// Before everything of its stretch.
    fn low(&self) -> Mark {
        *AttemptId::min_at(self.stretch.since).as_bytes()
    }

    /// The last that can be of its stretch.
    fn high(&self) -> Mark {
        *AttemptId::max_at(self.stretch.until).as_bytes()
    }
}

fn attempts(conn: &Connection, work: &Work, after: &Mark) -> Result<Option<Section>> {
    let Work { org, app, endpoint, stretch, .. } = work;
    let (since, until) = (stretch.since.as_micros(), stretch.until.as_micros());
    let params = (endpoint, after, work.high(), org, app, since, until, SECTION);
    let rows: Vec<(Mark, MessageId, u8)> = conn
        .prepare_cached(ATTEMPTS)
        .and_then(|mut query| {
            query.query_map(params, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect()
        })
        .sql("walk through attempts")?;
    let Some((mark, ..)) = rows.last().copied() else { return Ok(None) };
    let failed =
        |(mark, message, status)| [FAIL, CANCELED].contains(&status).then_some((mark, message));
    Ok(Some(Section { candidates: rows.into_iter().filter_map(failed).collect(), mark }))
}

fn messages(conn: &Connection, work: &Work, after: &Mark) -> Result<Option<Section>> {
    type Names = Option<BTreeSet<String>>;

    let Work { org, app, endpoint, stretch, .. } = work;
    let (since, until) = (stretch.since.as_micros(), stretch.until.as_micros());
    let wants = target::wants(conn, *org, *app, *endpoint)?;
    let params = (app, after, work.high(), org, since, until, SECTION);
    let rows: Vec<(MessageId, String, Names)> = conn
        .prepare_cached(MESSAGES)
        .and_then(|mut query| {
            query
                .query_map(params, |row| Ok((row.get(0)?, row.get(1)?, column(row, 2)?)))?
                .collect()
        })
        .sql("walk through messages")?;
    let Some((last, ..)) = rows.last() else { return Ok(None) };
    let mark = *last.as_bytes();
    let wanted = |(id, event_type, channels): (MessageId, String, Names)| {
        wants.admits(&event_type, channels.as_ref()).then_some((*id.as_bytes(), id))
    };
    Ok(Some(Section { candidates: rows.into_iter().filter_map(wanted).collect(), mark }))
}

fn select(conn: &Connection, work: &Work, section: &Section) -> Result<Option<Batch>> {
    let Work { org, endpoint, .. } = work;
    let mut messages = Vec::new();
    for (place, message) in &section.candidates {
        let wanted = match work.kind {
            TaskKind::Recover => conn.prepare_cached(FAILED).and_then(|mut query| {
                query.query_row((message, endpoint, org, work.low(), place), |row| row.get(0))
            }),
            TaskKind::Replay => conn
                .prepare_cached(MISSING)
                .and_then(|mut query| query.query_row((message, endpoint, org), |row| row.get(0))),
        };
        if wanted.sql("look at a message's attempts")? {
            messages.push(*message);
        }
    }
    Ok((!messages.is_empty()).then_some(Batch { messages, mark: section.mark }))
}

/// How many there are now that were not, or would have waited.
fn deliveries(
    conn: &Connection,
    work: &Work,
    messages: &[MessageId],
    due: Timestamp,
) -> Result<usize> {
    let Work { org, app, endpoint, .. } = work;
    let sql = match work.kind {
        TaskKind::Recover => RECOVER,
        TaskKind::Replay => REPLAY,
    };
    let mut insert = conn.prepare_cached(sql).sql("prepare deliveries")?;
    messages.iter().try_fold(0, |sent, message| {
        let changed = insert.execute((org, app, message, endpoint, due.as_micros()));
        Ok(sent + changed.sql("store a delivery")?)
    })
}
