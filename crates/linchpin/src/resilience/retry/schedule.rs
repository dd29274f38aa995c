//! When to try again.

use std::fmt;
use std::time::Duration;

use super::pace::Pace;
use crate::resilience::BadOptions;
use crate::resilience::bad_options::YEAR;

/// The delays between attempts, with chance in them.
///
/// | schedule | delay before retry `n`, from 0, without chance |
/// |---|---|
/// | [`new`](Self::new) | the one at that place of a list, and then none any more |
/// | [`constant`](Self::constant) | `b` |
/// | [`linear`](Self::linear) | `min(c, b * (n + 1))` |
/// | [`exponential`](Self::exponential) | `min(c, b * f^n)` |
/// | [`decorrelated`](Self::decorrelated) | `min(c, b + u * (3 * before - b))`: has its own chance |
/// | [`smooth`](Self::smooth) | exponential by 2, with chance that has no steps (Polly's second): has its own |
///
/// Pure: it reads no clock and rolls no dice. The caller passes the number of the retry and a random `u` in `0.0..1.0`,
/// so a schedule can be shared, stored and tested without either. It makes sense by construction; nothing overflows,
/// however many retries there were. The default is exponential from 50 ms by 2 up to 20 s, with full jitter.
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
    course: Course,
    jitter: Jitter,
}

#[derive(Clone, Debug, PartialEq)]
enum Course {
    Constant(Duration),
    Decorrelated { base: Duration, cap: Duration },
    Exponential { base: Duration, factor: f64, cap: Duration },
    Linear { base: Duration, cap: Duration },
    List(Vec<Duration>),
    Smooth { base: Duration, cap: Duration },
}

/// What chance adds to a delay. The delay is capped before, never after, so that waiters do not pile up on the cap.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum Jitter {
    /// Up to this share on top, never earlier than promised: `d * (1 + r * u)`.
    Added(f64),
    /// Half of it for certain: `d / 2 + u * d / 2`.
    Equal,
    /// Anything from nothing to the whole delay: `d * u`. Spreads best (AWS's "full jitter").
    Full,
    /// None.
    #[default]
    None,
    /// Up to this share more or less: `d * (1 - r + 2 * r * u)`. May go beyond the cap by that share.
    PlusMinus(f64),
}

impl Schedule {
    /// One retry for each of `delays`, without jitter. An empty list never retries.
    ///
    /// # Errors
    ///
    /// If a delay is longer than a year.
    pub fn new(delays: impl IntoIterator<Item = Duration>) -> Result<Self, BadOptions> {
        let delays: Vec<Duration> = delays.into_iter().collect();
        match delays.iter().position(|delay| *delay > YEAR) {
            Some(at) => {
                wrong(format!("delay {} is {:?}, which is over a year", at + 1, delays[at]))
            }
            None => Ok(Self { course: Course::List(delays), jitter: Jitter::None }),
        }
    }

    /// The same delay each time, without jitter.
    ///
    /// # Errors
    ///
    /// If it is longer than a year.
    pub fn constant(delay: Duration) -> Result<Self, BadOptions> {
        checked(delay, delay)?;
        Ok(Self { course: Course::Constant(delay), jitter: Jitter::None })
    }

    /// Longer by `base` each time, up to `cap`, without jitter.
    ///
    /// # Errors
    ///
    /// If the cap is below the base or over a year.
    pub fn linear(base: Duration, cap: Duration) -> Result<Self, BadOptions> {
        checked(base, cap)?;
        Ok(Self { course: Course::Linear { base, cap }, jitter: Jitter::None })
    }

    /// `factor` times as long each time, up to `cap`, with full jitter.
    ///
    /// # Errors
    ///
    /// If the cap is below the base or over a year, or the factor below 1 or no number.
    pub fn exponential(base: Duration, factor: f64, cap: Duration) -> Result<Self, BadOptions> {
        checked(base, cap)?;
        if !(factor >= 1.0 && factor.is_finite()) {
            return wrong(format!("a factor of {factor} would make the delays shorter"));
        }
        Ok(Self { course: Course::Exponential { base, factor, cap }, jitter: Jitter::Full })
    }

    /// From `base` to three times the delay before, anything alike, up to `cap`.
    ///
    /// # Errors
    ///
    /// If the cap is below the base or over a year.
    pub fn decorrelated(base: Duration, cap: Duration) -> Result<Self, BadOptions> {
        checked(base, cap)?;
        Ok(Self { course: Course::Decorrelated { base, cap }, jitter: Jitter::None })
    }

    /// Doubled each time up to `cap`, spread so that no moment is more likely than those around it: Polly's.
    ///
    /// # Errors
    ///
    /// If the cap is below the base or over a year.
    pub fn smooth(base: Duration, cap: Duration) -> Result<Self, BadOptions> {
        checked(base, cap)?;
        Ok(Self { course: Course::Smooth { base, cap }, jitter: Jitter::None })
    }

    /// Adds chance, instead of what was added before.
    ///
    /// # Errors
    ///
    /// If a share is not within `0.0..=1.0`, or the schedule has its own chance.
    pub fn jitter(self, jitter: Jitter) -> Result<Self, BadOptions> {
        match (&self.course, jitter) {
            (_, Jitter::Added(share) | Jitter::PlusMinus(share))
                if !(0.0..=1.0).contains(&share) =>
            {
                wrong(format!("a jitter of {share} is not a share between 0.0 and 1.0"))
            }
            (Course::Decorrelated { .. } | Course::Smooth { .. }, _) => {
                wrong("a schedule that has its own chance takes no other".into())
            }
            (_, jitter) => Ok(Self { jitter, ..self }),
        }
    }

    /// The wait before the next retry of the course that `pace` stands for, with the random number `u` in `0.0..1.0`;
    /// `None` when the schedule is used up.
    #[must_use]
    pub fn next(&self, pace: &mut Pace, u: f64) -> Option<Duration> {
        let u = u.clamp(0.0, 1.0);
        let delay = match &self.course {
            Course::Constant(delay) => *delay,
            Course::Decorrelated { base, cap } => pace.decorrelated(*base, *cap, u),
            Course::Exponential { base, factor, cap } => exponential(*base, *factor, *cap, pace),
            Course::Linear { base, cap } => {
                base.saturating_mul(pace.retries.saturating_add(1)).min(*cap)
            }
            Course::List(delays) => *delays.get(pace.retries as usize)?,
            Course::Smooth { base, cap } => pace.smooth(*base, *cap, u),
        };
        pace.retries = pace.retries.saturating_add(1);
        Some(match self.jitter {
            Jitter::Added(share) => delay.mul_f64(1.0 + share * u),
            Jitter::Equal => delay.mul_f64(0.5 + 0.5 * u),
            Jitter::Full => delay.mul_f64(u),
            Jitter::None => delay,
            Jitter::PlusMinus(share) => delay.mul_f64(1.0 - share + 2.0 * share * u),
        })
    }

    /// The wait before retry number `retry`, counted from 0, for who stored that number and nothing else.
    ///
    /// A schedule that goes by the delay before takes it for one without luck, good or bad (`u` was 0.5 each time).
    #[must_use]
    pub fn delay(&self, retry: usize, u: f64) -> Option<Duration> {
        let mut pace = Pace::at(u32::try_from(retry).unwrap_or(u32::MAX));
        match &self.course {
            Course::Decorrelated { base, cap } => pace.assume_decorrelated(*base, *cap),
            Course::Smooth { .. } => pace.assume_smooth(),
            _ => {}
        }
        self.next(&mut pace, u)
    }

    /// How many retries there are; `None` if it goes on for ever.
    #[must_use]
    pub fn retries(&self) -> Option<usize> {
        match &self.course {
            Course::List(delays) => Some(delays.len()),
            _ => None,
        }
    }
}

impl Default for Schedule {
    fn default() -> Self {
        Self::exponential(Duration::from_millis(50), 2.0, Duration::from_secs(20))
            .expect("the cap is above the base")
    }
}

fn exponential(base: Duration, factor: f64, cap: Duration, pace: &Pace) -> Duration {
    // Infinite in the end, which is more than the cap; a base of zero stays one.
    let power = factor.powi(i32::try_from(pace.retries).unwrap_or(i32::MAX));
    let nanos = base.as_nanos() as f64 * power;
    match base.is_zero() || nanos < cap.as_nanos() as f64 {
        true if base.is_zero() => Duration::ZERO,
        true => Duration::from_nanos(nanos.round() as u64),
        false => cap,
    }
}

fn checked(base: Duration, cap: Duration) -> Result<(), BadOptions> {
    match (base > cap, cap > YEAR) {
        (true, _) => wrong(format!("a cap of {cap:?} is below the base of {base:?}")),
        (_, true) => wrong(format!("a cap of {cap:?}, which is over a year")),
        _ => Ok(()),
    }
}

fn wrong<T>(why: String) -> Result<T, BadOptions> {
    Err(BadOptions::new("retry::Schedule", why))
}

/// Its course and its chance: "after 50ms by 2 up to 20s, full jitter".
impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.course {
            Course::Constant(base) => write!(f, "after {base:?}")?,
            Course::Decorrelated { base, cap } => {
                return write!(f, "after {base:?} up to {cap:?}, decorrelated");
            }
            Course::Exponential { base, factor, cap } => {
                write!(f, "after {base:?} by {factor} up to {cap:?}")?;
            }
            Course::Linear { base, cap } => {
                write!(f, "after {base:?} more each time up to {cap:?}")?;
            }
            Course::List(delays) => write!(f, "after {delays:?}")?,
            Course::Smooth { base, cap } => {
                return write!(f, "after {base:?} by 2 up to {cap:?}, smooth jitter");
            }
        }
        match self.jitter {
            Jitter::Added(share) => write!(f, ", up to {share} on top"),
            Jitter::Equal => f.write_str(", half of it by chance"),
            Jitter::Full => f.write_str(", full jitter"),
            Jitter::None => Ok(()),
            Jitter::PlusMinus(share) => write!(f, ", more or less by {share}"),
        }
    }
}
