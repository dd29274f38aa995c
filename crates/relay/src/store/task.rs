//! The table `background_task`: what is to be done, and how far it has come.

use linchpin::Result;
use linchpin::context::{Context, Ended};
use linchpin::time::Timestamp;
use linchpin_data::sqlite::{Sql as _, Tx};
use rusqlite::{Connection, OptionalExtension as _, Row};

use super::page::Walk;
use super::{Answer, Once, Reference, Refusal, Scope, Store, endpoint, once, target};
use crate::ids::{AppId, EndpointId, EndpointTag, OrgId, TaskId};
use crate::model::page::Page;
use crate::model::task::{BackgroundTask, BackgroundTaskOut, Stretch, TaskKind, TaskStatus};

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

/// A task that is to go on, and from where.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Work {
    pub(crate) rowid: i64,
    pub(crate) id: TaskId,
    pub(crate) org: OrgId,
    pub(crate) app: AppId,
    pub(crate) endpoint: EndpointId,
    pub(crate) kind: TaskKind,
    pub(crate) stretch: Stretch,
    /// What was looked at last; `None` at the beginning.
    pub(crate) mark: Option<Mark>,
}

/// A place in a list that is walked in the order of its ids.
pub(crate) type Mark = [u8; 20];

impl Store {
    /// Begins a task for an endpoint: 202. It goes on after a restart.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotFound`], [`Refusal::Conflict`] if the endpoint is disabled, [`Refusal::KeyReused`], those of the
    /// database.
    pub async fn begin_task(
        &self,
        ctx: &Context,
        scope: Scope,
        endpoint: Reference<EndpointTag>,
        kind: TaskKind,
        stretch: Stretch,
        key: Option<Once>,
    ) -> Result<Answer> {
        let now = Timestamp::now();
        let id = TaskId::at(now);
        let begun = self.begun.clone();
        self.writer
            .submit(ctx, move |tx| {
                once(tx, key.as_ref(), now, |tx| {
                    let (org, app, endpoint) = endpoint::owner(tx, &scope, &endpoint)?;
                    target::receives(tx, org, app, endpoint)?;
                    insert(tx, (org, app, endpoint), id, kind, stretch, now)?;
                    let begun = begun.clone();
                    tx.after_commit(move || {
                        begun.set();
                    });
                    let (status, sent, error) = (TaskStatus::Running, 0, None);
                    let task = BackgroundTask { id, kind, status, sent, error, updated_at: now };
                    Ok((202, BackgroundTaskOut::from(task)))
                })
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

    /// Waits until a task may have begun since the last look.
    pub(crate) async fn task_begun(&self, ctx: &Context) -> Result<(), Ended> {
        self.begun.wait(ctx).await?;
        // Before the next look: what begins after that rings again.
        self.begun.reset();
        Ok(())
    }

    /// The row of the first task behind this one that has not come to its end.
    pub(crate) async fn next_task(&self, ctx: &Context, behind: i64) -> Result<Option<i64>> {
        self.reader
            .query(ctx, move |conn| {
                conn.prepare_cached(NEXT)
                    .and_then(|mut query| query.query_row([behind], |row| row.get(0)).optional())
                    .sql("find the next task")
            })
            .await
    }

    /// The task of this row, unless it has come to its end.
    pub(crate) async fn work(&self, ctx: &Context, rowid: i64) -> Result<Option<Work>> {
        self.reader
            .query(ctx, move |conn| {
                conn.prepare_cached(WORK)
                    .and_then(|mut query| query.query_row([rowid], work).optional())
                    .sql("load a task's work")
            })
            .await
    }

    /// The task has come to its end: well, or for this reason.
    pub(crate) async fn end_task(
        &self,
        ctx: &Context,
        rowid: i64,
        outcome: std::result::Result<(), String>,
    ) -> Result<()> {
        let now = Timestamp::now().as_micros();
        self.writer
            .submit(ctx, move |tx| {
                let (status, error) = match &outcome {
                    Ok(()) => (TaskStatus::Finished, None),
                    Err(why) => (TaskStatus::Failed, Some(why)),
                };
                tx.prepare_cached(END)
                    .and_then(|mut end| end.execute((rowid, status, error, now)))
                    .sql("end a task")?;
                Ok(())
            })
            .await
    }
}

const COLUMNS: &str = "id, kind, status, sent, error, updated_at";
const INSERT: &str = "
    INSERT INTO background_task (org, app, endpoint, id, kind, status, since, until, sent, created_at, updated_at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 0, ?9, ?9)";
const NEXT: &str = "
    SELECT rowid FROM background_task WHERE status = 'running' AND rowid > ?1 ORDER BY rowid LIMIT 1";
const WORK: &str = "
    SELECT rowid, id, org, app, endpoint, kind, since, until, mark FROM background_task
    WHERE rowid = ?1 AND status = 'running'";
const ADVANCE: &str = "
    UPDATE background_task SET mark = ?2, sent = sent + ?3, updated_at = ?4
    WHERE rowid = ?1 AND status = 'running'";
const END: &str = "
    UPDATE background_task SET status = ?2, error = ?3, updated_at = ?4
    WHERE rowid = ?1 AND status = 'running'";
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

/// Notes how far a task has come; `false` if it had come to its end before.
pub(super) fn advance(
    conn: &Connection,
    rowid: i64,
    mark: &Mark,
    sent: usize,
    now: Timestamp,
) -> Result<bool> {
    let changed = conn
        .prepare_cached(ADVANCE)
        .and_then(|mut advance| advance.execute((rowid, mark, sent as i64, now.as_micros())))
        .sql("note how far a task is")?;
    Ok(changed > 0)
}

fn insert(
    conn: &Connection,
    (org, app, endpoint): (OrgId, AppId, EndpointId),
    id: TaskId,
    kind: TaskKind,
    stretch: Stretch,
    now: Timestamp,
) -> Result<()> {
    let (since, until) = (stretch.since.as_micros(), stretch.until.as_micros());
    let (status, now) = (TaskStatus::Running, now.as_micros());
    conn.prepare_cached(INSERT)
        .and_then(|mut insert| {
            insert.execute((org, app, endpoint, id, kind, status, since, until, now))
        })
        .sql("begin a task")?;
    Ok(())
}

fn list(
    conn: &Connection,
    org: OrgId,
    walk: &Walk<TaskId>,
    filter: &TaskFilter,
) -> Result<Page<BackgroundTask>> {
    let direction = walk.direction();
    let sql = format!(
        "SELECT {COLUMNS} FROM background_task
         WHERE org = ?1 AND id > ?2 AND id < ?3 AND (?4 IS NULL OR app = ?4)
           AND (?5 IS NULL OR status = ?5) AND (?6 IS NULL OR kind = ?6)
         ORDER BY id {direction} LIMIT ?7"
    );
    let TaskFilter { app, status, task: kind } = filter;
    let params = (org, walk.low(), walk.high(), app, status, kind, walk.rows());
    super::read(conn, walk, &sql, params, task, |task| task.id)
}

fn task(row: &Row<'_>) -> rusqlite::Result<BackgroundTask> {
    Ok(BackgroundTask {
        id: row.get(0)?,
        kind: row.get(1)?,
        status: row.get(2)?,
        sent: row.get::<_, i64>(3)? as u64,
        error: row.get(4)?,
        updated_at: Timestamp::from_micros(row.get(5)?),
    })
}

fn work(row: &Row<'_>) -> rusqlite::Result<Work> {
    Ok(Work {
        rowid: row.get(0)?,
        id: row.get(1)?,
        org: row.get(2)?,
        app: row.get(3)?,
        endpoint: row.get(4)?,
        kind: row.get(5)?,
        stretch: Stretch {
            since: Timestamp::from_micros(row.get(6)?),
            until: Timestamp::from_micros(row.get(7)?),
        },
        mark: row.get(8)?,
    })
}
