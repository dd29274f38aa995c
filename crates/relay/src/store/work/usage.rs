//! `application.stats`: how much was sent for each application. Walks through the organisation's applications.

use std::collections::BTreeSet;
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::Arc;

use linchpin::Result;
use linchpin::context::Context;
use linchpin_data::sqlite::{Reader, Sql as _, Tx};
use rusqlite::{Connection, OptionalExtension as _};

use super::super::json;
use super::{Done, Job, Mark, SECTION, Section, Work};
use crate::deliver::Queue;
use crate::ids::{AppId, AttemptId, EndpointId, OrgId};
use crate::model::task::Stretch;
use crate::model::usage::AppStats;

#[derive(Clone, Debug)]
pub(crate) struct Usage {
    org: OrgId,
    stretch: Stretch,
    /// `None` if it is about all.
    apps: Option<Arc<BTreeSet<AppId>>>,
}

/// An application and its `uid`.
pub(super) type Named = (AppId, Option<String>);

/// So many attempts are counted without a pause.
const LOOKS: i64 = 10_000;

const ALL: &str = "
    SELECT id, uid FROM application WHERE org = ?1 AND id > ?2 AND deleted = 0 ORDER BY id LIMIT ?3";
const ONE: &str = "SELECT id, uid FROM application WHERE org = ?1 AND id = ?2 AND deleted = 0";
/// Those that are deleted, too: what was sent was sent.
const ENDPOINT: &str = "
    SELECT id FROM endpoint WHERE app = ?1 AND id > ?2 AND org = ?3 ORDER BY id LIMIT 1";
/// What was not made is no attempt.
const COUNT: &str = "
    SELECT count(*), coalesce(sum(status <> 4), 0), max(id) FROM (
       SELECT id, status FROM attempt
       WHERE endpoint = ?1 AND id > ?2 AND id <= ?3 AND org = ?4 AND created_at BETWEEN ?5 AND ?6
       ORDER BY id LIMIT ?7)";

impl Work for Usage {
    type Item = AppStats;

    fn of(job: &Job, _: &Queue) -> Result<Self> {
        let apps: Option<BTreeSet<AppId>> = job.params()?;
        Ok(Self { org: job.org, stretch: job.stretch, apps: apps.map(Arc::new) })
    }

    fn section(&self, conn: &Connection, mark: Option<&Mark>) -> Result<Option<Section<AppStats>>> {
        let behind = AppId::from_bytes(mark.copied().unwrap_or_default());
        let (apps, last) = match &self.apps {
            Some(named) => {
                let section = named.range((Excluded(behind), Unbounded)).take(SECTION as usize);
                let (ids, mut apps) = (section.copied().collect::<Vec<_>>(), Vec::new());
                for id in &ids {
                    // One that was deleted meanwhile is left out.
                    apps.extend(one(conn, self.org, *id).sql("look an application up")?);
                }
                (apps, ids.last().copied())
            }
            None => {
                let apps = all(conn, self.org, behind).sql("walk through applications")?;
                let last = apps.last().map(|(id, _)| *id);
                (apps, last)
            }
        };
        let Some(last) = last else { return Ok(None) };
        let stats = |(app_id, app_uid): Named| {
            (*app_id.as_bytes(), AppStats { message_destinations: 0, app_id, app_uid })
        };
        let items = apps.into_iter().map(stats).collect();
        Ok(Some(Section { items, mark: *last.as_bytes() }))
    }

    /// Counts.
    async fn select(
        &self,
        ctx: &Context,
        reader: &Reader,
        mut items: Vec<(Mark, AppStats)>,
    ) -> Result<Vec<(Mark, AppStats)>> {
        for (_, stats) in &mut items {
            let mut at = Some(At::Behind(EndpointId::from_bytes([0; 20])));
            while let Some(from) = at {
                let (work, app) = (self.clone(), stats.app_id);
                let step = move |conn: &Connection| {
                    work.count(conn, app, from).sql("count an application's attempts")
                };
                let (count, next) = reader.query(ctx, step).await?;
                stats.message_destinations += count;
                at = next;
            }
        }
        Ok(items)
    }

    fn apply(&self, _: &mut Tx<'_>, items: &[(Mark, AppStats)]) -> Result<Done> {
        found(items)
    }
}

/// Where a count goes on.
#[derive(Clone, Copy)]
enum At {
    /// With the first endpoint behind this one.
    Behind(EndpointId),
    /// With what this endpoint got behind this attempt.
    Amid(EndpointId, AttemptId),
}

impl Usage {
    /// Counts from there on, as many as may be counted at a time. Also says where to go on, if there is more.
    fn count(
        &self,
        conn: &Connection,
        app: AppId,
        from: At,
    ) -> rusqlite::Result<(u64, Option<At>)> {
        let Self { org, stretch: Stretch { since, until }, .. } = self;
        let (mut at, mut left, mut total) = (from, LOOKS, 0);
        while left > 0 {
            let (endpoint, low) = match at {
                At::Amid(endpoint, attempt) => (endpoint, attempt),
                At::Behind(endpoint) => {
                    let next = conn
                        .prepare_cached(ENDPOINT)?
                        .query_row((app, endpoint, org), |row| row.get(0))
                        .optional()?;
                    let Some(next) = next else { return Ok((total, None)) };
                    (next, AttemptId::min_at(*since))
                }
            };
            let high = AttemptId::max_at(*until);
            let params = (endpoint, low, high, org, since.as_micros(), until.as_micros(), left);
            let (looked, made, last): (i64, i64, Option<AttemptId>) =
                conn.prepare_cached(COUNT)?
                    .query_row(params, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
            total += made.unsigned_abs();
            at = match last {
                Some(last) if looked == left => At::Amid(endpoint, last),
                _ => At::Behind(endpoint),
            };
            // An endpoint that got nothing takes a look, too.
            left -= looked.max(1);
        }
        Ok((total, Some(at)))
    }
}

/// A section of the organisation's applications.
pub(super) fn all(conn: &Connection, org: OrgId, behind: AppId) -> rusqlite::Result<Vec<Named>> {
    let mut query = conn.prepare_cached(ALL)?;
    query.query_map((org, behind, SECTION), |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

fn one(conn: &Connection, org: OrgId, id: AppId) -> rusqlite::Result<Option<Named>> {
    let mut query = conn.prepare_cached(ONE)?;
    query.query_row((org, id), |row| Ok((row.get(0)?, row.get(1)?))).optional()
}

/// What was found out of applications, as it is kept.
pub(super) fn found(items: &[(Mark, impl serde::Serialize)]) -> Result<Done> {
    let found: Vec<String> = items.iter().map(|(_, item)| json(item)).collect::<Result<_>>()?;
    Ok(Done { items: items.len(), count: items.len(), found: Some(found.join(",")) })
}
