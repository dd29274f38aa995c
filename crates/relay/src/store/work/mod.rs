//! How background tasks are worked off.
//!
//! Each kind is a [`Work`]: a walk through a list in the order of its ids, a section at a time. A section is read, and looked
//! at more closely on readers; what there is to do of it is done by submissions, each of which also notes how far the walk
//! has come. So whatever ends the process, nothing is passed over and nothing is done twice.

mod bulk_replay;
mod purge;
mod recover;
mod replay;
mod resend;
mod subscriptions;
mod usage;

use std::sync::Arc;

use linchpin::context::{Context, Ended};
use linchpin::time::Timestamp;
use linchpin::{Error, Kind, Result};
use linchpin_data::sqlite::{Reader, Sql as _, Tx};
use rusqlite::{Connection, OptionalExtension as _, Row};
use serde::de::DeserializeOwned;

pub(crate) use self::bulk_replay::BulkReplay;
pub(crate) use self::purge::Purge;
pub(crate) use self::recover::Recover;
pub(crate) use self::replay::Replay;
pub(crate) use self::subscriptions::Subscriptions;
pub(crate) use self::usage::Usage;
use super::{Reference, Refusal, Store, Which, application, endpoint};
use crate::deliver::Queue;
use crate::ids::{AppId, EndpointId, OrgId, TaskId};
use crate::model::task::{Stretch, TaskKind, TaskStatus};

/// What a kind of task does. Clones do the same.
pub(crate) trait Work: Clone + Send + Sync + Sized + 'static {
    /// What is done at once.
    type Item: Send + Sync + 'static;

    /// What `job` asks for.
    ///
    /// # Errors
    ///
    /// [`Kind::Internal`] if its row has not what it takes.
    fn of(job: &Job, queue: &Queue) -> Result<Self>;

    /// The section of the list behind `mark`, or its first one; `None` at the end of the list. A section is so small that it
    /// holds up no reader.
    fn section(
        &self,
        conn: &Connection,
        mark: Option<&Mark>,
    ) -> Result<Option<Section<Self::Item>>>;

    /// Those of a section of which there is something to do.
    fn select(
        &self,
        ctx: &Context,
        reader: &Reader,
        items: Vec<(Mark, Self::Item)>,
    ) -> impl Future<Output = Result<Vec<(Mark, Self::Item)>>> + Send;

    /// Does the first of `items`, at least one and as many as one submission may.
    fn apply(&self, tx: &mut Tx<'_>, items: &[(Mark, Self::Item)]) -> Result<Done>;
}

/// A place in a list that is walked in the order of its ids.
pub(crate) type Mark = [u8; 20];

/// A task that is to go on, and from where.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Job {
    pub(crate) rowid: i64,
    pub(crate) id: TaskId,
    pub(crate) org: OrgId,
    /// `None` if it is about all applications.
    pub(crate) app: Option<AppId>,
    /// `None` if it is about all endpoints.
    pub(crate) endpoint: Option<EndpointId>,
    pub(crate) kind: TaskKind,
    pub(crate) stretch: Stretch,
    /// What else was asked for, as JSON.
    params: Option<Arc<str>>,
    /// What was looked at last; `None` at the beginning.
    pub(crate) mark: Option<Mark>,
}

/// A section of a walk: what may have to be done, each with its place in the list, and its end.
#[derive(Debug)]
pub(crate) struct Section<I> {
    pub(crate) items: Vec<(Mark, I)>,
    pub(crate) mark: Mark,
}

/// What a submission has done.
#[derive(Debug, Default)]
pub(crate) struct Done {
    /// So many of the items are over.
    items: usize,
    /// So much is to be told.
    count: usize,
    /// What was found out: JSON, with commas between.
    found: Option<String>,
}

/// How much of a list is a section: little enough that neither a reader nor the writer is held up.
const SECTION: i64 = 200;

const NEXT: &str = "
    SELECT rowid FROM background_task WHERE status = 'running' AND rowid > ?1 ORDER BY rowid LIMIT 1";
const JOB: &str = "
    SELECT rowid, id, org, app, endpoint, kind, since, until, params, mark FROM background_task
    WHERE rowid = ?1 AND status = 'running'";
const ADVANCE: &str = "
    UPDATE background_task SET mark = ?2, sent = sent + ?3, updated_at = ?4
    WHERE rowid = ?1 AND status = 'running'";
const FOUND: &str = "INSERT INTO background_task_part (task, mark, data) VALUES (?1, ?2, ?3)";
const END: &str = "
    UPDATE background_task SET status = ?2, error = ?3, updated_at = ?4
    WHERE rowid = ?1 AND status = 'running'";

impl Store {
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

    /// The task of this row, unless it has come to its end, or is of a kind that is not known here: a newer Relay has begun it, and
    /// goes on with it.
    pub(crate) async fn job(&self, ctx: &Context, rowid: i64) -> Result<Option<Job>> {
        self.reader
            .query(ctx, move |conn| {
                conn.prepare_cached(JOB)
                    .and_then(|mut query| query.query_row([rowid], job).optional())
                    .map(Option::flatten)
                    .sql("load a task")
            })
            .await
    }

    /// What `job` asks for.
    pub(crate) fn work<W: Work>(&self, job: &Job) -> Result<W> {
        W::of(job, &self.queue)
    }

    /// The section of the walk behind `mark`; `None` at its end.
    ///
    /// # Errors
    ///
    /// [`Refusal::Unsuited`] if what the task is about is deleted, those of the database.
    pub(crate) async fn section<W: Work>(
        &self,
        ctx: &Context,
        job: &Job,
        work: &W,
        mark: Option<Mark>,
    ) -> Result<Option<Section<W::Item>>> {
        let (job, work) = (job.clone(), work.clone());
        self.patient
            .query(ctx, move |conn| {
                job.check(conn)?;
                work.section(conn, mark.as_ref())
            })
            .await
    }

    /// What there is to do of a section; `None` if there is nothing.
    pub(crate) async fn select<W: Work>(
        &self,
        ctx: &Context,
        work: &W,
        section: Section<W::Item>,
    ) -> Result<Option<Section<W::Item>>> {
        let items = work.select(ctx, &self.patient, section.items).await?;
        Ok((!items.is_empty()).then_some(Section { items, mark: section.mark }))
    }

    /// Does all of a section, by as many submissions as it takes.
    ///
    /// # Errors
    ///
    /// [`Refusal::Unsuited`] if what the task is about is deleted, those of [`Work::apply`], [`Kind::Aborted`] if the task has
    /// come to its end, those of the database. What was done until then is done.
    pub(crate) async fn apply<W: Work>(
        &self,
        ctx: &Context,
        job: &Job,
        work: &W,
        section: Section<W::Item>,
    ) -> Result<()> {
        let section = Arc::new(section);
        let mut from = 0;
        while from < section.items.len() {
            let purges = job.purges();
            let (job, work, section) = (job.clone(), work.clone(), Arc::clone(&section));
            let step = move |tx: &mut Tx<'_>| {
                job.check(tx)?;
                let done = work.apply(tx, &section.items[from..])?;
                let to = from + done.items;
                let is_whole = to == section.items.len();
                let mark = if is_whole { section.mark } else { section.items[to - 1].0 };
                advance(tx, job.rowid, &mark, &done)?;
                Ok(to)
            };
            from = self.writer.submit(ctx, step).await?;
            if purges {
                self.log.expunged();
            }
        }
        Ok(())
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

/// Notes what was done, and how far a task has come with it.
fn advance(tx: &Tx<'_>, rowid: i64, mark: &Mark, done: &Done) -> Result<()> {
    let now = Timestamp::now().as_micros();
    let changed = tx
        .prepare_cached(ADVANCE)
        .and_then(|mut advance| advance.execute((rowid, mark, done.count as i64, now)))
        .sql("note how far a task is")?;
    if changed == 0 {
        return Err(Error::new(Kind::Aborted, "the task has come to its end"));
    }
    if let Some(found) = &done.found {
        tx.prepare_cached(FOUND)
            .and_then(|mut insert| insert.execute((rowid, mark, found)))
            .sql("note what a task has found out")?;
    }
    Ok(())
}

/// Of a kind that is not known, nothing else is.
fn job(row: &Row<'_>) -> rusqlite::Result<Option<Job>> {
    let (id, name) = (row.get::<_, TaskId>(1)?, row.get::<_, String>(5)?);
    let Some(kind) = TaskKind::of(&name) else {
        tracing::warn!(task = %id, kind = name, "a background task of a newer Relay is skipped");
        return Ok(None);
    };
    let job = Job {
        rowid: row.get(0)?,
        id,
        org: row.get(2)?,
        app: row.get(3)?,
        endpoint: row.get(4)?,
        kind,
        stretch: Stretch {
            since: Timestamp::from_micros(row.get(6)?),
            until: Timestamp::from_micros(row.get(7)?),
        },
        params: row.get(8)?,
        mark: row.get(9)?,
    };
    Ok(Some(job))
}

// ===== impl Job =====

impl Job {
    /// Refuses to go on where nobody can ask any more. What purges goes on: who deletes a customer wants it all the more.
    fn check(&self, conn: &Connection) -> Result<()> {
        let gone = |code, detail| Err(Refusal::Unsuited { code, detail }.into());
        let Some(app) = self.app.filter(|_| !self.purges()) else { return Ok(()) };
        if application::id_of(conn, self.org, &Which::Named(Reference::Id(app)))?.is_none() {
            return gone("application_deleted", "The application is deleted");
        }
        let Some(endpoint) = self.endpoint else { return Ok(()) };
        if endpoint::id_of(conn, self.org, app, &Reference::Id(endpoint))?.is_none() {
            return gone("endpoint_deleted", "The endpoint is deleted");
        }
        Ok(())
    }

    /// Whether it removes content.
    pub(crate) fn purges(&self) -> bool {
        self.kind == TaskKind::PurgeContent
    }

    /// The application, of a kind that is about one.
    fn app(&self) -> Result<AppId> {
        self.app.ok_or_else(|| self.broken("no application"))
    }

    /// The endpoint, of a kind that is about one.
    fn endpoint(&self) -> Result<EndpointId> {
        self.endpoint.ok_or_else(|| self.broken("no endpoint"))
    }

    /// What else was asked for.
    fn params<T: DeserializeOwned>(&self) -> Result<T> {
        let params = self.params.as_deref().ok_or_else(|| self.broken("no parameters"))?;
        serde_json::from_str(params).map_err(|fault| Error::new(Kind::Internal, fault))
    }

    fn broken(&self, what: &str) -> Error {
        Error::new(
            Kind::Internal,
            format!("the row of a task of {} has {what}", self.kind.as_str()),
        )
    }
}
