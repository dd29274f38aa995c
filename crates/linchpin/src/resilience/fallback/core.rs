//! What all handles of a fallback share.

use super::degraded::{Degraded, Reason};
use super::meters::Meters;
use super::options::Options;
use crate::context::{Cause, Context, Ended};
use crate::error::Error;
use crate::shim::atomic::{AtomicU64, Ordering};
use crate::shim::{Mutex, lock};
use crate::time::Instant;

#[derive(Debug)]
pub(super) struct Core {
    pub(super) name: &'static str,
    pub(super) meters: Meters,
    /// The bits of a float, for calls that succeed.
    exercise_rate: AtomicU64,
    options: Mutex<Options>,
}

impl Core {
    pub(super) fn new(name: &'static str, options: Options) -> Self {
        let core = Self {
            name,
            meters: Meters::new(name),
            exercise_rate: AtomicU64::new(0),
            options: Mutex::new(Options::default()),
        };
        core.set(options);
        core
    }

    pub(super) fn set(&self, options: Options) {
        self.exercise_rate.store(options.exercise_rate.to_bits(), Ordering::Relaxed);
        *lock(&self.options) = options;
    }

    pub(super) fn degraded(&self, reason: Reason) -> Degraded {
        Degraded { fallback: self.name, reason }
    }

    /// How long a fallback may take of a call whose context has ended like that, if at all.
    pub(super) fn grace(&self, ctx: &Context, ended: &Ended) -> Option<Instant> {
        let Cause::Deadline = ended.cause() else { return None };
        let until = ctx.deadline()? + lock(&self.options).grace;
        (Instant::now() < until).then_some(until)
    }

    /// Whether chance says that this call exercises the fallback.
    #[inline]
    pub(super) fn draws(&self) -> bool {
        let rate = f64::from_bits(self.exercise_rate.load(Ordering::Relaxed));
        rate > 0.0 && {
            let random = lock(&self.options).random;
            random() < rate
        }
    }

    /// What an exercise came to: a panic, the end of the context, or whether it succeeded.
    pub(super) fn exercised(&self, degraded: Degraded, tried: Result<Result<bool, Ended>, Error>) {
        match tried {
            Ok(Ok(true)) => self.meters.used(degraded),
            Ok(Ok(false)) => self.meters.failed(degraded),
            // It had no time to say anything.
            Ok(Err(_)) => {}
            Err(panicked) => {
                self.meters.failed(degraded);
                let error = panicked.report();
                tracing::error!(fallback = self.name, %error, "an exercise of the fallback panicked");
            }
        }
    }
}
