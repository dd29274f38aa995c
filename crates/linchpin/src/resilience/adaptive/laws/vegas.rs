//! TCP Vegas: the queue is what the least time ever seen does not explain.
//!
//! The least time is forgotten now and then: it may have been an accident, or belong to a version that is no more. What
//! replaces it is the time of the sample at hand, so a service that is overloaded at that moment learns the overload as
//! what is usual.

use super::{Sample, is_idle, nanos};
use crate::resilience::adaptive::options::Options;

#[derive(Clone, Debug)]
pub(super) struct Vegas {
    smoothing: f64,
    noload: f64,
    /// Samples since the least time was last forgotten.
    samples: f64,
    jitter: f64,
    random: fn() -> f64,
}

/// In samples for each call that the limit allows.
const PROBE_EVERY: f64 = 30.0;

impl Vegas {
    pub(super) fn new(options: &Options) -> Self {
        let random = options.random;
        Self {
            smoothing: options.smoothing.unwrap_or(1.0),
            noload: 0.0,
            samples: 0.0,
            jitter: jitter(random),
            random,
        }
    }

    pub(super) fn noload(&self) -> Option<f64> {
        (self.noload > 0.0).then_some(self.noload)
    }

    pub(super) fn reconfigure(&mut self, fresh: &Self) {
        (self.smoothing, self.random) = (fresh.smoothing, fresh.random);
    }

    pub(super) fn next(&mut self, limit: f64, sample: Sample, bounds: (f64, f64)) -> f64 {
        let rtt = nanos(sample.rtt);
        // A call that was dropped has no time to learn from.
        if !sample.dropped {
            self.samples += 1.0;
            let probes = self.samples >= self.jitter * PROBE_EVERY * limit;
            if probes {
                (self.samples, self.jitter) = (0.0, jitter(self.random));
            }
            if probes || self.noload == 0.0 || rtt < self.noload {
                self.noload = rtt;
                return limit;
            }
        }
        let step = limit.log10().floor().max(1.0);
        let (threshold, alpha, beta) = (step, 3.0 * step, 6.0 * step);
        let next = if sample.dropped {
            limit - step
        } else if is_idle(limit, sample) {
            return limit;
        } else {
            let queue = (limit * (1.0 - self.noload / rtt)).ceil();
            match queue {
                queue if queue <= threshold => limit + beta,
                queue if queue < alpha => limit + step,
                queue if queue > beta => limit - step,
                _ => return limit,
            }
        };
        let next = next.clamp(bounds.0, bounds.1);
        (1.0 - self.smoothing) * limit + self.smoothing * next
    }
}

fn jitter(random: fn() -> f64) -> f64 {
    0.5 + random() / 2.0
}
