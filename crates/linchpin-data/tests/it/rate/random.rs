//! Any course of visits, at any times, is judged as a list of what was taken says: another way to think of the same.

use std::time::Duration;

use linchpin::resilience::limiter::Rate;
use linchpin::resilience::limiter::shared::{DynRateStore, Quota, Visit};
use linchpin::time::Instant;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use super::suite::THEN;

/// A visit of a course: how much later (or earlier) it is than the last, what it costs, how long it waits.
#[derive(Clone, Copy, Debug)]
struct Step {
    later_us: i64,
    cost: u32,
    wait_us: u64,
}

/// A bucket of so many drops, a drop being worth an interval: `missing` microseconds until it is full.
struct Bucket {
    interval: i128,
    burst: i128,
    longest: i128,
    missing: i128,
    /// When that was; nobody has been there yet.
    at: Option<i128>,
}

impl Bucket {
    /// Passes, what remains, and the wait.
    fn visit(&mut self, at: i128, cost: u32, most: u64) -> (bool, i128, i128) {
        let passed = self.at.map_or(0, |before| at - before);
        let cap = self.burst * self.interval + self.longest;
        self.missing = (self.missing - passed).clamp(0, cap);
        self.at = Some(at);
        let price = i128::from(cost) * self.interval;
        let wait = (self.missing + price - self.burst * self.interval).max(0);
        let passes = cost == 0 || wait <= i128::from(most);
        if passes {
            self.missing += price;
        }
        let room = (self.burst * self.interval - self.missing).max(0);
        (passes, room / self.interval, wait)
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let later = prop_oneof![4 => 0..50_000_i64, 2 => 0..2_000_000_i64, 1 => -3_000_000..0_i64];
    let wait = prop_oneof![2 => Just(0_u64), 1 => 0..400_000_u64];
    let step = (later, 0..5_u32, wait);
    let step = step.prop_map(|(later_us, cost, wait_us)| Step { later_us, cost, wait_us });
    proptest::collection::vec(step, 1..40)
}

/// So many random courses.
pub(crate) async fn courses(store: &dyn DynRateStore, many: usize) -> Result<(), String> {
    let mut runner = TestRunner::deterministic();
    let numbers = (1_000..200_000_u64, 5..20_u32, 0..500_000_u64);
    for course in 0..many {
        let drawn = (numbers.clone(), steps()).new_tree(&mut runner);
        let (numbers, steps) = drawn.map_err(|why| why.to_string())?.current();
        in_time(async |attempt| {
            let key = format!("course {course}, {attempt}");
            walk(store, &key, numbers, &steps).await
        })
        .await?;
    }
    Ok(())
}

async fn walk(
    store: &dyn DynRateStore,
    key: &str,
    (interval, burst, longest): (u64, u32, u64),
    steps: &[Step],
) -> Result<(), String> {
    let rate = Rate::new(1, Duration::from_micros(interval));
    let quota = [Quota::new(rate, Some(burst), Duration::from_micros(longest)).unwrap()];
    let mut bucket = Bucket {
        interval: interval.into(),
        burst: burst.into(),
        longest: longest.into(),
        missing: 0,
        at: None,
    };
    let mut now = THEN;
    for (place, step) in steps.iter().enumerate() {
        now = now.saturating_add_signed(step.later_us);
        let wait_us = step.wait_us.min(longest);
        let visit = Visit::new(key, &quota, step.cost).wait(Duration::from_micros(wait_us)).at(now);
        let answer = store.take_boxed(&visit).await.map_err(|error| error.to_string())?;
        let seen = (answer.passed, answer.left.remaining.into(), answer.left.wait_us.into());
        // Who looks writes nothing, and so heals nothing.
        let kept = (bucket.missing, bucket.at);
        let expected = bucket.visit(now.into(), step.cost, wait_us);
        if step.cost == 0 {
            (bucket.missing, bucket.at) = kept;
        }
        if seen != expected {
            return Err(format!(
                "{key}, step {place} of {quota:?}: {seen:?}, not {expected:?}; {steps:?}"
            ));
        }
    }
    Ok(())
}

/// Tries again what took so long that a state may have expired meanwhile, which happens in real time (L14).
pub(crate) async fn in_time(
    mut row: impl AsyncFnMut(usize) -> Result<(), String>,
) -> Result<(), String> {
    let mut attempt = 0;
    loop {
        let began = Instant::now();
        let result = row(attempt).await;
        attempt += 1;
        if result.is_ok() || began.elapsed() < Duration::from_millis(900) || attempt == 20 {
            return result;
        }
    }
}
