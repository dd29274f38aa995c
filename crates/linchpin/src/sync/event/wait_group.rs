//! What is under way.

use std::fmt;
use std::sync::Arc;

use super::countdown::Countdown;
use crate::context::{Context, Ended};
use crate::sync::waiters::Within;

/// What is under way, and whoever waits until nothing is. Clones share it.
///
/// Go's `sync.WaitGroup`, with a guard in place of `Add` and `Done`: who returns, panics or is dropped is done, and
/// nobody is done twice, so a count below zero, Go's panic, cannot be. It may be used again and again: a wait is over
/// when nothing was under way at some moment after it began, even if something was again the next.
///
/// For tasks prefer [`Tracker`](crate::task::Tracker) and [`Group`](crate::task::Group), which own them; this is for
/// what is no task: requests inside of a handler, borrowed connections, handles that were given away.
#[derive(Clone)]
pub struct WaitGroup(Arc<Countdown>);

/// Something under way in a [`WaitGroup`], until it is dropped.
#[must_use = "dropping it says that it is done"]
pub struct UnderWay(Arc<Countdown>);

// ===== impl WaitGroup =====

impl WaitGroup {
    /// Nothing is under way.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(Countdown::new(0)))
    }

    /// Something more is under way, until the guard is dropped.
    ///
    /// Begin before you give the work away, and not in the task that does it: one that has not started would not be
    /// waited for.
    pub fn begin(&self) -> UnderWay {
        self.0.up();
        UnderWay(self.0.clone())
    }

    /// How much is under way.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.number()
    }

    /// Whether nothing is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Waits until nothing is under way. What was done before each guard was dropped is seen then.
    ///
    /// # Errors
    ///
    /// [`Ended`], as for [`Event::wait`](super::Event::wait).
    ///
    /// # Cancel safety
    ///
    /// Safe: dropping the future withdraws its waker.
    pub async fn wait(&self, ctx: &Context) -> Result<(), Ended> {
        Within::new(ctx, &*self.0).await.map(drop)
    }
}

impl Default for WaitGroup {
    /// [`WaitGroup::new`].
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for WaitGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitGroup").field("under_way", &self.len()).finish_non_exhaustive()
    }
}

// ===== impl UnderWay =====

impl Clone for UnderWay {
    /// Something more, in the same group: for work that is parted. The group cannot be empty in between.
    fn clone(&self) -> Self {
        self.0.up();
        Self(self.0.clone())
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.down(1);
    }
}

impl fmt::Debug for UnderWay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnderWay").field("of", &self.0.number()).finish_non_exhaustive()
    }
}
