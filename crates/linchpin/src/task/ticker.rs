//! Something to do every so often.

use std::time::Duration;

use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::context::{Context, Ended};

/// Ticks at a fixed period, the first time at once.
///
/// Go's `time.Ticker`, pulled instead of pushed: the next tick is waited for when the work of the last is done, so
/// ticks never overlap. Ticks missed by slow work are skipped and the rhythm is kept.
#[derive(Debug)]
pub struct Ticker {
    interval: Interval,
}

impl Ticker {
    /// A ticker with this period.
    ///
    /// # Panics
    ///
    /// If `period` is zero, or outside a tokio runtime.
    #[must_use]
    pub fn every(period: Duration) -> Self {
        let mut interval = interval(period);
        interval.set_missed_tick_behavior(MissedTickBehavior::Skip);
        Self { interval }
    }

    /// Waits for the next tick.
    ///
    /// # Errors
    ///
    /// [`Ended`] when the context ends first.
    ///
    /// # Cancel safety
    ///
    /// Safe: a tick that was not returned is not lost.
    pub async fn tick(&mut self, ctx: &Context) -> Result<(), Ended> {
        ctx.run(self.interval.tick()).await.map(drop)
    }
}
