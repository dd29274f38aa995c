//! So many things that are to happen.

use std::fmt;
use std::sync::Arc;

use super::countdown::{Countdown, MOST};
use crate::context::{Context, Ended};
use crate::resilience::BadOptions;
use crate::sync::waiters::Within;

/// So many things that are to happen, once: it opens with the last, and stays open. Clones share it.
///
/// For a number that is known at the beginning: parts of a service that must be ready, shards to be loaded. Where it is
/// not known, or goes up again, use a [`WaitGroup`](super::WaitGroup); where there is one, an [`Event`](super::Event).
/// Java's `CountDownLatch`; in Go a `sync.WaitGroup` whose `Add` comes before everything else.
///
/// ```
/// # use linchpin::{Context, sync::event::Latch};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> linchpin::Result<()> {
/// let shards = Latch::new(2)?;
/// assert!(!shards.count_down() && shards.count_down());
/// shards.wait(&Context::root()).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Latch(Arc<Countdown>);

impl Latch {
    /// A latch that `things` close. With none it is open.
    ///
    /// # Errors
    ///
    /// For more than half of `usize::MAX`, which is a number that went below zero.
    pub fn new(things: usize) -> Result<Self, BadOptions> {
        if things > MOST {
            let why = format!("{things} things are more than can be counted");
            return Err(BadOptions::new("Latch", why));
        }
        Ok(Self(Arc::new(Countdown::new(things))))
    }

    /// One of them has happened. Whether it was the last; on an open latch it does nothing.
    pub fn count_down(&self) -> bool {
        self.0.down(1)
    }

    /// Opens it, whatever is left: for who finds that the rest will not happen. Whether it was closed.
    pub fn open(&self) -> bool {
        self.0.down(MOST)
    }

    /// How many are still to happen.
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.0.number()
    }

    /// Waits until it is open. What was done before each [`count_down`](Self::count_down) is seen then.
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

impl fmt::Debug for Latch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Latch").field("remaining", &self.remaining()).finish_non_exhaustive()
    }
}
