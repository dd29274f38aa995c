//! Gradient2: the limit follows how much longer calls take now than they have taken for long.
//!
//! The long average is no minimum: it forgives what is slow by nature and follows a new version in minutes. The price is
//! that an overload which lasts for as long is taken for what is usual, so that the limit drifts up to its bound.

use super::{Sample, is_idle, nanos};
use crate::resilience::adaptive::options::Options;

#[derive(Clone, Debug)]
pub(super) struct Gradient2 {
    tolerance: f64,
    smoothing: f64,
    long: f64,
    windows: u32,
}

/// What may wait before the limit counts as too high, so that it can grow at all.
const QUEUE: f64 = 4.0;
/// Windows that the long average remembers, and those at first that count alike.
const LONG: f64 = 600.0;
const WARM_UP: u32 = 10;
/// Of the limit, in a window in which a call was dropped.
const DROPPED: f64 = 0.9;

impl Gradient2 {
    pub(super) fn new(options: &Options) -> Self {
        Self {
            tolerance: options.tolerance,
            smoothing: options.smoothing.unwrap_or(0.2),
            long: 0.0,
            windows: 0,
        }
    }

    pub(super) fn long(&self) -> Option<f64> {
        (self.windows > 0).then_some(self.long)
    }

    pub(super) fn reconfigure(&mut self, fresh: &Self) {
        (self.tolerance, self.smoothing) = (fresh.tolerance, fresh.smoothing);
    }

    pub(super) fn next(&mut self, limit: f64, sample: Sample, bounds: (f64, f64)) -> f64 {
        if sample.dropped {
            return limit * DROPPED;
        }
        let short = nanos(sample.rtt).max(1.0);
        self.remember(short);
        let long = self.long;
        // After a time of overload the average would stay high for minutes.
        if long / short > 2.0 {
            self.long *= 0.95;
        }
        if is_idle(limit, sample) {
            return limit;
        }
        let gradient = (self.tolerance * long / short).clamp(0.5, 1.0);
        let next = limit * gradient + QUEUE;
        ((1.0 - self.smoothing) * limit + self.smoothing * next).clamp(bounds.0, bounds.1)
    }

    fn remember(&mut self, short: f64) {
        if self.windows < WARM_UP {
            self.windows += 1;
            self.long += (short - self.long) / f64::from(self.windows);
        } else {
            self.long += (short - self.long) * 2.0 / (LONG + 1.0);
        }
    }
}
