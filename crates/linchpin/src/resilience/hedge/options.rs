//! How a hedge is set.

use std::time::Duration;

use crate::resilience::BadOptions;
use crate::resilience::bad_options::YEAR;
use crate::resilience::retry::Budget;

/// How a [`Hedge`](super::Hedge) sends further attempts. The default sends one more, when a call takes longer than 95 of
/// a hundred did, and for at most one call in twenty.
///
/// ```
/// # use std::time::Duration;
/// # use linchpin::resilience::{hedge::{self, Hedge}, retry::{self, Budget, Retry}};
/// let shared = Budget::default(); // by all that call this target
/// let writes = Retry::new("writes", retry::Options::default().budget(shared.clone()))?;
/// let options = hedge::Options::default().idempotent().quantile(0.99).max_extra_load(0.01).budget(shared);
/// let reads = Hedge::new("reads", options)?;
/// # drop((writes, reads));
/// # Ok::<(), linchpin::resilience::BadOptions>(())
/// ```
#[derive(Clone, Debug)]
pub struct Options {
    pub(super) max_attempts: u32,
    pub(super) delay: Delay,
    pub(super) min_delay: Duration,
    pub(super) max_extra_load: f64,
    pub(super) budget: Option<Budget>,
    pub(super) idempotent: bool,
    pub(super) max_retry_after: Duration,
    pub(super) min_attempt_time: Duration,
}

/// When the next attempt is due.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Delay {
    Fixed(Duration),
    Quantile(f64),
}

/// More attempts than these at once are load and no hedge.
pub(super) const MOST: u32 = 10;

impl Default for Options {
    fn default() -> Self {
        Self {
            max_attempts: 2,
            delay: Delay::Quantile(0.95),
            min_delay: Duration::from_millis(1),
            max_extra_load: 0.05,
            budget: None,
            idempotent: false,
            max_retry_after: Duration::from_mins(1),
            min_attempt_time: Duration::from_millis(1),
        }
    }
}

impl Options {
    /// So many attempts are the most, the first one among them. Default: 2. With 1 there is no hedge.
    #[must_use]
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = attempts;
        self
    }

    /// The next attempt is due so long after the one before, whatever calls take. Zero sends all at once, as soon as the
    /// first has to wait. Replaces [`quantile`](Self::quantile).
    #[must_use]
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = Delay::Fixed(delay);
        self
    }

    /// The next attempt is due when the one before has taken longer than this share of the last 1,000 attempts did, queues
    /// on this side left out. Default: 0.95. Replaces [`delay`](Self::delay).
    ///
    /// Until 100 are known nothing is sent for being slow. The delay is looked for anew after every 50.
    #[must_use]
    pub fn quantile(mut self, share: f64) -> Self {
        self.delay = Delay::Quantile(share);
        self
    }

    /// No delay by quantile is shorter. Default: 1 ms.
    #[must_use]
    pub fn min_delay(mut self, least: Duration) -> Self {
        self.min_delay = least;
        self
    }

    /// Attempts beyond the first may be this share of the calls of the last 10 s, with no floor. Default: 0.05.
    ///
    /// What keeps a callee that is slow for all from twice its load: when every call takes long, every call would hedge.
    #[must_use]
    pub fn max_extra_load(mut self, share: f64) -> Self {
        self.max_extra_load = share;
        self
    }

    /// A budget that is shared with retries, and other hedges, of the same target: a further attempt is paid from it *and*
    /// from the extra load, or not sent. Default: none.
    #[must_use]
    pub fn budget(mut self, budget: Budget) -> Self {
        self.budget = Some(budget);
        self
    }

    /// Doing it twice, even at the same time, does no harm.
    ///
    /// Without that word nothing is sent while an attempt is under way; what was certainly not done, as with a refused
    /// connection, is sent once more. It is a promise about the callee that no library can check.
    #[must_use]
    pub fn idempotent(mut self) -> Self {
        self.idempotent = true;
        self
    }

    /// A callee that asks to be left alone for longer than this is obeyed by sending nothing more. Default: a minute.
    #[must_use]
    pub fn max_retry_after(mut self, most: Duration) -> Self {
        self.max_retry_after = most;
        self
    }

    /// An attempt that would have less than this before the deadline is not sent. Default: 1 ms.
    #[must_use]
    pub fn min_attempt_time(mut self, least: Duration) -> Self {
        self.min_attempt_time = least;
        self
    }

    pub(super) fn check(&self) -> Result<(), BadOptions> {
        let wrong = |why: String| Err(BadOptions::new("Hedge", why));
        if !(1..=MOST).contains(&self.max_attempts) {
            let attempts = self.max_attempts;
            return wrong(format!("{attempts} attempts; say at least 1 and at most {MOST}"));
        }
        if let Delay::Quantile(share) = self.delay
            && !(share > 0.0 && share < 1.0)
        {
            return wrong(format!("a quantile of {share} is not between 0.0 and 1.0"));
        }
        if !(self.max_extra_load > 0.0 && self.max_extra_load <= f64::from(MOST)) {
            let load = self.max_extra_load;
            return wrong(format!(
                "an extra load of {load}; say above 0.0 and at most {MOST}.0, or `max_attempts(1)`"
            ));
        }
        let fixed = match self.delay {
            Delay::Fixed(delay) => delay,
            Delay::Quantile(_) => Duration::ZERO,
        };
        for (what, duration) in [
            ("delay", fixed),
            ("min_delay", self.min_delay),
            ("max_retry_after", self.max_retry_after),
            ("min_attempt_time", self.min_attempt_time),
        ] {
            if duration > YEAR {
                return wrong(format!("`{what}` is {duration:?}; say at most a year"));
            }
        }
        Ok(())
    }
}
