//! Where the time comes from.

use crate::time::Instant;

/// Who knows the time, or can look.
pub(super) trait Now: Copy {
    fn now(self) -> Instant;
}

/// From the clock, each time it is asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock;

impl Now for Instant {
    #[inline]
    fn now(self) -> Instant {
        self
    }
}

impl Now for Clock {
    #[inline]
    fn now(self) -> Instant {
        Instant::now()
    }
}
