//! What a pool says about itself, resolved once.

use std::time::Duration;

use metrics::Counter;

use super::options::Options;
use super::stats::End;
use super::work::Outcome;
use crate::error::catch;

/// What the jobs of a pool know of it.
pub(super) struct Profile {
    pub(super) name: &'static str,
    pub(super) timeout: Option<Duration>,
    pub(super) meters: Meters,
}

pub(super) struct Meters {
    ends: [Counter; 5],
    refused: Counter,
    pub(super) panics: Counter,
}

impl Profile {
    pub(super) fn new(options: &Options) -> Self {
        Self { name: options.name, timeout: options.timeout, meters: Meters::new(options.name) }
    }

    /// Drops what nobody fetched; a panic does not disappear.
    pub(super) fn unheard<T>(&self, outcome: Outcome<T>) {
        let error = match outcome {
            Outcome::Panicked(error) => error,
            other => match catch(|| drop(other)) {
                Ok(()) => return,
                Err(error) => error,
            },
        };
        self.meters.panics.increment(1);
        tracing::error!(pool = self.name, error = %error.report(), "a job panicked");
    }
}

impl Meters {
    fn new(pool: &'static str) -> Self {
        let count = |end: &'static str| metrics::counter!("linchpin_pool_jobs_total", "pool" => pool, "end" => end);
        Self {
            ends: ["done", "failed", "timed out", "panicked", "dropped"].map(count),
            refused: count("refused"),
            panics: metrics::counter!("linchpin_task_panics_total", "owner" => pool),
        }
    }

    pub(super) fn ended(&self, end: End) {
        self.ends[end as usize].increment(1);
    }

    pub(super) fn refused(&self) {
        self.refused.increment(1);
    }
}
