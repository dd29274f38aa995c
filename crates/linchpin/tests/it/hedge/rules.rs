//! The rules of all policies.

use std::time::Duration;

use linchpin::Context;
use linchpin::resilience::hedge::{Hedge, Numbers, Options};
use linchpin::resilience::retry::{Allow as _, Budget};
use linchpin::resilience::{BadOptions, Failed};
use linchpin::time::Instant;

use super::{MS, hedge};
use crate::policy_rules::{Sick, Subject};

/// One whose budget has a single place for further attempts; the work of the rules can be done once.
struct Unmarked {
    hedge: Hedge,
    budget: Budget,
}

impl Unmarked {
    fn new(options: Options) -> Result<Self, BadOptions> {
        let budget = Budget::concurrent(0.0, 1).unwrap();
        Ok(Self { hedge: Hedge::new("extreme", options.budget(budget.clone()))?, budget })
    }
}

impl Subject for Unmarked {
    fn narrow() -> Self {
        Self::new(Options::default()).unwrap()
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
        self.hedge.call(ctx, |_| work.take().expect("it is not marked, so once")()).await
    }

    fn is_untouched(&self) -> bool {
        let Numbers { sent, won, lost, failed, panicked, out_of_budget, .. } = self.hedge.numbers();
        (sent, won, lost, failed, panicked, out_of_budget) == (0, 0, 0, 0, 0, 0)
            && self.budget.left(Instant::now()) == Some(1.0)
    }

    fn counted_a_failure(&self) -> bool {
        self.hedge.numbers().panicked == 1
    }

    fn extremes() -> Vec<(&'static str, Result<Self, BadOptions>)> {
        let base = Options::default;
        let year = Duration::from_hours(365 * 24);
        let all = vec![
            ("no attempt", base().max_attempts(0)),
            ("one attempt", base().max_attempts(1)),
            ("ten attempts", base().max_attempts(10)),
            ("all attempts", base().max_attempts(u32::MAX)),
            ("no delay", base().delay(Duration::ZERO)),
            ("a year's delay", base().delay(year)),
            ("a delay for ever", base().delay(Duration::MAX)),
            ("the fastest", base().quantile(0.0)),
            ("nearly the fastest", base().quantile(1e-12)),
            ("the slowest", base().quantile(1.0)),
            ("nearly the slowest", base().quantile(1.0 - 1e-12)),
            ("no number", base().quantile(f64::NAN)),
            ("no least delay", base().min_delay(Duration::ZERO)),
            ("a least delay for ever", base().min_delay(Duration::MAX)),
            ("no extra load", base().max_extra_load(0.0)),
            ("hardly any extra load", base().max_extra_load(f64::MIN_POSITIVE)),
            ("ten times the load", base().max_extra_load(10.0)),
            ("any load", base().max_extra_load(f64::INFINITY)),
            ("obeys no hint", base().max_retry_after(Duration::ZERO)),
            ("obeys every hint", base().max_retry_after(Duration::MAX)),
            ("an attempt takes no time", base().min_attempt_time(Duration::ZERO)),
            ("an attempt takes for ever", base().min_attempt_time(Duration::MAX)),
        ];
        all.into_iter().map(|(name, options)| (name, Self::new(options))).collect()
    }
}

mod unmarked {
    crate::policy_rules::rules!(super::Unmarked);
}

#[test]
fn each_mistake_is_named() {
    let base = Options::default;
    for (options, why) in [
        (base().max_attempts(11), "11 attempts; say at least 1 and at most 10"),
        (base().quantile(1.5), "a quantile of 1.5 is not between 0.0 and 1.0"),
        (
            base().max_extra_load(0.0),
            "an extra load of 0; say above 0.0 and at most 10.0, or `max_attempts(1)`",
        ),
        (
            base().delay(Duration::MAX),
            "`delay` is 18446744073709551615.999999999s; say at most a year",
        ),
    ] {
        let bad = Hedge::new("test", options).unwrap_err().to_string();
        assert_eq!(bad, format!("bad options for Hedge: {why}"));
    }
    assert_eq!(hedge(base().delay(MS)).numbers().delay, Some(MS));
}
