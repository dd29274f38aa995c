//! Taking due deliveries out of the database, an endpoint at a time.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use linchpin::sync::Mutex;
use linchpin::time::Timestamp;
use linchpin_data::sqlite::{Sql as _, Tx};
use rusqlite::{Connection, OptionalExtension as _, Row};

use super::policies::UNREADABLE;
use super::queue::{Queue, Seat, Surplus, Visit};
use super::ready::Ready;
use super::record::{self, Skipped, Taken};
use super::targets::{Barred, Target};
use crate::ids::{AppId, EndpointId};
use crate::store::hours::Tally;

/// Visits that are under way. The hooks of a submission that was committed take them out; those of one that was not are as
/// they were, for the next try.
pub(super) type Visits = Arc<[Mutex<Option<Visit>>]>;

/// Deliveries that are on their way back. As with visits, the hooks of a submission take them out.
pub(super) type Leaving = Arc<[Mutex<Option<Surplus>>]>;

/// What visits have come to.
#[derive(Debug, Default)]
pub(super) struct Claimed {
    /// Due deliveries that have nowhere to go any more; their rows are gone.
    pub(super) dropped: usize,
    /// Endpoints for which nothing can be signed.
    pub(super) unreadable: Vec<EndpointId>,
    /// What the list of attempts says of those that were dropped.
    tally: Tally,
}

/// So many deliveries of an endpoint come up at a visit: enough to fill a commit with a few, and not to hold up the writer.
const ROWS: usize = 64;

/// A message may ask for its first attempt so far ahead, and a receiver for its next.
const LONGEST_WISH: Duration = Duration::from_hours(24);

const DUE: &str = "SELECT rowid FROM delivery INDEXED BY delivery_lane
                   WHERE endpoint = ?1 AND leased = 0 AND due <= ?2 ORDER BY due LIMIT ?3";
const NEXT: &str =
    "SELECT min(due) FROM delivery INDEXED BY delivery_lane WHERE endpoint = ?1 AND leased = 0";
const LEASE: &str = "UPDATE delivery SET leased = 1 WHERE rowid = ?1";
const DROP: &str = "DELETE FROM delivery WHERE rowid = ?1";
/// Endpoints that have something to come up, from one on: it goes from one to the next in the index, past all rows between.
const LANES: &str = "
    WITH RECURSIVE lane(endpoint) AS (
        SELECT min(endpoint) FROM delivery INDEXED BY delivery_lane WHERE leased = 0 AND endpoint > ?1
        UNION ALL
        SELECT (SELECT min(d.endpoint) FROM delivery d INDEXED BY delivery_lane
                WHERE d.leased = 0 AND d.endpoint > lane.endpoint)
        FROM lane WHERE lane.endpoint IS NOT NULL
    )
    SELECT lane.endpoint, first.app, first.due FROM lane
    JOIN delivery first ON first.rowid = (
        SELECT d.rowid FROM delivery d INDEXED BY delivery_lane
        WHERE d.leased = 0 AND d.endpoint = lane.endpoint ORDER BY d.due LIMIT 1)
    WHERE lane.endpoint IS NOT NULL LIMIT ?2";

/// What is due after all reason, by the schedule of its endpoint or else the longest delay of the service: somebody had set the
/// clock far ahead when it was written.
const BRING_BACK: &str = "
    WITH RECURSIVE lane(endpoint) AS (
        SELECT min(endpoint) FROM delivery INDEXED BY delivery_lane WHERE leased = 0
        UNION ALL
        SELECT (SELECT min(d.endpoint) FROM delivery d INDEXED BY delivery_lane
                WHERE d.leased = 0 AND d.endpoint > lane.endpoint)
        FROM lane WHERE lane.endpoint IS NOT NULL
    ), bound(endpoint, due) AS MATERIALIZED (
        SELECT lane.endpoint,
               ?1 + coalesce(1200000 * (SELECT max(value) FROM json_each(e.retry_schedule)), ?2)
        FROM lane
        JOIN delivery first ON first.rowid = (
            SELECT d.rowid FROM delivery d INDEXED BY delivery_lane
            WHERE d.leased = 0 AND d.endpoint = lane.endpoint LIMIT 1)
        JOIN endpoint e ON e.app = first.app AND e.id = lane.endpoint
        WHERE lane.endpoint IS NOT NULL
    )
    UPDATE delivery INDEXED BY delivery_lane SET due = bound.due FROM bound
    WHERE delivery.endpoint = bound.endpoint AND delivery.leased = 0 AND delivery.due > bound.due";

/// Brings up what is due of the endpoints that are visited, as far as there is room, and says of each what is left.
pub(super) fn claim(tx: &mut Tx<'_>, queue: &Queue, visits: &Visits) -> linchpin::Result<Claimed> {
    let (now, mut claimed) = (queue.clock().now(), Claimed::default());
    for at in 0..visits.len() {
        let taken = match &*visits[at].lock() {
            Some(visit) => one(tx, queue, visit, now, &mut claimed)?,
            None => continue,
        };
        let (visits, queue) = (visits.clone(), queue.clone());
        tx.after_commit(move || {
            for (ready, seat) in taken.ready {
                seat.put(queue.held(ready));
            }
            if let Some(mut visit) = visits[at].lock().take() {
                visit.leaves(taken.next);
                visit.done();
            }
        });
    }
    claimed.tally.write(tx)?;
    Ok(claimed)
}

/// Gives deliveries back to the database, where they are due as before.
pub(super) fn lay_down(tx: &mut Tx<'_>, surplus: &Leaving) -> linchpin::Result<()> {
    for at in 0..surplus.len() {
        let (taken, due) = match &*surplus[at].lock() {
            Some(one) => (one.ready.taken(), one.ready.due),
            None => continue,
        };
        // A row that is gone leaves nothing below, which the next visit finds.
        record::give_back(tx, &taken)?;
        let surplus = surplus.clone();
        tx.after_commit(move || {
            if let Some(one) = surplus[at].lock().take() {
                one.laid(due);
            }
        });
    }
    Ok(())
}

/// What has come up of one endpoint.
struct Found {
    ready: Vec<(Ready, Seat)>,
    /// When there is more.
    next: Option<Timestamp>,
}

fn one(
    tx: &mut Tx<'_>,
    queue: &Queue,
    visit: &Visit,
    now: Timestamp,
    claimed: &mut Claimed,
) -> linchpin::Result<Found> {
    let (endpoint, most) = (*visit.key(), visit.room().min(ROWS));
    let mut ready = Vec::with_capacity(most);
    for rowid in rowids(tx, (endpoint, now.as_micros(), most as i64))? {
        match load(tx, queue, rowid)? {
            Loaded::Ready(one) => {
                let Ok(seat) = visit.seat(one.payload.len()) else { break };
                change(tx, LEASE, rowid)?;
                ready.push((*one, seat));
            }
            Loaded::Nowhere(skipped) => {
                record::skip(tx, &skipped, &mut claimed.tally)?;
                claimed.dropped += 1;
            }
            Loaded::Lost => {
                change(tx, DROP, rowid)?;
                claimed.dropped += 1;
            }
            Loaded::Unreadable => {
                claimed.unreadable.push(endpoint);
                return Ok(Found { ready, next: Some(now + UNREADABLE) });
            }
        }
    }
    Ok(Found { ready, next: next(tx, endpoint)? })
}

/// When the first delivery of an endpoint is due that nobody has leased.
fn next(conn: &Connection, endpoint: EndpointId) -> linchpin::Result<Option<Timestamp>> {
    let due: Option<i64> = conn
        .prepare_cached(NEXT)
        .and_then(|mut query| query.query_row([endpoint], |row| row.get(0)))
        .sql("find the next due time")?;
    Ok(due.map(Timestamp::from_micros))
}

/// Voids every lease, since whoever held them is gone. Returns how many there were.
pub(super) fn void_leases(tx: &mut Tx<'_>) -> linchpin::Result<usize> {
    tx.prepare_cached("UPDATE delivery SET leased = 0 WHERE leased <> 0")
        .and_then(|mut void| void.execute(()))
        .sql("void leases")
}

/// Brings back what is due later than anything could be at `now`: the longest delay from then, and a day for what a message or
/// a receiver may ask for. `longest` is the service's. Returns how many there were.
pub(super) fn bring_back(
    tx: &mut Tx<'_>,
    now: Timestamp,
    longest: Duration,
) -> linchpin::Result<usize> {
    let (from, longest) = ((now + LONGEST_WISH).as_micros(), longest.as_micros() as i64);
    tx.prepare_cached(BRING_BACK)
        .and_then(|mut bring| bring.execute((from, longest)))
        .sql("bring back what is due beyond reason")
}

/// Tells of endpoints that have something to come up, those after `last` and so many at most. The last of them, if there are
/// more.
pub(super) fn find(
    tx: &mut Tx<'_>,
    queue: &Queue,
    last: Option<EndpointId>,
    most: usize,
) -> linchpin::Result<Option<EndpointId>> {
    let after = last.unwrap_or(EndpointId::from_bytes([0; 20]));
    let lane = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, Timestamp::from_micros(row.get(2)?)));
    let found: Vec<(EndpointId, AppId, Timestamp)> = tx
        .prepare_cached(LANES)
        .and_then(|mut query| query.query_map((after, most as i64), lane)?.collect())
        .sql("find who has deliveries")?;
    let last = found.last().map(|(endpoint, ..)| *endpoint).filter(|_| found.len() == most);
    for (endpoint, app, due) in found {
        queue.stored(tx, (app, endpoint), due);
    }
    Ok(last)
}

fn rowids(tx: &Tx<'_>, params: impl rusqlite::Params) -> linchpin::Result<Vec<i64>> {
    tx.prepare_cached(DUE)
        .and_then(|mut query| query.query_map(params, |row| row.get(0))?.collect())
        .sql("find deliveries")
}

fn change(tx: &Tx<'_>, sql: &str, rowid: i64) -> linchpin::Result<usize> {
    tx.prepare_cached(sql).and_then(|mut change| change.execute([rowid])).sql("take up a delivery")
}

/// A delivery as it was found.
enum Loaded {
    Ready(Box<Ready>),
    /// Its endpoint gets nothing any more.
    Nowhere(Skipped),
    /// There is no message of it, or no endpoint.
    Lost,
    /// Nothing can be signed for its endpoint.
    Unreadable,
}

/// The delivery with its message, and where it goes.
fn load(tx: &mut Tx<'_>, queue: &Queue, rowid: i64) -> linchpin::Result<Loaded> {
    let sql = format!(
        "SELECT d.attempt, d.org, d.app, d.message, d.endpoint, m.payload, d.due, d.manual,
                m.raw_type, m.content = 0, {}
         FROM delivery d
         JOIN endpoint e ON e.app = d.app AND e.id = d.endpoint
         JOIN application a ON a.org = d.org AND a.id = d.app
         JOIN message m ON m.app = d.app AND m.id = d.message
         WHERE d.rowid = ?1",
        Target::COLUMNS
    );
    let read = |row: &Row<'_>| {
        let (attempt, org, app, message) = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
        let (endpoint, manual) = (row.get(4)?, row.get(7)?);
        let drawer = queue.vault().drawer((org, app, endpoint));
        let has_content: bool = row.get(9)?;
        let target =
            if has_content { Target::read(row, 10, &drawer)? } else { Err(Barred::Expired) };
        let target = match target {
            Ok(target) => target,
            Err(why) => {
                let taken = Taken { rowid, attempt, endpoint, message };
                return Ok(Err(Skipped { org, app, taken, manual, why }));
            }
        };
        let payload = Bytes::from(row.get::<_, Vec<u8>>(5)?);
        let due = Timestamp::from_micros(row.get(6)?);
        let raw_type: Option<Arc<str>> = row.get(8)?;
        let ready = move |target| Ready {
            rowid,
            attempt,
            org,
            app,
            message,
            endpoint,
            target,
            payload,
            raw_type,
            due,
            manual,
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
        Some(Err(skipped)) if skipped.why == Barred::Unreadable => Loaded::Unreadable,
        Some(Err(skipped)) => Loaded::Nowhere(skipped),
        None => Loaded::Lost,
    })
}
