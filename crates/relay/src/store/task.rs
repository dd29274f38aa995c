//! The table `background_task`: what is to be done, and how far it has come. [`work`](super::work) does it.

use std::collections::BTreeSet;

use linchpin::Result;
use linchpin::context::Context;
use linchpin::time::Timestamp;
use linchpin_data::sqlite::{Sql as _, Tx};
use rusqlite::{Connection, OptionalExtension as _, Row};

use super::page::Walk;
use super::sift::sift;
use super::{
    Answer, Once, Reference, Refusal, Scope, Store, application, endpoint, json, once, target,
};
use crate::ids::{AppId, EndpointId, EndpointTag, OrgId, TaskId};
use crate::model::faults::{Faults, VALUE};
use crate::model::page::Page;
use crate::model::replay::BulkReplayIn;
use crate::model::task::{
    BackgroundTask, BackgroundTaskOut, RecoverIn, ReplayIn, Stretch, TaskKind, TaskStatus,
};
use crate::model::usage::{AppUsageStatsIn, AppUsageStatsOut};

/// Which tasks to list.
#[derive(Clone, Debug, Default)]
pub struct TaskFilter {
    /// Those of this application.
    pub app: Option<AppId>,
    /// Those that stand so.
    pub status: Option<TaskStatus>,
    /// Those of this name.
    pub task: Option<String>,
}

/// What a task is asked to send to an endpoint.
#[derive(Clone, Debug)]
pub enum Asked {
    /// What failed.
    Recover(RecoverIn),
    /// What never was sent.
    Replay(ReplayIn),
    /// What was sent.
    BulkReplay(BulkReplayIn),
}

/// Whom a task is about: an endpoint, an application, or all of an organisation.
type Whose = (OrgId, Option<AppId>, Option<EndpointId>);

impl Store {
    /// Begins a task that sends messages to an endpoint: 202. It goes on after a restart.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotFound`], [`Refusal::Conflict`] if the endpoint is disabled, [`Refusal::KeyReused`], those of the
    /// database.
    pub async fn begin_resend(
        &self,
        ctx: &Context,
        scope: Scope,
        endpoint: Reference<EndpointTag>,
        asked: Asked,
        key: Option<Once>,
    ) -> Result<Answer> {
        let begun = Begun::new(self);
        let (kind, stretch, params) = asked.taken_apart(begun.now)?;
        self.writer
            .submit(ctx, move |tx| {
                once(tx, key.as_ref(), begun.now, |tx| {
                    let (org, app, endpoint) = endpoint::owner(tx, &scope, &endpoint)?;
                    target::receives(tx, org, app, endpoint)?;
                    let whose = (org, Some(app), Some(endpoint));
                    Ok((202, begun.task(tx, whose, kind, stretch, params.as_deref())?))
                })
            })
            .await
    }

    /// Begins a task that removes the payloads of an application's messages, and what receivers answered to them: 202. What is
    /// accepted from now on stays.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotFound`], [`Refusal::KeyReused`], those of the database.
    pub async fn begin_purge(
        &self,
        ctx: &Context,
        scope: Scope,
        key: Option<Once>,
    ) -> Result<Answer> {
        let begun = Begun::new(self);
        let stretch = Stretch::up_to(begun.now);
        self.writer
            .submit(ctx, move |tx| {
                once(tx, key.as_ref(), begun.now, |tx| {
                    let whose = (scope.org, Some(scope.resolve(tx)?), None);
                    Ok((202, begun.task(tx, whose, TaskKind::PurgeContent, stretch, None)?))
                })
            })
            .await
    }

    /// Begins a task that counts what was sent for applications: 202.
    ///
    /// # Errors
    ///
    /// [`Refusal::Invalid`] if applications are named and none of them is one of `org`, [`Refusal::KeyReused`], those of the
    /// database.
    pub async fn begin_app_stats(
        &self,
        ctx: &Context,
        org: OrgId,
        input: AppUsageStatsIn,
        key: Option<Once>,
    ) -> Result<Answer> {
        let begun = Begun::new(self);
        let stretch = input.stretch(begun.now);
        self.writer
            .submit(ctx, move |tx| {
                once(tx, key.as_ref(), begun.now, |tx| {
                    let (apps, unresolved_app_ids) = resolved(tx, org, input.app_ids.as_ref())?;
                    let (whose, params) = ((org, None, None), json(&apps)?);
                    let task = begun.task(tx, whose, TaskKind::AppStats, stretch, Some(&params))?;
                    Ok((202, AppUsageStatsOut { task, unresolved_app_ids }))
                })
            })
            .await
    }

    /// Begins a task that lists which event types the applications of `org` listen to, unless one is under way: that is
    /// the answer then.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn begin_event_types(&self, ctx: &Context, org: OrgId) -> Result<BackgroundTaskOut> {
        let begun = Begun::new(self);
        let (kind, stretch) = (TaskKind::EventTypes, Stretch::up_to(begun.now));
        self.writer
            .submit(ctx, move |tx| match running(tx, org, kind)? {
                Some(task) => Ok(task.into()),
                None => begun.task(tx, (org, None, None), kind, stretch, None),
            })
            .await
    }

    /// One page of the tenant's tasks.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn list_tasks(
        &self,
        ctx: &Context,
        org: OrgId,
        walk: Walk<TaskId>,
        filter: TaskFilter,
    ) -> Result<Page<BackgroundTask>> {
        self.reader.query(ctx, move |conn| list(conn, org, &walk, &filter)).await
    }

    /// One task; only of `app`, if there is one.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotFound`], those of the database.
    pub async fn task(
        &self,
        ctx: &Context,
        org: OrgId,
        app: Option<AppId>,
        id: TaskId,
    ) -> Result<BackgroundTask> {
        self.reader
            .query(ctx, move |conn| {
                let sql = format!(
                    "SELECT {COLUMNS} FROM background_task
                     WHERE org = ?1 AND id = ?2 AND (?3 IS NULL OR app = ?3)"
                );
                let found = conn
                    .prepare_cached(&sql)
                    .and_then(|mut query| query.query_row((org, id, app), task).optional())
                    .sql("load a task")?;
                Ok(found.ok_or(Refusal::NotFound)?)
            })
            .await
    }
}

const COLUMNS: &str = "id, kind, status, sent, error, updated_at,
    (SELECT group_concat(data, ',') FROM
       (SELECT data FROM background_task_part WHERE task = background_task.rowid ORDER BY mark))";
const INSERT: &str = "
    INSERT INTO background_task (org, app, endpoint, id, kind, status, since, until, params, sent, created_at, updated_at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 0, ?10, ?10)";
const PRUNE: &str = "
    DELETE FROM background_task WHERE status <> 'running' AND updated_at < ?1
       AND rowid IN (SELECT rowid FROM background_task ORDER BY rowid LIMIT ?2)";

/// Removes, of the `limit` oldest tasks, those that came to their end before `older_than`; returns how many.
///
/// # Errors
///
/// Those of the database.
pub fn prune(tx: &Tx<'_>, older_than: Timestamp, limit: u32) -> Result<usize> {
    tx.prepare_cached(PRUNE)
        .and_then(|mut prune| prune.execute((older_than.as_micros(), limit)))
        .sql("prune tasks")
}

/// A task that begins now.
struct Begun {
    id: TaskId,
    now: Timestamp,
    bell: linchpin::sync::event::Event,
}

impl Begun {
    fn new(store: &Store) -> Self {
        let now = Timestamp::now();
        Self { id: TaskId::at(now), now, bell: store.begun.clone() }
    }

    /// Stores it, and rings once it is there.
    fn task(
        &self,
        tx: &mut Tx<'_>,
        (org, app, endpoint): Whose,
        kind: TaskKind,
        Stretch { since, until }: Stretch,
        params: Option<&str>,
    ) -> Result<BackgroundTaskOut> {
        let (id, updated_at, status) = (self.id, self.now, TaskStatus::Running);
        let (since, until, now) = (since.as_micros(), until.as_micros(), self.now.as_micros());
        tx.prepare_cached(INSERT)
            .and_then(|mut insert| {
                insert.execute((org, app, endpoint, id, kind, status, since, until, params, now))
            })
            .sql("begin a task")?;
        let bell = self.bell.clone();
        tx.after_commit(move || {
            bell.set();
        });
        let kind = kind.as_str().to_owned();
        let task =
            BackgroundTask { id, kind, status, done: 0, found: None, error: None, updated_at };
        Ok(task.into())
    }
}

impl Asked {
    /// The kind of the task, of which stretch of time it is, and what else is asked for, as JSON.
    fn taken_apart(self, now: Timestamp) -> Result<(TaskKind, Stretch, Option<String>)> {
        Ok(match self {
            Self::Recover(input) => (TaskKind::Recover, input.stretch(now), None),
            Self::Replay(input) => (TaskKind::Replay, input.stretch(now), None),
            Self::BulkReplay(input) => {
                let stretch = input.stretch(now);
                (TaskKind::BulkReplay, stretch, Some(json(&input.which())?))
            }
        })
    }
}

/// The applications that are named, if any are, and the names that are none's.
fn resolved(
    conn: &Connection,
    org: OrgId,
    named: Option<&BTreeSet<String>>,
) -> Result<(Option<BTreeSet<AppId>>, BTreeSet<String>)> {
    let (mut apps, mut unresolved) = (BTreeSet::new(), BTreeSet::new());
    let Some(named) = named else { return Ok((None, unresolved)) };
    for name in named {
        match application::id_of(conn, org, &name.as_str().into())? {
            Some(app) => drop(apps.insert(app)),
            None => drop(unresolved.insert(name.clone())),
        }
    }
    if apps.is_empty() {
        let msg = "none of these is an application; leave it out to count all of them";
        return Err(Refusal::Invalid(Faults::one("body", ["appIds"], VALUE, msg)).into());
    }
    Ok((Some(apps), unresolved))
}

/// The first of the tenant's tasks of this kind that has not come to its end.
fn running(conn: &Connection, org: OrgId, kind: TaskKind) -> Result<Option<BackgroundTask>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM background_task
         WHERE status = 'running' AND org = ?1 AND kind = ?2 ORDER BY rowid LIMIT 1"
    );
    conn.prepare_cached(&sql)
        .and_then(|mut query| query.query_row((org, kind), task).optional())
        .sql("look for a task")
}

fn list(
    conn: &Connection,
    org: OrgId,
    walk: &Walk<TaskId>,
    filter: &TaskFilter,
) -> Result<Page<BackgroundTask>> {
    let TaskFilter { app, status, task: kind } = filter;
    // An application's own tasks are an index.
    let of_app = if app.is_some() { "app = ?4" } else { "?4 IS NULL" };
    let direction = walk.direction();
    let sql = format!(
        "SELECT {COLUMNS} FROM background_task
         WHERE org = ?1 AND id > ?2 AND id < ?3 AND {of_app}
           AND (?5 IS NULL OR status = ?5) AND (?6 IS NULL OR kind = ?6)
         ORDER BY id {direction}"
    );
    let params = (org, walk.low(), walk.high(), app, status, kind);
    sift(conn, walk, &sql, params, |row, _| {
        let task = task(row).sql("read a task")?;
        let weight = task.found.as_ref().map_or(0, String::len);
        Ok(Some((task, weight)))
    })
}

fn task(row: &Row<'_>) -> rusqlite::Result<BackgroundTask> {
    Ok(BackgroundTask {
        id: row.get(0)?,
        kind: row.get(1)?,
        status: row.get(2)?,
        done: row.get::<_, i64>(3)? as u64,
        error: row.get(4)?,
        updated_at: Timestamp::from_micros(row.get(5)?),
        found: row.get(6)?,
    })
}
