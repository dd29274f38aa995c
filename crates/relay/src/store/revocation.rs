//! Tokens of applications that are refused although their time is not over.
//!
//! One is revoked by its id, or all that were issued before a moment, of an application or of one of its sessions. The tables
//! are `token_revoked` and `token_floor`. What they say is in memory, too: loaded before the first request, changed by hooks,
//! which run in the order of commits. So a request asks no database whether its token is still good.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use linchpin::Result;
use linchpin::context::Context;
use linchpin::sync::RwLock;
use linchpin::time::Timestamp;
use linchpin_data::sqlite::{Database, Reader, Sql as _, Tx, Writer};
use linchpin_security::jwt::LEEWAY;
use rusqlite::Connection;

use super::{Answer, Once, Refusal, Scope, once};
use crate::ids::{AppId, OrgId, TokenId};
use crate::model::access::LONGEST;

/// Which tokens are refused. Clones share it.
#[derive(Clone, Debug)]
pub struct Revocations {
    writer: Writer,
    reader: Reader,
    known: Arc<RwLock<Known>>,
}

/// The token of an application, as far as it matters whether it is revoked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Issued {
    /// Whose it is.
    pub app: (OrgId, AppId),
    /// What it is revoked by. Tokens that somebody else made may have none.
    pub id: Option<TokenId>,
    /// When it was made.
    pub at: Timestamp,
    /// When its time is over.
    pub until: Timestamp,
    /// What it was made for.
    pub session: Option<String>,
}

#[derive(Debug, Default)]
struct Known {
    /// Each with the time from which on nobody takes it anyway.
    revoked: HashMap<TokenId, Timestamp>,
    floors: HashMap<Owner, Vec<Floor>>,
}

/// Whose tokens: those of an application that are of one session, or all if that is empty.
type Owner = (OrgId, AppId, String);

/// From `since` on, what was issued up to `not_before` is refused. Those of an owner ascend in both.
#[derive(Clone, Copy, Debug)]
struct Floor {
    since: Timestamp,
    not_before: Timestamp,
}

const REVOKE: &str = "
    INSERT OR IGNORE INTO token_revoked (org, id, until) VALUES (?1, ?2, ?3)";
const FLOORS: &str = "
    SELECT since, not_before FROM token_floor WHERE org = ?1 AND app = ?2 AND session = ?3 ORDER BY since";
const DROP_FLOORS: &str = "
    DELETE FROM token_floor WHERE org = ?1 AND app = ?2 AND session = ?3";
const ADD_FLOOR: &str = "
    INSERT INTO token_floor (org, app, session, since, not_before) VALUES (?1, ?2, ?3, ?4, ?5)";
const ALL_REVOKED: &str = "SELECT id, until FROM token_revoked";
const ALL_FLOORS: &str = "
    SELECT org, app, session, since, not_before FROM token_floor ORDER BY org, app, session, since";
const PRUNE_REVOKED: &str = "
    DELETE FROM token_revoked
    WHERE id IN (SELECT id FROM token_revoked WHERE until < ?1 ORDER BY until LIMIT ?2)";
/// A floor under all tokens of an application stays: some may have been made to live for years.
const PRUNE_FLOORS: &str = "
    DELETE FROM token_floor WHERE session <> '' AND not_before < ?1";

// ===== impl Revocations =====

impl Revocations {
    /// Those of this database, of which none is known yet: [`load`](Self::load) them before the first request.
    #[must_use]
    pub fn new(database: &Database) -> Self {
        let known = Arc::new(RwLock::new(Known::default()));
        Self { writer: database.writer().clone(), reader: database.reader().clone(), known }
    }

    /// Reads all there are.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn load(&self, ctx: &Context) -> Result<()> {
        let known = self.reader.query(ctx, |conn| load(conn).sql("load what is revoked")).await?;
        *self.known.write() = known;
        Ok(())
    }

    /// Whether the token is refused at this time.
    #[must_use]
    pub fn refuses(&self, token: &Issued, now: Timestamp) -> bool {
        let known = self.known.read();
        if token.id.is_some_and(|id| known.revoked.contains_key(&id)) {
            return true;
        }
        let (org, app) = token.app;
        let below = |session: String| {
            let floors = known.floors.get(&(org, app, session)).into_iter().flatten();
            floors.into_iter().any(|floor| floor.since <= now && token.at <= floor.not_before)
        };
        below(String::new()) || token.session.clone().is_some_and(below)
    }

    /// Revokes one token.
    ///
    /// # Errors
    ///
    /// [`Refusal::Unsuited`] if it has no id, those of the database.
    pub async fn revoke(&self, ctx: &Context, token: &Issued) -> Result<()> {
        let detail = "This token has no `jti` to revoke it by: end all tokens of the application";
        let (org, app) = token.app;
        let id = token.id.ok_or(Refusal::Unsuited { code: "token_without_id", detail })?;
        let (until, known) = (token.until + LEEWAY, self.known.clone());
        self.writer
            .submit(ctx, move |tx| {
                tx.prepare_cached(REVOKE)
                    .and_then(|mut revoke| revoke.execute((org, id, until.as_micros())))
                    .sql("revoke a token")?;
                let known = known.clone();
                tx.after_commit(move || {
                    known.write().revoked.insert(id, until);
                    tracing::info!(%org, %app, token = %id, "token revoked");
                });
                Ok(())
            })
            .await
    }

    /// Ends all tokens of an application that were made until now, or those of these sessions, after some time: 204.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotFound`], [`Refusal::KeyReused`], those of the database.
    pub async fn expire(
        &self,
        ctx: &Context,
        scope: Scope,
        (sessions, after): (BTreeSet<String>, Duration),
        key: Option<Once>,
    ) -> Result<Answer> {
        let (now, org, known) = (Timestamp::now(), scope.org, self.known.clone());
        let floor = Floor { since: now + after, not_before: now };
        let all = sessions.is_empty().then(String::new);
        self.writer
            .submit(ctx, move |tx| {
                once(tx, key.as_ref(), now, |tx| {
                    let app = scope.resolve(tx)?;
                    for session in sessions.iter().chain(&all) {
                        lay(tx, &known, (org, app, session.clone()), floor, now)?;
                    }
                    let sessions = sessions.len();
                    tx.after_commit(
                        move || tracing::info!(%org, %app, sessions, ?after, "tokens expire"),
                    );
                    Ok((204, ()))
                })
            })
            .await
    }

    /// Forgets what has no effect any more. The tables are [`prune`]d apart from it.
    pub fn forget(&self, now: Timestamp) {
        let mut known = self.known.write();
        known.revoked.retain(|_, until| *until >= now);
        known.floors.retain(|(.., session), floors| {
            session.is_empty() || floors.last().is_some_and(|floor| floor.not_before >= over(now))
        });
    }
}

/// Puts a floor beside those that its owner has.
fn lay(
    tx: &mut Tx<'_>,
    known: &Arc<RwLock<Known>>,
    owner: Owner,
    floor: Floor,
    now: Timestamp,
) -> Result<()> {
    // Of the database, since what others have laid in the same commit is in memory only after it.
    let floors = with(floors(tx, &owner).sql("load what is revoked")?, floor, now);
    replace(tx, &owner, &floors).sql("revoke tokens")?;
    let known = known.clone();
    tx.after_commit(move || {
        known.write().floors.insert(owner, floors);
    });
    Ok(())
}

/// The new floor and those that still matter beside it: the last that is in force, and what comes into force before it.
fn with(mut floors: Vec<Floor>, mut new: Floor, now: Timestamp) -> Vec<Floor> {
    // The clock may have been put back since the last one.
    let highest = floors.iter().map(|floor| floor.not_before).max();
    new.not_before = highest.map_or(new.not_before, |highest| highest.max(new.not_before));
    floors.retain(|old| old.since < new.since);
    floors.push(new);
    let in_force = floors.iter().rposition(|floor| floor.since <= now).unwrap_or(0);
    floors.split_off(in_force)
}

fn floors(conn: &Connection, owner: &Owner) -> rusqlite::Result<Vec<Floor>> {
    let (org, app, session) = owner;
    let mut query = conn.prepare_cached(FLOORS)?;
    let rows = query.query_map((org, app, session), |row| floor(row, 0))?;
    rows.collect()
}

fn replace(conn: &Connection, owner: &Owner, floors: &[Floor]) -> rusqlite::Result<()> {
    let (org, app, session) = owner;
    conn.prepare_cached(DROP_FLOORS)?.execute((org, app, session))?;
    let mut add = conn.prepare_cached(ADD_FLOOR)?;
    for floor in floors {
        let (since, not_before) = (floor.since.as_micros(), floor.not_before.as_micros());
        add.execute((org, app, session, since, not_before))?;
    }
    Ok(())
}

fn floor(row: &rusqlite::Row<'_>, first: usize) -> rusqlite::Result<Floor> {
    let time = |index: usize| row.get(index).map(Timestamp::from_micros);
    Ok(Floor { since: time(first)?, not_before: time(first + 1)? })
}

fn load(conn: &Connection) -> rusqlite::Result<Known> {
    let mut known = Known::default();
    let mut query = conn.prepare(ALL_REVOKED)?;
    for row in query.query_map((), |row| Ok((row.get(0)?, row.get(1)?)))? {
        let (id, until) = row?;
        known.revoked.insert(id, Timestamp::from_micros(until));
    }
    let mut query = conn.prepare(ALL_FLOORS)?;
    let owned =
        |row: &rusqlite::Row<'_>| Ok(((row.get(0)?, row.get(1)?, row.get(2)?), floor(row, 3)?));
    for row in query.query_map((), owned)? {
        let (owner, floor): (Owner, _) = row?;
        known.floors.entry(owner).or_default().push(floor);
    }
    Ok(known)
}

/// Deletes rows that have no effect any more, of revoked tokens `limit` at most; how many.
///
/// # Errors
///
/// Those of the database.
pub fn prune(tx: &Tx<'_>, now: Timestamp, limit: u32) -> Result<usize> {
    tx.prepare_cached(PRUNE_FLOORS)
        .and_then(|mut prune| prune.execute([over(now).as_micros()]))
        .sql("prune what is revoked")?;
    tx.prepare_cached(PRUNE_REVOKED)
        .and_then(|mut prune| prune.execute((now.as_micros(), limit)))
        .sql("prune what is revoked")
}

/// Tokens with a session that were issued before this are over by themselves.
fn over(now: Timestamp) -> Timestamp {
    now - LONGEST - LEEWAY
}
