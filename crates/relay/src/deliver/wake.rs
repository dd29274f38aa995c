//! When the timer must look for due deliveries next.

use std::sync::atomic::{AtomicI64, Ordering};

use linchpin::context::{Context, Ended};
use linchpin::sync::{event::Event, select};
use linchpin::time::Timestamp;

/// The earliest due time anybody told us, and a bell for the timer when it moves forward.
#[derive(Debug)]
pub(super) struct Wake {
    earliest: AtomicI64,
    bell: Event,
}

const NEVER: i64 = i64::MAX;

impl Wake {
    pub(super) fn new() -> Self {
        Self { earliest: AtomicI64::new(NEVER), bell: Event::new() }
    }

    /// Something is due at `due`.
    pub(super) fn at(&self, due: Timestamp) {
        // AcqRel pairs with the swap in `due`: whoever sees the new time also sees that the bell rings after it.
        if self.earliest.fetch_min(due.as_micros(), Ordering::AcqRel) > due.as_micros() {
            // It stays set if the timer is not waiting yet, so no ring is lost.
            self.bell.set();
        }
    }

    /// The earliest due time told and not yet come, or the end of time.
    pub(super) fn earliest(&self) -> Timestamp {
        Timestamp::from_micros(self.earliest.load(Ordering::Acquire))
    }

    /// Waits until the earliest due time has come, and forgets it: what is due after it must be told again.
    pub(super) async fn due(&self, ctx: &Context) -> Result<(), Ended> {
        loop {
            // Before the look: a ring that comes after it is heard.
            self.bell.reset();
            let earliest = self.earliest.load(Ordering::Acquire);
            let now = Timestamp::now();
            if earliest <= now.as_micros() {
                self.earliest.store(NEVER, Ordering::Release);
                return Ok(());
            }
            if earliest == NEVER {
                self.bell.wait(ctx).await?;
            } else {
                let wait = Timestamp::from_micros(earliest).since(now);
                // Either the time has come or an earlier one was told; the loop looks again.
                let _earlier = select::within(ctx, wait, self.bell.wait(ctx)).await?;
            }
        }
    }
}
