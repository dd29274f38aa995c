//! Attempts that were none, as something was lacking on this side: files, a route, a name server.
//!
//! Nobody was asked, so nothing is recorded, and no endpoint is charged with it: neither its breaker nor its health. The delivery
//! waits in front of its lane and is tried again, a few times; then it counts as a failed attempt and goes on by its schedule, so that
//! whoever looks at it sees why nothing comes. The count is kept in memory alone.

use std::sync::atomic::Ordering;
use std::time::Duration;

use linchpin::sync::Mutex;
use linchpin::time::Instant;
use linchpin_http::client::{Lack, LocalFault};

use super::queue::Held;

/// How often an attempt is made again that was none.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// The wait after the first; each further is twice as long ...
    pub first: Duration,
    /// ... up to this.
    pub longest: Duration,
    /// So many in a row are one failed attempt.
    pub most: u32,
}

/// What is done about faults of ours.
#[derive(Debug)]
pub(super) struct Ours {
    patience: Patience,
    abandoned: [(Lack, metrics::Counter); Lack::ALL.len()],
    told: Mutex<Told>,
}

/// What the log has been told.
#[derive(Debug, Default)]
struct Told {
    last: Option<Instant>,
    /// So many since then of which it was not.
    untold: u64,
}

/// How often the log is told: what is lacking is so for all.
const TELL: Duration = Duration::from_mins(1);

impl Ours {
    pub(super) fn new(patience: Patience) -> Self {
        let counted = |lack: Lack| {
            let why = lack.as_str();
            (lack, metrics::counter!("relay_attempts_abandoned_total", "why" => why))
        };
        Self { patience, abandoned: Lack::ALL.map(counted), told: Mutex::default() }
    }

    /// How long a delivery waits of which another attempt was none; `None` if that is to count as a failed one.
    pub(super) fn wait(&self, held: &Held, fault: &LocalFault) -> Option<Duration> {
        if let Some((_, count)) = self.abandoned.iter().find(|(lack, _)| *lack == fault.lack()) {
            count.increment(1);
        }
        self.tell(fault, Instant::now());
        let before = held.abandoned.fetch_add(1, Ordering::Relaxed);
        self.patience.wait(before)
    }

    fn tell(&self, fault: &LocalFault, now: Instant) {
        let Some(others) = self.told.lock().due(now) else { return };
        let why = fault.lack().as_str();
        tracing::error!(%fault, why, others, "attempts could not be made, by no fault of their receivers");
    }
}

impl Patience {
    /// After so many before.
    fn wait(&self, before: u32) -> Option<Duration> {
        let wait = self.first.saturating_mul(1 << before.min(16)).min(self.longest);
        (before + 1 < self.most).then_some(wait)
    }
}

impl Default for Patience {
    /// A second, a minute and twelve: six minutes in all.
    fn default() -> Self {
        Self { first: Duration::from_secs(1), longest: Duration::from_mins(1), most: 12 }
    }
}

impl Told {
    /// How many others there were since the last time, if it is time to tell again.
    fn due(&mut self, now: Instant) -> Option<u64> {
        if self.last.is_some_and(|last| now - last < TELL) {
            self.untold += 1;
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.untold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[linchpin_testing::test]
    fn a_delivery_waits_longer_each_time_and_not_for_ever() {
        let patience = Patience::default();
        let waits = (0..20).map_while(|before| patience.wait(before));
        let waits: Vec<_> = waits.map(|wait| wait.as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60, 60, 60]);
    }

    #[linchpin_testing::test]
    fn the_log_is_told_once_a_minute() {
        let (mut told, begun) = (Told::default(), Instant::now());
        let seconds: Vec<_> = (0..130)
            .filter_map(|second| {
                let others = told.due(begun + Duration::from_secs(second))?;
                Some((second, others))
            })
            .collect();
        assert_eq!(seconds, [(0, 0), (60, 59), (120, 59)]);
    }
}
