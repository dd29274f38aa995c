//! Something that has happened, or has not.

use std::fmt;
use std::sync::Arc;

use super::countdown::Countdown;
use crate::context::{Context, Ended};
use crate::sync::waiters::Within;

/// Something that has happened or has not: set for all who wait and all who come, until it is reset. Clones share it.
///
/// In Go this is a channel that is closed, except that it can be opened again; what `sync.Cond` is used for with
/// `Broadcast` is this where the condition is one bit. It is a gate, too: `reset` to hold work up, `set` to let it on.
///
/// [`wait`](Self::wait) is woken by each [`set`](Self::set), also if a [`reset`](Self::reset) follows before it runs.
/// To react to each of several, reset first, then look at what it tells of, then wait: what comes after the look sets it
/// again, and nothing is missed.
///
/// Prefer tokio's `Notify` where one of several that wait is to wake, and `oneshot` where a value comes along.
/// To ask is one load; to set is one atomic operation while nobody waits.
#[derive(Clone)]
pub struct Event(Arc<Countdown>);

impl Event {
    /// An event that has not happened.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(Countdown::new(1)))
    }

    /// Lets all through who wait and who come. Whether it was not set before.
    pub fn set(&self) -> bool {
        self.0.down(1)
    }

    /// Lets those who come wait again. Whether it was set.
    pub fn reset(&self) -> bool {
        self.0.up_from_zero()
    }

    /// Whether it is set. What was done before it was, is seen.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.0.number() == 0
    }

    /// Waits until it is set.
    ///
    /// # Errors
    ///
    /// [`Ended`], if the context ends first, or had ended before, whether or not it is set. If both come while one
    /// waits, it was set.
    ///
    /// # Cancel safety
    ///
    /// Safe: dropping the future withdraws its waker.
    pub async fn wait(&self, ctx: &Context) -> Result<(), Ended> {
        Within::new(ctx, &*self.0).await.map(drop)
    }
}

impl Default for Event {
    /// [`Event::new`].
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event").field("set", &self.is_set()).finish_non_exhaustive()
    }
}
