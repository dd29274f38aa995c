//! How a retry is set.

use std::time::Duration;

use super::budget::Budget;
use super::schedule::Schedule;
use crate::resilience::BadOptions;
use crate::resilience::bad_options::YEAR;

/// How a [`Retry`](super::Retry) tries again. The default is meant for a remote dependency: three attempts, from 50 ms,
/// within a budget.
///
/// ```
/// # use std::time::Duration;
/// # use linchpin::resilience::retry::{self, Budget, Retry, Schedule};
/// let shared = Budget::ratio(0.1, 1, Duration::from_secs(10))?; // by all that call this target
/// let options = retry::Options::default()
///     .idempotent()
///     .max_attempts(5)
///     .backoff(Schedule::exponential(Duration::from_millis(20), 2.0, Duration::from_secs(2))?)
///     .budget(shared.clone());
/// let retry = Retry::new("search", options)?;
/// # drop(retry);
/// # Ok::<(), linchpin::resilience::BadOptions>(())
/// ```
#[derive(Clone, Debug)]
pub struct Options {
    pub(in crate::resilience) max_attempts: Option<u32>,
    pub(in crate::resilience) backoff: Schedule,
    pub(super) throttled: Schedule,
    pub(in crate::resilience) budget: Option<Budget>,
    pub(super) idempotent: bool,
    pub(super) max_retry_after: Duration,
    pub(in crate::resilience) min_attempt_time: Duration,
    pub(super) exhausted_as_error: bool,
    pub(super) random: fn() -> f64,
}

impl Default for Options {
    fn default() -> Self {
        let throttled = Schedule::exponential(Duration::from_secs(1), 2.0, Duration::from_secs(20));
        Self {
            max_attempts: Some(3),
            backoff: Schedule::default(),
            throttled: throttled.expect("the cap is above the base"),
            budget: None,
            idempotent: false,
            max_retry_after: Duration::from_mins(1),
            min_attempt_time: Duration::from_millis(1),
            exhausted_as_error: false,
            random: fastrand::f64,
        }
    }
}

impl Options {
    /// So many attempts are the most, the first one among them. Default: 3.
    #[must_use]
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = Some(attempts);
        self
    }

    /// No bound on attempts: the deadline, the budget and the end of the context are what stops it.
    #[must_use]
    pub fn no_max_attempts(mut self) -> Self {
        self.max_attempts = None;
        self
    }

    /// Doing it twice does no harm, so whatever failed is tried again.
    ///
    /// Without that word only what was certainly not done is: a refused connection, a 429. It is a promise about the
    /// callee that no library can check.
    #[must_use]
    pub fn idempotent(mut self) -> Self {
        self.idempotent = true;
        self
    }

    /// The delays. Default: exponential from 50 ms by 2 up to 20 s, with full jitter.
    #[must_use]
    pub fn backoff(mut self, schedule: Schedule) -> Self {
        self.backoff = schedule;
        self
    }

    /// The delays after an answer that asks for less ([`Again::Throttled`](crate::resilience::Again::Throttled)).
    /// Default: exponential from 1 s by 2 up to 20 s, with full jitter.
    #[must_use]
    pub fn throttled_backoff(mut self, schedule: Schedule) -> Self {
        self.throttled = schedule;
        self
    }

    /// What the retries of all calls together may cost. Default: one of its own, by ratio
    /// ([`Budget::default`]). Give a clone to whoever calls the same target.
    #[must_use]
    pub fn budget(mut self, budget: Budget) -> Self {
        self.budget = Some(budget);
        self
    }

    /// A callee that asks to be left alone for longer than this is obeyed by not trying again. Default: a minute.
    #[must_use]
    pub fn max_retry_after(mut self, most: Duration) -> Self {
        self.max_retry_after = most;
        self
    }

    /// An attempt that would have less than this before the deadline is not made, nor waited for. Default: 1 ms.
    #[must_use]
    pub fn min_attempt_time(mut self, least: Duration) -> Self {
        self.min_attempt_time = least;
        self
    }

    /// When all attempts are used up on answers that are no errors but count as failures, gives an error
    /// ([`FailedKind::Exhausted`](crate::resilience::FailedKind::Exhausted)) instead of the last answer. Default: the
    /// answer.
    #[must_use]
    pub fn exhausted_as_error(mut self) -> Self {
        self.exhausted_as_error = true;
        self
    }

    /// Where chance comes from, in `0.0..1.0`. Default: the thread's own random numbers.
    #[must_use]
    pub fn random(mut self, random: fn() -> f64) -> Self {
        self.random = random;
        self
    }

    pub(super) fn check(&self) -> Result<(), BadOptions> {
        let wrong = |why: String| Err(BadOptions::new("Retry", why));
        if self.max_attempts == Some(0) {
            return wrong("no attempt at all; say at least 1".into());
        }
        for (what, schedule) in [("backoff", &self.backoff), ("throttled_backoff", &self.throttled)]
        {
            let Some(delays) = schedule.retries() else { continue };
            let retries = self.max_attempts.map(|attempts| attempts as usize - 1);
            if retries.is_none_or(|retries| retries > delays) {
                let most = delays + 1;
                return wrong(format!(
                    "`{what}` has delays for {most} attempts, `max_attempts` is more"
                ));
            }
        }
        for (what, duration) in
            [("max_retry_after", self.max_retry_after), ("min_attempt_time", self.min_attempt_time)]
        {
            if duration > YEAR {
                return wrong(format!("`{what}` is {duration:?}; say at most a year"));
            }
        }
        Ok(())
    }
}
