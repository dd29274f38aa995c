//! How a limiter is set, and what comes of it.

use std::time::Duration;

use super::counting::{Counting, Kind};
use super::pace::Pace;
use super::rate::Rate;
use crate::resilience::BadOptions;

/// How a [`Limiter`](super::Limiter) spreads what its rate allows. The default is GCRA with a burst of what the rate
/// allows in a second, at least one, and nobody waits.
///
/// | algorithm | lets pass | costs | its defect |
/// |---|---|---|---|
/// | GCRA | a burst, then one at each interval | a word | none of note; it keeps no count |
/// | [leaky bucket](Self::leaky_bucket) | one at each interval, the others in a queue | a word | it makes wait |
/// | [fixed window](Self::fixed_window) | the count, anew in each window | two words | twice the count around an edge |
/// | [sliding log](Self::sliding_log) | the count in any window | a place for each that passed | memory |
/// | [sliding counter](Self::sliding_counter) | about the count in any window | two words | takes the last window for even |
///
/// A token bucket is GCRA by another name: the tokens in the bucket are what is left of the burst.
#[derive(Clone, Debug)]
pub struct Options {
    algorithm: Algorithm,
    burst: Option<u32>,
    max_wait: Duration,
}

/// Which algorithm.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Algorithm {
    Gcra,
    Leaky { queue: u32 },
    Counted(Kind),
}

/// The machine of a limiter.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Plan {
    Counted(Counting),
    Paced(Pace),
}

/// Longer waits, periods and bursts than these ten years are refused: nanoseconds of them add up without a check.
pub(super) const LONGEST: Duration = Duration::from_hours(10 * 365 * 24);
/// The most that a log holds for one limiter or key.
const MOST_LOGGED: u32 = 100_000;

impl Default for Options {
    fn default() -> Self {
        Self { algorithm: Algorithm::Gcra, burst: None, max_wait: Duration::ZERO }
    }
}

impl Options {
    /// How much may pass at once after a pause; for GCRA. Default: what the rate allows in a second, at least 1.
    #[must_use]
    pub fn burst(mut self, burst: u32) -> Self {
        self.burst = Some(burst);
        self
    }

    /// One at each interval and no burst: those who come early wait in a queue of so many. Who would have to wait
    /// behind more is refused.
    ///
    /// A try passes only if nobody is before it; to wait take `acquire`, `reserve` or [`max_wait`](Self::max_wait).
    #[must_use]
    pub fn leaky_bucket(mut self, queue: u32) -> Self {
        self.algorithm = Algorithm::Leaky { queue };
        self
    }

    /// So many in each period of the rate, counted anew when the next begins. Around the edge twice as many may pass
    /// within one period: for quotas that are cheap, not for protection. Periods follow each other from when the
    /// limiter was built.
    #[must_use]
    pub fn fixed_window(mut self) -> Self {
        self.algorithm = Algorithm::Counted(Kind::Fixed);
        self
    }

    /// So many in any period of the rate, exactly: the time of each that passed is kept. At most 100,000.
    #[must_use]
    pub fn sliding_log(mut self) -> Self {
        self.algorithm = Algorithm::Counted(Kind::Log);
        self
    }

    /// So many in any period of the rate, as if those of the last window had come evenly.
    #[must_use]
    pub fn sliding_counter(mut self) -> Self {
        self.algorithm = Algorithm::Counted(Kind::Sliding);
        self
    }

    /// How long a call and the layer wait for their turn rather than be refused. Default: zero. A wait for more than ten
    /// years is always refused.
    #[must_use]
    pub fn max_wait(mut self, wait: Duration) -> Self {
        self.max_wait = wait;
        self
    }

    // ----- for the limiter

    pub(super) fn longest_wait(&self) -> u64 {
        nanos(self.max_wait)
    }

    /// The machine, if all fits together. `born` is when its first window began.
    pub(super) fn plan(&self, rate: Rate, born: u64) -> Result<Plan, BadOptions> {
        let wrong = |why: String| Err(BadOptions::new("Limiter", why));
        let (count, period) = (rate.count(), rate.period());
        if count == 0 {
            return wrong("a rate of none at all: nothing would ever pass".into());
        }
        if period.is_zero() || period > LONGEST {
            return wrong(format!("a rate in {period:?}; say above zero and at most ten years"));
        }
        let whole = nanos(period);
        let interval = whole.div_ceil(u64::from(count));
        // The interval is a whole number of nanoseconds, so a high rate can be off.
        if u128::from(interval) * u128::from(count) * 100 > u128::from(whole) * 101 {
            return wrong(format!(
                "a rate of {rate} cannot be kept to a percent; count in larger units"
            ));
        }
        if self.burst.is_some() && self.algorithm != Algorithm::Gcra {
            return wrong(
                "a burst is for GCRA; a window's is its count, a leaky bucket has none".into(),
            );
        }
        let pace = |limit: u32, smooth| match interval.checked_mul(u64::from(limit)) {
            Some(all) if all <= nanos(LONGEST) => {
                Ok(Plan::Paced(Pace::new(interval, limit, smooth)))
            }
            _ => wrong(format!("{limit} at {rate} last for more than ten years")),
        };
        match self.algorithm {
            Algorithm::Gcra => match self.burst {
                Some(0) => wrong("a burst of none at all: nothing would ever pass".into()),
                Some(burst) => pace(burst, false),
                None => pace(in_a_second(interval), false),
            },
            Algorithm::Leaky { queue: u32::MAX } => wrong("a queue of so many is none".into()),
            Algorithm::Leaky { queue } => pace(queue + 1, true),
            Algorithm::Counted(Kind::Log) if count > MOST_LOGGED => wrong(format!(
                "a log of {count}, the most is {MOST_LOGGED}; a sliding counter keeps no log"
            )),
            Algorithm::Counted(kind) => Ok(Plan::Counted(Counting::new(kind, count, whole, born))),
        }
    }
}

/// How many intervals a second has, at least one.
fn in_a_second(interval: u64) -> u32 {
    let burst = nanos(Duration::from_secs(1)) / interval;
    u32::try_from(burst).unwrap_or(u32::MAX).max(1)
}

/// In nanoseconds, at most [`LONGEST`].
pub(super) fn nanos(duration: Duration) -> u64 {
    duration.min(LONGEST).as_nanos() as u64
}
