//! Retry: the specification's cases as rows, the rules of all policies, budgets, hints, and the layer of tower.

mod budget;
pub(crate) mod cases;
mod headers;
mod layer;
mod life;
mod rules;
mod schedule;

use std::time::Duration;

use linchpin::resilience::retry::{Budget, Jitter, Options, Retry, Schedule};

pub(crate) const MS: Duration = Duration::from_millis(1);
pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// From 100 ms by 2 up to 1 s, in the middle of all chance, and without a budget.
pub(crate) fn exact() -> Options {
    let schedule = Schedule::exponential(100 * MS, 2.0, SECOND).unwrap();
    Options::default()
        .idempotent()
        .backoff(schedule.jitter(Jitter::None).unwrap())
        .budget(Budget::unlimited())
        .random(|| 0.5)
}

/// The same without any wait.
pub(crate) fn at_once() -> Options {
    exact().backoff(Schedule::constant(Duration::ZERO).unwrap())
}

pub(crate) fn retry(options: Options) -> Retry {
    Retry::new("test", options).unwrap()
}
