//! How a shared limiter is set.

use std::time::Duration;

use super::super::rate::Rate;
use super::quota::Quota;
use super::store::MOST_QUOTAS;
use crate::resilience::BadOptions;
use crate::resilience::bad_options::YEAR;

/// How a [`Shared`](super::Shared) limiter spreads what its rate allows, and what it does without its store.
#[derive(Clone, Debug)]
pub struct Options {
    burst: Option<u32>,
    also: Vec<(Rate, Option<u32>)>,
    longest_wait: Duration,
    pub(super) on_store_error: OnStoreError,
    pub(super) timeout: Duration,
    pub(super) ask_again: Duration,
    pub(super) max_local_keys: usize,
}

/// Who judges a visit when the store does not answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OnStoreError {
    /// Nobody: all pass. For limits that are a courtesy, such as those of one's own callers.
    Open,
    /// Nobody: all are refused. For limits that cost money or protect what would break.
    Closed,
    /// This process alone, by its share among so many: that part of each rate, and of each burst, of which it is at least
    /// one. A cost above that part is refused meanwhile. The share begins unused, so that an outage lets one burst more
    /// pass in all; when the store is back it is told of what was used.
    LocalShare(u32),
}

/// How it is set, checked.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) rate: Rate,
    pub(super) options: Options,
    pub(super) quotas: Vec<Quota>,
    /// The local shares of the quotas, where these judge.
    pub(super) shares: Vec<Quota>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            burst: None,
            also: Vec::new(),
            longest_wait: Duration::from_mins(1),
            on_store_error: OnStoreError::LocalShare(1),
            timeout: Duration::from_millis(50),
            ask_again: Duration::from_millis(100),
            max_local_keys: 1_000_000,
        }
    }
}

impl Options {
    /// How much may pass at once after a pause. Default: what the rate allows in a second, at least 1.
    #[must_use]
    pub fn burst(mut self, burst: u32) -> Self {
        self.burst = Some(burst);
        self
    }

    /// A second rate, or a third, beside the one there is, with its burst: so many a second *and* so many a day. What
    /// passes passes by all of them, and whoever is refused by one has taken nothing of any. At most four in all.
    ///
    /// A quota of "so many a day" has that many as its burst. GCRA then gives back one at each interval; it does not
    /// begin anew at midnight.
    #[must_use]
    pub fn also(mut self, rate: Rate, burst: u32) -> Self {
        self.also.push((rate, Some(burst)));
        self
    }

    /// The longest that a turn or the end of a penalty is ahead. Default: one minute.
    ///
    /// It is also how long a key is locked out at most when the clock of the store goes back, or another store with
    /// another clock takes over; so do not make it longer than it needs to be.
    #[must_use]
    pub fn longest_wait(mut self, wait: Duration) -> Self {
        self.longest_wait = wait;
        self
    }

    /// What to do when the store does not answer. Default: `LocalShare(1)`: each process limits by itself, as one that is
    /// alone would. Say how many processes there are.
    #[must_use]
    pub fn on_store_error(mut self, then: OnStoreError) -> Self {
        self.on_store_error = then;
        self
    }

    /// How long to wait for the store's answer, and never longer than a tenth of what the context leaves. Default: 50 ms.
    ///
    /// A store that is slower than this is away. One that is slower than the tenth is not: it is only not waited for.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How long a store that is away is left alone; then one visit asks it, and again so long later. Default: 100 ms.
    #[must_use]
    pub fn ask_again(mut self, every: Duration) -> Self {
        self.ask_again = every;
        self
    }

    /// The most keys that are remembered here while the store is away. Default: 1,000,000.
    #[must_use]
    pub fn max_local_keys(mut self, keys: usize) -> Self {
        self.max_local_keys = keys;
        self
    }

    // ----- for the limiter

    pub(super) fn plan(self, rate: Rate) -> Result<Plan, BadOptions> {
        let wrong = |why: String| Err(BadOptions::new("limiter::Shared", why));
        if self.also.len() >= MOST_QUOTAS {
            let many = self.also.len() + 1;
            return wrong(format!("{many} rates for one key; the most is {MOST_QUOTAS}"));
        }
        for (what, time) in [("timeout", self.timeout), ("ask_again", self.ask_again)] {
            if time.is_zero() || time > YEAR {
                let why = format!("`{what}` is {time:?}; say above zero and at most a year");
                return wrong(why);
            }
        }
        let rates = std::iter::once((rate, self.burst)).chain(self.also.iter().copied());
        let quota = |(rate, burst)| Quota::new(rate, burst, self.longest_wait);
        let quotas: Vec<Quota> = rates.map(quota).collect::<Result<_, _>>()?;
        let shares = match self.on_store_error {
            OnStoreError::LocalShare(0) => {
                return wrong("a share among none; say how many processes there are".into());
            }
            OnStoreError::LocalShare(of) => {
                let share = |quota: &Quota| quota.share(of);
                match quotas.iter().map(share).collect() {
                    Some(shares) => shares,
                    None => return wrong(format!("a share of {of} comes once in ten years")),
                }
            }
            OnStoreError::Open | OnStoreError::Closed => Vec::new(),
        };
        Ok(Plan { rate, options: self, quotas, shares })
    }
}
