//! The rules of all policies.

use std::time::Duration;

use linchpin::resilience::BadOptions;
use linchpin::resilience::limiter::{Limiter, Options, Rate};

use super::remaining;
use crate::policy_rules::Subject;

/// A call that has begun is spent, however it ends, so there is room for those that the rules make.
const ROOM: u32 = 1_100;

struct Limits(Limiter);

impl Subject for Limits {
    fn narrow() -> Self {
        Self(Limiter::new("narrow", Rate::per_hour(1), options()).unwrap())
    }

    crate::policy_rules::calls!();

    /// The one call that has begun is all that is missing.
    fn is_untouched(&self) -> bool {
        remaining(&self.0) >= ROOM - 1
    }

    fn counted_a_failure(&self) -> bool {
        remaining(&self.0) == ROOM - 1
    }

    fn extremes() -> Vec<(&'static str, Result<Self, BadOptions>)> {
        let year = Duration::from_hours(365 * 24);
        let second = Duration::from_secs(1);
        let build =
            |(name, rate, options)| (name, Limiter::new("extreme", rate, options).map(Self));
        [
            ("a rate of none", Rate::per_second(0), options()),
            ("a rate in no time", Rate::new(1, Duration::ZERO), options()),
            ("a rate in all time", Rate::new(1, Duration::MAX), options()),
            ("one in ten years", Rate::new(1, 10 * year), Options::default().burst(1)),
            ("many in ten years", Rate::new(1, 10 * year), options()),
            ("all in ten years", Rate::new(u32::MAX, 10 * year), options()),
            ("one in a nanosecond", Rate::new(1, Duration::from_nanos(1)), options()),
            ("two in a nanosecond", Rate::new(2, Duration::from_nanos(1)), options()),
            ("a rate between nanoseconds", Rate::per_second(700_000_000), options()),
            ("a billion in a second", Rate::per_second(1_000_000_000), Options::default()),
            ("all in a second", Rate::per_second(u32::MAX), options()),
            ("no burst", Rate::per_second(100), options().burst(0)),
            ("all at once", Rate::per_second(100), options().burst(u32::MAX)),
            ("all at once for long", Rate::per_hour(1), options().burst(u32::MAX)),
            ("a wait for ever", Rate::per_second(100), options().max_wait(Duration::MAX)),
            ("a queue of all", Rate::per_second(100), Options::default().leaky_bucket(u32::MAX)),
            ("a burst of a window", Rate::per_second(100), options().fixed_window()),
            ("a large log", Rate::per_second(100_001), Options::default().sliding_log()),
            ("the largest log", Rate::per_second(100_000), Options::default().sliding_log()),
            ("a large window", Rate::per_second(1_000_000_000), Options::default().fixed_window()),
            ("a long window", Rate::new(1_000, 10 * year), Options::default().sliding_counter()),
            (
                "a short window",
                Rate::new(100, second / 10_000_000),
                Options::default().sliding_counter(),
            ),
        ]
        .into_iter()
        .map(build)
        // The rules call seventy times at one moment.
        .filter(|(_, built)| built.as_ref().map_or(true, |Self(built)| remaining(built) >= 140))
        .collect()
    }
}

fn options() -> Options {
    Options::default().burst(ROOM)
}

crate::policy_rules::rules!(Limits);

#[test]
fn each_mistake_is_named() {
    let second = Rate::per_second;
    for (rate, options, why) in [
        (second(0), options(), "a rate of none at all: nothing would ever pass"),
        (
            Rate::new(1, Duration::ZERO),
            options(),
            "a rate in 0ns; say above zero and at most ten years",
        ),
        (
            second(700_000_000),
            options(),
            "a rate of 700000000 in 1s cannot be kept to a percent; count in larger units",
        ),
        (second(1), options().burst(0), "a burst of none at all: nothing would ever pass"),
        (
            Rate::per_hour(1),
            options().burst(1_000_000),
            "1000000 at 1 in 3600s last for more than ten years",
        ),
        (
            second(1),
            options().sliding_counter(),
            "a burst is for GCRA; a window's is its count, a leaky bucket has none",
        ),
        (
            second(100_001),
            Options::default().sliding_log(),
            "a log of 100001, the most is 100000; a sliding counter keeps no log",
        ),
        (second(1), Options::default().leaky_bucket(u32::MAX), "a queue of so many is none"),
    ] {
        let bad = Limiter::new("test", rate, options).unwrap_err().to_string();
        assert_eq!(bad, format!("bad options for Limiter: {why}"));
    }
}
