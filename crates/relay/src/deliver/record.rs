//! What became of an attempt, written down once.

use linchpin::time::Timestamp;
use linchpin_data::sqlite::{Sql as _, Tx};

use super::policies::Postponed;
use super::queue::Ready;
use crate::events::Outcome;
use crate::ids::AttemptId;
use crate::model::attempt::{FAIL, MANUAL, SCHEDULED, SUCCESS};

/// An attempt that was made.
#[derive(Clone, Debug)]
pub(super) struct Attempt {
    pub(super) id: AttemptId,
    pub(super) at: Timestamp,
    pub(super) success: bool,
    /// 0 when no answer came.
    pub(super) status_code: u16,
    pub(super) response: String,
    pub(super) duration_ms: u64,
    /// When to try again, for a failure that is not the last.
    pub(super) next: Option<Timestamp>,
}

const DONE: &str = "DELETE FROM delivery WHERE rowid = ?1 AND attempt = ?2";
const AGAIN: &str = "UPDATE delivery SET attempt = attempt + 1, due = ?3, leased = 0, turn = 0
                     WHERE rowid = ?1 AND attempt = ?2";
const LATER: &str =
    "UPDATE delivery SET due = ?3, leased = 0, turn = ?4 WHERE rowid = ?1 AND attempt = ?2";
const PARK: &str = "UPDATE delivery SET leased = 2, turn = 0 WHERE rowid = ?1 AND attempt = ?2";
const INSERT: &str = "
    INSERT INTO attempt (org, app, message, endpoint, id, url, status, status_code, response,
                         duration_ms, trigger_type, next_attempt, created_at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)";

impl Attempt {
    pub(super) fn outcome(&self) -> Outcome {
        match self.next {
            _ if self.success => Outcome::Delivered,
            Some(_) => Outcome::Failed,
            None => Outcome::Exhausted,
        }
    }
}

/// Records `attempt`, unless one was recorded under the same number already: `false` then.
pub(super) fn record(tx: &mut Tx<'_>, ready: &Ready, attempt: &Attempt) -> linchpin::Result<bool> {
    let changed = match attempt.next {
        None => {
            tx.prepare_cached(DONE).and_then(|mut done| done.execute((ready.rowid, ready.attempt)))
        }
        Some(due) => tx
            .prepare_cached(AGAIN)
            .and_then(|mut again| again.execute((ready.rowid, ready.attempt, due.as_micros()))),
    }
    .sql("settle a delivery")?;
    if changed == 0 {
        return Ok(false);
    }
    // What fails is tried again by the schedule, whoever began it.
    let trigger = if ready.manual && ready.attempt == 0 { MANUAL } else { SCHEDULED };
    tx.prepare_cached(INSERT)
        .and_then(|mut insert| {
            insert.execute((
                ready.org,
                ready.app,
                ready.message,
                ready.endpoint,
                attempt.id,
                &ready.url,
                if attempt.success { SUCCESS } else { FAIL },
                attempt.status_code,
                &attempt.response,
                attempt.duration_ms as i64,
                trigger,
                attempt.next.map(Timestamp::as_micros),
                attempt.at.as_micros(),
            ))
        })
        .sql("record an attempt")?;
    Ok(true)
}

/// Puts a delivery off, unless an attempt was recorded meanwhile. It uses up no attempt.
pub(super) fn postpone(
    tx: &mut Tx<'_>,
    (rowid, attempt): (i64, u32),
    postponed: Postponed,
) -> linchpin::Result<bool> {
    let until = postponed.until.as_micros();
    let changed = tx
        .prepare_cached(LATER)
        .and_then(|mut later| later.execute((rowid, attempt, until, postponed.turn)))
        .sql("postpone a delivery")?;
    Ok(changed > 0)
}

/// Parks a delivery, unless an attempt was recorded meanwhile: it stays due, and nobody looks for it by that.
pub(super) fn park(tx: &mut Tx<'_>, (rowid, attempt): (i64, u32)) -> linchpin::Result<bool> {
    let changed = tx
        .prepare_cached(PARK)
        .and_then(|mut park| park.execute((rowid, attempt)))
        .sql("park a delivery")?;
    Ok(changed > 0)
}
