//! Endpoints that only fail, and when the service gives one up.
//!
//! A row keeps since when nothing but failures came, and when those of the last day began. Both are written when they change
//! and not with each failure; a success clears them, which costs one that never failed nothing.

use std::time::Duration;

use linchpin::time::Timestamp;
use linchpin_data::sqlite::{Sql as _, Tx};
use rusqlite::{OptionalExtension as _, Row};

use super::queue::Queue;
use super::ready::Ready;
use super::record::Attempt;
use crate::store::operational;

/// When the service disables an endpoint by itself.
#[derive(Clone, Copy, Debug)]
pub struct HealthSettings {
    /// After so long without a success; `None` for never.
    pub disable_after: Option<Duration>,
    /// At once if its receiver says that it is gone for good: 410.
    pub gone_disables: bool,
}

/// The settings, with what counts whom they have disabled.
#[derive(Clone, Debug)]
pub(super) struct Health {
    settings: HealthSettings,
    /// By reason.
    disabled: [metrics::Counter; 2],
}

/// The failures of an endpoint since its last success.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Streak {
    /// When the first was.
    since: Option<Timestamp>,
    /// The same within a day, or the one after a day without any.
    day: Option<Timestamp>,
}

/// Why an endpoint was disabled.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Reason {
    Gone,
    Failing { since: Timestamp },
}

const GONE: u16 = 410;
const GONE_WHY: &str = "gone";
const FAILING_WHY: &str = "failing";
const DAY: Duration = Duration::from_hours(24);
/// Failures of the last day must lie so far apart: one message that failed long ago, and one now, tell nothing.
const APART: Duration = Duration::from_hours(12);

const STREAK: &str = "
    SELECT failing_since, failing_day FROM endpoint
    WHERE org = ?1 AND app = ?2 AND id = ?3 AND deleted = 0 AND disabled = 0 AND url = ?4";
const WRITE: &str = "
    UPDATE endpoint SET failing_since = ?4, failing_day = ?5
    WHERE org = ?1 AND app = ?2 AND id = ?3";
const DISABLE: &str = "
    UPDATE endpoint SET disabled = 1, disabled_reason = ?4, updated_at = max(updated_at, ?5)
    WHERE org = ?1 AND app = ?2 AND id = ?3";

// ===== impl Health =====

impl Health {
    pub(super) fn new(settings: HealthSettings) -> Self {
        let disabled = [GONE_WHY, FAILING_WHY]
            .map(|why| metrics::counter!("relay_endpoints_disabled_total", "why" => why));
        Self { settings, disabled }
    }

    /// Whether this answer means that nothing need be sent again.
    pub(super) fn is_final(&self, status_code: u16) -> bool {
        self.settings.gone_disables && status_code == GONE
    }

    /// Takes in how an attempt ended that `tx` records, and disables the endpoint if that is the end of it.
    pub(super) fn heard(
        &self,
        tx: &mut Tx<'_>,
        queue: &Queue,
        ready: &Ready,
        attempt: &Attempt,
    ) -> linchpin::Result<()> {
        let endpoint = ready.owner();
        if attempt.success {
            if !ready.target.now().is_ok_and(|target| target.is_failing) {
                return Ok(());
            }
            write(tx, ready, Streak::default())?;
            return queue.endpoint_changed(tx, endpoint);
        }
        let Some(before) = streak(tx, ready, &attempt.url)? else { return Ok(()) };
        let streak = before.and(attempt.at);
        let long = self.settings.disable_after.and_then(|after| streak.lasts(attempt.at, after));
        let reason = match long {
            _ if self.is_final(attempt.status_code) => Reason::Gone,
            Some(since) => Reason::Failing { since },
            None => {
                if streak != before {
                    write(tx, ready, streak)?;
                }
                // Only the first is news to those who may succeed.
                let is_news = before.since.is_none();
                return if is_news { queue.targets_changed(tx, endpoint) } else { Ok(()) };
            }
        };
        self.disable(tx, ready, reason, attempt.at)?;
        operational::disabled(tx, queue, endpoint, streak.since.unwrap_or(attempt.at))?;
        queue.endpoint_changed(tx, endpoint)
    }

    /// Disables an endpoint, of which all are told who watch: the log and the numbers.
    fn disable(
        &self,
        tx: &mut Tx<'_>,
        ready: &Ready,
        reason: Reason,
        now: Timestamp,
    ) -> linchpin::Result<()> {
        let (org, app, endpoint) = (ready.org, ready.app, ready.endpoint);
        tx.prepare_cached(DISABLE)
            .and_then(|mut disable| {
                disable.execute((org, app, endpoint, reason.as_str(), now.as_micros()))
            })
            .sql("disable an endpoint")?;
        let [gone, failing] = &self.disabled;
        let count = match reason {
            Reason::Gone => gone,
            Reason::Failing { .. } => failing,
        };
        let count = count.clone();
        tx.after_commit(move || {
            count.increment(1);
            match reason {
                Reason::Gone => {
                    tracing::warn!(%app, %endpoint, "disabled: its receiver is gone (410)");
                }
                Reason::Failing { since } => {
                    tracing::warn!(%app, %endpoint, %since, "disabled: it has only failed for too long");
                }
            }
        });
        Ok(())
    }
}

/// Of an endpoint that is still where the attempt went: what another place said is no word of this one.
fn streak(tx: &Tx<'_>, ready: &Ready, url: &str) -> linchpin::Result<Option<Streak>> {
    tx.prepare_cached(STREAK)
        .and_then(|mut query| {
            let read = |row: &Row<'_>| {
                let times: [Option<i64>; 2] = [row.get(0)?, row.get(1)?];
                let [since, day] = times.map(|time| time.map(Timestamp::from_micros));
                Ok(Streak { since, day })
            };
            query.query_row((ready.org, ready.app, ready.endpoint, url), read).optional()
        })
        .sql("look for how long an endpoint has failed")
}

fn write(tx: &Tx<'_>, ready: &Ready, Streak { since, day }: Streak) -> linchpin::Result<()> {
    let [since, day] = [since, day].map(|time| time.map(Timestamp::as_micros));
    tx.prepare_cached(WRITE)
        .and_then(|mut write| write.execute((ready.org, ready.app, ready.endpoint, since, day)))
        .sql("note that an endpoint fails")
        .map(drop)
}

// ===== impl Streak =====

impl Streak {
    /// With one failure more.
    fn and(self, at: Timestamp) -> Self {
        let is_of_day = |day: &Timestamp| at.since(*day) <= DAY;
        Self { since: self.since.or(Some(at)), day: self.day.filter(is_of_day).or(Some(at)) }
    }

    /// Since when it lasts, if that is at least so long.
    fn lasts(self, now: Timestamp, at_least: Duration) -> Option<Timestamp> {
        let apart =
            |then: Option<Timestamp>, least| then.is_some_and(|then| now.since(then) >= least);
        let is_long = apart(self.since, at_least) && apart(self.day, APART.min(at_least));
        self.since.filter(|_| is_long)
    }
}

// ===== impl Reason =====

impl Reason {
    /// As the row and the metric have it.
    fn as_str(self) -> &'static str {
        match self {
            Self::Gone => GONE_WHY,
            Self::Failing { .. } => FAILING_WHY,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600;
    const FIVE_DAYS: Duration = Duration::from_hours(120);

    fn at(hours: u64) -> Timestamp {
        Timestamp::from_micros(1_000_000_000_000_000) + Duration::from_secs(hours * HOUR)
    }

    fn after(failures: &[u64]) -> Streak {
        failures.iter().fold(Streak::default(), |streak, hours| streak.and(at(*hours)))
    }

    #[linchpin_testing::test]
    fn five_days_of_failures_are_long_when_the_last_day_has_several() {
        let lasts = |failures: &[u64]| {
            after(failures).lasts(at(*failures.last().unwrap()), FIVE_DAYS).is_some()
        };
        assert!(!lasts(&[0, 50, 100, 119]), "not yet five days");
        assert!(lasts(&[0, 50, 100, 108, 120]), "the last day began with 100");
        assert!(!lasts(&[0, 120]), "one long ago and one now");
        assert!(!lasts(&[0, 120, 131]), "less than twelve hours apart");
        assert!(lasts(&[0, 120, 132]));
        assert!(!lasts(&[0, 30, 60, 90, 120, 150]), "never two within a day");
    }

    #[linchpin_testing::test]
    fn a_streak_begins_with_its_first_failure() {
        let streak = after(&[7, 100, 110, 123]);
        assert_eq!(streak.lasts(at(127), FIVE_DAYS), Some(at(7)));
    }

    #[linchpin_testing::test]
    fn a_shorter_time_needs_failures_no_farther_apart_than_itself() {
        let hour = Duration::from_secs(HOUR);
        assert!(after(&[0, 1]).lasts(at(1), hour).is_some());
        assert!(after(&[0]).lasts(at(0), hour).is_none());
    }
}
