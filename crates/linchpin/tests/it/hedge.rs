//! Hedge: the specification's cases as rows, the rules of all policies, budgets, delays, and the layer of tower.

mod cases;
mod delay;
mod layer;
mod life;
mod queues;
mod rows;
mod rules;

use std::time::Duration;

use linchpin::Context;
use linchpin::resilience::hedge::{Hedge, Options};

pub(crate) const MS: Duration = Duration::from_millis(1);
pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) static ROOT: Context = Context::root();

/// Up to four attempts, the next one after 500 ms, and as much extra load as they like.
pub(crate) fn ample() -> Options {
    Options::default().idempotent().delay(500 * MS).max_attempts(4).max_extra_load(10.0)
}

pub(crate) fn hedge(options: Options) -> Hedge {
    Hedge::new("test", options).unwrap()
}
