//! Taking due deliveries out of the database, and giving them back.

use std::sync::Arc;

use bytes::Bytes;
use linchpin::time::Timestamp;
use linchpin_data::sqlite::{Sql as _, Tx};
use linchpin_security::webhook::{Secret, Signer};
use rusqlite::{Connection, Row};

use super::queue::{Rates, Ready};

/// What a claim found.
#[derive(Debug)]
pub(super) struct Claimed {
    pub(super) ready: Vec<Ready>,
    /// Due deliveries that have nowhere to go any more; their rows are gone.
    pub(super) dropped: usize,
    /// When the next one is due, of those that were left.
    pub(super) next: Option<Timestamp>,
}

const DUE: &str = "SELECT rowid FROM delivery WHERE leased = 0 AND due <= ?1 ORDER BY due LIMIT ?2";
const LEASE: &str = "UPDATE delivery SET leased = 1 WHERE rowid = ?1";
const LOAD: &str = "
    SELECT d.rowid, d.attempt, d.org, d.app, d.message, d.endpoint, e.url, e.secret, m.payload, d.due, d.manual,
           e.throttle_rate, a.throttle_rate, d.turn
    FROM delivery d
    JOIN endpoint e ON e.app = d.app AND e.id = d.endpoint AND e.deleted = 0 AND e.disabled = 0
    JOIN application a ON a.org = d.org AND a.id = d.app
    JOIN message m ON m.app = d.app AND m.id = d.message
    WHERE d.rowid = ?1";
const DROP: &str = "DELETE FROM delivery WHERE rowid = ?1";
const NEXT: &str = "SELECT min(due) FROM delivery WHERE leased = 0";

/// Leases up to `limit` deliveries that are due at `now`.
pub(super) fn claim(tx: &mut Tx<'_>, now: Timestamp, limit: usize) -> linchpin::Result<Claimed> {
    let due: Vec<i64> = tx
        .prepare_cached(DUE)
        .and_then(|mut due| {
            due.query_map((now.as_micros(), limit as i64), |row| row.get(0))?.collect()
        })
        .sql("find due deliveries")?;
    let mut claimed = Claimed { ready: Vec::with_capacity(due.len()), dropped: 0, next: None };
    for rowid in due {
        match load(tx, rowid)? {
            Some(ready) => {
                change(tx, LEASE, rowid)?;
                claimed.ready.push(ready);
            }
            None => {
                change(tx, DROP, rowid)?;
                claimed.dropped += 1;
            }
        }
    }
    claimed.next = next(tx)?;
    Ok(claimed)
}

/// Gives leased deliveries back, due as before.
pub(super) fn give_back(tx: &mut Tx<'_>, rowids: &[i64]) -> linchpin::Result<usize> {
    let mut given = 0;
    for rowid in rowids {
        given += change(tx, "UPDATE delivery SET leased = 0 WHERE rowid = ?1", *rowid)?;
    }
    Ok(given)
}

/// Voids the leases and the turns of a process that is gone, and tells when the first delivery is due.
pub(super) fn void_leases(tx: &mut Tx<'_>) -> linchpin::Result<(usize, Option<Timestamp>)> {
    let voided = tx
        .execute("UPDATE delivery SET leased = 0, turn = 0 WHERE leased <> 0 OR turn <> 0", ())
        .sql("void old leases")?;
    Ok((voided, next(tx)?))
}

/// The due time of the oldest delivery that nobody has taken up.
pub(super) fn next(conn: &Connection) -> linchpin::Result<Option<Timestamp>> {
    let micros: Option<i64> = conn
        .prepare_cached(NEXT)
        .and_then(|mut next| next.query_row((), |row| row.get(0)))
        .sql("find the next due delivery")?;
    Ok(micros.map(Timestamp::from_micros))
}

fn change(tx: &Tx<'_>, sql: &str, rowid: i64) -> linchpin::Result<usize> {
    tx.prepare_cached(sql).and_then(|mut change| change.execute([rowid])).sql("change a delivery")
}

/// The delivery with its endpoint and message, or `None` if one of them is gone.
fn load(tx: &Tx<'_>, rowid: i64) -> linchpin::Result<Option<Ready>> {
    let mut load = tx.prepare_cached(LOAD).sql("load a delivery")?;
    let mut rows = load.query([rowid]).sql("load a delivery")?;
    match rows.next().sql("load a delivery")? {
        None => Ok(None),
        Some(row) => ready(row).sql("read a delivery").map(Some),
    }
}

fn ready(row: &Row<'_>) -> rusqlite::Result<Ready> {
    let secret: String = row.get(7)?;
    let secret: Secret = secret.parse().map_err(|fault| {
        rusqlite::Error::FromSqlConversionFailure(7, rusqlite::types::Type::Text, Box::new(fault))
    })?;
    Ok(Ready {
        rowid: row.get(0)?,
        attempt: row.get(1)?,
        org: row.get(2)?,
        app: row.get(3)?,
        message: row.get(4)?,
        endpoint: row.get(5)?,
        url: row.get::<_, String>(6)?.into(),
        secret: Arc::new(Signer::new(&secret)),
        payload: Bytes::from(row.get::<_, Vec<u8>>(8)?),
        due: Timestamp::from_micros(row.get(9)?),
        manual: row.get(10)?,
        rates: Rates { endpoint: row.get(11)?, application: row.get(12)? },
        turn: row.get(13)?,
    })
}
