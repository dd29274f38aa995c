//! Numbers of an endpoint: how its attempts of a stretch of time have ended, and what is still to be delivered.
//!
//! Hours that touch the stretch are read whole, and what they have of attempts outside of it is counted and taken off. So it costs
//! a row an hour, and the attempts of an hour at each end, of which there are none where the stretch ends now.

use linchpin::Result;
use linchpin::context::Context;
use linchpin::time::Timestamp;
use linchpin_data::sqlite::Sql as _;
use rusqlite::{Connection, Row};

use super::hours::{self, Hour, Uncounted};
use super::{Reference, Scope, Store, endpoint};
use crate::ids::{AttemptId, EndpointTag};
use crate::model::stats::{Ended, Waiting};
use crate::model::task::Stretch;
use crate::vault::Owner;

/// So many deliveries are looked at, the oldest.
const DELIVERIES: i64 = 10_000;

const HOURS: &str = "
    SELECT coalesce(sum(success), 0), coalesce(sum(fail), 0), coalesce(sum(canceled), 0)
    FROM endpoint_hour WHERE app = ?1 AND endpoint = ?2 AND hour BETWEEN ?3 AND ?4";
/// Those whose row lies between two numbers, or those whose row does not.
const ATTEMPTS: &str = "
    SELECT count(*) FILTER (WHERE status = 0), count(*) FILTER (WHERE status = 2),
           count(*) FILTER (WHERE status NOT IN (0, 2))
    FROM attempt INDEXED BY attempt_endpoint
    WHERE org = ?1 AND app = ?2 AND endpoint = ?3 AND id BETWEEN ?4 AND ?5
      AND (rowid BETWEEN ?8 AND ?9) = ?10 AND created_at BETWEEN ?6 AND ?7";
const WAITING: &str = "
    SELECT count(*) FILTER (WHERE leased = 0), count(*) FILTER (WHERE leased <> 0)
    FROM (SELECT leased FROM delivery INDEXED BY delivery_once
          WHERE org = ?1 AND app = ?2 AND endpoint = ?3 ORDER BY message LIMIT ?4)";

impl Store {
    /// How the attempts of `stretch` to deliver to an endpoint have ended.
    ///
    /// # Errors
    ///
    /// [`NotFound`](super::Refusal::NotFound) of the application or endpoint, those of the database.
    pub async fn attempt_stats(
        &self,
        ctx: &Context,
        scope: Scope,
        endpoint: Reference<EndpointTag>,
        stretch: Stretch,
    ) -> Result<Ended> {
        self.reader
            .query(ctx, move |conn| {
                let conn = conn.unchecked_transaction().sql("begin to read")?;
                ended(&conn, endpoint::owner(&conn, &scope, &endpoint)?, stretch)
            })
            .await
    }

    /// The same, and what is still to be delivered now, as far as 10,000 deliveries go.
    ///
    /// # Errors
    ///
    /// [`NotFound`](super::Refusal::NotFound) of the application or endpoint, those of the database.
    pub async fn endpoint_stats(
        &self,
        ctx: &Context,
        scope: Scope,
        endpoint: Reference<EndpointTag>,
        stretch: Stretch,
    ) -> Result<(Ended, Waiting)> {
        self.reader
            .query(ctx, move |conn| {
                let conn = conn.unchecked_transaction().sql("begin to read")?;
                let of = endpoint::owner(&conn, &scope, &endpoint)?;
                Ok((ended(&conn, of, stretch)?, waiting(&conn, of)?))
            })
            .await
    }
}

fn ended(conn: &Connection, of: Owner, Stretch { since, until }: Stretch) -> Result<Ended> {
    let step = |at: Timestamp, micros| Timestamp::from_micros(at.as_micros() + micros);
    let (first, last) = (Hour::of(since), Hour::of(until));
    let uncounted = hours::uncounted(conn)?;
    let counted = Rows { range: uncounted.unwrap_or_default(), inside: false };
    let (begin, end) = (first.ends().0, last.ends().1);
    let mut found = whole_hours(conn, of, first, last)?;
    found -= attempts(conn, of, (begin, step(since, -1)), counted)?;
    found -= attempts(conn, of, (step(until, 1), end), counted)?;
    if let Some(range) = uncounted {
        found += attempts(conn, of, (since, until), Rows { range, inside: true })?;
    }
    Ok(found)
}

fn whole_hours(
    conn: &Connection,
    (_, app, endpoint): Owner,
    first: Hour,
    last: Hour,
) -> Result<Ended> {
    conn.prepare_cached(HOURS)
        .and_then(|mut query| query.query_row((app, endpoint, first.number(), last.number()), read))
        .sql("add up hours")
}

/// Rows of `attempt` with a number within this range, or without it.
#[derive(Clone, Copy)]
struct Rows {
    range: Uncounted,
    inside: bool,
}

/// Those that began between two moments, both included.
fn attempts(
    conn: &Connection,
    (org, app, endpoint): Owner,
    (from, to): (Timestamp, Timestamp),
    Rows { range: (low, high), inside }: Rows,
) -> Result<Ended> {
    if from > to {
        return Ok(Ended::default());
    }
    // Ids say it to 4 ms, and spare a look at the rows; the time in the row says it exactly.
    let (least, most) = (AttemptId::min_at(from), AttemptId::max_at(to));
    let (from, to) = (from.as_micros(), to.as_micros());
    conn.prepare_cached(ATTEMPTS)
        .and_then(|mut query| {
            let params = (org, app, endpoint, least, most, from, to, low, high, inside);
            query.query_row(params, read)
        })
        .sql("count attempts")
}

fn waiting(conn: &Connection, (org, app, endpoint): Owner) -> Result<Waiting> {
    conn.prepare_cached(WAITING)
        .and_then(|mut query| {
            query.query_row((org, app, endpoint, DELIVERIES), |row| {
                Ok(Waiting { pending: row.get(0)?, sending: row.get(1)? })
            })
        })
        .sql("count deliveries")
}

fn read(row: &Row<'_>) -> rusqlite::Result<Ended> {
    Ok(Ended { success: row.get(0)?, fail: row.get(1)?, canceled: row.get(2)? })
}
