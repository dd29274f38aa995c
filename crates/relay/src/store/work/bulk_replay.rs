//! `endpoint.bulk-replay`: what was sent is sent again, chosen by filters. Walks through the application's messages.

use std::sync::Arc;

use linchpin::Result;
use linchpin::context::Context;
use linchpin_data::sqlite::{Reader, Sql as _, Tx};
use rusqlite::Connection;

use super::resend::{Placed, Resend};
use super::{Done, Job, Mark, Section, Work};
use crate::deliver::Queue;
use crate::ids::MessageId;
use crate::model::replay::{Fate, Which};

#[derive(Clone, Debug)]
pub(crate) struct BulkReplay {
    of: Resend,
    which: Arc<Which>,
}

// `+` keeps SQLite from the endpoint's index: a message has few attempts, an endpoint has many.
const ATTEMPTS: &str = "
    SELECT status, status_code FROM attempt WHERE message = ?1 AND +endpoint = ?2 AND org = ?3 ORDER BY id";
const OPEN: &str = "SELECT 1 FROM delivery WHERE endpoint = ?1 AND message = ?2";
/// One that waits for its next attempt is brought forward, one that is under way is left alone.
const DELIVER: &str = "
    INSERT INTO delivery (org, app, message, endpoint, attempt, due, leased, manual)
    SELECT ?1, ?2, ?3, ?4, 0, ?5, 0, 1
    WHERE EXISTS (SELECT 1 FROM message WHERE app = ?2 AND id = ?3 AND content = 0)
    ON CONFLICT (endpoint, message) DO UPDATE SET due = excluded.due
       WHERE leased = 0 AND due > excluded.due";

impl Work for BulkReplay {
    type Item = MessageId;

    fn of(job: &Job, queue: &Queue) -> Result<Self> {
        Ok(Self { of: Resend::of(job, queue)?, which: Arc::new(job.params()?) })
    }

    fn section(
        &self,
        conn: &Connection,
        mark: Option<&Mark>,
    ) -> Result<Option<Section<MessageId>>> {
        let candidates = self.of.messages(conn, mark)?;
        let Some(last) = candidates.last() else { return Ok(None) };
        let mark = *last.id.as_bytes();
        let wanted = candidates.into_iter().filter(|one| {
            self.which.admits(&one.event_type, one.channels.as_ref(), one.tags.as_ref())
        });
        Ok(Some(Section { items: wanted.map(|one| (*one.id.as_bytes(), one.id)).collect(), mark }))
    }

    async fn select(
        &self,
        ctx: &Context,
        reader: &Reader,
        items: Vec<Placed>,
    ) -> Result<Vec<Placed>> {
        let work = self.clone();
        let wanted = move |conn: &Connection, (_, message): &Placed| work.wants(conn, *message);
        Resend::those(ctx, reader, items, wanted).await
    }

    fn apply(&self, tx: &mut Tx<'_>, items: &[Placed]) -> Result<Done> {
        // Looked at once more: what had failed may have been delivered since.
        self.of.deliver(tx, items, |conn, message, now| {
            if !self.wants(conn, message)? {
                return Ok(0);
            }
            self.of.insert(conn, DELIVER, message, now)
        })
    }
}

impl BulkReplay {
    /// Whether what became of a message is what is asked for.
    fn wants(&self, conn: &Connection, message: MessageId) -> Result<bool> {
        Ok(self.which.admits_fate(self.fate(conn, message).sql("look at a message's attempts")?))
    }

    fn fate(&self, conn: &Connection, message: MessageId) -> rusqlite::Result<Fate> {
        let Resend { org, endpoint, .. } = self.of;
        let is_open = conn.prepare_cached(OPEN)?.exists((endpoint, message))?;
        let mut fate = Fate { is_open, ..Fate::default() };
        let mut attempts = conn.prepare_cached(ATTEMPTS)?;
        let mut rows = attempts.query((message, endpoint, org))?;
        while let Some(row) = rows.next()? {
            let status = row.get(0)?;
            fate.best = Some(fate.best.map_or(status, |best| best.min(status)));
            fate.last_code = row.get(1)?;
        }
        Ok(fate)
    }
}
