//! The rules of all policies.

use std::time::Duration;

use linchpin::resilience::BadOptions;
use linchpin::resilience::adaptive::{Adaptive, Algorithm, Options};

use super::{SECOND, aimd, fixed};
use crate::policy_rules::Subject;

/// A limit of one. A panic is no sample, so that it was one cannot be seen here.
struct One(Adaptive);

impl Subject for One {
    fn narrow() -> Self {
        Self(Adaptive::new("narrow", aimd().max(1)).unwrap())
    }

    crate::policy_rules::calls!();

    fn is_untouched(&self) -> bool {
        let numbers = self.0.numbers();
        (numbers.inflight, numbers.samples) == (0, 0)
    }

    fn counted_a_failure(&self) -> bool {
        self.0.numbers().inflight == 0
    }

    fn extremes() -> Vec<(&'static str, Result<Self, BadOptions>)> {
        let year = Duration::from_hours(365 * 24);
        let nanosecond = Duration::from_nanos(1);
        let vegas = || Options::default().algorithm(Algorithm::Vegas);
        [
            ("no limit", fixed(0)),
            ("a limit of one", fixed(1)),
            ("the largest limit", fixed(1_000_000)),
            ("a larger one", fixed(u32::MAX)),
            ("upside down", Options::default().min(30).max(20)),
            ("below the least", Options::default().min(30).initial(29)),
            ("above the most", Options::default().max(30).initial(31)),
            ("no sample", Options::default().min_samples(0)),
            ("one sample", Options::default().min_samples(1).window(SECOND / 100)),
            ("all samples", Options::default().min_samples(u32::MAX)),
            ("no window", Options::default().window(Duration::ZERO)),
            ("a window of a year", Options::default().window(year)),
            ("a window of all time", Options::default().window(Duration::MAX)),
            ("no smoothing", Options::default().smoothing(0.0)),
            ("the least smoothing", vegas().smoothing(f64::MIN_POSITIVE)),
            ("all at once", Options::default().smoothing(1.0)),
            ("more than that", vegas().smoothing(1.1)),
            ("no number", Options::default().smoothing(f64::NAN)),
            ("no tolerance", Options::default().tolerance(0.9)),
            ("the least tolerance", Options::default().tolerance(1.0)),
            ("all is tolerated", Options::default().tolerance(f64::MAX)),
            ("more than all", Options::default().tolerance(f64::INFINITY)),
            ("no backoff", aimd().backoff(1.0)),
            ("back to nothing", aimd().backoff(0.0)),
            ("nearly to nothing", aimd().backoff(f64::MIN_POSITIVE)),
            ("all is too slow", aimd().too_slow(Duration::ZERO)),
            ("all but nothing is too slow", aimd().too_slow(nanosecond)),
            ("nothing is too slow", aimd().too_slow(Duration::MAX)),
            ("a share of nothing", Options::default().partition("a", 0.0)),
            ("a share of all", Options::default().partition("a", 1.0)),
            ("more than all of it", Options::default().partition("a", 1.1)),
            ("a share that is no number", Options::default().partition("a", f64::NAN)),
            ("more than all together", Options::default().partition("a", 0.6).partition("b", 0.6)),
            ("a tenth ten times", (0..10).fold(Options::default(), tenth)),
            ("the same twice", Options::default().partition("a", 0.1).partition("a", 0.1)),
        ]
        .into_iter()
        .map(|(name, options)| (name, Adaptive::new("extreme", options).map(Self)))
        .collect()
    }
}

fn tenth(options: Options, index: usize) -> Options {
    const NAMES: [&str; 10] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
    options.partition(NAMES[index], 0.1)
}

crate::policy_rules::rules!(One);

#[test]
fn each_mistake_is_named() {
    for (options, why) in [
        (fixed(0), "a least limit of none at all would be the last; say at least 1"),
        (fixed(2_000_000), "a limit of up to 2000000; the most is 1000000"),
        (Options::default().min(30).max(20), "a limit of at least 30 and at most 20"),
        (Options::default().max(30).initial(31), "a limit of 31 at first is not from 1 to 30"),
        (
            Options::default().min_samples(0),
            "windows of 0 calls; say at least 1 and at most 1000000",
        ),
        (Options::default().smoothing(0.0), "a smoothing of 0; say above 0.0 and at most 1.0"),
        (
            Options::default().tolerance(0.5),
            "a tolerance of 0.5 would shrink a limit that is right",
        ),
        (aimd().backoff(1.0), "a backoff to 1 of the limit; say between 0.0 and 1.0"),
        (
            Options::default().window(Duration::ZERO),
            "a window of 0ns; say at least 10ms and at most a year",
        ),
        (aimd().too_slow(Duration::ZERO), "`too_slow` is 0ns; say above zero and at most a year"),
        (
            Options::default().partition("a", 0.0),
            "a share of 0 for `a`; say above 0.0 and at most 1.0",
        ),
        (
            Options::default().partition("a", 0.5).partition("a", 0.5),
            "two partitions are called `a`",
        ),
        (
            Options::default().partition("a", 0.75).partition("b", 0.75),
            "partitions with a share of 1.5 together; 1.0 is the whole",
        ),
    ] {
        let bad = Adaptive::new("test", options).unwrap_err().to_string();
        assert_eq!(bad, format!("bad options for Adaptive: {why}"));
    }
}
