//! What a limit becomes by what calls say: pure machines, and one function.
//!
//! All hold the limit while fewer than half of it are under way: who does not use it learns nothing about it. And none
//! lets it grow beyond five times what is under way.

mod aimd;
mod envoy;
mod gradient2;
mod vegas;

use std::time::Duration;

use self::aimd::Aimd;
pub use self::envoy::envoy;
use self::gradient2::Gradient2;
use self::vegas::Vegas;
use super::options::{Algorithm, Options};
use crate::resilience::BadOptions;

/// What a call, or a window of calls, says of the limit.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Sample {
    /// How long it took, from when it was let in. Of a window: on average.
    pub rtt: Duration,
    /// How many were under way when it began, itself among them. Of a window: at most.
    pub inflight: u32,
    /// It timed out, or was answered that there is too much. Then `rtt` says nothing.
    pub dropped: bool,
}

/// A limit and what it has learnt: the machine inside of an [`Adaptive`](super::Adaptive), without locks or clocks.
///
/// To look at an algorithm, or to drive a gate of your own. With [`Algorithm::Gradient2`] a sample is a whole window.
///
/// ```
/// # use std::time::Duration;
/// # use linchpin::resilience::adaptive::{Estimator, Options, Sample};
/// let mut limit = Estimator::new(&Options::default())?;
/// let window = Sample { rtt: Duration::from_millis(10), inflight: 20, dropped: false };
/// assert_eq!(limit.learn(window), 20); // 20.8, of which whole calls count
/// assert_eq!(limit.learn(window), 21);
/// # Ok::<(), linchpin::resilience::BadOptions>(())
/// ```
#[derive(Clone, Debug)]
pub struct Estimator {
    limit: f64,
    min: f64,
    max: f64,
    law: Law,
}

#[derive(Clone, Debug)]
enum Law {
    Aimd(Aimd),
    Gradient2(Gradient2),
    Vegas(Vegas),
}

/// So many times what is under way, a limit does not grow.
const MOST_OVER_INFLIGHT: f64 = 5.0;

impl Estimator {
    /// One that has seen nothing.
    ///
    /// # Errors
    ///
    /// If the options do not fit together; the error says which and why.
    pub fn new(options: &Options) -> Result<Self, BadOptions> {
        options.check()?;
        Ok(Self::checked(options))
    }

    pub(super) fn checked(options: &Options) -> Self {
        Self {
            limit: f64::from(options.first()),
            min: f64::from(options.least()),
            max: f64::from(options.most()),
            law: Law::new(options),
        }
    }

    /// Learns from a sample; the limit since, in whole calls.
    pub fn learn(&mut self, sample: Sample) -> u32 {
        let next = match &mut self.law {
            Law::Aimd(law) => law.next(self.limit, sample),
            Law::Gradient2(law) => law.next(self.limit, sample, (self.min, self.max)),
            Law::Vegas(law) => law.next(self.limit, sample, (self.min, self.max)),
        };
        let grown = self.limit.max(MOST_OVER_INFLIGHT * f64::from(sample.inflight));
        self.limit = next.min(grown).clamp(self.min, self.max);
        self.whole()
    }

    /// The limit as it is inside.
    #[must_use]
    pub fn limit(&self) -> f64 {
        self.limit
    }

    /// How long calls take when there is no queue, as far as it knows: Gradient2's long average, the least that Vegas has
    /// seen. AIMD does not ask.
    #[must_use]
    pub fn unloaded(&self) -> Option<Duration> {
        let nanos = match &self.law {
            Law::Aimd(_) => None,
            Law::Gradient2(law) => law.long(),
            Law::Vegas(law) => law.noload(),
        };
        nanos.map(|nanos| Duration::from_nanos(nanos as u64))
    }

    /// How many of those under way wait for others and not for their own work, if they take `rtt`.
    #[must_use]
    pub fn queue(&self, rtt: Duration) -> Option<f64> {
        let (unloaded, rtt) = (self.unloaded()?.as_secs_f64(), rtt.as_secs_f64());
        (rtt > 0.0).then(|| (self.limit * (1.0 - unloaded / rtt)).max(0.0))
    }

    /// Takes other options; the limit and, where the algorithm is the same, what it has learnt stay.
    pub(super) fn reconfigure(&mut self, options: &Options) {
        let fresh = Self::checked(options);
        self.law.reconfigure(fresh.law);
        (self.min, self.max) = (fresh.min, fresh.max);
        self.limit = self.limit.clamp(self.min, self.max);
    }

    pub(super) fn whole(&self) -> u32 {
        self.limit as u32
    }
}

impl Law {
    fn new(options: &Options) -> Self {
        match options.algorithm {
            Algorithm::Aimd => Self::Aimd(Aimd::new(options)),
            Algorithm::Gradient2 => Self::Gradient2(Gradient2::new(options)),
            Algorithm::Vegas => Self::Vegas(Vegas::new(options)),
        }
    }

    fn reconfigure(&mut self, fresh: Self) {
        match (self, fresh) {
            (Self::Gradient2(law), Self::Gradient2(fresh)) => law.reconfigure(&fresh),
            (Self::Vegas(law), Self::Vegas(fresh)) => law.reconfigure(&fresh),
            (law, fresh) => *law = fresh,
        }
    }
}

/// Whether so few are under way that the limit is not what holds them.
fn is_idle(limit: f64, sample: Sample) -> bool {
    f64::from(sample.inflight) * 2.0 < limit
}

fn nanos(duration: Duration) -> f64 {
    duration.as_nanos() as f64
}
