//! Whatever is done in whatever order: a plain sequential model of the rules says the same after every step.
//!
//! The model has no word, no chunks and no buckets: it keeps every call with its time, and adds them up each time.

mod model;

use std::time::Duration;

use linchpin::resilience::Outcome::{self, Failure, Ignored, Success};
use linchpin::resilience::breaker::{Breaker, Options, Permit};
use linchpin::time::Instant;
use proptest::prelude::*;

use self::model::{Model, Setting};
use crate::paused;

#[derive(Clone, Copy, Debug)]
enum Step {
    Begin,
    End(usize, Outcome),
    Many(u32, Outcome),
    Pass(u64),
    Forced(u8),
    Reconfigure(Setting),
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![4 => Just(Failure), 1 => Just(Ignored), 4 => Just(Success)]
}

fn setting() -> impl Strategy<Value = Setting> {
    (
        (prop::bool::ANY, 1..80_u32, 1..60_u64),
        (1..12_u32, prop_oneof![Just(None), (1..=10_u32).prop_map(Some)], 0..8_u32),
        (prop::option::of((1..5_u64, 1..=10_u32)), prop::bool::ANY, 1..5_u32),
    )
        .prop_map(|((by_time, calls, seconds), (min_calls, failures, consecutive), rest)| {
            let (slow, pending, probes) = rest;
            Setting {
                by_time,
                calls: calls.max(min_calls),
                seconds,
                min_calls,
                failures: if slow.is_none() && consecutive == 0 {
                    Some(failures.unwrap_or(5))
                } else {
                    failures
                },
                consecutive,
                slow,
                pending: pending && slow.is_some(),
                probes,
            }
        })
}

fn step() -> impl Strategy<Value = Step> {
    let which = || any::<prop::sample::Index>().prop_map(|index| index.index(1 << 16));
    prop_oneof![
        20 => Just(Step::Begin),
        20 => (which(), outcome()).prop_map(|(which, outcome)| Step::End(which, outcome)),
        6 => (1..70_u32, outcome()).prop_map(|(times, outcome)| Step::Many(times, outcome)),
        10 => prop_oneof![0..3_000_u64, 0..40_000_u64].prop_map(Step::Pass),
        1 => (0..4_u8).prop_map(Step::Forced),
        1 => setting().prop_map(Step::Reconfigure),
    ]
}

fn options(setting: &Setting) -> Options {
    let seconds = Duration::from_secs;
    let options = Options::default().random(|| 0.5).min_calls(setting.min_calls);
    let options = options.probes(setting.probes);
    let options = if setting.by_time {
        options.time_window(seconds(setting.seconds))
    } else {
        options.count_window(setting.calls)
    };
    let options = match setting.failures {
        Some(tenths) => options.failure_ratio(f64::from(tenths) / 10.0),
        None => options.no_failure_ratio(),
    };
    let options = match setting.consecutive {
        0 => options,
        failures => options.consecutive_failures(failures),
    };
    match setting.slow {
        Some((threshold, tenths)) => {
            let options = options.slow_calls(seconds(threshold), f64::from(tenths) / 10.0);
            if setting.pending { options.count_pending() } else { options }
        }
        None => options,
    }
}

struct World<'a> {
    breaker: &'a Breaker,
    model: Model,
    calls: Vec<(Permit<'a>, model::Call)>,
    now: Instant,
    millis: u64,
}

impl World<'_> {
    fn begin(&mut self) {
        let ours = self.breaker.admit(self.now);
        match (ours, self.model.admit(self.millis)) {
            (Ok(permit), Ok(call)) => {
                assert_eq!(permit.is_probe(), call.is_probe());
                self.calls.push((permit, call));
            }
            (Err(refusal), Err(retry_after)) => {
                assert_eq!(refusal.retry_after, retry_after.map(Duration::from_millis));
            }
            (ours, model) => panic!("ours {ours:?}, the model {model:?}"),
        }
    }

    fn end(&mut self, which: usize, outcome: Outcome) {
        if self.calls.is_empty() {
            return;
        }
        let (permit, call) = self.calls.swap_remove(which % self.calls.len());
        permit.record_at(self.now, outcome, None);
        self.model.record(call, outcome, self.millis);
    }

    async fn step(&mut self, step: Step) {
        match step {
            Step::Begin => self.begin(),
            Step::End(which, outcome) => self.end(which, outcome),
            Step::Many(times, outcome) => {
                for _ in 0..times {
                    let before = self.calls.len();
                    self.begin();
                    if self.calls.len() > before {
                        self.end(before, outcome);
                    }
                }
            }
            Step::Pass(millis) => {
                self.millis += millis;
                self.now += Duration::from_millis(millis);
                tokio::time::advance(Duration::from_millis(millis)).await;
            }
            Step::Forced(what) => {
                match what {
                    0 => self.breaker.force_open(),
                    1 => self.breaker.force_closed(),
                    2 => self.breaker.metrics_only(),
                    _ => self.breaker.reset(),
                }
                self.model.force(what, self.millis);
            }
            Step::Reconfigure(setting) => {
                // A window keeps its kind and a window of time its buckets, so that nothing is lost to compare.
                let setting = self.model.like(setting);
                self.breaker.reconfigure(options(&setting)).unwrap();
                self.model.reconfigure(setting, self.millis);
            }
        }
        let numbers = self.breaker.numbers();
        let ours = (
            numbers.state,
            (numbers.calls, numbers.failures, numbers.consecutive_failures),
            (numbers.probes, numbers.probes_succeeded, numbers.probes_failed),
            numbers.opens,
            numbers.retry_after.map(|wait| wait.as_millis() as u64),
        );
        assert_eq!(ours, self.model.view(self.millis), "after {step:?}");
        if self.model.times_calls() {
            assert_eq!(numbers.slow, self.model.slow(self.millis));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_breaker_does_what_its_model_does(
        setting in setting(),
        steps in prop::collection::vec(step(), 0..120),
    ) {
        paused::block_on(async {
            let breaker = Breaker::new("random", options(&setting)).unwrap();
            let now = Instant::now();
            let model = Model::new(setting);
            let mut world = World { breaker: &breaker, model, calls: Vec::new(), now, millis: 0 };
            for step in steps {
                world.step(step).await;
            }
        });
    }
}
