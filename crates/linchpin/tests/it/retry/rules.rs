//! The rules of all policies.

use std::time::Duration;

use linchpin::Context;
use linchpin::resilience::retry::{Budget, Numbers, Options, Retry, Schedule};
use linchpin::resilience::{BadOptions, Failed};

use super::{MS, SECOND, exact, retry};
use crate::policy_rules::{Sick, Subject};

/// One that has a single retry under way at most; the work of the rules can be done once.
struct Unmarked(Retry);

impl Subject for Unmarked {
    fn narrow() -> Self {
        let base = Options::default().budget(Budget::concurrent(0.0, 1).unwrap());
        Self(retry(base))
    }

    async fn call<T, Fut>(
        &self,
        ctx: &Context,
        work: impl FnOnce() -> Fut,
    ) -> Result<T, Failed<Sick>>
    where
        Fut: Future<Output = Result<T, Sick>>,
    {
        let mut work = Some(work);
        self.0.call(ctx, |_| work.take().expect("it is not marked, so once")()).await
    }

    fn is_untouched(&self) -> bool {
        self.0.numbers() == Numbers::default() || {
            // A deadline that passed before the first attempt counts nothing either.
            let numbers = self.0.numbers();
            (numbers.retries, numbers.failed, numbers.panicked) == (0, 0, 0)
        }
    }

    fn counted_a_failure(&self) -> bool {
        self.0.numbers().panicked == 1
    }

    fn extremes() -> Vec<(&'static str, Result<Self, BadOptions>)> {
        let year = Duration::from_hours(365 * 24);
        let list = |delays: &[Duration]| Schedule::new(delays.iter().copied()).unwrap();
        let all = vec![
            ("no attempt", exact().max_attempts(0)),
            ("one attempt", exact().max_attempts(1)),
            ("all attempts", exact().max_attempts(u32::MAX)),
            ("no bound", exact().no_max_attempts()),
            ("a list too short", exact().backoff(list(&[SECOND]))),
            ("a list of throttled ones too short", exact().throttled_backoff(list(&[]))),
            ("a list for one retry", exact().backoff(list(&[MS])).max_attempts(2)),
            ("a list without a bound", exact().backoff(list(&[MS])).no_max_attempts()),
            (
                "no list at all",
                exact().backoff(list(&[])).throttled_backoff(list(&[])).max_attempts(1),
            ),
            ("obeys no hint", exact().max_retry_after(Duration::ZERO)),
            ("obeys every hint", exact().max_retry_after(Duration::MAX)),
            ("an attempt takes no time", exact().min_attempt_time(Duration::ZERO)),
            ("an attempt takes a year", exact().min_attempt_time(year)),
            ("an attempt takes for ever", exact().min_attempt_time(Duration::MAX)),
            ("chance out of its bounds", exact().random(|| f64::NAN)),
        ];
        let built = |(name, options)| {
            // The work of the rules can be done once.
            let unmarked = |retry: Retry| Self(retry);
            (name, Retry::new("extreme", once(options)).map(unmarked))
        };
        all.into_iter().map(built).collect()
    }
}

/// Nothing is tried again, since no budget lets it be.
fn once(options: Options) -> Options {
    #[derive(Debug)]
    struct Nothing;
    impl linchpin::resilience::retry::Allow for Nothing {
        fn withdraw(&self, _: linchpin::time::Instant, _: bool) -> bool {
            false
        }
    }
    options.budget(Budget::custom(Nothing))
}

mod unmarked {
    crate::policy_rules::rules!(super::Unmarked);
}

#[test]
fn each_mistake_is_named() {
    let short = || Schedule::new([SECOND]).unwrap();
    for (options, why) in [
        (exact().max_attempts(0), "no attempt at all; say at least 1"),
        (exact().backoff(short()), "`backoff` has delays for 2 attempts, `max_attempts` is more"),
        (
            exact().max_retry_after(Duration::MAX),
            "`max_retry_after` is 18446744073709551615.999999999s; say at most a year",
        ),
    ] {
        let bad = Retry::new("test", options).unwrap_err().to_string();
        assert_eq!(bad, format!("bad options for Retry: {why}"));
    }
}
