//! Caps how many calls run at once, and how many may wait for their turn.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{BadOptions, Failed, Refusal};
use crate::context::Context;

/// A door with a fixed number of places inside and a bounded queue in front, first come first served.
///
/// Use it before a resource that gets slower when crowded. Clones share the same places.
///
/// ```
/// # use linchpin::{Context, resilience::bulkhead::{Bulkhead, Options}};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> linchpin::Result<()> {
/// let door = Bulkhead::new("database", 1, Options::default())?;
/// let inside = door.enter(&Context::root()).await?;
/// assert!(door.enter(&Context::root()).await.is_err());
/// drop(inside);
/// assert!(door.enter(&Context::root()).await.is_ok());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Bulkhead {
    name: &'static str,
    running: usize,
    options: Options,
    /// Places inside and in the queue together.
    admitted: Arc<Semaphore>,
    inside: Arc<Semaphore>,
}

/// How a [`Bulkhead`] lets callers wait. The default lets none.
#[derive(Clone, Debug, Default)]
pub struct Options {
    max_queue: usize,
    max_wait: Option<Duration>,
}

/// A place inside a [`Bulkhead`]. Dropping it lets the next waiter in.
#[derive(Debug)]
#[must_use = "dropping the permit at once gives it up"]
pub struct Permit {
    // Dropped in this order: a waiter starts before a newcomer may queue.
    _inside: OwnedSemaphorePermit,
    _admitted: OwnedSemaphorePermit,
}

// ===== impl Bulkhead =====

impl Bulkhead {
    /// A bulkhead with `running` places; `name` tells it apart in refusals.
    ///
    /// # Errors
    ///
    /// If `running` is zero, which could mean "none" as well as "no limit", or too large for a semaphore.
    pub fn new(name: &'static str, running: usize, options: Options) -> Result<Self, BadOptions> {
        if running == 0 {
            let why = format!("`{name}` has no place at all; say at least 1");
            return Err(BadOptions::new("Bulkhead", why));
        }
        let admitted = running.saturating_add(options.max_queue);
        if admitted > Semaphore::MAX_PERMITS {
            let most = Semaphore::MAX_PERMITS;
            let why = format!("`{name}` asks for {admitted} places, the most is {most}");
            return Err(BadOptions::new("Bulkhead", why));
        }
        Ok(Self {
            name,
            running,
            options,
            admitted: Arc::new(Semaphore::new(admitted)),
            inside: Arc::new(Semaphore::new(running)),
        })
    }

    /// Takes a place, waiting in the queue where there is one.
    ///
    /// # Errors
    ///
    /// Refused at once if every place and the whole queue are taken, and after
    /// [`max_wait`](Options::max_wait) in the queue; ended when the context ends.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the queue and loses the turn; no place is leaked.
    pub async fn enter(&self, ctx: &Context) -> Result<Permit, Failed> {
        ctx.check()?;
        let admitted =
            self.admitted.clone().try_acquire_owned().map_err(|_| self.refusal("full"))?;
        let inside = self.inside.clone();
        let turn = inside.acquire_owned();
        let inside = match self.options.max_wait {
            None => ctx.run(turn).await?.map_err(|_| self.refusal("closed"))?,
            Some(limit) => ctx
                .run(tokio::time::timeout(limit, turn))
                .await?
                .map_err(|_| self.refusal("no place within the longest wait"))?
                .map_err(|_| self.refusal("closed"))?,
        };
        Ok(Permit { _inside: inside, _admitted: admitted })
    }

    /// Takes a place if one is free now, ahead of nobody: a queue of waiters refuses.
    ///
    /// # Errors
    ///
    /// The refusal, if none is free.
    pub fn try_enter(&self) -> Result<Permit, Refusal> {
        let full = |_| self.refusal("full");
        let admitted = self.admitted.clone().try_acquire_owned().map_err(full)?;
        let inside = self.inside.clone().try_acquire_owned().map_err(full)?;
        Ok(Permit { _inside: inside, _admitted: admitted })
    }

    /// How many places are free now. Stale as soon as it is read.
    #[must_use]
    pub fn free(&self) -> usize {
        self.inside.available_permits()
    }

    fn refusal(&self, reason: &'static str) -> Refusal {
        Refusal {
            policy: "bulkhead",
            instance: self.name,
            reason,
            used: (self.running - self.inside.available_permits()) as u64,
            limit: self.running as u64,
            retry_after: None,
        }
    }
}

impl fmt::Debug for Bulkhead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bulkhead")
            .field("name", &self.name)
            .field("running", &self.running)
            .field("free", &self.free())
            .finish_non_exhaustive()
    }
}

// ===== impl Options =====

impl Options {
    /// How many callers may wait for a place. Default 0: a full bulkhead refuses at once.
    #[must_use]
    pub fn max_queue(mut self, callers: usize) -> Self {
        self.max_queue = callers;
        self
    }

    /// The longest wait in the queue. Default: as long as the context lets.
    #[must_use]
    pub fn max_wait(mut self, wait: Duration) -> Self {
        self.max_wait = Some(wait);
        self
    }
}
