//! The table `endpoint`.

use std::collections::BTreeSet;

use linchpin::context::Context;
use linchpin::error::ResultExt as _;
use linchpin::time::Timestamp;
use linchpin::{Kind, Result};
use linchpin_data::sqlite::Sql as _;
use linchpin_security::seal::Sealed;
use linchpin_security::webhook::Secret;
use rusqlite::{Connection, OptionalExtension as _, Row, ToSql};

use super::page::Walk;
use super::{
    Answer, Once, Put, Reference, Refusal, Scope, Store, column, conflict, event_type, headers,
    json, once, operational,
};
use crate::ids::{AppId, EndpointId, EndpointTag, OrgId};
use crate::model::Faults;
use crate::model::endpoint::{Endpoint, EndpointIn, EndpointOut, EndpointPatch};
use crate::model::faults;
use crate::model::operational::Operational;
use crate::model::page::Page;
use crate::model::secret;
use crate::vault::{Field, Owner, Vault};

impl Store {
    /// One page of the application's endpoints.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotFound`] of the application, those of the database.
    pub async fn list_endpoints(
        &self,
        ctx: &Context,
        scope: Scope,
        walk: Walk<EndpointId>,
    ) -> Result<Page<Endpoint>> {
        self.reader.query(ctx, move |conn| list(conn, scope.org, scope.resolve(conn)?, &walk)).await
    }

    /// Creates an endpoint, with a secret of its own unless one is given: 201.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotFound`] of the application, [`Refusal::Conflict`] if the `uid` is taken, [`Refusal::Invalid`] if
    /// an event type does not exist, [`Refusal::Unsuited`] if the application has as many as it may,
    /// [`Refusal::KeyReused`], those of the database.
    pub async fn create_endpoint(
        &self,
        ctx: &Context,
        scope: Scope,
        input: EndpointIn,
        key: Option<Once>,
    ) -> Result<Answer> {
        let now = Timestamp::now();
        let id = EndpointId::at(now);
        let (queue, most) = (self.queue.clone(), self.endpoints);
        let secret = secret(&input, queue.vault())?;
        self.writer
            .submit(ctx, move |tx| {
                once(tx, key.as_ref(), now, |tx| {
                    let app = scope.resolve_or_make(tx, now)?;
                    admit(tx, scope.org, app, most)?;
                    let endpoint = Endpoint::new(id, &input, now);
                    let sealed = seal(queue.vault(), (scope.org, app, id), &secret);
                    insert(tx, &scope, app, &endpoint, &sealed)?;
                    give(tx, (queue.vault(), (scope.org, app, id)), &input, now)?;
                    operational::created(tx, &queue, &scope, (scope.org, app, id))?;
                    Ok((201, EndpointOut::from(endpoint)))
                })
            })
            .await
    }

    /// One endpoint.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotFound`], those of the database.
    pub async fn endpoint(
        &self,
        ctx: &Context,
        scope: Scope,
        endpoint: Reference<EndpointTag>,
    ) -> Result<Endpoint> {
        self.reader
            .query(ctx, move |conn| {
                let app = scope.resolve(conn)?;
                Ok(find(conn, scope.org, app, &endpoint)?.ok_or(Refusal::NotFound)?)
            })
            .await
    }

    /// Replaces the endpoint, whose secret stays, or creates one with a new id and secret.
    ///
    /// # Errors
    ///
    /// As [`create_endpoint`](Self::create_endpoint).
    pub async fn put_endpoint(
        &self,
        ctx: &Context,
        scope: Scope,
        endpoint: Reference<EndpointTag>,
        input: EndpointIn,
    ) -> Result<(Put, Endpoint)> {
        let now = Timestamp::now();
        let id = EndpointId::at(now);
        let (secret, queue) = (self.vault().new_secret(), self.queue.clone());
        let most = self.endpoints;
        self.writer
            .submit(ctx, move |tx| {
                let app = scope.resolve_or_make(tx, now)?;
                match find(tx, scope.org, app, &endpoint)? {
                    Some(mut endpoint) => {
                        endpoint.replace(&input, now);
                        update(tx, &scope, app, &endpoint)?;
                        give(tx, (queue.vault(), (scope.org, app, endpoint.id)), &input, now)?;
                        operational::updated(tx, &queue, &scope, (scope.org, app, endpoint.id))?;
                        Ok((Put::Replaced, endpoint))
                    }
                    None => {
                        admit(tx, scope.org, app, most)?;
                        let endpoint = Endpoint::new(id, &input, now);
                        let sealed = seal(queue.vault(), (scope.org, app, id), &secret);
                        insert(tx, &scope, app, &endpoint, &sealed)?;
                        give(tx, (queue.vault(), (scope.org, app, id)), &input, now)?;
                        operational::created(tx, &queue, &scope, (scope.org, app, id))?;
                        Ok((Put::Created, endpoint))
                    }
                }
            })
            .await
    }

    /// Changes what `patch` has.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotFound`], and as [`create_endpoint`](Self::create_endpoint).
    pub async fn patch_endpoint(
        &self,
        ctx: &Context,
        scope: Scope,
        endpoint: Reference<EndpointTag>,
        patch: EndpointPatch,
    ) -> Result<Endpoint> {
        let (now, queue) = (Timestamp::now(), self.queue.clone());
        self.writer
            .submit(ctx, move |tx| {
                let app = scope.resolve(tx)?;
                let mut endpoint = find(tx, scope.org, app, &endpoint)?.ok_or(Refusal::NotFound)?;
                endpoint.patch(&patch, now);
                // A type may have been archived since it was subscribed to; only what is being set is judged.
                let set = patch.event_types.as_ref().and_then(Option::as_ref);
                known(tx, &scope, set)?;
                write(tx, scope.org, app, &endpoint)?;
                operational::updated(tx, &queue, &scope, (scope.org, app, endpoint.id))?;
                Ok(endpoint)
            })
            .await
    }

    /// Deletes the endpoint. Its row stays, its `uid` is free, it gets nothing more.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotFound`], those of the database.
    pub async fn delete_endpoint(
        &self,
        ctx: &Context,
        scope: Scope,
        endpoint: Reference<EndpointTag>,
    ) -> Result<()> {
        let (now, queue) = (Timestamp::now().as_micros(), self.queue.clone());
        self.writer
            .submit(ctx, move |tx| {
                let (org, app, id) = owner(tx, &scope, &endpoint)?;
                operational::emit(tx, &queue, (org, app, id), Operational::EndpointDeleted)?;
                tx.prepare_cached(DELETE)
                    .and_then(|mut delete| delete.execute((org, app, id, now)))
                    .sql("delete an endpoint")?;
                operational::look(tx, &queue, &scope, app)?;
                queue.endpoint_changed(tx, (org, app, id))
            })
            .await
    }
}

pub(super) const COLUMNS: &str =
    "id, uid, url, description, version, disabled, event_types, channels,
                       throttle_rate, metadata, created_at, updated_at, retry_schedule,
                       disabled_reason";
const ID: &str = "
    SELECT id FROM endpoint WHERE org = ?1 AND app = ?2 AND id = ?3 AND deleted = 0";
const ID_BY_UID: &str = "
    SELECT id FROM endpoint WHERE org = ?1 AND app = ?2 AND uid = ?3 AND deleted = 0";
const COUNT: &str = "
    SELECT count(*) FROM endpoint WHERE org = ?1 AND app = ?2 AND deleted = 0";
const INSERT: &str = "
    INSERT INTO endpoint (org, app, id, uid, url, description, version, disabled, event_types,
                          channels, throttle_rate, metadata, updated_at, retry_schedule,
                          disabled_reason, created_at, secret)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)";
const UPDATE: &str = "
    UPDATE endpoint SET uid = ?4, url = ?5, description = ?6, version = ?7, disabled = ?8,
           event_types = ?9, channels = ?10, throttle_rate = ?11, metadata = ?12, updated_at = ?13,
           retry_schedule = ?14, disabled_reason = ?15,
           failing_since = iif(url <> ?5 OR disabled AND NOT ?8, NULL, failing_since),
           failing_day = iif(url <> ?5 OR disabled AND NOT ?8, NULL, failing_day)
    WHERE org = ?1 AND app = ?2 AND id = ?3 AND deleted = 0";
const DELETE: &str = "
    UPDATE endpoint SET deleted = 1, uid = NULL, updated_at = ?4
    WHERE org = ?1 AND app = ?2 AND id = ?3 AND deleted = 0";

/// A live endpoint, with whom it belongs to.
pub(super) fn owner(
    conn: &Connection,
    scope: &Scope,
    endpoint: &Reference<EndpointTag>,
) -> Result<Owner> {
    let app = scope.resolve(conn)?;
    let id = id_of(conn, scope.org, app, endpoint)?.ok_or(Refusal::NotFound)?;
    Ok((scope.org, app, id))
}

/// The id alone, of a live endpoint.
pub(super) fn id_of(
    conn: &Connection,
    org: OrgId,
    app: AppId,
    endpoint: &Reference<EndpointTag>,
) -> Result<Option<EndpointId>> {
    match endpoint {
        Reference::Id(id) => conn
            .prepare_cached(ID)
            .and_then(|mut query| query.query_row((org, app, id), |row| row.get(0)).optional()),
        Reference::Own(uid) => conn
            .prepare_cached(ID_BY_UID)
            .and_then(|mut query| query.query_row((org, app, uid), |row| row.get(0)).optional()),
    }
    .sql("look an endpoint up")
}

fn find(
    conn: &Connection,
    org: OrgId,
    app: AppId,
    endpoint: &Reference<EndpointTag>,
) -> Result<Option<Endpoint>> {
    let Some(id) = id_of(conn, org, app, endpoint)? else { return Ok(None) };
    let sql = format!("SELECT {COLUMNS} FROM endpoint WHERE org = ?1 AND app = ?2 AND id = ?3");
    conn.prepare_cached(&sql)
        .and_then(|mut query| query.query_row((org, app, id), self::endpoint).optional())
        .sql("load an endpoint")
}

pub(super) fn list(
    conn: &Connection,
    org: OrgId,
    app: AppId,
    walk: &Walk<EndpointId>,
) -> Result<Page<Endpoint>> {
    let direction = walk.direction();
    let sql = format!(
        "SELECT {COLUMNS} FROM endpoint
         WHERE org = ?1 AND app = ?2 AND id > ?3 AND id < ?4 AND deleted = 0
         ORDER BY id {direction} LIMIT ?5"
    );
    let params = (org, app, walk.low(), walk.high(), walk.rows());
    super::read(conn, walk, &sql, params, endpoint, |endpoint| endpoint.id)
}

fn secret(input: &EndpointIn, vault: &Vault) -> Result<Secret> {
    let given = input.secret.as_ref().map(secret::parse).transpose().kind(Kind::InvalidArgument)?;
    Ok(given.unwrap_or_else(|| vault.new_secret()))
}

fn seal(vault: &Vault, endpoint: Owner, secret: &Secret) -> Sealed {
    vault.drawer(endpoint).seal(Field::Secret, secret.expose())
}

/// Stores the headers that an input has.
fn give(conn: &Connection, at: (&Vault, Owner), input: &EndpointIn, now: Timestamp) -> Result<()> {
    input.headers.as_ref().map_or(Ok(()), |given| headers::write(conn, at, given, now))
}

/// Whether there may be one more: each message goes to all of them.
fn admit(conn: &Connection, org: OrgId, app: AppId, most: usize) -> Result<()> {
    let count: i64 = conn
        .prepare_cached(COUNT)
        .and_then(|mut query| query.query_row((org, app), |row| row.get(0)))
        .sql("count the endpoints of an application")?;
    if count < most as i64 {
        return Ok(());
    }
    let detail = "The application has as many endpoints as one may have here; delete one first";
    Err(Refusal::Unsuited { code: "limit_reached", detail }.into())
}

fn insert(
    conn: &Connection,
    scope: &Scope,
    app: AppId,
    endpoint: &Endpoint,
    secret: &Sealed,
) -> Result<()> {
    known(conn, scope, endpoint.event_types.as_ref())?;
    let extra = [&endpoint.created_at.as_micros() as &dyn ToSql, &secret.as_str()];
    run(conn, INSERT, scope.org, app, endpoint, &extra)
}

fn update(conn: &Connection, scope: &Scope, app: AppId, endpoint: &Endpoint) -> Result<()> {
    known(conn, scope, endpoint.event_types.as_ref())?;
    write(conn, scope.org, app, endpoint)
}

fn write(conn: &Connection, org: OrgId, app: AppId, endpoint: &Endpoint) -> Result<()> {
    run(conn, UPDATE, org, app, endpoint, &[])
}

/// The statements that write have the same first fifteen parameters.
fn run(
    conn: &Connection,
    sql: &str,
    org: OrgId,
    app: AppId,
    endpoint: &Endpoint,
    extra: &[&dyn ToSql],
) -> Result<()> {
    let event_types = endpoint.event_types.as_ref().map(json).transpose()?;
    let channels = endpoint.channels.as_ref().map(json).transpose()?;
    let metadata = json(&endpoint.metadata)?;
    let updated = endpoint.updated_at.as_micros();
    let schedule = endpoint.retry_schedule.as_ref().map(json).transpose()?;
    let mut params: Vec<&dyn ToSql> = vec![
        &org,
        &app,
        &endpoint.id,
        &endpoint.uid,
        &endpoint.url,
        &endpoint.description,
        &endpoint.version,
        &endpoint.disabled,
        &event_types,
        &channels,
        &endpoint.throttle_rate,
        &metadata,
        &updated,
        &schedule,
        &endpoint.disabled_reason,
    ];
    params.extend_from_slice(extra);
    let result = conn
        .prepare_cached(sql)
        .and_then(|mut statement| statement.execute(&*params))
        .sql("write an endpoint");
    conflict(result.map(drop), "conflict", "An endpoint with this uid already exists")
}

/// Whether all these event types can be subscribed to. Those of operational webhooks are no rows, and were judged with the body.
fn known(conn: &Connection, scope: &Scope, names: Option<&BTreeSet<String>>) -> Result<()> {
    let Some(names) = names.filter(|_| !scope.is_operational()) else { return Ok(()) };
    let unknown = event_type::unknown(conn, scope.org, names)?;
    if unknown.is_empty() {
        return Ok(());
    }
    let msg = format!("these event types do not exist or are archived: {}", unknown.join(", "));
    Err(Refusal::Invalid(Faults::one("body", ["eventTypes"], faults::VALUE, msg)).into())
}

pub(super) fn endpoint(row: &Row<'_>) -> rusqlite::Result<Endpoint> {
    Ok(Endpoint {
        id: row.get(0)?,
        uid: row.get(1)?,
        url: row.get(2)?,
        description: row.get(3)?,
        version: row.get(4)?,
        disabled: row.get(5)?,
        event_types: column(row, 6)?,
        channels: column(row, 7)?,
        throttle_rate: row.get(8)?,
        metadata: column(row, 9)?,
        created_at: Timestamp::from_micros(row.get(10)?),
        updated_at: Timestamp::from_micros(row.get(11)?),
        retry_schedule: column(row, 12)?,
        disabled_reason: row.get(13)?,
    })
}
