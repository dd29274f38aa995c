//! The table `application`.

use linchpin::Result;
use linchpin::context::Context;
use linchpin::time::Timestamp;
use linchpin_data::sqlite::Sql as _;
use rusqlite::{Connection, OptionalExtension as _, Row};

use super::page::Walk;
use super::{
    Answer, Once, Put, Reference, Refusal, Scope, Store, Which, column, conflict, json, once,
};
use crate::ids::{AppId, OrgId};
use crate::model::Faults;
use crate::model::application::{Application, ApplicationIn, ApplicationOut, ApplicationPatch};
use crate::model::page::Page;

impl Store {
    /// One page of the tenant's applications.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn list_applications(
        &self,
        ctx: &Context,
        org: OrgId,
        walk: Walk<AppId>,
    ) -> Result<Page<Application>> {
        self.reader.query(ctx, move |conn| list(conn, org, &walk)).await
    }

    /// Creates an application: 201. With `get_if_exists` one that has its `uid` already is the answer: 200.
    ///
    /// # Errors
    ///
    /// [`Refusal::Conflict`] if the `uid` is taken, [`Refusal::KeyReused`], those of the database.
    pub async fn create_application(
        &self,
        ctx: &Context,
        org: OrgId,
        input: ApplicationIn,
        get_if_exists: bool,
        key: Option<Once>,
    ) -> Result<Answer> {
        let now = Timestamp::now();
        let id = AppId::at(now);
        self.writer
            .submit(ctx, move |tx| {
                once(tx, key.as_ref(), now, |tx| {
                    if let Some(uid) = input.uid.as_ref().filter(|_| get_if_exists)
                        && let Some(app) =
                            find(tx, org, &Which::Named(Reference::Own(uid.clone())))?
                    {
                        return Ok((200, ApplicationOut::from(app)));
                    }
                    let app = Application::new(id, &input, now);
                    insert(tx, org, &app)?;
                    Ok((201, app.into()))
                })
            })
            .await
    }

    /// The application of `scope`.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotFound`], those of the database.
    pub async fn application(&self, ctx: &Context, scope: Scope) -> Result<Application> {
        self.reader
            .query(ctx, move |conn| {
                let app = find(conn, scope.org, &scope.app)?.ok_or(Refusal::NotFound)?;
                scope.admit(app.id)?;
                Ok(app)
            })
            .await
    }

    /// The id of the application that `path` names. If there is none, `input` is made, whose `uid` must be `path`.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotFound`] if there is no input either, [`Refusal::Invalid`] if its `uid` is another, those of the
    /// database.
    pub async fn application_or_new(
        &self,
        ctx: &Context,
        scope: Scope,
        path: String,
        input: Option<ApplicationIn>,
    ) -> Result<AppId> {
        let asked = scope.clone();
        let found = self.reader.query(ctx, move |conn| asked.resolve(conn)).await;
        let input = match (&found, input) {
            (Err(error), Some(input)) if error.is(&Refusal::NotFound) => input,
            _ => return found,
        };
        let now = Timestamp::now();
        let id = AppId::at(now);
        self.writer
            .submit(ctx, move |tx| match scope.resolve(tx) {
                Err(error) if error.is(&Refusal::NotFound) => {
                    bring(tx, &scope, id, (&input, &path), now)
                }
                // Somebody was faster.
                resolved => resolved,
            })
            .await
    }

    /// Replaces the application, or creates one with a new id.
    ///
    /// # Errors
    ///
    /// [`Refusal::Conflict`] if the `uid` is taken, those of the database.
    pub async fn put_application(
        &self,
        ctx: &Context,
        scope: Scope,
        input: ApplicationIn,
    ) -> Result<(Put, Application)> {
        let now = Timestamp::now();
        let (id, queue) = (AppId::at(now), self.queue.clone());
        self.writer
            .submit(ctx, move |tx| match find(tx, scope.org, &scope.app)? {
                Some(mut app) => {
                    app.replace(&input, now);
                    update(tx, scope.org, &app)?;
                    queue.application_changed(tx, app.id)?;
                    Ok((Put::Replaced, app))
                }
                None => {
                    let app = Application::new(id, &input, now);
                    insert(tx, scope.org, &app)?;
                    Ok((Put::Created, app))
                }
            })
            .await
    }

    /// Changes what `patch` has.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotFound`], [`Refusal::Conflict`] if the `uid` is taken, those of the database.
    pub async fn patch_application(
        &self,
        ctx: &Context,
        scope: Scope,
        patch: ApplicationPatch,
    ) -> Result<Application> {
        let (now, queue) = (Timestamp::now(), self.queue.clone());
        self.writer
            .submit(ctx, move |tx| {
                let mut app = find(tx, scope.org, &scope.app)?.ok_or(Refusal::NotFound)?;
                app.patch(&patch, now);
                update(tx, scope.org, &app)?;
                queue.application_changed(tx, app.id)?;
                Ok(app)
            })
            .await
    }

    /// Deletes the application. Its row stays, its `uid` is free, its endpoints get nothing more.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotFound`], those of the database.
    pub async fn delete_application(&self, ctx: &Context, scope: Scope) -> Result<()> {
        let (now, queue) = (Timestamp::now().as_micros(), self.queue.clone());
        self.writer
            .submit(ctx, move |tx| {
                let app = scope.resolve(tx)?;
                tx.prepare_cached(DELETE)
                    .and_then(|mut delete| delete.execute((scope.org, app, now)))
                    .sql("delete an application")?;
                queue.application_changed(tx, app)
            })
            .await
    }
}

const COLUMNS: &str = "id, uid, name, throttle_rate, metadata, created_at, updated_at";
const ID: &str = "
    SELECT id FROM application WHERE org = ?1 AND id = ?2 AND deleted = 0 AND kind = 0";
const ID_BY_UID: &str = "
    SELECT id FROM application WHERE org = ?1 AND uid = ?2 AND deleted = 0 AND kind = 0";
const ID_OPERATIONAL: &str = "
    SELECT id FROM application WHERE org = ?1 AND kind = 1";
const INSERT: &str = "
    INSERT INTO application (org, id, uid, name, throttle_rate, metadata, created_at, updated_at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
const INSERT_OPERATIONAL: &str = "
    INSERT INTO application (org, id, name, metadata, created_at, updated_at, kind)
    VALUES (?1, ?2, 'operational webhooks', '{}', ?3, ?3, 1)";
const UPDATE: &str = "
    UPDATE application SET uid = ?3, name = ?4, throttle_rate = ?5, metadata = ?6, updated_at = ?7
    WHERE org = ?1 AND id = ?2 AND deleted = 0";
const DELETE: &str = "
    UPDATE application SET deleted = 1, uid = NULL, updated_at = ?3
    WHERE org = ?1 AND id = ?2 AND deleted = 0";

/// The id alone, of a live application: what most requests need of it.
pub(super) fn id_of(conn: &Connection, org: OrgId, app: &Which) -> Result<Option<AppId>> {
    match app {
        Which::Named(Reference::Id(id)) => conn
            .prepare_cached(ID)
            .and_then(|mut query| query.query_row((org, id), |row| row.get(0)).optional()),
        Which::Named(Reference::Own(uid)) => conn
            .prepare_cached(ID_BY_UID)
            .and_then(|mut query| query.query_row((org, uid), |row| row.get(0)).optional()),
        Which::Operational => conn
            .prepare_cached(ID_OPERATIONAL)
            .and_then(|mut query| query.query_row([org], |row| row.get(0)).optional()),
    }
    .sql("look an application up")
}

pub(super) fn insert(conn: &Connection, org: OrgId, app: &Application) -> Result<()> {
    let metadata = json(&app.metadata)?;
    let (created, updated) = (app.created_at.as_micros(), app.updated_at.as_micros());
    let result = conn
        .prepare_cached(INSERT)
        .and_then(|mut insert| {
            insert.execute((
                org,
                app.id,
                &app.uid,
                &app.name,
                app.throttle_rate,
                metadata,
                created,
                updated,
            ))
        })
        .sql("create an application");
    taken(result.map(drop))
}

/// The application that the body of a request brings along for a path that names none.
pub(super) fn bring(
    conn: &Connection,
    scope: &Scope,
    id: AppId,
    (input, path): (&ApplicationIn, &str),
    now: Timestamp,
) -> Result<AppId> {
    let fault = match &input.uid {
        Some(uid) if uid == path => None,
        Some(_) => Some(("application_uid_mismatch", "must be the one in the path")),
        None => Some(("application_uid_missing", "is needed: it must be the one in the path")),
    };
    if let Some((kind, msg)) = fault {
        let faults = Faults::one("body", ["application", "uid"], kind, msg);
        return Err(Refusal::Invalid(faults).into());
    }
    insert(conn, scope.org, &Application::new(id, input, now))?;
    scope.admit(id)
}

/// Makes the application whose endpoints get operational webhooks.
pub(super) fn insert_operational(conn: &Connection, org: OrgId, now: Timestamp) -> Result<AppId> {
    let id = AppId::at(now);
    conn.prepare_cached(INSERT_OPERATIONAL)
        .and_then(|mut insert| insert.execute((org, id, now.as_micros())))
        .sql("create the application of operational webhooks")?;
    Ok(id)
}

fn update(conn: &Connection, org: OrgId, app: &Application) -> Result<()> {
    let metadata = json(&app.metadata)?;
    let updated = app.updated_at.as_micros();
    let result = conn
        .prepare_cached(UPDATE)
        .and_then(|mut update| {
            update.execute((org, app.id, &app.uid, &app.name, app.throttle_rate, metadata, updated))
        })
        .sql("change an application");
    taken(result.map(drop))
}

fn taken(result: Result<()>) -> Result<()> {
    conflict(result, "conflict", "An application with this uid already exists")
}

fn find(conn: &Connection, org: OrgId, app: &Which) -> Result<Option<Application>> {
    let Some(id) = id_of(conn, org, app)? else { return Ok(None) };
    let sql = format!("SELECT {COLUMNS} FROM application WHERE org = ?1 AND id = ?2");
    conn.prepare_cached(&sql)
        .and_then(|mut query| query.query_row((org, id), application).optional())
        .sql("load an application")
}

fn list(conn: &Connection, org: OrgId, walk: &Walk<AppId>) -> Result<Page<Application>> {
    let direction = walk.direction();
    let sql = format!(
        "SELECT {COLUMNS} FROM application
         WHERE org = ?1 AND id > ?2 AND id < ?3 AND deleted = 0 AND kind = 0
         ORDER BY id {direction} LIMIT ?4"
    );
    let params = (org, walk.low(), walk.high(), walk.rows());
    super::read(conn, walk, &sql, params, application, |app| app.id)
}

fn application(row: &Row<'_>) -> rusqlite::Result<Application> {
    Ok(Application {
        id: row.get(0)?,
        uid: row.get(1)?,
        name: row.get(2)?,
        throttle_rate: row.get(3)?,
        metadata: column(row, 4)?,
        created_at: Timestamp::from_micros(row.get(5)?),
        updated_at: Timestamp::from_micros(row.get(6)?),
    })
}
