//! How a fallback is set.

use std::time::Duration;

use crate::resilience::BadOptions;
use crate::resilience::bad_options::YEAR;

/// How a [`Fallback`](super::Fallback) stands in. The default does so before the deadline, and only if it has to.
#[derive(Clone, Debug)]
pub struct Options {
    pub(super) grace: Duration,
    pub(super) exercise_rate: f64,
    pub(super) random: fn() -> f64,
}

impl Default for Options {
    fn default() -> Self {
        Self { grace: Duration::ZERO, exercise_rate: 0.0, random: fastrand::f64 }
    }
}

impl Options {
    /// A call that its deadline cut may be answered by the fallback all the same, which has so long after the deadline.
    /// Default: none, since whoever set the deadline does not wait any longer. For answers that are at hand and a caller
    /// that says less than it waits.
    #[must_use]
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// On this share of the calls that succeed the fallback is tried, too, and what it says thrown away: a way that is
    /// never taken does not work when it is needed. Default: 0.0, never. 0.01 is much for a fallback that asks somebody.
    ///
    /// The caller of such a call waits for both.
    #[must_use]
    pub fn exercise_rate(mut self, share: f64) -> Self {
        self.exercise_rate = share;
        self
    }

    /// Where chance comes from, in `0.0..1.0`. Default: the thread's own random numbers.
    #[must_use]
    pub fn random(mut self, random: fn() -> f64) -> Self {
        self.random = random;
        self
    }

    pub(super) fn check(&self) -> Result<(), BadOptions> {
        let wrong = |why: String| Err(BadOptions::new("Fallback", why));
        if self.grace > YEAR {
            return wrong(format!("`grace` is {:?}; say at most a year", self.grace));
        }
        if !(0.0..=1.0).contains(&self.exercise_rate) {
            let share = self.exercise_rate;
            return wrong(format!("an exercise rate of {share} is not between 0.0 and 1.0"));
        }
        Ok(())
    }
}
