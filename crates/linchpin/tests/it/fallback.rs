//! Fallback: the specification's cases, the rules of all policies, what stands in for what, and the layer of tower.

mod cases;
mod layer;
mod life;
mod rules;

use std::time::Duration;

use linchpin::resilience::fallback::{Fallback, Options};

pub(crate) const MS: Duration = Duration::from_millis(1);
pub(crate) const SECOND: Duration = Duration::from_secs(1);

pub(crate) fn fallback(options: Options) -> Fallback {
    Fallback::new("test", options).unwrap()
}
