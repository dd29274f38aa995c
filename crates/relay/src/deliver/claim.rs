//! Taking due deliveries out of the database.

use std::collections::BTreeMap;

use bytes::Bytes;
use linchpin::time::Timestamp;
use linchpin_data::sqlite::{Sql as _, Tx};
use rusqlite::{Connection, OptionalExtension as _, Row};

use super::parked::{Released, Room};
use super::policies::UNREADABLE;
use super::queue::{Queue, Ready};
use super::targets::{Barred, Target};
use crate::ids::EndpointId;

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
    /// How many were parked as nothing can be signed for their endpoint.
    pub(super) unreadable: BTreeMap<EndpointId, usize>,
    /// When the next one is due, of those that were left and are not parked.
    pub(super) next: Option<Timestamp>,
}

const DUE: &str = "SELECT rowid FROM delivery WHERE leased = 0 AND due <= ?1 ORDER BY due LIMIT ?2";
const PARKED: &str = "SELECT rowid FROM delivery INDEXED BY delivery_parked
                      WHERE endpoint = ?1 AND leased = 2 ORDER BY due LIMIT ?2";
/// So many parked rows of an endpoint are read at once: not many more than are taken, but for those that have nowhere to go.
const SECTION: usize = 64;
const LEASE: &str = "UPDATE delivery SET leased = 1 WHERE rowid = ?1";
const PARK: &str = "UPDATE delivery SET leased = 2, turn = 0 WHERE rowid = ?1";
const DROP: &str = "DELETE FROM delivery WHERE rowid = ?1";
const NEXT: &str = "SELECT min(due) FROM delivery WHERE leased = 0";

/// Leases what is due, and what is parked and may go; `queue` is told of whom to look at again for more.
pub(super) fn claim(tx: &mut Tx<'_>, queue: &Queue, wanted: &Wanted) -> linchpin::Result<Claimed> {
    let ready = Vec::with_capacity(wanted.limit);
    let mut claimed = Claimed { ready, dropped: 0, unreadable: BTreeMap::new(), next: None };
    if wanted.released_first {
        claim_parked(tx, queue, wanted, &mut claimed)?;
        claim_due(tx, queue, wanted, &mut claimed)?;
    } else {
        claim_due(tx, queue, wanted, &mut claimed)?;
        claim_parked(tx, queue, wanted, &mut claimed)?;
    }
    claimed.next = next(tx)?;
    Ok(claimed)
}

fn claim_due(
    tx: &mut Tx<'_>,
    queue: &Queue,
    wanted: &Wanted,
    claimed: &mut Claimed,
) -> linchpin::Result<()> {
    let left = wanted.limit - claimed.ready.len();
    for rowid in rowids(tx, DUE, (wanted.now.as_micros(), left as i64))? {
        let Some(endpoint) = take(tx, queue, rowid, claimed)? else { continue };
        change(tx, PARK, rowid)?;
        *claimed.unreadable.entry(endpoint).or_default() += 1;
        let (queue, at) = (queue.clone(), wanted.now + UNREADABLE);
        tx.after_commit(move || queue.park(endpoint, at));
    }
    Ok(())
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
        let Some(seen) = take_most(tx, queue, &parked, most, claimed)? else { continue };
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

/// Takes up to `most` of these parked deliveries. How many it has looked at; `None` if nothing can be signed for their
/// endpoint.
fn take_most(
    tx: &mut Tx<'_>,
    queue: &Queue,
    rowids: &[i64],
    most: usize,
    claimed: &mut Claimed,
) -> linchpin::Result<Option<usize>> {
    let enough = claimed.ready.len() + most;
    for (seen, &rowid) in rowids.iter().enumerate() {
        if claimed.ready.len() == enough {
            return Ok(Some(seen));
        }
        if take(tx, queue, rowid, claimed)?.is_some() {
            return Ok(None);
        }
    }
    Ok(Some(rowids.len()))
}

/// Leases a delivery, or drops it if it has nowhere to go. If nothing can be signed for its endpoint it is left as it is, and
/// the endpoint told.
fn take(
    tx: &mut Tx<'_>,
    queue: &Queue,
    rowid: i64,
    claimed: &mut Claimed,
) -> linchpin::Result<Option<EndpointId>> {
    match load(tx, queue, rowid)? {
        Loaded::Ready(ready) => {
            change(tx, LEASE, rowid)?;
            claimed.ready.push(*ready);
        }
        Loaded::Nowhere => {
            change(tx, DROP, rowid)?;
            claimed.dropped += 1;
        }
        Loaded::Unreadable(endpoint) => return Ok(Some(endpoint)),
    }
    Ok(None)
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

/// A delivery as it was found.
enum Loaded {
    Ready(Box<Ready>),
    /// Its endpoint gets nothing any more.
    Nowhere,
    /// Nothing can be signed for its endpoint.
    Unreadable(EndpointId),
}

/// The delivery with its message, and where it goes.
fn load(tx: &mut Tx<'_>, queue: &Queue, rowid: i64) -> linchpin::Result<Loaded> {
    let sql = format!(
        "SELECT d.attempt, d.org, d.app, d.message, d.endpoint, m.payload, d.due, d.manual, d.turn, {}
         FROM delivery d
         JOIN endpoint e ON e.app = d.app AND e.id = d.endpoint
         JOIN application a ON a.org = d.org AND a.id = d.app
         JOIN message m ON m.app = d.app AND m.id = d.message
         WHERE d.rowid = ?1",
        Target::COLUMNS
    );
    let read = |row: &Row<'_>| {
        let endpoint = row.get(4)?;
        let target = match Target::read(row, 9)? {
            Ok(target) => target,
            Err(barred) => return Ok(Err((endpoint, barred))),
        };
        let (attempt, org, app, message) = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
        let payload = Bytes::from(row.get::<_, Vec<u8>>(5)?);
        let due = Timestamp::from_micros(row.get(6)?);
        let (manual, turn) = (row.get(7)?, row.get(8)?);
        let ready = move |target| Ready {
            rowid,
            attempt,
            org,
            app,
            message,
            endpoint,
            target,
            payload,
            due,
            manual,
            turn,
        };
        Ok(Ok(((org, app, endpoint), target, ready)))
    };
    let found = tx
        .prepare_cached(&sql)
        .and_then(|mut query| query.query_row([rowid], read).optional())
        .sql("load a delivery")?;
    Ok(match found {
        Some(Ok((endpoint, target, ready))) => {
            Loaded::Ready(Box::new(ready(queue.hold(tx, endpoint, target))))
        }
        Some(Err((endpoint, Barred::Unreadable))) => Loaded::Unreadable(endpoint),
        Some(Err(_)) | None => Loaded::Nowhere,
    })
}
