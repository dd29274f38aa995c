//! The rules of all policies.

use std::time::Duration;

use linchpin::Context;
use linchpin::resilience::outlier::{Balancer, Options};
use linchpin::resilience::retry::Tried;
use linchpin::resilience::{BadOptions, Failed};

use super::{SECOND, exact, hosts};
use crate::policy_rules::{Sick, Subject};

struct Balanced(Balancer<&'static str>);

impl Subject for Balanced {
    fn narrow() -> Self {
        Self(hosts(1, exact()))
    }

    async fn call<T, Fut>(
        &self,
        ctx: &Context,
        work: impl FnOnce() -> Fut,
    ) -> Result<T, Failed<Sick>>
    where
        Fut: Future<Output = Result<T, Sick>>,
    {
        self.0.call(ctx, &Tried::default(), |_| work()).await
    }

    fn is_untouched(&self) -> bool {
        let targets = self.0.targets();
        let [target] = &*targets else { return false };
        (target.under_way, target.calls) == (0, 0)
    }

    fn counted_a_failure(&self) -> bool {
        let targets = self.0.targets();
        let [target] = &*targets else { return false };
        (target.under_way, target.consecutive_failures) == (0, 1)
    }

    fn extremes() -> Vec<(&'static str, Result<Self, BadOptions>)> {
        let year = Duration::from_hours(365 * 24);
        let short = Duration::from_millis(10);
        [
            ("no failure in a row", exact().consecutive_failures(0)),
            ("one failure in a row", exact().consecutive_failures(1)),
            ("all failures in a row", exact().consecutive_failures(u32::MAX)),
            ("nothing ejects", exact().no_consecutive_failures().no_success_rate()),
            ("no deviation", exact().success_rate(0.0, 5, 100)),
            ("deviations without bound", exact().success_rate(f64::INFINITY, 5, 100)),
            ("two to compare", exact().success_rate(1.9, 2, 100)),
            ("no call to compare by", exact().success_rate(1.9, 3, 0)),
            ("the least to compare by", exact().success_rate(f64::MIN_POSITIVE, 3, 1)),
            ("no share of failures", exact().failure_ratio(0.0, 1, 1)),
            ("the least share of failures", exact().failure_ratio(f64::MIN_POSITIVE, 1, 1)),
            ("more than all fail", exact().failure_ratio(1.1, 1, 1)),
            ("no target to judge", exact().failure_ratio(0.5, 0, 1)),
            ("no interval", exact().interval(Duration::ZERO)),
            ("the shortest interval", exact().interval(short).ejection_time(short, short)),
            ("an interval of a year", exact().interval(year)),
            ("an interval of all time", exact().interval(Duration::MAX)),
            ("ejected for no time", exact().ejection_time(Duration::ZERO, SECOND)),
            ("ejected for more than the most", exact().ejection_time(2 * SECOND, SECOND)),
            ("ejected for a year", exact().ejection_time(year, year)),
            ("no jitter", exact().jitter(0.0)),
            ("a jitter of all", exact().jitter(1.0)),
            ("a jitter of more", exact().jitter(1.1)),
            ("no number", exact().max_ejected(f64::NAN)),
            ("all are ejected", exact().max_ejected(1.0)),
            ("always a panic", exact().panic_threshold(1.0)),
            ("never a panic", exact().panic_threshold(0.0)),
            ("a mean of no time", exact().peak_ewma(Duration::ZERO)),
            ("a mean of a year", exact().peak_ewma(year)),
        ]
        .map(|(name, options)| (name, Balancer::new("extreme", ["a", "b"], options).map(Self)))
        .into()
    }
}

mod balanced {
    crate::policy_rules::rules!(super::Balanced);
}

#[test]
fn each_mistake_is_named() {
    for (options, why) in [
        (
            exact().consecutive_failures(0),
            "no failure in a row would eject all at once; say at least 1",
        ),
        (
            exact().success_rate(1.9, 2, 100),
            "to compare 2 targets by 100 calls; say at least 3 by at least 1",
        ),
        (exact().failure_ratio(2.0, 5, 50), "a share of 2 failures; say above 0.0 and at most 1.0"),
        (exact().max_ejected(-0.1), "`max_ejected` is -0.1; say from 0.0 to 1.0"),
        (
            exact().interval(Duration::ZERO),
            "`interval` is 0ns; say at least 10 ms and at most a year",
        ),
        (exact().ejection_time(2 * SECOND, SECOND), "ejected for 2s at first and for 1s at most"),
    ] {
        let options: Options = options;
        let bad = Balancer::new("test", ["a"], options).unwrap_err().to_string();
        assert_eq!(bad, format!("bad options for Balancer: {why}"));
    }
}
