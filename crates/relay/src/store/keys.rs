//! The table `keyring`, and the walks that seal the secrets of endpoints.
//!
//! A key has a row once something may have been sealed with it: its proof, which only it opens. The first row is written when
//! all is sealed that an older Relay has kept in clear: from then on a text in clear is none of ours.

use std::collections::BTreeMap;
use std::path::Path;

use linchpin::context::Context;
use linchpin::time::Timestamp;
use linchpin::{Error, Kind, Result};
use linchpin_data::sqlite::{Database, Sql as _, Tx, Writer};
use linchpin_security::seal::Keyring;
use rusqlite::{Connection, Row};
use serde::{Deserialize, Serialize};

use super::Store;
use super::inspect::schema_of;
use super::wipe::wiped;
use crate::ids::{AppId, EndpointId};
use crate::vault::{Drawer, Field, Owner, Vault};

/// What a walk over all endpoints has come to.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Walked {
    /// Texts that are sealed with the current key now and were not before.
    pub sealed: u64,
    /// Texts that do not open. They are as they were.
    pub unreadable: u64,
}

/// A key, and so many texts it has sealed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeyUse {
    /// Its id.
    pub id: String,
    /// How many texts.
    pub texts: u64,
    /// Whether it seals.
    pub current: bool,
    /// Whether it is among the keys in force.
    pub known: bool,
}

/// So many endpoints are looked at in one submission: a walk never holds up a write for long.
const BATCH: usize = 500;

/// In the order in which the statements below have them.
const FIELDS: [Field; 3] = [Field::Secret, Field::OldSecrets, Field::Headers];

/// The schema that first sealed secrets.
const SEALED_SINCE: u32 = 8;

const PROOFS: &str = "SELECT id, proof FROM keyring";
const PROVE: &str =
    "INSERT INTO keyring (id, proof, created_at) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
const FORGET: &str = "DELETE FROM keyring WHERE id = ?1";
const TEXTS: &str = "
    SELECT secret FROM endpoint UNION ALL
    SELECT old_secrets FROM endpoint WHERE old_secrets IS NOT NULL UNION ALL
    SELECT headers FROM endpoint WHERE headers IS NOT NULL";
const WALK: &str = "
    SELECT org, app, id, secret, old_secrets, headers FROM endpoint
    WHERE (app, id) > (?1, ?2) ORDER BY app, id LIMIT ?3";
const SEAL: &str = "UPDATE endpoint SET secret = ?4, old_secrets = ?5, headers = ?6
                    WHERE org = ?1 AND app = ?2 AND id = ?3";

/// Opens the database as [`open`](super::open) does, with nothing in clear in it that the vault can seal.
///
/// What an older Relay has kept in clear is sealed, and is then in neither the file nor its log.
///
/// # Errors
///
/// Those of [`open`](super::open). [`Kind::FailedPrecondition`], if a key is another one than it was, or one is missing that
/// something was sealed with.
pub async fn open_sealed(ctx: &Context, path: &Path, vault: &Vault) -> Result<Database> {
    let mut database = super::open(path)?;
    let sealed = match settle(ctx, &database, vault).await {
        Ok(sealed) => sealed,
        Err(error) => {
            database.close(ctx).await?;
            return Err(error);
        }
    };
    if let Some(sealed) = sealed {
        // Which empties the log. The proof comes after it: without one, all of this is done again.
        database.close(ctx).await?;
        database = super::open(path)?;
        tracing::info!(sealed, "secrets that were in clear are sealed");
    }
    prove(ctx, database.writer(), vault).await?;
    Ok(database)
}

/// Holds the vault against what is stored. If no key has a proof yet it seals what is in clear, and says how many texts it was
/// if the file or its log may still show them.
async fn settle(ctx: &Context, database: &Database, vault: &Vault) -> Result<Option<u64>> {
    let read = |conn: &Connection| Ok((proofs(conn)?, in_use(conn)?));
    let (proofs, used) = database.reader().query(ctx, read).await?;
    let missing: Vec<_> = used.keys().filter(|id| !vault.ids().contains(id)).collect();
    if !missing.is_empty() {
        let missing =
            missing.into_iter().map(|id| format!("`{id}`")).collect::<Vec<_>>().join(", ");
        let why = format!(
            "secrets are sealed with {missing}, which `encryption-keys` has not: add the key there"
        );
        return Err(Error::new(Kind::FailedPrecondition, why));
    }
    for (id, proof) in &proofs {
        // One that is not there has sealed nothing that is kept, and may come back as another.
        if vault.ids().contains(id) && vault.proves(id, proof).is_err() {
            let why = format!("key `{id}` of `encryption-keys` is another one than it was");
            return Err(Error::new(Kind::FailedPrecondition, why));
        }
    }
    if !proofs.is_empty() {
        return Ok(None);
    }
    let sealed = walk(ctx, database.writer(), vault, Todo::Clear).await?.sealed;
    // Of those that are in use already, a start that was cut off has sealed some.
    Ok((sealed > 0 || !used.is_empty()).then_some(sealed))
}

/// Has a proof of the current key on record, and none of keys that are not there any more.
async fn prove(ctx: &Context, writer: &Writer, vault: &Vault) -> Result<()> {
    let (vault, proof) = (vault.clone(), vault.proof());
    let prove = move |tx: &mut Tx<'_>| {
        for (id, _) in proofs(tx)?.iter().filter(|(id, _)| !vault.ids().contains(id)) {
            tx.execute(FORGET, [id]).sql("forget a key")?;
        }
        let now = Timestamp::now().as_micros();
        tx.execute(PROVE, (&vault.ids()[0], proof.as_str(), now)).sql("prove a key").map(drop)
    };
    writer.submit(ctx, prove).await
}

impl Store {
    /// Seals anew all that the current key has not sealed. It may be called again at any time, also after a part was done.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn rotate_keys(&self, ctx: &Context) -> Result<Walked> {
        rotate(ctx, &self.writer, self.vault()).await
    }
}

/// The same, of a database that nobody else has open.
///
/// # Errors
///
/// Those of the database.
pub async fn rotate(ctx: &Context, writer: &Writer, vault: &Vault) -> Result<Walked> {
    let walked = walk(ctx, writer, vault, Todo::NotCurrent).await?;
    let Walked { sealed, unreadable } = walked;
    tracing::info!(key = vault.ids()[0], sealed, unreadable, "secrets are sealed anew");
    Ok(walked)
}

/// Every key that something was sealed with, and those in force. The file may be of any age.
///
/// # Errors
///
/// Those of the database.
pub(crate) fn key_uses(conn: &Connection, vault: &Vault) -> Result<Vec<KeyUse>> {
    let mut used = in_use_at_any_age(conn)?;
    for id in vault.ids() {
        used.entry(id.clone()).or_default();
    }
    let key = |(id, texts)| {
        let (current, known) = (id == vault.ids()[0], vault.ids().contains(&id));
        KeyUse { id, texts, current, known }
    };
    Ok(used.into_iter().map(key).collect())
}

/// The proof of each key that something may have been sealed with, by its id.
pub(crate) fn proofs(conn: &Connection) -> Result<Vec<(String, String)>> {
    conn.prepare(PROOFS)
        .and_then(|mut query| query.query_map((), |row| Ok((row.get(0)?, row.get(1)?)))?.collect())
        .sql("read the proofs of keys")
}

/// The same as [`in_use`], of a file of any age: an older Relay has sealed nothing.
pub(crate) fn in_use_at_any_age(conn: &Connection) -> Result<BTreeMap<String, u64>> {
    if schema_of(conn)? < SEALED_SINCE { Ok(BTreeMap::new()) } else { in_use(conn) }
}

/// How many texts each key has sealed, by what they say.
pub(crate) fn in_use(conn: &Connection) -> Result<BTreeMap<String, u64>> {
    let mut used = BTreeMap::new();
    let mut query = conn.prepare(TEXTS).sql("read sealed texts")?;
    let mut rows = query.query(()).sql("read sealed texts")?;
    while let Some(row) = rows.next().sql("read sealed texts")? {
        let text = row.get_ref(0).sql("read a sealed text")?;
        if let Some(id) = text.as_str().ok().and_then(Keyring::id_of) {
            match used.get_mut(id) {
                Some(texts) => *texts += 1,
                None => drop(used.insert(id.to_owned(), 1)),
            }
        }
    }
    Ok(used)
}

/// What a walk seals.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Todo {
    /// What is in clear.
    Clear,
    /// What other keys have sealed.
    NotCurrent,
}

type Place = (AppId, EndpointId);

async fn walk(ctx: &Context, writer: &Writer, vault: &Vault, todo: Todo) -> Result<Walked> {
    let mut walked = Walked::default();
    let mut last = (AppId::from_bytes([0; 20]), EndpointId::from_bytes([0; 20]));
    loop {
        let vault = vault.clone();
        let step = move |tx: &mut Tx<'_>| match todo {
            Todo::Clear => wiped(tx, || step(tx, &vault, last, todo)),
            Todo::NotCurrent => step(tx, &vault, last, todo),
        };
        let (done, next) = writer.submit(ctx, step).await?;
        walked.sealed += done.sealed;
        walked.unreadable += done.unreadable;
        match next {
            Some(next) => last = next,
            None => return Ok(walked),
        }
    }
}

/// The endpoints after `last`, and where to go on.
fn step(tx: &Tx<'_>, vault: &Vault, last: Place, todo: Todo) -> Result<(Walked, Option<Place>)> {
    let texts = |row: &Row<'_>| {
        let endpoint: Owner = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok((endpoint, [row.get(3)?, row.get(4)?, row.get(5)?]))
    };
    let rows: Vec<(Owner, [Option<String>; 3])> = tx
        .prepare_cached(WALK)
        .and_then(|mut query| query.query_map((last.0, last.1, BATCH as i64), texts)?.collect())
        .sql("read sealed texts")?;
    let (mut walked, mut seal) = (Walked::default(), tx.prepare_cached(SEAL).sql("seal texts")?);
    let next = rows.last().filter(|_| rows.len() == BATCH).map(|((_, app, id), _)| (*app, *id));
    for ((org, app, id), mut texts) in rows {
        let drawer = vault.drawer((org, app, id));
        let before = walked.sealed;
        for (field, text) in FIELDS.into_iter().zip(&mut texts) {
            anew(&drawer, (field, text), todo, &mut walked);
        }
        if walked.sealed > before {
            let [secret, old, headers] = &texts;
            seal.execute((org, app, id, secret, old, headers)).sql("seal texts")?;
        }
    }
    Ok((walked, next))
}

fn anew(
    drawer: &Drawer<'_>,
    (field, text): (Field, &mut Option<String>),
    todo: Todo,
    walked: &mut Walked,
) {
    let Some(present) = text else { return };
    let sealed = match todo {
        Todo::Clear if Keyring::id_of(present).is_some() => return,
        Todo::Clear => Ok(drawer.seal(field, present)),
        Todo::NotCurrent if drawer.is_current(present) => return,
        Todo::NotCurrent => {
            drawer.open(field, present).map(|open| drawer.seal(field, open.expose()))
        }
    };
    match sealed {
        Ok(sealed) => {
            *text = Some(sealed.into_string());
            walked.sealed += 1;
        }
        Err(_) => walked.unreadable += 1,
    }
}
