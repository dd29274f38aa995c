//! `application.purge_content`: payloads and what receivers answered go. Walks through the application's messages.

use linchpin::Result;
use linchpin::context::Context;
use linchpin_data::sqlite::{Reader, Sql as _, Tx};
use rusqlite::{Connection, OptionalExtension as _};

use super::super::expunge;
use super::super::wipe::wiped;
use super::{Done, Job, Mark, SECTION, Section, Work};
use crate::deliver::Queue;
use crate::ids::{AppId, MessageId, OrgId};
use crate::model::task::Stretch;
use crate::store::retention::Budget;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Purge {
    org: OrgId,
    app: AppId,
    stretch: Stretch,
}

/// The exact time, which stands behind the payload, is looked at in the last milliseconds alone.
const MESSAGES: &str = "
    SELECT id FROM message WHERE app = ?1 AND id > ?2 AND id <= ?3 AND org = ?4 AND (id < ?5 OR created_at <= ?6)
    ORDER BY id LIMIT ?7";
const PAYLOAD: &str = "
    SELECT length(payload) FROM message WHERE org = ?1 AND app = ?2 AND id = ?3 AND content = 0";
const ANSWERS: &str = "
    UPDATE attempt SET response = 'EXPUNGED'
    WHERE message = ?1 AND org = ?2 AND app = ?3 AND response <> 'EXPUNGED'";

impl Work for Purge {
    type Item = MessageId;

    fn of(job: &Job, _: &Queue) -> Result<Self> {
        Ok(Self { org: job.org, app: job.app()?, stretch: job.stretch })
    }

    fn section(
        &self,
        conn: &Connection,
        mark: Option<&Mark>,
    ) -> Result<Option<Section<MessageId>>> {
        let Self { org, app, stretch: Stretch { since, until } } = self;
        let low = mark.copied().unwrap_or(*MessageId::min_at(*since).as_bytes());
        let (certain, high) = (MessageId::min_at(*until), MessageId::max_at(*until));
        let params = (app, low, high, org, certain, until.as_micros(), SECTION);
        let ids: Vec<MessageId> = conn
            .prepare_cached(MESSAGES)
            .and_then(|mut query| query.query_map(params, |row| row.get(0))?.collect())
            .sql("walk through messages")?;
        let Some(mark) = ids.last().map(|id| *id.as_bytes()) else { return Ok(None) };
        Ok(Some(Section { items: ids.into_iter().map(|id| (*id.as_bytes(), id)).collect(), mark }))
    }

    /// All: one whose payload is gone may have answers still.
    async fn select(
        &self,
        _: &Context,
        _: &Reader,
        items: Vec<(Mark, MessageId)>,
    ) -> Result<Vec<(Mark, MessageId)>> {
        Ok(items)
    }

    fn apply(&self, tx: &mut Tx<'_>, items: &[(Mark, MessageId)]) -> Result<Done> {
        wiped(tx, || {
            let (mut budget, mut done) = (Budget::new(), Done::default());
            for (_, message) in items {
                if budget.is_spent() {
                    break;
                }
                if let Some(bytes) = self.purge(tx, *message)? {
                    budget.spend(bytes);
                    done.count += 1;
                }
                done.items += 1;
            }
            Ok(done)
        })
    }
}

impl Purge {
    /// How many bytes the payload had, if it was there.
    fn purge(&self, tx: &Tx<'_>, message: MessageId) -> Result<Option<i64>> {
        let Self { org, app, .. } = *self;
        let bytes = tx
            .prepare_cached(PAYLOAD)
            .and_then(|mut query| query.query_row((org, app, message), |row| row.get(0)).optional())
            .sql("look at a payload")?;
        if bytes.is_some() {
            expunge::remove(tx, app, message)?;
        }
        tx.prepare_cached(ANSWERS)
            .and_then(|mut update| update.execute((message, org, app)))
            .sql("expunge attempts")?;
        Ok(bytes)
    }
}
