//! Rate limiting: the specification's cases as rows, the rules of all policies, each algorithm beside a plain model.

mod cases;
mod events;
mod ip;
mod keyed;
mod layer;
mod life;
mod other;
mod random;
mod rules;
mod shared;

use std::time::Duration;

use linchpin::resilience::Refusal;
use linchpin::resilience::limiter::{Limiter, Options, Rate};

pub(crate) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// One each 100 ms, five at once.
pub(crate) fn five() -> Limiter {
    gcra(5)
}

pub(crate) fn gcra(burst: u32) -> Limiter {
    limiter(Rate::per_second(10), Options::default().burst(burst))
}

pub(crate) fn limiter(rate: Rate, options: Options) -> Limiter {
    Limiter::new("test", rate, options).unwrap()
}

/// Takes so many, one by one.
pub(crate) fn drain(limiter: &Limiter, times: u32) {
    for _ in 0..times {
        limiter.try_acquire(1).unwrap();
    }
}

pub(crate) fn remaining(limiter: &Limiter) -> u32 {
    limiter.try_acquire(0).unwrap().remaining()
}

pub(crate) fn retry_after<T: std::fmt::Debug>(refused: Result<T, Refusal>) -> Duration {
    refused.unwrap_err().retry_after.expect("it passes later")
}

pub(crate) async fn pass(duration: Duration) {
    tokio::time::advance(duration).await;
}
