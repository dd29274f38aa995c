//! How much lanes may have, and when one is slow.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::resilience::BadOptions;
use crate::time::Timestamp;

/// How much [`Lanes`](super::Lanes) keep in memory, and what they think of a lane.
///
/// By default 4,096 items of 64 MiB, of each lane 32 of 1 MiB; a lane is slow after a second.
#[derive(Clone)]
pub struct Options {
    pub(super) items: usize,
    pub(super) bytes: usize,
    pub(super) lane_items: usize,
    pub(super) lane_bytes: usize,
    pub(super) lane_places: Option<usize>,
    pub(super) slow_after: Duration,
    pub(super) idle: Duration,
    pub(super) max_lanes: usize,
    pub(super) clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
}

/// A lane may have one in so many of the items that there is still room for.
pub(super) const PART: usize = 8;
/// What a lane may have in memory while it is slow or held.
pub(super) const LITTLE: usize = 2;
/// And while nothing is known of it.
pub(super) const NEW: usize = 8;

impl Options {
    /// How many items are in memory at once. Default 4,096.
    #[must_use]
    pub fn items(mut self, items: usize) -> Self {
        self.items = items;
        self
    }

    /// How many bytes they have together; the last may be over. Default 64 MiB.
    #[must_use]
    pub fn bytes(mut self, bytes: usize) -> Self {
        self.bytes = bytes;
        self
    }

    /// How many items of a lane are in memory at once, those under way included; of one that is new eight, of one that is slow
    /// or held two. Never more than an eighth of those that there is still room for, but one. Default 32.
    #[must_use]
    pub fn lane_items(mut self, items: usize) -> Self {
        self.lane_items = items;
        self
    }

    /// How many bytes they have together; the last may be over. Default 1 MiB.
    #[must_use]
    pub fn lane_bytes(mut self, bytes: usize) -> Self {
        self.lane_bytes = bytes;
        self
    }

    /// How many of a lane are under way at once, when it is well. Default: an eighth of the places.
    #[must_use]
    pub fn lane_places(mut self, places: usize) -> Self {
        self.lane_places = Some(places);
        self
    }

    /// How long something may be under way before its lane is slow. Default: 1 s.
    #[must_use]
    pub fn slow_after(mut self, after: Duration) -> Self {
        self.slow_after = after;
        self
    }

    /// How long a lane that has nothing is remembered, with its class. Default: 10 minutes.
    #[must_use]
    pub fn idle(mut self, idle: Duration) -> Self {
        self.idle = idle;
        self
    }

    /// How many lanes are known at once. For one more, the one that has had nothing for longest is forgotten, or that whose
    /// next item below is the furthest. Default 16,384.
    #[must_use]
    pub fn max_lanes(mut self, lanes: usize) -> Self {
        self.max_lanes = lanes;
        self
    }

    /// The clock by which what lies below is due. Default: [`Timestamp::now`].
    ///
    /// All other times are of the monotonic clock.
    #[must_use]
    pub fn clock(mut self, clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// The most of a lane that is well, of so many places.
    pub(super) fn window(&self, places: usize) -> usize {
        self.lane_places.unwrap_or((places / PART).max(1))
    }

    pub(super) fn check(&self, places: usize) -> Result<(), BadOptions> {
        let none = [
            (places, "no place for anything under way"),
            (self.items, "no room for an item"),
            (self.bytes, "no room for a byte"),
            (self.lane_items, "no room for an item of a lane"),
            (self.lane_bytes, "no room for a byte of a lane"),
            (self.window(places), "no place for anything of a lane"),
            (self.max_lanes, "no lane can be known"),
        ];
        let wrong = |why: String| Err(BadOptions::new("Lanes", why));
        if let Some((_, why)) = none.into_iter().find(|(many, _)| *many == 0) {
            return wrong(format!("{why}; say at least 1"));
        }
        if self.window(places) > places {
            let window = self.window(places);
            return wrong(format!(
                "a lane may have {window} under way, and there are {places} places"
            ));
        }
        if self.slow_after.is_zero() {
            return wrong("every lane is slow; say after how long it is".to_owned());
        }
        Ok(())
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            items: 4_096,
            bytes: 64 << 20,
            lane_items: 32,
            lane_bytes: 1 << 20,
            lane_places: None,
            slow_after: Duration::from_secs(1),
            idle: Duration::from_mins(10),
            max_lanes: 16_384,
            clock: Arc::new(Timestamp::now),
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("items", &self.items)
            .field("bytes", &self.bytes)
            .field("lane_items", &self.lane_items)
            .field("lane_bytes", &self.lane_bytes)
            .field("lane_places", &self.lane_places)
            .field("slow_after", &self.slow_after)
            .field("idle", &self.idle)
            .field("max_lanes", &self.max_lanes)
            .finish_non_exhaustive()
    }
}
