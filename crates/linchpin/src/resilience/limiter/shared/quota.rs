//! One rate of a key, in the whole microseconds in which stores count.

use std::time::Duration;

use super::super::options::{LONGEST, nanos};
use super::super::pace::Pace;
use super::super::rate::Rate;
use crate::resilience::BadOptions;

/// A rate and what of it may pass at once, as a store counts it: in whole microseconds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Quota {
    /// In nanoseconds, as those of this process; each interval is a whole number of microseconds.
    pub(super) pace: Pace,
    longest_wait: u64,
}

impl Quota {
    /// That rate, with a burst, by default of what the rate allows in a second, at least one. Nothing ever waits for
    /// longer than `longest_wait`, whatever happens to a clock.
    ///
    /// # Errors
    ///
    /// If nothing would pass, anything is longer than ten years, or the rate cannot be kept to a percent: an interval is a
    /// whole number of microseconds, rounded up.
    pub fn new(rate: Rate, burst: Option<u32>, longest_wait: Duration) -> Result<Self, BadOptions> {
        let wrong = |why: String| Err(BadOptions::new("limiter::Quota", why));
        let (count, period) = (rate.count(), rate.period());
        if count == 0 || burst == Some(0) {
            return wrong(format!("{rate}, burst {burst:?}: nothing would ever pass"));
        }
        if period.is_zero() || period > LONGEST || longest_wait > LONGEST {
            let why = format!(
                "a rate of {rate} with waits of {longest_wait:?}; say above zero and at most ten years"
            );
            return wrong(why);
        }
        let interval = nanos(period).div_ceil(u64::from(count)).div_ceil(1000) * 1000;
        if u128::from(interval) * u128::from(count) * 100 > u128::from(nanos(period)) * 101 {
            let why = format!(
                "a rate of {rate} cannot be kept to a percent in microseconds; count in larger units"
            );
            return wrong(why);
        }
        let second = nanos(Duration::from_secs(1)) / interval;
        let burst = burst.unwrap_or(u32::try_from(second).unwrap_or(u32::MAX).max(1));
        match Self::paced(interval, burst, nanos(longest_wait)) {
            Some(quota) => Ok(quota),
            None => wrong(format!("{burst} at {rate} last for more than ten years")),
        }
    }

    fn paced(interval: u64, burst: u32, longest_wait: u64) -> Option<Self> {
        let whole = interval.checked_mul(u64::from(burst))?;
        let fits = whole <= nanos(LONGEST);
        fits.then(|| Self { pace: Pace::new(interval, burst, false), longest_wait })
    }

    /// What one of so many may let pass for itself: that part of the rate and of the burst, of which it is at least one.
    pub(super) fn share(&self, of: u32) -> Option<Self> {
        let burst = (self.burst() / of).max(1);
        Self::paced(self.pace.interval.checked_mul(u64::from(of))?, burst, self.longest_wait)
    }

    /// That of a penalty without a wait that uses up what was used of a share: as if all who have one had used theirs as
    /// much. `word` is the share's.
    ///
    /// A penalty uses up a burst but for one. So this one counts in as small units as it can, and as far ahead as the quota,
    /// so that the store heals nothing by it.
    pub(super) fn used_as(&self, share: &Self, word: u64, now: u64) -> Self {
        // A share is one at least, and so all together may be above a burst.
        let above = share.pace.allowance.saturating_sub(self.pace.allowance);
        let used = word.saturating_sub(now).saturating_sub(above);
        let interval = used.div_ceil(u64::from(u32::MAX - 1)).next_multiple_of(1000).max(1000);
        let burst = u32::try_from(used.div_ceil(interval) + 1).unwrap_or(u32::MAX);
        let pace = Pace::new(interval, burst, false);
        let ahead = self.pace.allowance + self.longest_wait;
        Self { pace, longest_wait: ahead.saturating_sub(pace.allowance) }
    }

    /// The microseconds between two at the rate.
    #[must_use]
    pub fn interval_us(&self) -> u64 {
        self.pace.interval / 1000
    }

    /// How much may pass at once.
    #[must_use]
    pub fn burst(&self) -> u32 {
        self.pace.limit
    }

    /// The microseconds that anything waits at most.
    #[must_use]
    pub fn longest_wait_us(&self) -> u64 {
        self.longest_wait / 1000
    }

    /// How long anything waits at most.
    #[must_use]
    pub fn longest_wait(&self) -> Duration {
        Duration::from_nanos(self.longest_wait)
    }

    /// The word, so far as it may be ahead.
    pub(super) fn healed(&self, word: u64, now: u64) -> u64 {
        word.max(now).min(self.latest(now))
    }

    /// How far it may be ahead.
    pub(super) fn latest(&self, now: u64) -> u64 {
        now + self.pace.allowance + self.longest_wait
    }
}
