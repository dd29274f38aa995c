//! Circuit breaker: the specification's cases as rows, the rules of all policies, and what breakers elsewhere get wrong.

mod cases;
mod defects;
mod events;
mod fleet;
mod layer;
mod life;
mod random;
mod registry;
mod rules;

use std::time::Duration;

use linchpin::resilience::Outcome;
use linchpin::resilience::breaker::{Breaker, Options, State};
use linchpin::time::Instant;

pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// No chance: in the middle of the jitter.
pub(crate) fn exact() -> Options {
    Options::default().random(|| 0.5)
}

/// Few calls, which are judged at once.
pub(crate) fn hasty() -> Options {
    exact().count_window(2).min_calls(2)
}

pub(crate) fn breaker(options: Options) -> Breaker {
    Breaker::new("test", options).unwrap()
}

/// A call that ends at once; whether it was let through.
pub(crate) fn call(breaker: &Breaker, outcome: Outcome) -> bool {
    let admitted = breaker.admit(Instant::now());
    let passes = admitted.is_ok();
    if let Ok(permit) = admitted {
        permit.record(outcome);
    }
    passes
}

pub(crate) fn opened(options: Options) -> Breaker {
    let breaker = breaker(options);
    while breaker.state() != State::Open {
        assert!(call(&breaker, Outcome::Failure));
    }
    breaker
}
