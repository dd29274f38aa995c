//! Event types from a document, all or none.

use linchpin::Result;
use linchpin::context::Context;
use linchpin::time::Timestamp;
use linchpin_data::sqlite::Sql as _;
use rusqlite::Connection;

use super::event_type::{ARCHIVE, find, save};
use super::{Answer, Once, Store, json, once};
use crate::ids::OrgId;
use crate::model::event_type::{EventType, EventTypeUpdate};
use crate::model::openapi::{
    EventTypeImportOpenApiOut, EventTypeImportOpenApiOutData, Import, Webhook,
};

impl Store {
    /// Makes or changes the event types of a document: 200. Those that need no change keep their time.
    ///
    /// # Errors
    ///
    /// [`Refusal::KeyReused`](super::Refusal::KeyReused), those of the database.
    pub async fn import_event_types(
        &self,
        ctx: &Context,
        org: OrgId,
        import: Import,
        key: Option<Once>,
    ) -> Result<Answer> {
        let now = Timestamp::now();
        self.writer
            .submit(ctx, move |tx| {
                once(tx, key.as_ref(), now, |tx| {
                    let plan = Plan::new(tx, org, &import, now)?;
                    for kind in &plan.changed {
                        save(tx, org, kind)?;
                    }
                    for name in &plan.archived {
                        tx.prepare_cached(ARCHIVE)
                            .and_then(|mut archive| archive.execute((org, name, now.as_micros())))
                            .sql("archive an event type")?;
                    }
                    Ok((200, plan.told(false)))
                })
            })
            .await
    }

    /// What [`import_event_types`](Self::import_event_types) would do.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn plan_event_types(
        &self,
        ctx: &Context,
        org: OrgId,
        import: Import,
    ) -> Result<EventTypeImportOpenApiOut> {
        let now = Timestamp::now();
        self.reader.query(ctx, move |conn| Ok(Plan::new(conn, org, &import, now)?.told(true))).await
    }
}

/// What an import does.
struct Plan {
    /// What is to be saved.
    changed: Vec<EventType>,
    /// The names of what is to be archived.
    archived: Vec<String>,
}

const OTHERS: &str = "
    SELECT name FROM event_type
    WHERE org = ?1 AND archived = 0 AND name NOT IN (SELECT value FROM json_each(?2))
    ORDER BY name";

impl Plan {
    fn new(conn: &Connection, org: OrgId, import: &Import, now: Timestamp) -> Result<Self> {
        let mut changed = Vec::new();
        for Webhook { name, patch } in &import.webhooks {
            let before = find(conn, org, name)?;
            let mut kind = before
                .clone()
                .unwrap_or_else(|| EventType::new(name, EventTypeUpdate::default(), now));
            kind.patch(patch, now);
            if before.is_none_or(|before| before.definition != kind.definition) {
                changed.push(kind);
            }
        }
        let archived = if import.replace_all { others(conn, org, import)? } else { Vec::new() };
        Ok(Self { changed, archived })
    }

    fn told(self, is_dry: bool) -> EventTypeImportOpenApiOut {
        let changed = self.changed.iter().map(|kind| kind.name.clone());
        let modified = changed.chain(self.archived).collect();
        let to_modify = is_dry.then(|| self.changed.into_iter().map(Into::into).collect());
        EventTypeImportOpenApiOut { data: EventTypeImportOpenApiOutData { modified, to_modify } }
    }
}

/// The names of the event types that are live and not in the document.
fn others(conn: &Connection, org: OrgId, import: &Import) -> Result<Vec<String>> {
    let names: Vec<_> = import.webhooks.iter().map(|webhook| &webhook.name).collect();
    let names = json(&names)?;
    conn.prepare_cached(OTHERS)
        .and_then(|mut query| query.query_map((org, names), |row| row.get(0))?.collect())
        .sql("look for event types that a document has not")
}
