//! What all handles of a hedge share.

use std::time::Duration;

use super::latency::{Latency, Rank};
use super::meters::Meters;
use super::options::{Delay, Options};
use crate::resilience::retry::{Allow as _, Budget, Ratio};
use crate::shim::atomic::{AtomicU32, AtomicU64, Ordering};
use crate::shim::{Fault, planted};
use crate::time::Instant;

#[derive(Debug)]
pub(super) struct Core {
    pub(super) name: &'static str,
    /// Shared with retries.
    pub(super) budget: Budget,
    /// The calls, and what was sent beyond them.
    pub(super) load: Ratio,
    pub(super) latency: Latency,
    pub(super) meters: Meters,
    setup: Setup,
}

/// What can be changed while it runs. Each call takes the words as it needs them.
#[derive(Debug)]
struct Setup {
    max_attempts: AtomicU32,
    /// The quantile by millionths; 0 if the delay is fixed.
    millionths: AtomicU64,
    /// Nanoseconds, all four.
    fixed_delay: AtomicU64,
    min_delay: AtomicU64,
    max_retry_after: AtomicU64,
    min_attempt_time: AtomicU64,
}

/// The window of the extra load.
const WINDOW: Duration = Duration::from_secs(10);

impl Core {
    pub(super) fn new(name: &'static str, mut options: Options, now: Instant) -> Self {
        let core = Self {
            name,
            budget: options.budget.take().unwrap_or_else(Budget::unlimited),
            load: Ratio::new(options.max_extra_load, 0, WINDOW, now),
            latency: Latency::new(),
            meters: Meters::new(name),
            setup: Setup {
                max_attempts: AtomicU32::new(0),
                millionths: AtomicU64::new(0),
                fixed_delay: AtomicU64::new(0),
                min_delay: AtomicU64::new(0),
                max_retry_after: AtomicU64::new(0),
                min_attempt_time: AtomicU64::new(0),
            },
        };
        core.set(options);
        core
    }

    /// Everything but the budget.
    pub(super) fn set(&self, options: Options) {
        let Options { max_attempts, delay, min_delay, max_extra_load, budget, .. } = options;
        drop(budget);
        let setup = &self.setup;
        let nanos = |word: &AtomicU64, duration: Duration| {
            word.store(duration.as_nanos() as u64, Ordering::Relaxed);
        };
        setup.max_attempts.store(max_attempts, Ordering::Relaxed);
        nanos(&setup.min_delay, min_delay);
        nanos(&setup.max_retry_after, options.max_retry_after);
        nanos(&setup.min_attempt_time, options.min_attempt_time);
        self.load.set_share(max_extra_load);
        match delay {
            Delay::Fixed(delay) => {
                nanos(&setup.fixed_delay, delay);
                setup.millionths.store(0, Ordering::Relaxed);
            }
            Delay::Quantile(share) => {
                let millionths = (share * 1e6).round().clamp(1.0, 999_999.0) as u64;
                setup.millionths.store(millionths, Ordering::Relaxed);
                self.latency.look(self.rank());
            }
        }
        if let Some(delay) = self.delay() {
            self.meters.delay(delay);
        }
    }

    #[inline]
    pub(super) fn max_attempts(&self) -> u32 {
        self.setup.max_attempts.load(Ordering::Relaxed)
    }

    /// When the next attempt is due after the one before, if that is known.
    #[inline]
    pub(super) fn delay(&self) -> Option<Duration> {
        if self.measures() {
            return self.latency.delay();
        }
        Some(Duration::from_nanos(self.setup.fixed_delay.load(Ordering::Relaxed)))
    }

    /// Whether it wants to know how long attempts take.
    #[inline]
    pub(super) fn measures(&self) -> bool {
        self.setup.millionths.load(Ordering::Relaxed) != 0
    }

    pub(super) fn max_retry_after(&self) -> Duration {
        Duration::from_nanos(self.setup.max_retry_after.load(Ordering::Relaxed))
    }

    pub(super) fn min_attempt_time(&self) -> Duration {
        Duration::from_nanos(self.setup.min_attempt_time.load(Ordering::Relaxed))
    }

    /// An attempt took so long, or longer.
    #[inline]
    pub(super) fn took(&self, took: Duration) {
        if let Some(delay) = self.latency.record(took, || self.rank()) {
            self.meters.delay(delay);
        }
    }

    /// Pays for one more attempt, from both or from neither.
    pub(super) fn pay(&self, now: Instant, is_throttled: bool) -> bool {
        let Some(taken) = self.load.take(now) else { return false };
        if self.budget.withdraw(now, is_throttled) {
            return true;
        }
        if !planted(Fault::HedgeKeepsWhatItPaid) {
            self.load.give_back(taken);
        }
        false
    }

    fn rank(&self) -> Rank {
        Rank {
            millionths: self.setup.millionths.load(Ordering::Relaxed),
            least: self.setup.min_delay.load(Ordering::Relaxed),
        }
    }
}
