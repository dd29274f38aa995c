//! `endpoint.recover`: what failed is sent again. Walks through the endpoint's attempts.

use linchpin::Result;
use linchpin::context::Context;
use linchpin_data::sqlite::{Reader, Sql as _, Tx};
use rusqlite::Connection;

use super::resend::{Placed, Resend};
use super::{Done, Job, Mark, SECTION, Section, Work};
use crate::deliver::Queue;
use crate::ids::MessageId;
use crate::model::attempt::{CANCELED, FAIL};

#[derive(Clone, Debug)]
pub(crate) struct Recover(Resend);

const ATTEMPTS: &str = "
    SELECT id, message, status FROM attempt
    WHERE endpoint = ?1 AND id > ?2 AND id <= ?3 AND org = ?4 AND app = ?5
      AND created_at BETWEEN ?6 AND ?7
    ORDER BY id LIMIT ?8";
// `+` keeps SQLite from the endpoint's index: a message has few attempts, an endpoint has many.
/// A message fails once in a walk, at the first of its failures there, and not at all if it was delivered. What was not sent
/// to the end, as it had nowhere to go any more, has failed, too.
const FAILED: &str = "
    SELECT NOT EXISTS (SELECT 1 FROM attempt WHERE message = ?1 AND +endpoint = ?2 AND org = ?3
       AND (status = 0 OR (status IN (2, 4) AND id > ?4 AND id < ?5)))";
/// One that waits for its next attempt is brought forward, one that is under way is left alone.
const DELIVER: &str = "
    INSERT INTO delivery (org, app, message, endpoint, attempt, due, leased, manual)
    SELECT ?1, ?2, ?3, ?4, 0, ?5, 0, 1
    WHERE NOT EXISTS (SELECT 1 FROM attempt WHERE message = ?3 AND +endpoint = ?4 AND status = 0)
      AND EXISTS (SELECT 1 FROM message WHERE app = ?2 AND id = ?3 AND content = 0)
    ON CONFLICT (endpoint, message) DO UPDATE SET due = excluded.due
       WHERE leased = 0 AND due > excluded.due";

impl Work for Recover {
    type Item = MessageId;

    fn of(job: &Job, queue: &Queue) -> Result<Self> {
        Ok(Self(Resend::of(job, queue)?))
    }

    fn section(
        &self,
        conn: &Connection,
        mark: Option<&Mark>,
    ) -> Result<Option<Section<MessageId>>> {
        let of = &self.0;
        let (since, until) = (of.stretch.since.as_micros(), of.stretch.until.as_micros());
        let low = mark.copied().unwrap_or(of.low());
        let params = (of.endpoint, low, of.high(), of.org, of.app, since, until, SECTION);
        let rows: Vec<(Mark, MessageId, u8)> = conn
            .prepare_cached(ATTEMPTS)
            .and_then(|mut query| {
                query
                    .query_map(params, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
                    .collect()
            })
            .sql("walk through attempts")?;
        let Some((mark, ..)) = rows.last().copied() else { return Ok(None) };
        let failed =
            |(mark, message, status)| [FAIL, CANCELED].contains(&status).then_some((mark, message));
        Ok(Some(Section { items: rows.into_iter().filter_map(failed).collect(), mark }))
    }

    async fn select(
        &self,
        ctx: &Context,
        reader: &Reader,
        items: Vec<Placed>,
    ) -> Result<Vec<Placed>> {
        let (org, endpoint, low) = (self.0.org, self.0.endpoint, self.0.low());
        let failed = move |conn: &Connection, (place, message): &Placed| {
            conn.prepare_cached(FAILED)
                .and_then(|mut query| {
                    query.query_row((message, endpoint, org, low, place), |row| row.get(0))
                })
                .sql("look at a message's attempts")
        };
        Resend::those(ctx, reader, items, failed).await
    }

    fn apply(&self, tx: &mut Tx<'_>, items: &[Placed]) -> Result<Done> {
        self.0.deliver(tx, items, |conn, message, now| self.0.insert(conn, DELIVER, message, now))
    }
}
