//! The rules of all policies.

use std::time::Duration;

use linchpin::resilience::BadOptions;
use linchpin::resilience::breaker::{self, Breaker, State};
use linchpin::time::Instant;

use super::{SECOND, breaker, exact, hasty, opened};
use crate::policy_rules::Subject;

/// A closed breaker.
struct Closed(Breaker);

/// A half-open one that lets a single probe through.
struct Probed(Breaker);

impl Subject for Closed {
    fn narrow() -> Self {
        Self(breaker(hasty()))
    }

    crate::policy_rules::calls!();

    fn is_untouched(&self) -> bool {
        let numbers = self.0.numbers();
        (numbers.state, numbers.calls) == (State::Closed, 0)
    }

    fn counted_a_failure(&self) -> bool {
        self.0.numbers().failures == 1
    }

    fn extremes() -> Vec<(&'static str, Result<Self, BadOptions>)> {
        extremes().into_iter().map(|(name, options)| (name, build(options).map(Self))).collect()
    }
}

impl Subject for Probed {
    fn narrow() -> Self {
        let breaker = opened(hasty().probes(1));
        // Dropped, and so ignored.
        drop(breaker.admit(Instant::now() + 10 * SECOND).unwrap());
        Self(breaker)
    }

    crate::policy_rules::calls!();

    fn is_untouched(&self) -> bool {
        let numbers = self.0.numbers();
        (numbers.state, numbers.probes, numbers.opens) == (State::HalfOpen, 0, 1)
    }

    fn counted_a_failure(&self) -> bool {
        let numbers = self.0.numbers();
        (numbers.state, numbers.opens) == (State::Open, 2)
    }

    /// The same with every call timed.
    fn extremes() -> Vec<(&'static str, Result<Self, BadOptions>)> {
        let every = |options: breaker::Options| options.slow_calls(SECOND, 0.5).count_pending();
        let timed = |(name, options)| (name, build(every(options)).map(Self));
        extremes().into_iter().map(timed).collect()
    }
}

fn build(options: breaker::Options) -> Result<Breaker, BadOptions> {
    Breaker::new("extreme", options)
}

fn extremes() -> Vec<(&'static str, breaker::Options)> {
    let year = Duration::from_hours(365 * 24);
    let nanosecond = Duration::from_nanos(1);
    vec![
        ("a window of no call", exact().count_window(0)),
        ("a window of one call", exact().count_window(1).min_calls(1)),
        ("a window of 31 calls", exact().count_window(31).min_calls(1)),
        ("a window of 33 calls", exact().count_window(33).min_calls(1)),
        ("a window of a million", exact().count_window(1_000_000)),
        ("a window of all calls", exact().count_window(u32::MAX)),
        ("a window of no time", exact().time_window(Duration::ZERO)),
        ("the shortest window", exact().time_window(Duration::from_millis(10))),
        ("a window of a year", exact().time_window(year)),
        ("a window of all time", exact().time_window(Duration::MAX)),
        ("no call to judge by", exact().min_calls(0)),
        ("more calls than the window holds", exact().count_window(10).min_calls(11)),
        ("no call is ever enough", exact().min_calls(u32::MAX)),
        ("a share of nothing", exact().failure_ratio(0.0)),
        ("the smallest share", exact().failure_ratio(f64::MIN_POSITIVE)),
        ("a share of all", exact().failure_ratio(1.0)),
        ("more than all", exact().failure_ratio(1.1)),
        ("no number", exact().failure_ratio(f64::NAN)),
        ("no failure in a row", exact().consecutive_failures(0)),
        ("all failures in a row", exact().consecutive_failures(u32::MAX)),
        ("all calls are slow", exact().slow_calls(Duration::ZERO, 0.5)),
        ("all calls but none are slow", exact().slow_calls(nanosecond, 1.0)),
        ("pending, and nothing is slow", exact().count_pending()),
        ("pending for a year", exact().slow_calls(year, 0.5).count_pending()),
        ("no rule", exact().no_failure_ratio()),
        ("open for no time", exact().open_for(Duration::ZERO)),
        ("open for the shortest time", exact().open_for(nanosecond).open_factor(1.0)),
        ("open for a year", exact().open_for(year).max_open_for(year)),
        ("open for longer than the most", exact().open_for(2 * SECOND).max_open_for(SECOND)),
        ("a factor below one", exact().open_factor(0.5)),
        ("a factor without bound", exact().open_factor(f64::INFINITY)),
        ("a factor beyond all durations", exact().open_factor(f64::MAX)),
        ("a jitter below zero", exact().jitter(-0.1)),
        ("a jitter of all", exact().jitter(1.0)),
        ("no jitter", exact().jitter(0.0)),
        ("no probe", exact().probes(0)),
        ("all probes", exact().probes(u32::MAX)),
        ("a probe for no time", exact().max_probe(Duration::ZERO)),
        ("a probe for a year", exact().max_probe(year)),
    ]
}

mod closed {
    crate::policy_rules::rules!(super::Closed);
}

mod half_open {
    crate::policy_rules::rules!(super::Probed);
}

#[test]
fn each_mistake_is_named() {
    for (options, why) in [
        (exact().count_window(0), "a window of no call at all"),
        (
            exact().count_window(10).min_calls(11),
            "a window of 10 calls never holds the least of 11",
        ),
        (exact().min_calls(0), "no call is too few to judge by; `min_calls` is at least 1"),
        (exact().failure_ratio(0.0), "a share of 0 failures; say above 0.0 and at most 1.0"),
        (exact().no_failure_ratio(), "no rule is on, so nothing would open it"),
        (exact().count_pending(), "calls are slow above which duration? `slow_calls` says"),
        (exact().open_for(Duration::ZERO), "`open_for` is 0ns; say above zero and at most a year"),
    ] {
        let bad = Breaker::new("test", options).unwrap_err().to_string();
        assert_eq!(bad, format!("bad options for Breaker: {why}"));
    }
}
