//! The table `message`, and what a new message sets in motion.

use std::collections::BTreeSet;

use bytes::Bytes;
use linchpin::context::Context;
use linchpin::error::ResultExt as _;
use linchpin::time::Timestamp;
use linchpin::{Error, Kind, Result};
use linchpin_data::sqlite::{Sql as _, Tx};
use rusqlite::{Connection, OptionalExtension as _, Params, Row};
use serde_json::value::to_raw_value;

use super::once::{Given, once_named};
use super::page::{Walk, Window};
use super::sift::sift;
use super::{
    Answer, Once, Reference, Refusal, Scope, Store, application, column, conflict, json, target,
};
use crate::deliver::Queue;
use crate::ids::{AppId, MessageId, MessageTag, OrgId};
use crate::model::message::{Message, MessageIn, MessageOut};
use crate::model::page::Page;

/// A message to create.
#[derive(Debug)]
pub struct NewMessage {
    /// As it came.
    pub input: MessageIn,
    /// How the path names the application: the `uid` of one that is created with the message.
    pub path: String,
    /// Whether the payload is shown in the reply.
    pub with_content: bool,
}

/// Which messages to list.
#[derive(Clone, Debug, Default)]
pub struct MessageFilter {
    /// Those on this channel.
    pub channel: Option<String>,
    /// Those with this tag.
    pub tag: Option<String>,
    /// Those of one of these types.
    pub event_types: Option<BTreeSet<String>>,
    /// Those before this moment.
    pub before: Option<Timestamp>,
    /// Those after this moment.
    pub after: Option<Timestamp>,
}

impl Store {
    /// Accepts a message: 202. It is stored with one delivery for every endpoint that wants it now.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotFound`] of the application, [`Refusal::Conflict`] if the `eventId` is taken,
    /// [`Refusal::Invalid`] if the application in the body is not the one in the path, [`Refusal::KeyReused`], those of
    /// the database.
    ///
    /// # Cancel safety
    ///
    /// Once its submission has begun the message is accepted, whether or not the caller still waits.
    pub async fn create_message(
        &self,
        ctx: &Context,
        scope: Scope,
        new: NewMessage,
        key: Option<Once>,
    ) -> Result<Answer> {
        let now = Timestamp::now();
        let ids = (MessageId::at(now), AppId::at(now));
        let payload = new.input.body();
        let message = Message::new(ids.0, &new.input, payload.clone(), now);
        // Known before anything is stored, so the writer's thread need not make it.
        let reply = MessageOut::new(message.clone(), new.with_content);
        let reply = to_raw_value(&reply).kind(Kind::Internal)?;
        let (org, queue, with_content) = (scope.org, self.queue.clone(), new.with_content);
        let given = self
            .writer
            .submit_sized(ctx, payload.len(), move |tx| {
                once_named(tx, key.as_ref(), now, |tx| {
                    let app = match scope.resolve(tx) {
                        Err(error) if error.is(&Refusal::NotFound) => {
                            match &new.input.application {
                                Some(input) => {
                                    application::bring(tx, &scope, ids.1, (input, &new.path), now)?
                                }
                                None => return Err(error),
                            }
                        }
                        resolved => resolved?,
                    };
                    insert(tx, scope.org, app, &message)?;
                    fan_out(tx, &queue, scope.org, app, &message)?;
                    Ok((202, &reply, name_of(app, message.id)))
                })
            })
            .await?;
        match given {
            Given::Answer(answer) => Ok(answer),
            Given::Again { status, name } => {
                self.show_again(ctx, org, status, name, with_content).await
            }
        }
    }

    /// The answer of a creation once more, as the message is now. Shown by a reader: the writer has better things to do.
    async fn show_again(
        &self,
        ctx: &Context,
        org: OrgId,
        status: u16,
        name: String,
        with_content: bool,
    ) -> Result<Answer> {
        self.reader
            .query(ctx, move |conn| {
                let (app, id) = named(&name)?;
                let message = load(conn, org, app, id)?.ok_or(Refusal::NotFound)?;
                let body = json(&MessageOut::new(message, with_content))?.into();
                Ok(Answer { status, body, replayed: true })
            })
            .await
    }

    /// One page of the application's messages, newest first.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotFound`] of the application, those of the database.
    pub async fn list_messages(
        &self,
        ctx: &Context,
        scope: Scope,
        mut walk: Walk<MessageId>,
        filter: MessageFilter,
    ) -> Result<Page<Message>> {
        let window = walk.within(filter.before, filter.after, Timestamp::now());
        self.reader
            .query(ctx, move |conn| {
                list(conn, scope.org, scope.resolve(conn)?, &walk, window, &filter)
            })
            .await
    }

    /// One message.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotFound`], those of the database.
    pub async fn message(
        &self,
        ctx: &Context,
        scope: Scope,
        message: Reference<MessageTag>,
    ) -> Result<Message> {
        self.reader
            .query(ctx, move |conn| {
                let app = scope.resolve(conn)?;
                Ok(find(conn, scope.org, app, &message)?.ok_or(Refusal::NotFound)?)
            })
            .await
    }
}

const COLUMNS: &str =
    "id, event_id, event_type, channels, payload, created_at, tags, deliver_at, raw_type, content,
                       content_until";
const ID: &str = "
    SELECT id FROM message WHERE org = ?1 AND app = ?2 AND id = ?3";
const ID_BY_EVENT: &str = "
    SELECT id FROM message WHERE org = ?1 AND app = ?2 AND event_id = ?3";
const HAS_CONTENT: &str = "
    SELECT 1 FROM message WHERE app = ?1 AND id = ?2 AND content = 0";
const INSERT: &str = "
    INSERT INTO message (org, app, id, event_id, event_type, channels, payload, created_at, tags, deliver_at,
                         raw_type, content_until)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";

/// A delivery for every endpoint that wants the message now; one added later does not get it.
fn fan_out(
    tx: &mut Tx<'_>,
    queue: &Queue,
    org: OrgId,
    app: AppId,
    message: &Message,
) -> Result<()> {
    let targets = target::targets(tx, queue.vault(), (org, app), message)?;
    if targets.is_empty() {
        // It is kept: an endpoint that comes later can have it by a task that sends what is missing.
        queue.unrouted(tx);
    }
    target::enqueue(tx, queue, (org, app), message, targets)
}

/// Stores a message, which sets nothing in motion yet.
pub(super) fn insert(conn: &Connection, org: OrgId, app: AppId, message: &Message) -> Result<()> {
    let channels = message.channels.as_ref().map(json).transpose()?;
    let tags = message.tags.as_ref().map(json).transpose()?;
    let created = message.created_at.as_micros();
    let result = conn
        .prepare_cached(INSERT)
        .and_then(|mut insert| {
            insert.execute((
                org,
                app,
                message.id,
                &message.event_id,
                &message.event_type,
                channels,
                &message.payload[..],
                created,
                tags,
                message.deliver_at.map(Timestamp::as_micros),
                &message.raw_type,
                message.content_until.map(Timestamp::as_micros),
            ))
        })
        .sql("store a message");
    conflict(result.map(drop), "conflict", "A message with this eventId already exists")
}

/// The id alone.
pub(super) fn id_of(
    conn: &Connection,
    org: OrgId,
    app: AppId,
    message: &Reference<MessageTag>,
) -> Result<Option<MessageId>> {
    match message {
        Reference::Id(id) => conn
            .prepare_cached(ID)
            .and_then(|mut query| query.query_row((org, app, id), |row| row.get(0)).optional()),
        Reference::Own(event) => conn
            .prepare_cached(ID_BY_EVENT)
            .and_then(|mut query| query.query_row((org, app, event), |row| row.get(0)).optional()),
    }
    .sql("look a message up")
}

fn find(
    conn: &Connection,
    org: OrgId,
    app: AppId,
    message: &Reference<MessageTag>,
) -> Result<Option<Message>> {
    let Some(id) = id_of(conn, org, app, message)? else { return Ok(None) };
    load(conn, org, app, id)
}

/// The message, if it is there, whatever has become of its application.
pub(super) fn load(
    conn: &Connection,
    org: OrgId,
    app: AppId,
    id: MessageId,
) -> Result<Option<Message>> {
    let sql = format!("SELECT {COLUMNS} FROM message WHERE org = ?1 AND app = ?2 AND id = ?3");
    conn.prepare_cached(&sql)
        .and_then(|mut query| query.query_row((org, app, id), self::message).optional())
        .sql("load a message")
}

/// Whether the payload of a message is there.
pub(super) fn has_content(conn: &Connection, app: AppId, id: MessageId) -> Result<bool> {
    conn.prepare_cached(HAS_CONTENT)
        .and_then(|mut query| query.exists((app, id)))
        .sql("look for a payload")
}

/// How the record of a repeatable creation names the message.
fn name_of(app: AppId, id: MessageId) -> String {
    format!("{app}/{id}")
}

fn named(name: &str) -> Result<(AppId, MessageId)> {
    let ids =
        name.split_once('/').and_then(|(app, id)| Some((app.parse().ok()?, id.parse().ok()?)));
    ids.ok_or_else(|| Error::new(Kind::Internal, "a record of a message names none"))
}

/// The message of this row.
pub(super) fn at(conn: &Connection, rowid: i64) -> Result<Message> {
    let sql = format!("SELECT {COLUMNS} FROM message WHERE rowid = ?1");
    conn.prepare_cached(&sql)
        .and_then(|mut query| query.query_row([rowid], message))
        .sql("load a message")
}

fn list(
    conn: &Connection,
    org: OrgId,
    app: AppId,
    walk: &Walk<MessageId>,
    window: Window,
    filter: &MessageFilter,
) -> Result<Page<Message>> {
    let sql = list_sql(walk.direction());
    let event_types = filter.event_types.as_ref().map(json).transpose()?;
    let params = list_params(org, app, walk, window, filter, event_types.as_ref());
    sift(conn, walk, &sql, params, |row, _| {
        if !row.get::<_, bool>(1).sql("look at a message")? {
            return Ok(None);
        }
        let message = at(conn, row.get(2).sql("look at a message")?)?;
        let weight = message.payload.len();
        Ok(Some((message, weight)))
    })
}

/// Lists id, whether it passes the filter, and row of messages. The payload is read of those alone that are shown.
pub(super) fn list_sql(direction: &str) -> String {
    format!(
        "SELECT id, (?7 IS NULL OR EXISTS (SELECT 1 FROM json_each(tags) WHERE value = ?7))
            AND (?8 IS NULL OR event_type IN (SELECT value FROM json_each(?8)))
            AND (?9 IS NULL OR EXISTS (SELECT 1 FROM json_each(channels) WHERE value = ?9)), rowid
         FROM message
         WHERE org = ?1 AND app = ?2 AND id > ?3 AND id < ?4
           AND ((id > ?5 AND id < ?6) OR (created_at > ?10 AND created_at < ?11))
         ORDER BY id {direction}"
    )
}

pub(super) fn list_params<'a>(
    org: OrgId,
    app: AppId,
    walk: &'a Walk<MessageId>,
    window: Window,
    filter: &'a MessageFilter,
    event_types: Option<&'a String>,
) -> impl Params + use<'a> {
    let certain = window.certain::<MessageTag>();
    (
        org,
        app,
        walk.low(),
        walk.high(),
        certain.after,
        certain.before,
        &filter.tag,
        event_types,
        &filter.channel,
        window.after.as_micros(),
        window.before.as_micros(),
    )
}

fn message(row: &Row<'_>) -> rusqlite::Result<Message> {
    Ok(Message {
        id: row.get(0)?,
        event_id: row.get(1)?,
        event_type: row.get(2)?,
        channels: column(row, 3)?,
        payload: Bytes::from(row.get::<_, Vec<u8>>(4)?),
        created_at: Timestamp::from_micros(row.get(5)?),
        tags: column(row, 6)?,
        deliver_at: row.get::<_, Option<i64>>(7)?.map(Timestamp::from_micros),
        raw_type: row.get(8)?,
        content: row.get(9)?,
        content_until: row.get::<_, Option<i64>>(10)?.map(Timestamp::from_micros),
    })
}
