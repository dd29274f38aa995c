//! The rules of all policies.

use std::time::Duration;

use linchpin::Context;
use linchpin::resilience::fallback::{Fallback, Options};
use linchpin::resilience::{BadOptions, Failed};

use super::fallback;
use crate::policy_rules::{Sick, Subject};

/// One that has nothing to stand in with, so that what is lost stays lost.
impl Subject for Fallback {
    fn narrow() -> Self {
        fallback(Options::default())
    }

    async fn call<T, Fut>(
        &self,
        ctx: &Context,
        work: impl FnOnce() -> Fut,
    ) -> Result<T, Failed<Sick>>
    where
        Fut: Future<Output = Result<T, Sick>>,
    {
        let served = Self::call(self, ctx, work, |_| async { Err(Sick) }).await?;
        Ok(served.into_inner())
    }

    fn is_untouched(&self) -> bool {
        (self.numbers().used, self.numbers().failed) == (0, 0)
    }

    /// Nothing stands in for a panic, so it is in no number.
    fn counted_a_failure(&self) -> bool {
        self.is_untouched()
    }

    fn extremes() -> Vec<(&'static str, Result<Self, BadOptions>)> {
        let base = Options::default;
        let all = vec![
            ("no grace", base().grace(Duration::ZERO)),
            ("a year's grace", base().grace(Duration::from_hours(365 * 24))),
            ("grace for ever", base().grace(Duration::MAX)),
            ("never exercised", base().exercise_rate(0.0)),
            ("always exercised", base().exercise_rate(1.0)),
            ("less than never", base().exercise_rate(-0.1)),
            ("more than always", base().exercise_rate(1.1)),
            ("no number", base().exercise_rate(f64::NAN)),
            ("chance out of its bounds", base().exercise_rate(0.5).random(|| f64::NAN)),
        ];
        all.into_iter().map(|(name, options)| (name, Self::new("extreme", options))).collect()
    }
}

mod rules_of_all {
    crate::policy_rules::rules!(linchpin::resilience::fallback::Fallback);
}

#[test]
fn each_mistake_is_named() {
    for (options, why) in [
        (
            Options::default().grace(Duration::MAX),
            "`grace` is 18446744073709551615.999999999s; say at most a year",
        ),
        (Options::default().exercise_rate(2.0), "an exercise rate of 2 is not between 0.0 and 1.0"),
    ] {
        let bad = Fallback::new("test", options).unwrap_err().to_string();
        assert_eq!(bad, format!("bad options for Fallback: {why}"));
    }
}
