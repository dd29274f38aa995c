//! How an adaptive limit is set.

use std::time::Duration;

use crate::resilience::BadOptions;
use crate::resilience::bad_options::YEAR;

/// How an [`Adaptive`](super::Adaptive) limit finds its bound. The default suits a service before its own handlers.
///
/// ```
/// # use linchpin::resilience::adaptive::{Adaptive, Algorithm, Options};
/// let options = Options::default()
///     .max(500)
///     .partition("live", 0.9)
///     .partition("batch", 0.1);
/// let limit = Adaptive::new("api", options)?;
/// let aimd = Adaptive::new("payments", Options::default().algorithm(Algorithm::Aimd))?;
/// # drop((limit, aimd));
/// # Ok::<(), linchpin::resilience::BadOptions>(())
/// ```
#[derive(Clone, Debug)]
pub struct Options {
    pub(super) algorithm: Algorithm,
    pub(super) min: u32,
    pub(super) max: Option<u32>,
    pub(super) initial: Option<u32>,
    pub(super) smoothing: Option<f64>,
    pub(super) tolerance: f64,
    pub(super) window: Duration,
    pub(super) min_samples: u32,
    pub(super) backoff: f64,
    pub(super) too_slow: Duration,
    pub(super) partitions: Vec<(&'static str, f64)>,
    pub(super) random: fn() -> f64,
}

/// By what a limit is found.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Algorithm {
    /// By drops alone, as TCP Reno does: up by one for each call that is well, down by a tenth for each that is dropped.
    /// For a client of a service that says when it has too much. Learns at every call, under a lock.
    Aimd,
    /// By how much longer calls take than they did for long, window by window. For the side that serves. Netflix's.
    #[default]
    Gradient2,
    /// By how much longer calls take than the fastest did, as TCP Vegas does. Sharper, and misled by a service whose calls
    /// are of many kinds. Learns at every call, under a lock.
    Vegas,
}

/// The largest limit, and the most calls that a window waits for.
const MOST: u32 = 1_000_000;
/// Where a limit begins, if its bounds let it.
const FIRST: u32 = 20;
const SHORTEST_WINDOW: Duration = Duration::from_millis(10);

impl Default for Options {
    fn default() -> Self {
        Self {
            algorithm: Algorithm::default(),
            min: 1,
            max: None,
            initial: None,
            smoothing: None,
            tolerance: 1.5,
            window: Duration::from_secs(1),
            min_samples: 10,
            backoff: 0.9,
            too_slow: Duration::from_secs(5),
            partitions: Vec::new(),
            random: fastrand::f64,
        }
    }
}

impl Options {
    /// By what the limit is found. Default: [`Algorithm::Gradient2`].
    #[must_use]
    pub fn algorithm(mut self, algorithm: Algorithm) -> Self {
        self.algorithm = algorithm;
        self
    }

    /// The least limit. Default: 1. A higher one cannot protect a service that bears less.
    #[must_use]
    pub fn min(mut self, calls: u32) -> Self {
        self.min = calls;
        self
    }

    /// The greatest limit. Default: 200, with Vegas 1000.
    #[must_use]
    pub fn max(mut self, calls: u32) -> Self {
        self.max = Some(calls);
        self
    }

    /// The limit at first. Default: 20, or the bound that is nearest to it.
    #[must_use]
    pub fn initial(mut self, calls: u32) -> Self {
        self.initial = Some(calls);
        self
    }

    /// How much of the way to what a sample says the limit goes, of Gradient2 and Vegas. Default: 0.2, with Vegas 1.0.
    #[must_use]
    pub fn smoothing(mut self, share: f64) -> Self {
        self.smoothing = Some(share);
        self
    }

    /// Gradient2: so many times longer than usual calls may take before the limit goes down. Default: 1.5.
    #[must_use]
    pub fn tolerance(mut self, factor: f64) -> Self {
        self.tolerance = factor;
        self
    }

    /// Gradient2: for how long calls are gathered before the limit changes. Default: 1 s.
    #[must_use]
    pub fn window(mut self, window: Duration) -> Self {
        self.window = window;
        self
    }

    /// Gradient2: a window with fewer calls is thrown away, since a few health checks at night say nothing of a day's
    /// work. Default: 10.
    #[must_use]
    pub fn min_samples(mut self, calls: u32) -> Self {
        self.min_samples = calls;
        self
    }

    /// AIMD: what is left of the limit when a call is dropped. Default: 0.9.
    #[must_use]
    pub fn backoff(mut self, share: f64) -> Self {
        self.backoff = share;
        self
    }

    /// AIMD: a call that takes longer counts as dropped. Default: 5 s.
    #[must_use]
    pub fn too_slow(mut self, limit: Duration) -> Self {
        self.too_slow = limit;
        self
    }

    /// Guarantees a share of the limit to calls of that name ([`Adaptive::partition`](super::Adaptive::partition)).
    ///
    /// The share counts only when the whole limit is taken: until then everybody may use what is free. Then who has fewer
    /// under way than the share, rounded up, is let in all the same, and what is under way may pass the limit by as much.
    /// Default: none.
    #[must_use]
    pub fn partition(mut self, name: &'static str, share: f64) -> Self {
        self.partitions.push((name, share));
        self
    }

    /// Where Vegas takes its accidents from, uniform in `[0, 1)`. Default: [`fastrand`]'s, for a test something else.
    #[must_use]
    pub fn random(mut self, random: fn() -> f64) -> Self {
        self.random = random;
        self
    }

    // ----- what follows

    pub(super) fn least(&self) -> u32 {
        self.min
    }

    pub(super) fn most(&self) -> u32 {
        self.max.unwrap_or(if self.algorithm == Algorithm::Vegas { 1_000 } else { 200 })
    }

    pub(super) fn first(&self) -> u32 {
        self.initial.unwrap_or_else(|| FIRST.clamp(self.min, self.most()))
    }

    pub(super) fn check(&self) -> Result<(), BadOptions> {
        let wrong = |why: String| Err(BadOptions::new("Adaptive", why));
        let (least, most) = (self.least(), self.most());
        if least == 0 {
            return wrong("a least limit of none at all would be the last; say at least 1".into());
        }
        if most > MOST {
            return wrong(format!("a limit of up to {most}; the most is {MOST}"));
        }
        if least > most {
            return wrong(format!("a limit of at least {least} and at most {most}"));
        }
        let first = self.first();
        if !(least..=most).contains(&first) {
            return wrong(format!("a limit of {first} at first is not from {least} to {most}"));
        }
        if self.min_samples == 0 || self.min_samples > MOST {
            let samples = self.min_samples;
            return wrong(format!("windows of {samples} calls; say at least 1 and at most {MOST}"));
        }
        self.check_factors()?;
        self.check_durations()?;
        self.check_partitions()
    }

    fn check_factors(&self) -> Result<(), BadOptions> {
        let wrong = |why: String| Err(BadOptions::new("Adaptive", why));
        if let Some(share) = self.smoothing
            && !(share > 0.0 && share <= 1.0)
        {
            return wrong(format!("a smoothing of {share}; say above 0.0 and at most 1.0"));
        }
        let tolerance = self.tolerance;
        if !(tolerance >= 1.0 && tolerance.is_finite()) {
            return wrong(format!("a tolerance of {tolerance} would shrink a limit that is right"));
        }
        let backoff = self.backoff;
        if !(backoff > 0.0 && backoff < 1.0) {
            return wrong(format!("a backoff to {backoff} of the limit; say between 0.0 and 1.0"));
        }
        Ok(())
    }

    fn check_durations(&self) -> Result<(), BadOptions> {
        let wrong = |why: String| Err(BadOptions::new("Adaptive", why));
        let (window, too_slow) = (self.window, self.too_slow);
        if !(SHORTEST_WINDOW..=YEAR).contains(&window) {
            return wrong(format!(
                "a window of {window:?}; say at least {SHORTEST_WINDOW:?} and at most a year"
            ));
        }
        if too_slow.is_zero() || too_slow > YEAR {
            return wrong(format!("`too_slow` is {too_slow:?}; say above zero and at most a year"));
        }
        Ok(())
    }

    fn check_partitions(&self) -> Result<(), BadOptions> {
        let wrong = |why: String| Err(BadOptions::new("Adaptive", why));
        let mut sum = 0.0;
        for (index, (name, share)) in self.partitions.iter().enumerate() {
            if !(*share > 0.0 && *share <= 1.0) {
                return wrong(format!(
                    "a share of {share} for `{name}`; say above 0.0 and at most 1.0"
                ));
            }
            if self.partitions[..index].iter().any(|(other, _)| other == name) {
                return wrong(format!("two partitions are called `{name}`"));
            }
            sum += share;
        }
        // Shares such as 0.1 do not add up to the last bit.
        if sum > 1.0 + 1e-9 {
            return wrong(format!("partitions with a share of {sum} together; 1.0 is the whole"));
        }
        Ok(())
    }
}
