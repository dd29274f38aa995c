//! A semaphore: so many permits, taken by weight, first come first served.
//!
//! ```
//! # use linchpin::{Context, sync::semaphore::{Options, Semaphore}};
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> linchpin::Result<()> {
//! # let ctx = Context::root();
//! let connections = Semaphore::new(8, Options::default().name("connections"))?;
//! let three = connections.acquire(&ctx, 3).await?;
//! assert_eq!(connections.available(), 5);
//! assert!(connections.try_acquire(6).is_err());
//! drop(three);
//! # Ok(())
//! # }
//! ```

mod acquire;
mod level;
mod line;
mod options;
mod permit;
mod protocol;
mod state;
mod wait;

use std::fmt;
use std::sync::Arc;

use self::acquire::Acquire;
#[cfg(all(test, linchpin_loom))]
pub(crate) use self::line::Place;
pub use self::options::Options;
pub use self::permit::Permit;
use self::protocol::Core;
#[cfg(all(test, linchpin_loom))]
pub(crate) use self::protocol::Entered;
pub(crate) use self::protocol::{Core as Protocol, Why};
pub(crate) use self::state::Order;
pub(crate) use self::wait::{Denied, Wait};
use crate::context::Context;
use crate::resilience::{BadOptions, Failed, Refusal};
use crate::task::pool::Priority;

/// A bound on something that is taken for a while: connections, files, bytes of memory.
///
/// Go's `x/sync/semaphore`, with permits that are given back by dropping them, refusals that say the numbers, a size
/// that may change, and priorities. Clones share the permits.
///
/// **Who is next.** First come first served, whatever one asks for: the first in line is served before all behind it,
/// so none is starved. While it asks for more than is free, those behind it wait with it;
/// [`Options::overtaking`] lets so many pass. The [more urgent](Self::at) go before the less, and a level that was
/// passed over sixteen times has a turn. Nobody goes before the line: who finds others waiting waits behind them, and
/// [`try_acquire`](Self::try_acquire) is refused.
///
/// **What can never be** is refused at once, not waited for: more permits than there are in all. When the semaphore
/// [shrinks](Self::resize), those who wait for more than it has then are refused too.
///
/// | you have | use |
/// |---|---|
/// | calls to cap, and a queue to bound | [`Bulkhead`](crate::resilience::bulkhead::Bulkhead) |
/// | tasks to cap | [`Group::limit`](crate::task::Group::limit), [`Pool`](crate::task::pool::Pool) |
/// | one permit that guards a value | tokio's `Mutex`, under [`Context::run`] |
/// | something to take with a weight, a size that changes, permits that are split | a semaphore |
///
/// Costs: to take and to give are an atomic operation each while nobody waits, and allocate nothing; who waits stands
/// in a ring of its level (`scripts/bench sync`).
#[derive(Clone)]
pub struct Semaphore(Arc<Core>);

/// A [`Semaphore`] for those of another priority: the result of [`Semaphore::at`].
#[derive(Clone, Copy, Debug)]
pub struct At<'a> {
    semaphore: &'a Semaphore,
    priority: Priority,
}

// ===== impl Semaphore =====

impl Semaphore {
    /// The most permits that a semaphore can have.
    pub const MAX_PERMITS: usize = protocol::MOST;

    /// A semaphore with so many permits, all of them free.
    ///
    /// # Errors
    ///
    /// For none at all, which nobody would ever get, and for more than [`MAX_PERMITS`](Self::MAX_PERMITS).
    pub fn new(permits: usize, options: Options) -> Result<Self, BadOptions> {
        check(options.name, permits)?;
        Ok(Self::of_policy("semaphore", permits, options))
    }

    /// Takes `permits` when they are free and it is one's turn.
    ///
    /// None at all may be asked for, too: they are there when it is one's turn.
    ///
    /// # Errors
    ///
    /// Refused when the semaphore is closed, now or while waiting; when it has, or comes to have, fewer permits in all;
    /// when as many wait as [may](Options::max_waiting). Ended when the context ends before the permits are there, even
    /// if both happen at once.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the line. What was granted meanwhile goes to the next.
    pub fn acquire(
        &self,
        ctx: &Context,
        permits: usize,
    ) -> impl Future<Output = Result<Permit<&Self>, Failed>> {
        Acquire::new(self, ctx, permits, Priority::Normal, |semaphore| semaphore)
    }

    /// The same for a permit that may outlive this handle, in a task or a struct.
    ///
    /// # Errors
    ///
    /// As for [`acquire`](Self::acquire).
    ///
    /// # Cancel safety
    ///
    /// As for [`acquire`](Self::acquire).
    pub fn acquire_owned(
        &self,
        ctx: &Context,
        permits: usize,
    ) -> impl Future<Output = Result<Permit, Failed>> {
        Acquire::new(self, ctx, permits, Priority::Normal, Self::clone)
    }

    /// Takes `permits` if as many are free and nobody waits.
    ///
    /// # Errors
    ///
    /// Why not, and the numbers that were compared.
    pub fn try_acquire(&self, permits: usize) -> Result<Permit<&Self>, Refusal> {
        self.try_take(permits)?;
        Ok(Permit::new(self, permits))
    }

    /// The same for a permit that may outlive this handle.
    ///
    /// # Errors
    ///
    /// As for [`try_acquire`](Self::try_acquire).
    pub fn try_acquire_owned(&self, permits: usize) -> Result<Permit, Refusal> {
        self.try_take(permits)?;
        Ok(Permit::new(self.clone(), permits))
    }

    /// This semaphore, for those who are more or less urgent than others.
    ///
    /// ```
    /// # use linchpin::{Context, sync::semaphore::{Options, Semaphore}, task::pool::Priority};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> linchpin::Result<()> {
    /// # let ctx = Context::root();
    /// let places = Semaphore::new(1, Options::default())?;
    /// let place = places.at(Priority::High).acquire(&ctx, 1).await?;
    /// # drop(place);
    /// # Ok(())
    /// # }
    /// ```
    pub fn at(&self, priority: Priority) -> At<'_> {
        At { semaphore: self, priority }
    }

    /// Changes how many permits there are.
    ///
    /// If more, those who wait get them at once. If fewer, nothing is taken away: what is held beyond that is withdrawn
    /// as it comes back, and nobody gets any until then. Those who wait for more than there are now are refused.
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new).
    pub fn resize(&self, permits: usize) -> Result<(), BadOptions> {
        check(self.0.name(), permits)?;
        self.0.resize(permits);
        Ok(())
    }

    /// Grants nothing any more, and refuses those who wait. What is held stays so, and comes back as ever.
    pub fn close(&self) {
        self.0.close();
    }

    /// Whether it was [closed](Self::close).
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.0.is_closed()
    }

    /// How many permits are free. Stale as soon as it is read, as are the others.
    ///
    /// They may be due to those who wait; none is while more are held than [there are](Self::limit).
    #[must_use]
    pub fn available(&self) -> usize {
        self.0.available()
    }

    /// How many permits there are, free and held.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.0.limit()
    }

    /// How many wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.0.waiting()
    }

    /// One that refuses in the name of a policy which has checked its options.
    pub(crate) fn of_policy(policy: &'static str, permits: usize, options: Options) -> Self {
        Self(Arc::new(Core::new(policy, permits, options)))
    }

    /// Gives back permits that were [kept](Permit::keep).
    pub(crate) fn give_back(&self, permits: usize) {
        self.0.give(permits);
    }

    /// A refusal that tells how much is in use.
    pub(crate) fn refusal(&self, reason: &'static str) -> Refusal {
        self.0.in_use(reason)
    }

    fn try_take(&self, permits: usize) -> Result<(), Refusal> {
        if self.0.try_take(permits) {
            return Ok(());
        }
        Err(self.0.refusal(self.0.why_not(permits), permits))
    }
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Semaphore")
            .field("name", &self.0.name())
            .field("limit", &self.limit())
            .field("available", &self.available())
            .field("waiting", &self.waiting())
            .finish_non_exhaustive()
    }
}

// ===== impl At =====

impl<'a> At<'a> {
    /// As [`Semaphore::acquire`].
    ///
    /// # Errors
    ///
    /// As there.
    ///
    /// # Cancel safety
    ///
    /// As there.
    pub fn acquire(
        self,
        ctx: &Context,
        permits: usize,
    ) -> impl Future<Output = Result<Permit<&'a Semaphore>, Failed>> {
        Acquire::new(self.semaphore, ctx, permits, self.priority, |semaphore| semaphore)
    }

    /// As [`Semaphore::acquire_owned`].
    ///
    /// # Errors
    ///
    /// As there.
    ///
    /// # Cancel safety
    ///
    /// As there.
    pub fn acquire_owned(
        self,
        ctx: &Context,
        permits: usize,
    ) -> impl Future<Output = Result<Permit, Failed>> {
        Acquire::new(self.semaphore, ctx, permits, self.priority, Semaphore::clone)
    }
}

fn check(name: &'static str, permits: usize) -> Result<(), BadOptions> {
    let why = match permits {
        0 => format!("`{name}` has no permit at all; say at least 1"),
        1..=Semaphore::MAX_PERMITS => return Ok(()),
        _ => format!("`{name}` asks for {permits} permits, the most is {}", Semaphore::MAX_PERMITS),
    };
    Err(BadOptions::new("Semaphore", why))
}
