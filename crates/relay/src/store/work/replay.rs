//! `endpoint.replay`: what the endpoint wants and never was sent is sent. Walks through the application's messages.

use linchpin::Result;
use linchpin::context::Context;
use linchpin_data::sqlite::{Reader, Sql as _, Tx};
use rusqlite::Connection;

use super::super::target;
use super::resend::{Placed, Resend};
use super::{Done, Job, Mark, Section, Work};
use crate::deliver::Queue;
use crate::ids::MessageId;

#[derive(Clone, Debug)]
pub(crate) struct Replay(Resend);

// `+` keeps SQLite from the endpoint's index: a message has few attempts, an endpoint has many.
/// What was not sent, as there was nowhere to send it, is missing still.
const MISSING: &str = "
    SELECT NOT EXISTS (SELECT 1 FROM attempt WHERE message = ?1 AND +endpoint = ?2 AND org = ?3 AND status <> 4)
       AND NOT EXISTS (SELECT 1 FROM delivery WHERE endpoint = ?2 AND message = ?1)";
const DELIVER: &str = "
    INSERT INTO delivery (org, app, message, endpoint, attempt, due, leased, manual)
    SELECT ?1, ?2, ?3, ?4, 0, ?5, 0, 1
    WHERE NOT EXISTS (SELECT 1 FROM attempt WHERE message = ?3 AND +endpoint = ?4 AND status <> 4)
      AND EXISTS (SELECT 1 FROM message WHERE app = ?2 AND id = ?3 AND content = 0)
    ON CONFLICT (endpoint, message) DO NOTHING";

impl Work for Replay {
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
        let wants = target::wants(conn, of.org, of.app, of.endpoint)?;
        let candidates = of.messages(conn, mark)?;
        let Some(last) = candidates.last() else { return Ok(None) };
        let mark = *last.id.as_bytes();
        let wanted = candidates
            .into_iter()
            .filter(|one| wants.admits(&one.event_type, one.channels.as_ref()));
        Ok(Some(Section { items: wanted.map(|one| (*one.id.as_bytes(), one.id)).collect(), mark }))
    }

    async fn select(
        &self,
        ctx: &Context,
        reader: &Reader,
        items: Vec<Placed>,
    ) -> Result<Vec<Placed>> {
        let (org, endpoint) = (self.0.org, self.0.endpoint);
        let missing = move |conn: &Connection, (_, message): &Placed| {
            conn.prepare_cached(MISSING)
                .and_then(|mut query| query.query_row((message, endpoint, org), |row| row.get(0)))
                .sql("look at a message's attempts")
        };
        Resend::those(ctx, reader, items, missing).await
    }

    fn apply(&self, tx: &mut Tx<'_>, items: &[Placed]) -> Result<Done> {
        self.0.deliver(tx, items, |conn, message, now| self.0.insert(conn, DELIVER, message, now))
    }
}
