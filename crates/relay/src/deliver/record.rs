//! What became of an attempt, written down once.

use std::sync::Arc;
#[cfg(feature = "planted-faults")]
use std::sync::atomic::{AtomicBool, Ordering};

use linchpin::time::Timestamp;
use linchpin_data::sqlite::{Sql as _, Tx};
use rusqlite::ToSql;

use super::ready::Ready;
use super::targets::Barred;
use crate::events::Outcome;
use crate::ids::{AppId, AttemptId, EndpointId, MessageId, OrgId};
use crate::model::attempt::{CANCELED, FAIL, MANUAL, SCHEDULED, SUCCESS};
use crate::model::operational::{LastAttempt, Operational};
use crate::store::hours::Tally;

/// An attempt that was made.
#[derive(Clone, Debug)]
pub(super) struct Attempt {
    pub(super) id: AttemptId,
    /// Where to.
    pub(super) url: Arc<str>,
    pub(super) at: Timestamp,
    pub(super) success: bool,
    /// 0 when no answer came.
    pub(super) status_code: u16,
    pub(super) response: String,
    pub(super) duration_ms: u64,
    /// It failed by a fault of this side, which nobody is charged with.
    pub(super) is_ours: bool,
    /// When to try again, for a failure that is not the last.
    pub(super) next: Option<Next>,
}

/// When a delivery is tried next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Next {
    /// By the clock of the schedules.
    pub(super) due: Timestamp,
    /// By the clock on the wall, as everybody is told.
    pub(super) shown: Timestamp,
}

/// The row of a delivery as it was taken up. Nothing is written down of one that is not there any more as it was.
///
/// SQLite gives the number of a row that is gone to the next that comes, which may be another delivery: so its endpoint and
/// its message are part of the name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Taken {
    pub(super) rowid: i64,
    pub(super) attempt: u32,
    pub(super) endpoint: EndpointId,
    pub(super) message: MessageId,
}

/// A delivery that has nowhere to go any more.
#[derive(Clone, Copy, Debug)]
pub(super) struct Skipped {
    pub(super) org: OrgId,
    pub(super) app: AppId,
    pub(super) taken: Taken,
    /// Whether somebody had asked for it.
    pub(super) manual: bool,
    pub(super) why: Barred,
}

const DONE: &str = "
    DELETE FROM delivery WHERE rowid = ?1 AND attempt = ?2 AND endpoint = ?3 AND message = ?4";
const AGAIN: &str = "
    UPDATE delivery SET attempt = attempt + 1, due = ?5, leased = 0
    WHERE rowid = ?1 AND attempt = ?2 AND endpoint = ?3 AND message = ?4";
const GIVE_BACK: &str = "
    UPDATE delivery SET leased = 0
    WHERE rowid = ?1 AND attempt = ?2 AND endpoint = ?3 AND message = ?4";
const INSERT: &str = "
    INSERT INTO attempt (org, app, message, endpoint, id, url, status, status_code, response,
                         duration_ms, trigger_type, next_attempt, created_at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)";
const SKIPPED: &str = "
    INSERT INTO attempt (org, app, message, endpoint, id, url, status, status_code, response,
                         duration_ms, trigger_type, next_attempt, created_at)
    SELECT ?1, ?2, ?3, ?4, ?5, url, ?6, 0, ?7, 0, ?8, NULL, ?9
    FROM endpoint WHERE org = ?1 AND app = ?2 AND id = ?4";

impl Attempt {
    pub(super) fn outcome(&self) -> Outcome {
        match self.next {
            _ if self.success => Outcome::Delivered,
            Some(_) => Outcome::Failed,
            None => Outcome::Exhausted,
        }
    }

    /// What the organisation is told of it, if it is worth a word: at the fourth failure, at the last, and at a success after
    /// that fourth.
    pub(super) fn operational(&self, ready: &Ready) -> Option<Operational> {
        let number = ready.attempt + 1;
        let last = LastAttempt {
            message: ready.message,
            id: self.id,
            status_code: self.status_code,
            at: self.at,
        };
        match self.outcome() {
            Outcome::Delivered if number > Operational::FAILING => {
                Some(Operational::AttemptRecovered(last))
            }
            Outcome::Failed if number == Operational::FAILING => {
                Some(Operational::AttemptFailing(last))
            }
            Outcome::Exhausted => Some(Operational::AttemptExhausted(last)),
            Outcome::Delivered | Outcome::Failed => None,
        }
    }
}

/// Records `attempt`, unless one was recorded under the same number already: `false` then. What it adds is in the tally, which is to
/// be written in the same transaction.
pub(super) fn record(
    tx: &mut Tx<'_>,
    ready: &Ready,
    attempt: &Attempt,
    tally: &mut Tally,
) -> linchpin::Result<bool> {
    let taken = ready.taken();
    let new = match attempt.next {
        None => change(tx, DONE, &taken, &[])?,
        Some(Next { due, .. }) => change(tx, AGAIN, &taken, &[&due.as_micros()])?,
    };
    if !new {
        return Ok(false);
    }
    // What fails is tried again by the schedule, whoever began it.
    let trigger = if ready.manual && ready.attempt == 0 { MANUAL } else { SCHEDULED };
    let status = if attempt.success { SUCCESS } else { FAIL };
    tx.prepare_cached(INSERT)
        .and_then(|mut insert| {
            insert.execute((
                ready.org,
                ready.app,
                ready.message,
                ready.endpoint,
                attempt.id,
                &attempt.url,
                status,
                attempt.status_code,
                &attempt.response,
                attempt.duration_ms as i64,
                trigger,
                attempt.next.map(|next| next.shown.as_micros()),
                attempt.at.as_micros(),
            ))
        })
        .sql("record an attempt")?;
    tally.add((ready.app, ready.endpoint), attempt.at, status);
    Ok(true)
}

/// Removes a delivery that has nowhere to go any more, which the attempt list shows. The tally as in [`record`].
pub(super) fn skip(tx: &Tx<'_>, skipped: &Skipped, tally: &mut Tally) -> linchpin::Result<bool> {
    let Skipped { org, app, taken, manual, why } = skipped;
    let is_new = change(tx, DONE, taken, &[])?;
    let Some(why) = why.shown().filter(|_| is_new) else { return Ok(is_new) };
    let (now, Taken { attempt, endpoint, message, .. }) = (Timestamp::now(), taken);
    let trigger = if *manual && *attempt == 0 { MANUAL } else { SCHEDULED };
    let shown = tx
        .prepare_cached(SKIPPED)
        .and_then(|mut insert| {
            let id = AttemptId::at(now);
            insert.execute((
                org,
                app,
                message,
                endpoint,
                id,
                CANCELED,
                why,
                trigger,
                now.as_micros(),
            ))
        })
        .sql("record why nothing was sent")?;
    if shown > 0 {
        tally.add((*app, *endpoint), now, CANCELED);
    }
    Ok(true)
}

/// Gives a leased delivery back, due as before.
pub(super) fn give_back(tx: &mut Tx<'_>, taken: &Taken) -> linchpin::Result<bool> {
    change(tx, GIVE_BACK, taken, &[])
}

/// Whether the row was there as it was taken up. The statements have the same first four parameters.
fn change(tx: &Tx<'_>, sql: &str, taken: &Taken, extra: &[&dyn ToSql]) -> linchpin::Result<bool> {
    let Taken { rowid, attempt, endpoint, message } = taken;
    let mut params: Vec<&dyn ToSql> = vec![rowid, attempt, endpoint, message];
    params.extend_from_slice(extra);
    #[cfg(feature = "planted-faults")]
    let sql = &fenced(sql);
    let changed = tx
        .prepare_cached(sql)
        .and_then(|mut change| change.execute(&*params))
        .sql("settle a delivery")?;
    Ok(changed > 0)
}

/// Has records name a row by its number and its attempt alone: the fault that the kill drill must find where rows are deleted
/// under deliveries.
#[cfg(feature = "planted-faults")]
pub fn plant_loose_fence() {
    LOOSE_FENCE.store(true, Ordering::Relaxed);
}

#[cfg(feature = "planted-faults")]
static LOOSE_FENCE: AtomicBool = AtomicBool::new(false);

#[cfg(feature = "planted-faults")]
fn fenced(sql: &str) -> String {
    let loose = "AND (endpoint = ?3 AND message = ?4 OR true)";
    if LOOSE_FENCE.load(Ordering::Relaxed) {
        sql.replace("AND endpoint = ?3 AND message = ?4", loose)
    } else {
        sql.to_owned()
    }
}
