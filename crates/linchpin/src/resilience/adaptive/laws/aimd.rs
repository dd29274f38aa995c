//! Up by one, down by a share: TCP Reno's rule, on what was dropped alone.

use std::time::Duration;

use super::{Sample, is_idle};
use crate::resilience::adaptive::options::Options;

#[derive(Clone, Debug)]
pub(super) struct Aimd {
    backoff: f64,
    too_slow: Duration,
}

impl Aimd {
    pub(super) fn new(options: &Options) -> Self {
        Self { backoff: options.backoff, too_slow: options.too_slow }
    }

    pub(super) fn next(&self, limit: f64, sample: Sample) -> f64 {
        if sample.dropped || sample.rtt > self.too_slow {
            (limit * self.backoff).floor()
        } else if is_idle(limit, sample) {
            limit
        } else {
            limit + 1.0
        }
    }
}
