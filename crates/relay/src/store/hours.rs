//! The table `endpoint_hour`: how the attempts of each endpoint have ended, hour by hour.
//!
//! It is the sum of `attempt`: whoever adds rows there or takes some away keeps a [`Tally`] of them, and writes it in the same
//! transaction. Those of an older Relay are counted bit by bit after the start; `uncounted` says which are still to be. None goes
//! before that, and so none has the number of another that was not counted yet.

use std::collections::BTreeMap;
use std::time::Duration;

use linchpin::Result;
use linchpin::context::Context;
use linchpin::time::{Instant, Timestamp};
use linchpin_data::sqlite::{Sql as _, Tx};
use rusqlite::{Connection, OptionalExtension as _, Row};

use super::Store;
use crate::ids::{AppId, EndpointId};
use crate::model::attempt::{FAIL, SUCCESS};
use crate::model::stats::Ended;

/// How attempts have ended, by endpoint and hour, that came or went within one transaction.
#[derive(Debug, Default)]
pub(crate) struct Tally(BTreeMap<(AppId, EndpointId, Hour), Ended>);

/// An hour, counted from the epoch.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Hour(i64);

/// The first and the last row of `attempt` that is not counted; a new one has a greater number.
pub(super) type Uncounted = (i64, i64);

const MICROS: i64 = 3_600_000_000;
/// So many rows a submission counts ...
const ROWS: i64 = 5_000;
/// ... and so long it takes at most, but for a few.
const TIME: Duration = Duration::from_millis(20);
/// So often it looks how long it has taken.
const LOOK: usize = 256;

const ADD: &str = "
    INSERT INTO endpoint_hour (app, endpoint, hour, success, fail, canceled)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6)
    ON CONFLICT DO UPDATE SET success = success + excluded.success, fail = fail + excluded.fail,
                              canceled = canceled + excluded.canceled";
const TAKE: &str = "
    UPDATE endpoint_hour SET success = success - ?4, fail = fail - ?5, canceled = canceled - ?6
    WHERE app = ?1 AND endpoint = ?2 AND hour = ?3";
const EMPTY: &str = "
    DELETE FROM endpoint_hour
    WHERE app = ?1 AND endpoint = ?2 AND hour = ?3 AND success + fail + canceled <= 0";
const UNCOUNTED: &str = "SELECT first, last FROM uncounted";
const OLD: &str = "
    SELECT rowid, app, endpoint, created_at, status FROM attempt
    WHERE rowid BETWEEN ?1 AND ?2 ORDER BY rowid LIMIT ?3";
const COUNTED: &str = "UPDATE uncounted SET first = ?1";
const ALL_COUNTED: &str = "DELETE FROM uncounted";

impl Store {
    /// Counts attempts of an older Relay into the hours, as many as one submission may. Returns whether there are more.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn count_old_attempts(&self, ctx: &Context) -> Result<bool> {
        self.writer.submit(ctx, count_old).await
    }
}

fn count_old(tx: &mut Tx<'_>) -> Result<bool> {
    let Some((first, last)) = uncounted(tx)? else { return Ok(false) };
    let (begun, mut tally, mut next, mut looked) = (Instant::now(), Tally::default(), None, 0);
    {
        let mut query = tx.prepare_cached(OLD).sql("find attempts to count")?;
        let mut rows = query.query((first, last, ROWS)).sql("find attempts to count")?;
        while let Some(row) = rows.next().sql("find attempts to count")? {
            next = Some(row.get::<_, i64>(0).sql("count an attempt")? + 1);
            tally.add_row(row, 1).sql("count an attempt")?;
            looked += 1;
            if looked % LOOK == 0 && begun.elapsed() >= TIME {
                break;
            }
        }
    }
    tally.write(tx)?;
    let next = next.filter(|next| *next <= last);
    match next {
        Some(next) => tx.prepare_cached(COUNTED).and_then(|mut mark| mark.execute([next])),
        None => tx.prepare_cached(ALL_COUNTED).and_then(|mut mark| mark.execute(())),
    }
    .sql("note what is counted")?;
    Ok(next.is_some())
}

/// Which rows of `attempt` are in no hour yet.
pub(super) fn uncounted(conn: &Connection) -> Result<Option<Uncounted>> {
    conn.prepare_cached(UNCOUNTED)
        .and_then(|mut query| query.query_row((), |row| Ok((row.get(0)?, row.get(1)?))).optional())
        .sql("look which attempts are not counted")
}

// ===== impl Tally =====

impl Tally {
    /// An attempt that began `at` and ended with this status.
    pub(crate) fn add(&mut self, (app, endpoint): (AppId, EndpointId), at: Timestamp, status: u8) {
        let ended = self.0.entry((app, endpoint, Hour::of(at))).or_default();
        match status {
            SUCCESS => ended.success += 1,
            FAIL => ended.fail += 1,
            _ => ended.canceled += 1,
        }
    }

    /// The attempt of a row that has `app`, `endpoint`, `created_at` and `status` from this column on.
    pub(super) fn add_row(&mut self, row: &Row<'_>, column: usize) -> rusqlite::Result<()> {
        let endpoint = (row.get(column)?, row.get(column + 1)?);
        self.add(endpoint, Timestamp::from_micros(row.get(column + 2)?), row.get(column + 3)?);
        Ok(())
    }

    /// These attempts have come.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub(crate) fn write(&self, tx: &Tx<'_>) -> Result<()> {
        self.each(tx, &[ADD])
    }

    /// These attempts are gone, and with the last of an hour its row.
    pub(super) fn take_away(&self, tx: &Tx<'_>) -> Result<()> {
        self.each(tx, &[TAKE, EMPTY])
    }

    fn each(&self, tx: &Tx<'_>, statements: &[&str]) -> Result<()> {
        for ((app, endpoint, hour), ended) in &self.0 {
            let Ended { success, fail, canceled } = ended;
            for sql in statements {
                let mut statement = tx.prepare_cached(sql).sql("count attempts")?;
                let params: [&dyn rusqlite::ToSql; 6] =
                    [app, endpoint, &hour.0, success, fail, canceled];
                let params = &params[..statement.parameter_count()];
                statement.execute(params).sql("count attempts")?;
            }
        }
        Ok(())
    }
}

// ===== impl Hour =====

impl Hour {
    pub(super) fn of(at: Timestamp) -> Self {
        Self(at.as_micros().div_euclid(MICROS))
    }

    /// Its number, as the table has it.
    pub(super) fn number(self) -> i64 {
        self.0
    }

    /// Its first and its last microsecond.
    pub(super) fn ends(self) -> (Timestamp, Timestamp) {
        let first = self.0.saturating_mul(MICROS);
        (Timestamp::from_micros(first), Timestamp::from_micros(first.saturating_add(MICROS - 1)))
    }
}
