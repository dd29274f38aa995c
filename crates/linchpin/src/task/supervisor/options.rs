//! How a supervisor restarts and stops.

use std::time::Duration;

use crate::resilience::BadOptions;
use crate::resilience::retry::Schedule;

/// How a [`Supervisor`](super::Supervisor) restarts and stops its children.
#[derive(Clone, Debug)]
pub struct Options {
    pub(super) restarts: usize,
    pub(super) within: Duration,
    pub(super) backoff: Schedule,
    pub(super) settled_after: Duration,
    pub(super) stop_within: Duration,
    pub(super) seed: Option<u64>,
}

impl Options {
    /// So many restarts of its children together, within so long, are the most; one more and the supervisor gives up.
    /// Default: 5 within a minute. With 0 the first failure is one too many.
    #[must_use]
    pub fn restarts(mut self, most: usize, within: Duration) -> Self {
        (self.restarts, self.within) = (most, within);
        self
    }

    /// How long a child waits for its first restart, its second in a row, and so on; all further ones wait as long as
    /// the last. Default: from 100 ms, doubled up to 10 s, with full jitter.
    ///
    /// An empty schedule restarts at once.
    #[must_use]
    pub fn backoff(mut self, schedule: Schedule) -> Self {
        self.backoff = schedule;
        self
    }

    /// A child that ran for so long has settled: its next back-off begins anew. Default: a minute.
    #[must_use]
    pub fn settled_after(mut self, time: Duration) -> Self {
        self.settled_after = time;
        self
    }

    /// How long a child may take to stop before it is aborted. Each has it for itself. Default: 5 seconds.
    #[must_use]
    pub fn stop_within(mut self, time: Duration) -> Self {
        self.stop_within = time;
        self
    }

    /// Makes chance repeatable, for tests. Default: another at each start.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    pub(super) fn check(&self) -> Result<(), BadOptions> {
        if self.within.is_zero() {
            let why = "a time of zero for the number of restarts would never find too many";
            return Err(BadOptions::new("Supervisor", why));
        }
        Ok(())
    }
}

impl Default for Options {
    fn default() -> Self {
        let (first, last) = (Duration::from_millis(100), Duration::from_secs(10));
        Self {
            restarts: 5,
            within: Duration::from_mins(1),
            backoff: Schedule::exponential(first, 2.0, last).expect("the cap is above the base"),
            settled_after: Duration::from_mins(1),
            stop_within: Duration::from_secs(5),
            seed: None,
        }
    }
}
