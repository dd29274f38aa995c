//! Caps how many calls run at once, and how many may wait for their turn.

use std::fmt;
use std::time::Duration;

use super::{BadOptions, Failed, Refusal, Snapshot};
use crate::context::Context;
use crate::sync::select;
use crate::sync::semaphore::{self, Semaphore};

/// A door with a fixed number of places inside and a bounded queue in front, first come first served.
///
/// Use it before a resource that gets slower when crowded. Clones share the same places. A [`Semaphore`] is what it
/// stands on: take that for permits of a weight, or in a number that changes.
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
    places: Semaphore,
    options: Options,
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
pub struct Permit(semaphore::Permit);

impl Permit {
    pub(super) fn keep(self) {
        self.0.keep();
    }
}

impl fmt::Display for Bulkhead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} places", self.places.limit())
    }
}

// ===== impl Bulkhead =====

impl Bulkhead {
    /// A bulkhead with `running` places; `name` tells it apart in refusals.
    ///
    /// # Errors
    ///
    /// If `running` is zero, which could mean "none" as well as "no limit", or too large for a semaphore.
    pub fn new(name: &'static str, running: usize, options: Options) -> Result<Self, BadOptions> {
        let most = Semaphore::MAX_PERMITS;
        let wrong = |why| Err(BadOptions::new("Bulkhead", why));
        if running == 0 {
            return wrong(format!("`{name}` has no place at all; say at least 1"));
        }
        if running > most {
            return wrong(format!("`{name}` asks for {running} places, the most is {most}"));
        }
        let line = semaphore::Options::default().name(name).max_waiting(options.max_queue);
        Ok(Self { name, places: Semaphore::of_policy("bulkhead", running, line), options })
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
        let turn = self.places.acquire_owned(ctx, 1);
        let place = match self.options.max_wait {
            None => turn.await?,
            // The turn ends with `ctx` by itself.
            Some(limit) => select::within(&Context::root(), limit, turn)
                .await?
                .ok_or_else(|| self.places.refusal("no place within the longest wait"))??,
        };
        Ok(Permit(place))
    }

    /// Takes a place if one is free now, ahead of nobody: a queue of waiters refuses.
    ///
    /// # Errors
    ///
    /// The refusal, if none is free.
    pub fn try_enter(&self) -> Result<Permit, Refusal> {
        self.places.try_acquire_owned(1).map(Permit)
    }

    // ----- for a stack, which keeps what it has taken by itself

    #[inline]
    pub(super) fn take(&self) -> bool {
        self.places.try_acquire(1).map(semaphore::Permit::keep).is_ok()
    }

    #[inline]
    pub(super) fn give(&self) {
        self.places.give_back(1);
    }

    pub(super) fn lets_wait(&self) -> bool {
        self.options.max_queue > 0
    }

    pub(super) fn max_wait(&self) -> Duration {
        self.options.max_wait.unwrap_or_default()
    }

    pub(super) fn full(&self) -> Refusal {
        self.places.refusal("no place")
    }

    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    /// It as people look at it.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let (limit, free, queued) =
            (self.places.limit(), self.places.available(), self.places.waiting());
        let numbers = vec![
            ("limit", limit as f64),
            ("running", limit.saturating_sub(free) as f64),
            ("queued", queued as f64),
        ];
        let state = if free > 0 { "open" } else { "full" };
        Snapshot { policy: "bulkhead", instance: self.name, key: None, state, numbers }
    }

    /// How many places are free now. Stale as soon as it is read.
    #[must_use]
    pub fn free(&self) -> usize {
        self.places.available()
    }
}

impl fmt::Debug for Bulkhead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bulkhead").field("places", &self.places).finish_non_exhaustive()
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
