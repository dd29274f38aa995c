//! When a batch is full, and how many may wait for one.

use std::time::Duration;

use super::queue::Limits;
use crate::resilience::BadOptions;
use crate::sync::semaphore::Semaphore;

/// When a [`Batcher`](super::Batcher) runs a batch, and how much may queue for it. By default a batch is what came while
/// the last one ran, 1,024 items at most, and 8,192 may queue.
#[derive(Clone, Debug)]
pub struct Options {
    pub(super) name: &'static str,
    pub(super) max_items: usize,
    pub(super) max_bytes: usize,
    pub(super) max_delay: Duration,
    pub(super) capacity: usize,
}

impl Options {
    /// The name of its task, which tells it apart in logs and refusals. Default: `batcher`.
    #[must_use]
    pub fn name(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }

    /// The most items of a batch; as many are run at once. Default 1,024.
    #[must_use]
    pub fn max_items(mut self, items: usize) -> Self {
        self.max_items = items;
        self
    }

    /// The most bytes of a batch, as [`weigh`](super::Batcher::weigh) says of each item; as many are run at once. One item
    /// that has more is a batch of its own. Default: no cap.
    #[must_use]
    pub fn max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// How long an item may wait for others to come. Default: not at all, so that a batch is what came while the last one
    /// ran.
    #[must_use]
    pub fn max_delay(mut self, delay: Duration) -> Self {
        self.max_delay = delay;
        self
    }

    /// How many items may queue, beside those of the batch that runs; whoever has one more waits. Default 8,192.
    #[must_use]
    pub fn capacity(mut self, items: usize) -> Self {
        self.capacity = items;
        self
    }

    pub(super) fn limits(&self) -> Limits {
        Limits { items: self.max_items, bytes: self.max_bytes, delay: self.max_delay }
    }

    pub(super) fn check(&self) -> Result<(), BadOptions> {
        let Self { name, max_items, capacity, .. } = *self;
        let wrong = |why| Err(BadOptions::new("Batcher", why));
        if max_items == 0 {
            return wrong(format!("a batch of `{name}` has no item at all; say at least 1"));
        }
        if capacity == 0 || capacity > Semaphore::MAX_PERMITS {
            let most = Semaphore::MAX_PERMITS;
            return wrong(format!("a queue for {capacity} items of `{name}`; say 1 to {most}"));
        }
        if max_items > capacity && !self.max_delay.is_zero() {
            return wrong(format!(
                "a batch of `{name}` waits for {max_items} items, and only {capacity} may queue"
            ));
        }
        Ok(())
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            name: "batcher",
            max_items: 1_024,
            max_bytes: usize::MAX,
            max_delay: Duration::ZERO,
            capacity: 8_192,
        }
    }
}
