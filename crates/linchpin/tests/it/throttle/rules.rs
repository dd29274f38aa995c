//! The rules of all policies.

use std::time::Duration;

use linchpin::resilience::BadOptions;
use linchpin::resilience::throttle::{Options, Throttle};

use super::{SECOND, scripted, throttle};
use crate::policy_rules::Subject;

struct Spared(Throttle);

impl Subject for Spared {
    fn narrow() -> Self {
        Self(throttle(scripted()))
    }

    crate::policy_rules::calls!();

    fn is_untouched(&self) -> bool {
        let numbers = self.0.numbers();
        (numbers.requests, numbers.under_way) == (0, 0)
    }

    fn counted_a_failure(&self) -> bool {
        let numbers = self.0.numbers();
        (numbers.requests, numbers.accepted, numbers.under_way) == (1, 0, 0)
    }

    fn extremes() -> Vec<(&'static str, Result<Self, BadOptions>)> {
        let year = Duration::from_hours(365 * 24);
        let options = |change: fn(Options) -> Options| change(Options::default());
        [
            ("fewer requests than are accepted", options(|to| to.multiplier(0.99))),
            ("as many requests", options(|to| to.multiplier(1.0).min_requests(1))),
            ("the most requests", options(|to| to.multiplier(1_000.0))),
            ("no number of requests", options(|to| to.multiplier(f64::NAN))),
            ("no aggression", options(|to| to.aggression(0.0))),
            ("the least aggression", options(|to| to.aggression(f64::MIN_POSITIVE))),
            ("the most aggression", options(|to| to.aggression(100.0))),
            ("aggression without bound", options(|to| to.aggression(f64::INFINITY))),
            ("never a refusal", options(|to| to.most_refused(0.0))),
            ("the least refusal", options(|to| to.most_refused(f64::MIN_POSITIVE))),
            ("all refused", options(|to| to.most_refused(1.0).no_probe())),
            ("more than all refused", options(|to| to.most_refused(1.1))),
            ("no request to judge by", options(|to| to.min_requests(0))),
            ("no request is ever enough", options(|to| to.min_requests(u32::MAX))),
            ("a window of no time", options(|to| to.window(Duration::ZERO))),
            ("the shortest window", options(|to| to.window(Duration::from_millis(10)))),
            ("a window of all time", options(|to| to.window(Duration::MAX))),
            ("no grace", options(|to| to.pending_grace(Duration::ZERO))),
            ("the shortest grace", options(|to| to.pending_grace(Duration::from_millis(10)))),
            ("no pending", options(Options::no_pending)),
            ("a probe at once", options(|to| to.probe_after(Duration::ZERO))),
        ]
        .into_iter()
        .chain([
            ("a window of a year", Options::default().window(year)),
            ("a grace of a year", Options::default().pending_grace(year)),
            ("a probe after a year", Options::default().probe_after(year)),
            ("a probe after longer", Options::default().probe_after(year + SECOND)),
        ])
        .map(|(name, options)| (name, Throttle::new("extreme", options).map(Self)))
        .collect()
    }
}

mod throttled {
    crate::policy_rules::rules!(super::Spared);
}

#[test]
fn each_mistake_is_named() {
    for (options, why) in [
        (
            scripted().multiplier(0.5),
            "0.5 requests for one that is accepted; say at least 1.0 and at most 1000.0",
        ),
        (scripted().aggression(0.0), "an aggression of 0; say above 0.0 and at most 100.0"),
        (scripted().most_refused(2.0), "a chance of 2 at most; say above 0.0 and at most 1.0"),
        (scripted().min_requests(0), "no request is too few to judge by; say at least 1"),
        (
            scripted().pending_grace(Duration::ZERO),
            "`pending_grace` is 0ns; say at least 10 ms and at most a year",
        ),
    ] {
        let bad = Throttle::new("test", options).unwrap_err().to_string();
        assert_eq!(bad, format!("bad options for Throttle: {why}"));
    }
}
