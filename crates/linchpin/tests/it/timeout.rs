//! Timeout: the specification's cases, the rules of all policies, and the layer of tower.

mod cases;
mod layer;
mod modes;
mod rules;

use std::time::Duration;

use linchpin::resilience::timeout::Timeout;

pub(crate) const MS: Duration = Duration::from_millis(1);
pub(crate) const SECOND: Duration = Duration::from_secs(1);

pub(crate) fn timeout(limit: Duration) -> Timeout {
    Timeout::new("test", limit).unwrap()
}
