//! The table `event_type`.

use std::collections::BTreeSet;

use linchpin::Result;
use linchpin::context::Context;
use linchpin::time::Timestamp;
use linchpin_data::sqlite::Sql as _;
use rusqlite::{Connection, OptionalExtension as _, Row};

use super::page::Walk;
use super::{Answer, Once, Put, Refusal, Store, column, json, once};
use crate::ids::OrgId;
use crate::model::event_type::{EventType, EventTypeOut, EventTypePatch, EventTypeUpdate};
use crate::model::page::Page;

impl Store {
    /// One page of the tenant's event types, by name. `flags` limits it to those without a flag or with one of these.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn list_event_types(
        &self,
        ctx: &Context,
        org: OrgId,
        walk: Walk<String>,
        archived: bool,
        flags: Option<BTreeSet<String>>,
    ) -> Result<Page<EventType>> {
        self.reader.query(ctx, move |conn| list(conn, org, &walk, archived, flags.as_ref())).await
    }

    /// Creates an event type, or revives an archived one: 201.
    ///
    /// # Errors
    ///
    /// [`Refusal::Conflict`] if a live one has the name, [`Refusal::KeyReused`], those of the database.
    pub async fn create_event_type(
        &self,
        ctx: &Context,
        org: OrgId,
        name: String,
        input: EventTypeUpdate,
        key: Option<Once>,
    ) -> Result<Answer> {
        let now = Timestamp::now();
        self.writer
            .submit(ctx, move |tx| {
                once(tx, key.as_ref(), now, |tx| {
                    let kind = match find(tx, org, &name)? {
                        Some(mut kind) if kind.archived => {
                            kind.replace(&input, now);
                            kind
                        }
                        Some(_) => {
                            let detail = "An event type with this name already exists";
                            return Err(
                                Refusal::Conflict { code: "event_type_exists", detail }.into()
                            );
                        }
                        None => EventType::new(&name, &input, now),
                    };
                    save(tx, org, &kind)?;
                    Ok((201, EventTypeOut::from(kind)))
                })
            })
            .await
    }

    /// One event type, archived or not, if `flags` admits it.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotFound`], those of the database.
    pub async fn event_type(
        &self,
        ctx: &Context,
        org: OrgId,
        name: String,
        flags: Option<BTreeSet<String>>,
    ) -> Result<EventType> {
        self.reader
            .query(ctx, move |conn| {
                let kind = find(conn, org, &name)?.ok_or(Refusal::NotFound)?;
                match (&kind.feature_flag, &flags) {
                    (Some(flag), Some(held)) if !held.contains(flag) => {
                        Err(Refusal::NotFound.into())
                    }
                    _ => Ok(kind),
                }
            })
            .await
    }

    /// Replaces the event type, archived or not, or creates it.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn put_event_type(
        &self,
        ctx: &Context,
        org: OrgId,
        name: String,
        input: EventTypeUpdate,
    ) -> Result<(Put, EventType)> {
        let now = Timestamp::now();
        self.writer
            .submit(ctx, move |tx| {
                let (put, kind) = match find(tx, org, &name)? {
                    Some(mut kind) => {
                        kind.replace(&input, now);
                        (Put::Replaced, kind)
                    }
                    None => (Put::Created, EventType::new(&name, &input, now)),
                };
                save(tx, org, &kind)?;
                Ok((put, kind))
            })
            .await
    }

    /// Changes what `patch` has.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotFound`], those of the database.
    pub async fn patch_event_type(
        &self,
        ctx: &Context,
        org: OrgId,
        name: String,
        patch: EventTypePatch,
    ) -> Result<EventType> {
        let now = Timestamp::now();
        self.writer
            .submit(ctx, move |tx| {
                let mut kind = find(tx, org, &name)?.ok_or(Refusal::NotFound)?;
                kind.patch(&patch, now);
                save(tx, org, &kind)?;
                Ok(kind)
            })
            .await
    }

    /// Archives the event type, or removes its row with `expunge`.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotFound`], those of the database.
    pub async fn delete_event_type(
        &self,
        ctx: &Context,
        org: OrgId,
        name: String,
        expunge: bool,
    ) -> Result<()> {
        let now = Timestamp::now().as_micros();
        self.writer
            .submit(ctx, move |tx| {
                let changed = if expunge {
                    tx.prepare_cached(EXPUNGE).and_then(|mut delete| delete.execute((org, &name)))
                } else {
                    tx.prepare_cached(ARCHIVE)
                        .and_then(|mut update| update.execute((org, &name, now)))
                }
                .sql("delete an event type")?;
                if changed == 0 { Err(Refusal::NotFound.into()) } else { Ok(()) }
            })
            .await
    }
}

const COLUMNS: &str =
    "name, description, archived, deprecated, schemas, feature_flag, created_at, updated_at";
const SAVE: &str = "
    INSERT OR REPLACE INTO event_type (org, name, description, archived, deprecated, schemas,
                                       feature_flag, created_at, updated_at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
const ARCHIVE: &str = "
    UPDATE event_type SET archived = 1, updated_at = ?3 WHERE org = ?1 AND name = ?2";
const EXPUNGE: &str = "
    DELETE FROM event_type WHERE org = ?1 AND name = ?2";
const IS_LIVE: &str = "
    SELECT 1 FROM event_type WHERE org = ?1 AND name = ?2 AND archived = 0";

/// Those of `names` that cannot be subscribed to.
pub(super) fn unknown<'a>(
    conn: &Connection,
    org: OrgId,
    names: &'a BTreeSet<String>,
) -> Result<Vec<&'a str>> {
    conn.prepare_cached(IS_LIVE)
        .and_then(|mut query| {
            let mut unknown = Vec::new();
            for name in names {
                if !query.exists((org, name))? {
                    unknown.push(name.as_str());
                }
            }
            Ok(unknown)
        })
        .sql("look event types up")
}

fn save(conn: &Connection, org: OrgId, kind: &EventType) -> Result<()> {
    let schemas = kind.schemas.as_ref().map(json).transpose()?;
    let (created, updated) = (kind.created_at.as_micros(), kind.updated_at.as_micros());
    conn.prepare_cached(SAVE)
        .and_then(|mut save| {
            save.execute((
                org,
                &kind.name,
                &kind.description,
                kind.archived,
                kind.deprecated,
                schemas,
                &kind.feature_flag,
                created,
                updated,
            ))
        })
        .sql("save an event type")?;
    Ok(())
}

fn find(conn: &Connection, org: OrgId, name: &str) -> Result<Option<EventType>> {
    let sql = format!("SELECT {COLUMNS} FROM event_type WHERE org = ?1 AND name = ?2");
    conn.prepare_cached(&sql)
        .and_then(|mut query| query.query_row((org, name), event_type).optional())
        .sql("load an event type")
}

fn list(
    conn: &Connection,
    org: OrgId,
    walk: &Walk<String>,
    archived: bool,
    flags: Option<&BTreeSet<String>>,
) -> Result<Page<EventType>> {
    let direction = walk.direction();
    let sql = format!(
        "SELECT {COLUMNS} FROM event_type
         WHERE org = ?1 AND name > ?2 AND name < ?3 AND archived <= ?4
           AND (feature_flag IS NULL OR ?5 IS NULL OR feature_flag IN (SELECT value FROM json_each(?5)))
         ORDER BY name {direction} LIMIT ?6"
    );
    let flags = flags.map(json).transpose()?;
    let params = (org, walk.low(), walk.high(), archived, flags, walk.rows());
    super::read(conn, walk, &sql, params, event_type, |kind| kind.name.clone())
}

fn event_type(row: &Row<'_>) -> rusqlite::Result<EventType> {
    Ok(EventType {
        name: row.get(0)?,
        description: row.get(1)?,
        archived: row.get(2)?,
        deprecated: row.get(3)?,
        schemas: column(row, 4)?,
        feature_flag: row.get(5)?,
        created_at: Timestamp::from_micros(row.get(6)?),
        updated_at: Timestamp::from_micros(row.get(7)?),
    })
}
