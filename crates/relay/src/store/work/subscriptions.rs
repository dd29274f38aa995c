//! `event-type.aggregate`: which event types each application listens to. Walks through the organisation's applications.

use std::collections::BTreeSet;

use linchpin::Result;
use linchpin::context::Context;
use linchpin_data::sqlite::{Reader, Sql as _, Tx};
use rusqlite::Connection;

use super::super::column;
use super::usage::{all, found};
use super::{Done, Job, Mark, Section, Work};
use crate::deliver::Queue;
use crate::ids::{AppId, OrgId};
use crate::model::usage::AppEventTypes;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Subscriptions {
    org: OrgId,
}

const ENDPOINTS: &str = "
    SELECT event_types FROM endpoint WHERE app = ?1 AND org = ?2 AND deleted = 0";

impl Work for Subscriptions {
    type Item = AppEventTypes;

    fn of(job: &Job, _: &Queue) -> Result<Self> {
        Ok(Self { org: job.org })
    }

    fn section(
        &self,
        conn: &Connection,
        mark: Option<&Mark>,
    ) -> Result<Option<Section<AppEventTypes>>> {
        let behind = AppId::from_bytes(mark.copied().unwrap_or_default());
        let apps = all(conn, self.org, behind).sql("walk through applications")?;
        let Some((last, _)) = apps.last() else { return Ok(None) };
        let mark = *last.as_bytes();
        let unknown = |app_id: AppId| AppEventTypes {
            app_id,
            explicitly_subscribed_event_types: BTreeSet::new(),
            has_catch_all_endpoint: false,
        };
        let items = apps.into_iter().map(|(app, _)| (*app.as_bytes(), unknown(app))).collect();
        Ok(Some(Section { items, mark }))
    }

    /// Looks at the endpoints of each.
    async fn select(
        &self,
        ctx: &Context,
        reader: &Reader,
        mut items: Vec<(Mark, AppEventTypes)>,
    ) -> Result<Vec<(Mark, AppEventTypes)>> {
        for (_, item) in &mut items {
            let (org, app) = (self.org, item.app_id);
            let wanted = reader
                .query(ctx, move |conn| wanted(conn, org, app).sql("look at what endpoints want"))
                .await?;
            for types in wanted {
                item.has_catch_all_endpoint |= types.is_none();
                item.explicitly_subscribed_event_types.extend(types.into_iter().flatten());
            }
        }
        Ok(items)
    }

    fn apply(&self, _: &mut Tx<'_>, items: &[(Mark, AppEventTypes)]) -> Result<Done> {
        found(items)
    }
}

/// What each endpoint wants; `None` if that is all.
fn wanted(
    conn: &Connection,
    org: OrgId,
    app: AppId,
) -> rusqlite::Result<Vec<Option<BTreeSet<String>>>> {
    conn.prepare_cached(ENDPOINTS)?.query_map((app, org), |row| column(row, 0))?.collect()
}
