//! Adaptive throttle: the specification's cases, the rules of all policies, and what it must not lose under threads.

mod cases;
mod events;
mod layer;
mod life;
mod rules;

use std::cell::Cell;
use std::time::Duration;

use linchpin::resilience::Outcome::{self, Failure, Success};
use linchpin::resilience::throttle::{Options, Throttle};
use linchpin::time::Instant;

pub(crate) const SECOND: Duration = Duration::from_secs(1);

thread_local! {
    static U: Cell<f64> = const { Cell::new(LUCK) };
}

/// Nobody is refused who draws this.
pub(crate) const LUCK: f64 = 0.999_999;

/// What is drawn from now on.
pub(crate) fn draws(u: f64) {
    U.set(u);
}

/// Chance as the test wants it.
pub(crate) fn scripted() -> Options {
    Options::default().random(|| U.get())
}

pub(crate) fn throttle(options: Options) -> Throttle {
    Throttle::new("test", options).unwrap()
}

/// A call that ends at once; whether it was let through.
pub(crate) fn call(throttle: &Throttle, outcome: Outcome) -> bool {
    let admitted = throttle.admit(Instant::now());
    let passes = admitted.is_ok();
    if let Ok(permit) = admitted {
        permit.record(outcome);
    }
    passes
}

/// One that has made so many requests, of which so many were accepted.
pub(crate) fn with(options: Options, requests: u32, accepted: u32) -> Throttle {
    let throttle = throttle(options);
    draws(LUCK);
    for request in 0..requests {
        assert!(call(&throttle, if request < accepted { Success } else { Failure }));
    }
    throttle
}

pub(crate) fn chance(throttle: &Throttle) -> f64 {
    throttle.numbers().chance
}

/// To four places, as they are written down.
pub(crate) fn assert_about(chance: f64, expected: f64) {
    assert!((chance - expected).abs() < 0.000_05, "{chance}, not {expected}");
}
