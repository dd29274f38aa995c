//! The table `attempt`, read only: the dispatcher writes it.

use std::collections::BTreeSet;

use linchpin::Result;
use linchpin::context::Context;
use linchpin::time::Timestamp;
use linchpin_data::sqlite::Sql as _;
use rusqlite::{Connection, OptionalExtension as _, Row};

use super::page::{Walk, Window};
use super::sift::sift;
use super::{Reference, Refusal, Scope, Store, endpoint, json, message};
use crate::ids::{
    AppId, AttemptId, AttemptTag, EndpointId, EndpointTag, MessageId, MessageTag, OrgId,
};
use crate::model::attempt::{Attempt, StatusClass};
use crate::model::message::Message;
use crate::model::page::Page;

/// Which attempts to list.
#[derive(Clone, Debug, Default)]
pub struct AttemptFilter {
    /// Those that ended so.
    pub status: Option<u8>,
    /// Those answered with a code of this class.
    pub class: Option<StatusClass>,
    /// Those of messages on this channel.
    pub channel: Option<String>,
    /// Those of messages with this tag.
    pub tag: Option<String>,
    /// Those of messages of one of these types.
    pub event_types: Option<BTreeSet<String>>,
    /// Those before this moment.
    pub before: Option<Timestamp>,
    /// Those after this moment.
    pub after: Option<Timestamp>,
    /// Whether the message comes with each.
    pub with_msg: bool,
}

/// An attempt, and its message if that was asked for and is there.
pub type WithMessage = (Attempt, Option<Message>);

/// Whose attempts: at least one is set.
#[derive(Clone, Copy, Debug)]
struct Of {
    message: Option<MessageId>,
    endpoint: Option<EndpointId>,
}

impl Store {
    /// One page of the attempts to deliver to an endpoint, newest first.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotFound`] of the application or endpoint, those of the database.
    pub async fn list_attempts_by_endpoint(
        &self,
        ctx: &Context,
        scope: Scope,
        endpoint: Reference<EndpointTag>,
        mut walk: Walk<AttemptId>,
        filter: AttemptFilter,
    ) -> Result<Page<WithMessage>> {
        let window = walk.within(filter.before, filter.after, Timestamp::now());
        self.reader
            .query(ctx, move |conn| {
                let app = scope.resolve(conn)?;
                let id = endpoint::id_of(conn, scope.org, app, &endpoint)?;
                let of = Of { message: None, endpoint: Some(id.ok_or(Refusal::NotFound)?) };
                list(conn, scope.org, app, of, &walk, window, &filter)
            })
            .await
    }

    /// One page of the attempts to deliver a message, newest first; to `endpoint` only, if there is one.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotFound`] of the application, message or endpoint, those of the database.
    pub async fn list_attempts_by_message(
        &self,
        ctx: &Context,
        scope: Scope,
        message: Reference<MessageTag>,
        endpoint: Option<Reference<EndpointTag>>,
        mut walk: Walk<AttemptId>,
        filter: AttemptFilter,
    ) -> Result<Page<WithMessage>> {
        let window = walk.within(filter.before, filter.after, Timestamp::now());
        self.reader
            .query(ctx, move |conn| {
                let app = scope.resolve(conn)?;
                let id =
                    message::id_of(conn, scope.org, app, &message)?.ok_or(Refusal::NotFound)?;
                let mut of = Of { message: Some(id), endpoint: None };
                if let Some(endpoint) = &endpoint {
                    let id = endpoint::id_of(conn, scope.org, app, endpoint)?;
                    of.endpoint = Some(id.ok_or(Refusal::NotFound)?);
                }
                list(conn, scope.org, app, of, &walk, window, &filter)
            })
            .await
    }

    /// One attempt to deliver a message.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotFound`], those of the database.
    pub async fn attempt(
        &self,
        ctx: &Context,
        scope: Scope,
        message: Reference<MessageTag>,
        attempt: AttemptId,
    ) -> Result<Attempt> {
        self.reader
            .query(ctx, move |conn| {
                let app = scope.resolve(conn)?;
                let id =
                    message::id_of(conn, scope.org, app, &message)?.ok_or(Refusal::NotFound)?;
                let sql = format!(
                    "SELECT {COLUMNS} FROM attempt
                     WHERE org = ?1 AND app = ?2 AND message = ?3 AND id = ?4"
                );
                let found = conn
                    .prepare_cached(&sql)
                    .and_then(|mut query| {
                        query.query_row((scope.org, app, id, attempt), self::attempt).optional()
                    })
                    .sql("load an attempt")?;
                Ok(found.ok_or(Refusal::NotFound)?)
            })
            .await
    }
}

const COLUMNS: &str = "id, message, endpoint, url, status, status_code, response, duration_ms,
                       trigger_type, created_at";

fn list(
    conn: &Connection,
    org: OrgId,
    app: AppId,
    of: Of,
    walk: &Walk<AttemptId>,
    window: Window,
    filter: &AttemptFilter,
) -> Result<Page<WithMessage>> {
    let direction = walk.direction();
    // Each of the two is an index. A message has few attempts, an endpoint has many: `+` keeps SQLite from taking the
    // endpoint's index where the message's will do.
    let (of_message, of_endpoint) = match (of.message, of.endpoint) {
        (Some(_), Some(_)) => ("message = ?3", "+endpoint = ?4"),
        (Some(_), None) => ("message = ?3", "?4 IS NULL"),
        (None, _) => ("?3 IS NULL", "endpoint = ?4"),
    };
    let sql = format!(
        "SELECT id, (?7 IS NULL OR status = ?7)
            AND (?8 IS NULL OR status_code BETWEEN ?8 AND ?9)
            AND (?10 IS NULL OR EXISTS (
                  SELECT 1 FROM message AS m, json_each(m.tags) AS t
                   WHERE m.org = a.org AND m.app = a.app AND m.id = a.message AND t.value = ?10))
            AND (?11 IS NULL OR EXISTS (
                  SELECT 1 FROM message AS m WHERE m.org = a.org AND m.app = a.app AND m.id = a.message
                     AND m.event_type IN (SELECT value FROM json_each(?11))))
            AND (?12 IS NULL OR EXISTS (
                  SELECT 1 FROM message AS m, json_each(m.channels) AS c
                   WHERE m.org = a.org AND m.app = a.app AND m.id = a.message AND c.value = ?12)), rowid
         FROM attempt AS a
         WHERE org = ?1 AND app = ?2 AND {of_message} AND {of_endpoint} AND id > ?5 AND id < ?6
           AND ((id > ?13 AND id < ?14) OR (created_at > ?15 AND created_at < ?16))
         ORDER BY id {direction}"
    );
    let (least, most) = filter.class.map(StatusClass::codes).unzip();
    let certain = window.certain::<AttemptTag>();
    let params = (
        org,
        app,
        of.message,
        of.endpoint,
        walk.low(),
        walk.high(),
        filter.status,
        least,
        most,
        &filter.tag,
        filter.event_types.as_ref().map(json).transpose()?,
        &filter.channel,
        certain.after,
        certain.before,
        window.after.as_micros(),
        window.before.as_micros(),
    );
    sift(conn, walk, &sql, params, |row, _| {
        if !row.get::<_, bool>(1).sql("look at an attempt")? {
            return Ok(None);
        }
        let attempt = at(conn, row.get(2).sql("look at an attempt")?)?;
        let message =
            if filter.with_msg { message::load(conn, org, app, attempt.message)? } else { None };
        let weight = message.as_ref().map_or(0, |message| message.payload.len());
        Ok(Some(((attempt, message), weight)))
    })
}

/// The attempt of this row.
fn at(conn: &Connection, rowid: i64) -> Result<Attempt> {
    let sql = format!("SELECT {COLUMNS} FROM attempt WHERE rowid = ?1");
    conn.prepare_cached(&sql)
        .and_then(|mut query| query.query_row([rowid], attempt))
        .sql("load an attempt")
}

fn attempt(row: &Row<'_>) -> rusqlite::Result<Attempt> {
    Ok(Attempt {
        id: row.get(0)?,
        message: row.get(1)?,
        endpoint: row.get(2)?,
        url: row.get(3)?,
        status: row.get(4)?,
        status_code: row.get(5)?,
        response: row.get(6)?,
        duration_ms: row.get::<_, i64>(7)?.unsigned_abs(),
        trigger_type: row.get(8)?,
        created_at: Timestamp::from_micros(row.get(9)?),
    })
}
