//! How far a course of retries has come.

use std::time::Duration;

/// How far a course of retries has come, and what it remembers: for [`Schedule::next`](super::Schedule::next). A new one
/// for each call.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pace {
    pub(super) retries: u32,
    /// The delay before, in seconds, or how far the curve of a smooth schedule has come; 0 at the beginning.
    before: f64,
}

impl Pace {
    pub(super) fn at(retries: u32) -> Self {
        Self { retries, before: 0.0 }
    }

    pub(super) fn decorrelated(&mut self, base: Duration, cap: Duration, u: f64) -> Duration {
        let (base, cap_s) = (base.as_secs_f64(), cap.as_secs_f64());
        let before = if self.retries == 0 { base } else { self.before };
        self.before = (base + u * (3.0 * before - base)).min(cap_s);
        if self.before < cap_s { Duration::from_secs_f64(self.before) } else { cap }
    }

    /// As if every `u` so far was 0.5.
    pub(super) fn assume_decorrelated(&mut self, base: Duration, cap: Duration) {
        let retries = std::mem::take(&mut self.retries);
        // Grows by half each time, so the cap is near.
        while self.retries < retries && self.decorrelated(base, cap, 0.5) < cap && !base.is_zero() {
            self.retries += 1;
        }
        self.retries = retries;
    }

    pub(super) fn smooth(&mut self, base: Duration, cap: Duration, u: f64) -> Duration {
        if base.is_zero() {
            return base;
        }
        let (base, cap_s) = (base.as_secs_f64(), cap.as_secs_f64());
        let reached = curve(f64::from(self.retries) + u);
        // Two infinities have no difference.
        let step = if reached.is_finite() { (reached - self.before) / 1.4 * base } else { cap_s };
        self.before = reached;
        if step < cap_s { Duration::from_secs_f64(step.max(0.0)) } else { cap }
    }

    /// The same.
    pub(super) fn assume_smooth(&mut self) {
        self.before = match self.retries {
            0 => 0.0,
            retries => curve(f64::from(retries) - 0.5),
        };
    }
}

/// How far a smooth schedule comes in `t` retries.
fn curve(t: f64) -> f64 {
    t.exp2() * (4.0 * t).sqrt().tanh()
}
