//! A half-open breaker: so many permits, made anew for each time, each a lease.

use std::time::Duration;

use super::tally::Call;
use crate::time::Instant;

/// The probes of one time that it is half-open.
#[derive(Debug)]
pub(super) struct Probes {
    permits: u32,
    ratio: f64,
    under_way: Vec<(u64, Instant)>,
    pub(super) succeeded: u32,
    pub(super) failed: u32,
    pub(super) slow: u32,
}

/// What the probes have shown.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Shown {
    Nothing,
    Sick,
    Well,
}

impl Probes {
    pub(super) fn new(permits: u32, ratio: f64) -> Self {
        Self { permits, ratio, under_way: Vec::new(), succeeded: 0, failed: 0, slow: 0 }
    }

    /// Lets one more through, if there is a permit.
    pub(super) fn begin(&mut self, id: u64, now: Instant) -> bool {
        let is_room = !self.is_full();
        if is_room {
            self.under_way.push((id, now));
        }
        is_room
    }

    pub(super) fn is_full(&self) -> bool {
        self.ended() + self.under_way() >= u64::from(self.permits)
    }

    pub(super) fn under_way(&self) -> u64 {
        self.under_way.len() as u64
    }

    pub(super) fn ended(&self) -> u64 {
        u64::from(self.succeeded) + u64::from(self.failed)
    }

    pub(super) fn permits(&self) -> u64 {
        self.permits.into()
    }

    /// One has ended and is counted, or its permit comes back.
    pub(super) fn end(&mut self, id: u64, call: Option<Call>) -> Shown {
        self.under_way.retain(|(other, _)| *other != id);
        let Some(call) = call else { return Shown::Nothing };
        self.slow += u32::from(call.slow);
        if call.failed || call.slow {
            self.failed += 1;
        } else {
            self.succeeded += 1;
        }
        self.shown()
    }

    /// Decides as soon as it is certain.
    fn shown(&self) -> Shown {
        let share = |probes: u32| f64::from(probes) / f64::from(self.permits);
        if share(self.failed) >= self.ratio {
            return Shown::Sick;
        }
        // All that are not known to succeed might fail.
        if share(self.permits - self.succeeded) < self.ratio {
            return Shown::Well;
        }
        Shown::Nothing
    }

    /// When the first of those under way has taken too long.
    pub(super) fn lease_ends(&self, longest: Duration) -> Option<Instant> {
        self.under_way.iter().map(|(_, began)| *began).min().map(|began| began + longest)
    }
}
