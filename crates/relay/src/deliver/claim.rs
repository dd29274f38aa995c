//! Taking due deliveries out of the database.

use std::sync::Arc;

use bytes::Bytes;
use linchpin::time::Timestamp;
use linchpin_data::sqlite::{Sql as _, Tx};
use linchpin_security::webhook::{Secret, Signer};
use rusqlite::{Connection, Row};

use super::parked::{Released, Room};
use super::queue::{Queue, Rates, Ready};

/// What a claim asks for.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) now: Timestamp,
    /// So many deliveries at most.
    pub(super) limit: usize,
    /// Whose parked deliveries may go.
    pub(super) released: Vec<Released>,
    /// Whether these are served before those that are due by themselves.
    pub(super) released_first: bool,
}

/// What a claim found.
#[derive(Debug)]
pub(super) struct Claimed {
    pub(super) ready: Vec<Ready>,
    /// Due deliveries that have nowhere to go any more; their rows are gone.
    pub(super) dropped: usize,
    /// When the next one is due, of those that were left and are not parked.
    pub(super) next: Option<Timestamp>,
}

const DUE: &str = "SELECT rowid FROM delivery WHERE leased = 0 AND due <= ?1 ORDER BY due LIMIT ?2";
const PARKED: &str = "SELECT rowid FROM delivery INDEXED BY delivery_parked
                      WHERE endpoint = ?1 AND leased = 2 ORDER BY due LIMIT ?2";
/// So many parked rows of an endpoint are read at once: not many more than are taken, but for those that have nowhere to go.
const SECTION: usize = 64;
const LEASE: &str = "UPDATE delivery SET leased = 1 WHERE rowid = ?1";
const LOAD: &str = "
    SELECT d.rowid, d.attempt, d.org, d.app, d.message, d.endpoint, e.url, e.secret, m.payload, d.due, d.manual,
           e.throttle_rate, a.throttle_rate, d.turn
    FROM delivery d
    JOIN endpoint e ON e.app = d.app AND e.id = d.endpoint AND e.deleted = 0 AND e.disabled = 0
    JOIN application a ON a.org = d.org AND a.id = d.app AND a.deleted = 0
    JOIN message m ON m.app = d.app AND m.id = d.message
    WHERE d.rowid = ?1";
const DROP: &str = "DELETE FROM delivery WHERE rowid = ?1";
const NEXT: &str = "SELECT min(due) FROM delivery WHERE leased = 0";

/// Leases what is due, and what is parked and may go; `queue` is told of whom to look at again for more.
pub(super) fn claim(tx: &mut Tx<'_>, queue: &Queue, wanted: &Wanted) -> linchpin::Result<Claimed> {
    let ready = Vec::with_capacity(wanted.limit);
    let mut claimed = Claimed { ready, dropped: 0, next: None };
    if wanted.released_first {
        claim_parked(tx, queue, wanted, &mut claimed)?;
        claim_due(tx, wanted, &mut claimed)?;
    } else {
        claim_due(tx, wanted, &mut claimed)?;
        claim_parked(tx, queue, wanted, &mut claimed)?;
    }
    claimed.next = next(tx)?;
    Ok(claimed)
}

fn claim_due(tx: &Tx<'_>, wanted: &Wanted, claimed: &mut Claimed) -> linchpin::Result<()> {
    let left = wanted.limit - claimed.ready.len();
    let due = rowids(tx, DUE, (wanted.now.as_micros(), left as i64))?;
    take(tx, &due, left, claimed).map(drop)
}

fn claim_parked(
    tx: &mut Tx<'_>,
    queue: &Queue,
    wanted: &Wanted,
    claimed: &mut Claimed,
) -> linchpin::Result<()> {
    for &Released { endpoint, room } in &wanted.released {
        let before = claimed.ready.len();
        let left = wanted.limit - before;
        let most = match room {
            Room::All => left,
            Room::Probes(probes) => probes.min(left),
        };
        let parked = rowids(tx, PARKED, (endpoint, SECTION as i64))?;
        let seen = take(tx, &parked, most, claimed)?;
        let taken = claimed.ready.len() - before;
        let (queue, now) = (queue.clone(), wanted.now);
        if seen == parked.len() && seen < SECTION {
            tx.after_commit(move || queue.parked().remove(endpoint));
        } else if room == Room::All || left == 0 || taken < most {
            tx.after_commit(move || queue.look(endpoint, now));
        }
        // Else its probes are on their way, and who hears of them looks again.
    }
    Ok(())
}

fn rowids(tx: &Tx<'_>, sql: &str, params: impl rusqlite::Params) -> linchpin::Result<Vec<i64>> {
    tx.prepare_cached(sql)
        .and_then(|mut query| query.query_map(params, |row| row.get(0))?.collect())
        .sql("find deliveries")
}

/// Leases `most` of these deliveries, and drops those among them that have nowhere to go. How many it has looked at.
fn take(
    tx: &Tx<'_>,
    rowids: &[i64],
    most: usize,
    claimed: &mut Claimed,
) -> linchpin::Result<usize> {
    let enough = claimed.ready.len() + most;
    for (seen, &rowid) in rowids.iter().enumerate() {
        if claimed.ready.len() == enough {
            return Ok(seen);
        }
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
    Ok(rowids.len())
}

/// Voids what a process that is gone has leased and parked, and the turns that it gave, and tells when the first delivery is due.
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
