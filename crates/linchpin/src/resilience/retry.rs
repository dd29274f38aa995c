//! When to try again.

use std::time::Duration;

use super::BadOptions;

/// A fixed list of delays between attempts, with jitter.
///
/// Pure: it reads no clock and rolls no dice. The caller passes the number of the retry and a random `u` in `0.0..1.0`,
/// so a schedule can be shared, stored and tested without either.
///
/// ```
/// # use std::time::Duration;
/// # use linchpin::resilience::retry::{Jitter, Schedule};
/// let schedule = Schedule::new([Duration::from_secs(5), Duration::from_secs(300)])?
///     .jitter(Jitter::Added(0.2))?;
/// assert_eq!(schedule.delay(0, 0.0), Some(Duration::from_secs(5)));
/// assert_eq!(schedule.delay(1, 0.5), Some(Duration::from_secs(330)));
/// assert_eq!(schedule.delay(2, 0.5), None);
/// # Ok::<(), linchpin::resilience::BadOptions>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    delays: Vec<Duration>,
    jitter: Jitter,
}

/// What chance adds to a delay. The delay is capped before, never after, so that waiters do not pile up on the cap.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum Jitter {
    /// Up to this share on top, never earlier than promised: `d * (1 + r * u)`.
    Added(f64),
    /// Anything from nothing to the whole delay: `d * u`. Spreads best (AWS's "full jitter").
    Full,
    /// None.
    #[default]
    None,
}

impl Schedule {
    /// One retry for each of `delays`, without jitter. An empty list never retries.
    ///
    /// # Errors
    ///
    /// If a delay is longer than a year.
    pub fn new(delays: impl IntoIterator<Item = Duration>) -> Result<Self, BadOptions> {
        const YEAR: Duration = Duration::from_hours(365 * 24);
        let delays: Vec<Duration> = delays.into_iter().collect();
        match delays.iter().position(|delay| *delay > YEAR) {
            Some(at) => Err(BadOptions::new(
                "retry::Schedule",
                format!("delay {} is {:?}, which is over a year", at + 1, delays[at]),
            )),
            None => Ok(Self { delays, jitter: Jitter::None }),
        }
    }

    /// Adds chance. Default: none.
    ///
    /// # Errors
    ///
    /// If a share is not within `0.0..=1.0`.
    pub fn jitter(self, jitter: Jitter) -> Result<Self, BadOptions> {
        match jitter {
            Jitter::Added(share) if !(0.0..=1.0).contains(&share) => Err(BadOptions::new(
                "retry::Schedule",
                format!("a jitter of {share} is not a share between 0.0 and 1.0"),
            )),
            jitter => Ok(Self { jitter, ..self }),
        }
    }

    /// The wait before retry number `retry`, counted from 0, with the random number `u` in `0.0..1.0`; `None` when the
    /// schedule is used up.
    #[must_use]
    pub fn delay(&self, retry: usize, u: f64) -> Option<Duration> {
        let delay = *self.delays.get(retry)?;
        let u = u.clamp(0.0, 1.0);
        Some(match self.jitter {
            Jitter::Added(share) => delay.mul_f64(1.0 + share * u),
            Jitter::Full => delay.mul_f64(u),
            Jitter::None => delay,
        })
    }

    /// How many retries there are.
    #[must_use]
    pub fn retries(&self) -> usize {
        self.delays.len()
    }
}
