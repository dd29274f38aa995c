//! How a balancer is set.

use std::time::Duration;

use crate::resilience::BadOptions;
use crate::resilience::bad_options::YEAR;

/// How a [`Balancer`](super::Balancer) chooses and ejects. The defaults are Envoy's for what is ejected when, and
/// Finagle's for the choice, except where a setter says so.
///
/// ```
/// # use std::time::Duration;
/// # use linchpin::resilience::outlier::{Balancer, Options};
/// let options = Options::default().peak_ewma(Duration::from_secs(10)).consecutive_failures(3);
/// let hosts = Balancer::new("search", ["10.0.0.1:80", "10.0.0.2:80"], options)?;
/// # drop(hosts);
/// # Ok::<(), linchpin::resilience::BadOptions>(())
/// ```
#[derive(Clone, Debug)]
pub struct Options {
    pub(super) choice: Choice,
    pub(super) decay: Duration,
    pub(super) consecutive: Option<u32>,
    pub(super) success_rate: Option<SuccessRate>,
    pub(super) failures: Option<Failures>,
    pub(super) interval: Duration,
    pub(super) base_ejection: Duration,
    pub(super) max_ejection: Duration,
    pub(super) jitter: f64,
    pub(super) max_ejected: f64,
    pub(super) panic_threshold: f64,
    pub(super) random: fn() -> f64,
}

/// Which of two targets is the better.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Choice {
    LeastLoaded,
    PeakEwma,
}

/// Ejects who has by far fewer successes than the others.
#[derive(Clone, Copy, Debug)]
pub(super) struct SuccessRate {
    /// In standard deviations below the mean.
    pub(super) deviations: f64,
    pub(super) min_targets: usize,
    pub(super) min_calls: u32,
}

/// Ejects who fails at such a share of calls.
#[derive(Clone, Copy, Debug)]
pub(super) struct Failures {
    pub(super) ratio: f64,
    pub(super) min_targets: usize,
    pub(super) min_calls: u32,
}

const SHORTEST: Duration = Duration::from_millis(10);

impl Default for Options {
    fn default() -> Self {
        Self {
            choice: Choice::LeastLoaded,
            decay: Duration::from_secs(10),
            consecutive: Some(5),
            success_rate: Some(SuccessRate { deviations: 1.9, min_targets: 5, min_calls: 100 }),
            failures: None,
            interval: Duration::from_secs(10),
            base_ejection: Duration::from_secs(30),
            max_ejection: Duration::from_mins(5),
            jitter: 0.2,
            max_ejected: 0.1,
            panic_threshold: 0.5,
            random: fastrand::f64,
        }
    }
}

impl Options {
    /// Of two targets drawn by chance takes that with fewer calls under way. The default.
    #[must_use]
    pub fn least_loaded(mut self) -> Self {
        self.choice = Choice::LeastLoaded;
        self
    }

    /// Of two targets drawn by chance takes that with the lower product of calls under way (this one among them) and of
    /// what a call took of late: a mean which jumps up to a peak, and forgets by a factor of e in `decay`. Finagle's is 10
    /// s.
    ///
    /// What failed does not make a target look fast: its time counts only if it was long. A target of which nothing is
    /// known gets one call, and no other until that has ended.
    #[must_use]
    pub fn peak_ewma(mut self, decay: Duration) -> Self {
        (self.choice, self.decay) = (Choice::PeakEwma, decay);
        self
    }

    /// Ejects a target after so many failures in a row. Default: 5.
    #[must_use]
    pub fn consecutive_failures(mut self, failures: u32) -> Self {
        self.consecutive = Some(failures);
        self
    }

    /// Failures in a row eject nobody.
    #[must_use]
    pub fn no_consecutive_failures(mut self) -> Self {
        self.consecutive = None;
        self
    }

    /// At each sweep ejects who has fewer successes than the mean of all less so many standard deviations, of targets with
    /// at least `min_calls` calls since the last sweep, if there are `min_targets` of them. Default: 1.9, 5, 100.
    #[must_use]
    pub fn success_rate(mut self, deviations: f64, min_targets: usize, min_calls: u32) -> Self {
        self.success_rate = Some(SuccessRate { deviations, min_targets, min_calls });
        self
    }

    /// Nobody is ejected by comparison with the others.
    #[must_use]
    pub fn no_success_rate(mut self) -> Self {
        self.success_rate = None;
        self
    }

    /// At each sweep ejects who fails at such a share of its calls or more, of targets with at least `min_calls` calls
    /// since the last sweep, if there are `min_targets` of them. Default: off. Envoy's numbers, off there too, are 0.85, 5
    /// and 50.
    #[must_use]
    pub fn failure_ratio(mut self, ratio: f64, min_targets: usize, min_calls: u32) -> Self {
        self.failures = Some(Failures { ratio, min_targets, min_calls });
        self
    }

    /// How long a sweep is. Default: 10 s.
    #[must_use]
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// For how long a target is ejected the first time; the second time twice as long, the third time three times. Each
    /// sweep that it is not takes one time back. Default: 30 s, and 300 s at most.
    #[must_use]
    pub fn ejection_time(mut self, base: Duration, most: Duration) -> Self {
        (self.base_ejection, self.max_ejection) = (base, most);
        self
    }

    /// Up to what share an ejection is prolonged by chance, so that many clients do not come back at once. Default: 0.2;
    /// Envoy's is 0.
    #[must_use]
    pub fn jitter(mut self, share: f64) -> Self {
        self.jitter = share;
        self
    }

    /// The largest share of the targets that is ejected. Default: 0.1. One may be in any case, as Envoy's documentation
    /// has it, or a set of nine would eject nobody; and one stays in any case.
    #[must_use]
    pub fn max_ejected(mut self, share: f64) -> Self {
        self.max_ejected = share;
        self
    }

    /// If a smaller share of the targets than this is left, all are used, ejected or not: better a few calls that fail than
    /// all load on the few that are left. Default: 0.5; 0.0 is never.
    #[must_use]
    pub fn panic_threshold(mut self, share: f64) -> Self {
        self.panic_threshold = share;
        self
    }

    /// Where chance comes from: a number from 0.0 up to 1.0, without it. Default: a fast generator of the thread. A balancer
    /// that is reconfigured keeps the one it was built with.
    #[must_use]
    pub fn random(mut self, random: fn() -> f64) -> Self {
        self.random = random;
        self
    }

    pub(super) fn check(&self) -> Result<(), BadOptions> {
        self.check_rules()?;
        let wrong = |why: String| Err(BadOptions::new("Balancer", why));
        let shares = [
            ("jitter", self.jitter),
            ("max_ejected", self.max_ejected),
            ("panic_threshold", self.panic_threshold),
        ];
        for (what, share) in shares {
            if !(0.0..=1.0).contains(&share) {
                return wrong(format!("`{what}` is {share}; say from 0.0 to 1.0"));
            }
        }
        let times = [
            ("peak_ewma", self.decay),
            ("interval", self.interval),
            ("ejection_time", self.base_ejection),
            ("the longest ejection", self.max_ejection),
        ];
        for (what, time) in times {
            if !(SHORTEST..=YEAR).contains(&time) {
                return wrong(format!(
                    "`{what}` is {time:?}; say at least 10 ms and at most a year"
                ));
            }
        }
        if self.base_ejection > self.max_ejection {
            let (first, most) = (self.base_ejection, self.max_ejection);
            return wrong(format!("ejected for {first:?} at first and for {most:?} at most"));
        }
        Ok(())
    }

    fn check_rules(&self) -> Result<(), BadOptions> {
        let wrong = |why: String| Err(BadOptions::new("Balancer", why));
        if self.consecutive == Some(0) {
            return wrong("no failure in a row would eject all at once; say at least 1".into());
        }
        if let Some(SuccessRate { deviations, min_targets, min_calls }) = self.success_rate {
            if !(deviations > 0.0 && deviations.is_finite()) {
                return wrong(format!("{deviations} standard deviations; say above 0.0"));
            }
            if min_targets < 3 || min_calls == 0 {
                let why = format!(
                    "to compare {min_targets} targets by {min_calls} calls; say at least 3 by at least 1"
                );
                return wrong(why);
            }
        }
        if let Some(Failures { ratio, min_targets, min_calls }) = self.failures {
            if !(ratio > 0.0 && ratio <= 1.0) {
                return wrong(format!(
                    "a share of {ratio} failures; say above 0.0 and at most 1.0"
                ));
            }
            if min_targets == 0 || min_calls == 0 {
                let why = format!(
                    "to judge {min_targets} targets by {min_calls} calls; say at least 1 of each"
                );
                return wrong(why);
            }
        }
        Ok(())
    }
}
