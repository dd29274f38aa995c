//! So many in so much time.

use std::fmt;
use std::time::Duration;

/// How many may pass in how much time. It is checked by whoever is built with it.
///
/// ```
/// # use std::time::Duration;
/// # use linchpin::resilience::limiter::Rate;
/// assert_eq!(Rate::per_second(100), Rate::new(100, Duration::from_secs(1)));
/// assert_eq!(Rate::per_minute(90).to_string(), "90 in 60s");
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Rate {
    count: u32,
    period: Duration,
}

impl Rate {
    /// So many in each `period`.
    #[must_use]
    pub const fn new(count: u32, period: Duration) -> Self {
        Self { count, period }
    }

    /// So many in each second.
    #[must_use]
    pub const fn per_second(count: u32) -> Self {
        Self::new(count, Duration::from_secs(1))
    }

    /// So many in each minute.
    #[must_use]
    pub const fn per_minute(count: u32) -> Self {
        Self::new(count, Duration::from_mins(1))
    }

    /// So many in each hour.
    #[must_use]
    pub const fn per_hour(count: u32) -> Self {
        Self::new(count, Duration::from_hours(1))
    }

    /// How many.
    #[must_use]
    pub const fn count(self) -> u32 {
        self.count
    }

    /// In how much time.
    #[must_use]
    pub const fn period(self) -> Duration {
        self.period
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {:?}", self.count, self.period)
    }
}
