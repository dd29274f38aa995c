//! The table `event_type`.

use std::collections::BTreeSet;

use linchpin::Result;
use linchpin::context::Context;
use linchpin::sync::Lazy;
use linchpin::time::Timestamp;
use linchpin_data::sqlite::Sql as _;
use linchpin_data::sqlite::record::{self, Record as _};
use rusqlite::{Connection, OptionalExtension as _, ToSql as _, params_from_iter};

use super::page::Walk;
use super::{Answer, Once, Put, Refusal, Store, json, once};
use crate::ids::OrgId;
use crate::model::event_type::{EventType, EventTypePatch, EventTypeUpdate};
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
                        Some(mut kind) if kind.definition.archived => {
                            kind.replace(input.clone(), now);
                            kind
                        }
                        Some(_) => {
                            let detail = "An event type with this name already exists";
                            return Err(
                                Refusal::Conflict { code: "event_type_exists", detail }.into()
                            );
                        }
                        None => EventType::new(&name, input.clone(), now),
                    };
                    save(tx, org, &kind)?;
                    Ok((201, kind))
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
                match flags {
                    Some(held) if !kind.definition.is_shown_to(&held) => {
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
                        kind.replace(input.clone(), now);
                        (Put::Replaced, kind)
                    }
                    None => (Put::Created, EventType::new(&name, input.clone(), now)),
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

pub(super) const ARCHIVE: &str = "
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

/// The columns of an event type, after those that say whose it is.
static COLUMNS: Lazy<String> = Lazy::new(record::columns::<EventType>);
static SAVE: Lazy<String> = Lazy::new(|| {
    let parameters = record::parameters::<EventType>(2);
    format!("INSERT OR REPLACE INTO event_type (org, {}) VALUES (?1, {parameters})", *COLUMNS)
});
static FIND: Lazy<String> =
    Lazy::new(|| format!("SELECT {} FROM event_type WHERE org = ?1 AND name = ?2", *COLUMNS));

/// Puts an event type in the place of what has its name.
pub(super) fn save(conn: &Connection, org: OrgId, kind: &EventType) -> Result<()> {
    conn.prepare_cached(&SAVE)
        .and_then(|mut save| {
            let mut values = vec![org.to_sql()?];
            kind.values(&mut values)?;
            save.execute(params_from_iter(values))
        })
        .sql("save an event type")?;
    Ok(())
}

/// One event type, archived or not.
pub(super) fn find(conn: &Connection, org: OrgId, name: &str) -> Result<Option<EventType>> {
    conn.prepare_cached(&FIND)
        .and_then(|mut query| query.query_row((org, name), record::read).optional())
        .sql("load an event type")
}

fn list(
    conn: &Connection,
    org: OrgId,
    walk: &Walk<String>,
    archived: bool,
    flags: Option<&BTreeSet<String>>,
) -> Result<Page<EventType>> {
    let (columns, direction) = (&*COLUMNS, walk.direction());
    let sql = format!(
        "SELECT {columns} FROM event_type
         WHERE org = ?1 AND name > ?2 AND name < ?3 AND archived <= ?4
           AND (?5 IS NULL OR coalesce(feature_flag, feature_flags) IS NULL
                OR feature_flag IN (SELECT value FROM json_each(?5))
                OR EXISTS (SELECT 1 FROM json_each(feature_flags) AS own
                           WHERE own.value IN (SELECT value FROM json_each(?5))))
         ORDER BY name {direction} LIMIT ?6"
    );
    let flags = flags.map(json).transpose()?;
    let params = (org, walk.low(), walk.high(), archived, flags, walk.rows());
    super::read(conn, walk, &sql, params, record::read, |kind: &EventType| kind.name.clone())
}
