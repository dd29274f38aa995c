//! Caps how many calls run at once, and how many may wait for their turn.
//!
//! ```text
//!                 a place is free, and nobody waits
//!   comes ──────────────────────────────────────────▶ inside ──▶ finished: the next is let in
//!     │                                                 ▲
//!     │ fewer wait than may                             │ its turn
//!     ├──────────────────────────────▶ queued ──────────┘
//!     │                                  │ the longest wait, the deadline, dropped
//!     │ full, and so is the queue        ▼
//!     └──────────────────────────────▶ refused
//! ```
//!
//! | you want | use |
//! |---|---|
//! | to make a call inside | [`Bulkhead::call`], [`Bulkhead::layer`] |
//! | a place for what ends elsewhere: another task, code that blocks | [`Bulkhead::enter_owned`] |
//! | calls that take more than one place, or matter more or less | [`Bulkhead::weighing`], [`Bulkhead::at`] |

mod at;
mod confining;
mod core;
mod layer;
mod meters;
mod options;
mod permit;
mod turn;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use self::at::At;
pub use self::core::Numbers;
use self::core::{Core, POLICY};
pub use self::layer::{Confined, ConfinedFuture, Layer};
pub use self::options::{Discipline, Options};
pub use self::permit::Permit;
use crate::context::Context;
use crate::resilience::{BadOptions, Failed, Outcome, Priority, Refusal, Snapshot};

/// So many places, and a bounded queue before them. Clones share both.
///
/// Use it before a resource that gets slower when crowded, one for each, so that a callee that hangs fills its own and
/// takes nothing from the others. While a place is free a call costs two atomic operations, allocates nothing and does
/// not look at the clock.
///
/// ```
/// # use std::time::Duration;
/// # use linchpin::{Context, resilience::bulkhead::{self, Bulkhead}};
/// # struct Database;
/// # impl Database { async fn load(&self, _: u32) -> Result<u32, std::io::Error> { Ok(7) } }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> linchpin::Result<()> {
/// # let (ctx, database, id) = (Context::root(), Database, 1);
/// let options = bulkhead::Options::default().max_queue(32).max_wait(Duration::from_millis(50));
/// let bulkhead = Bulkhead::new("database", 8, options)?;
/// let row = bulkhead.call(&ctx, || database.load(id)).await;
/// # assert_eq!(row.unwrap(), 7);
/// # Ok(())
/// # }
/// ```
///
/// **Who is next.** Who comes first, unless [`Options::discipline`] says otherwise. Nobody goes before the queue:
/// who finds others waiting waits behind them. The more critical go before the less: [`at`](Self::at) says how critical,
/// or else the [`Priority`] that the context carries.
///
/// **One inside of another.** Two bulkheads that are entered in one order here and in the other there can wait for each
/// other, as two locks can. It ends when the longest wait does: then both are refused, so both orders work badly, and with
/// `Duration::MAX` and no deadline neither ends. Enter the outer one first everywhere. The report of
/// [`sync::lock`](crate::sync::lock) on orders that can deadlock does not know of it: whoever holds a permit may be
/// another task by then, and one of several places is not a lock.
///
/// To cap what begins in some time take a [`Limiter`](crate::resilience::limiter::Limiter); for a bound on something that
/// is split, merged or given away a [`Semaphore`](crate::sync::semaphore::Semaphore); for tasks of your own a
/// [`Pool`](crate::task::pool::Pool).
#[derive(Clone)]
pub struct Bulkhead {
    core: Arc<Core>,
}

impl Bulkhead {
    /// A bulkhead with so many places; `name` tells it apart in refusals, logs and metrics.
    ///
    /// # Errors
    ///
    /// If there is no place, which could mean "none" as well as "no limit", or if the options do not fit together.
    pub fn new(
        name: &'static str,
        max_concurrent: usize,
        options: Options,
    ) -> Result<Self, BadOptions> {
        Ok(Self { core: Arc::new(Core::new(name, max_concurrent, options)?) })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.core.name()
    }

    /// For calls that matter more or less than others, whatever their context says.
    ///
    /// ```
    /// # use linchpin::{Context, resilience::{Priority, bulkhead::{Bulkhead, Options}}};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> linchpin::Result<()> {
    /// # let ctx = Context::root();
    /// # let bulkhead = Bulkhead::new("database", 8, Options::default())?;
    /// let report = bulkhead.at(Priority::Sheddable).weighing(3);
    /// let permit = report.enter(&ctx).await?;
    /// assert_eq!(permit.weight(), 3);
    /// # Ok(())
    /// # }
    /// ```
    pub fn at(&self, priority: Priority) -> At<'_> {
        At::new(self).at(priority)
    }

    /// For calls that take more places than one. While the next in line weighs more than is free, all wait behind it.
    pub fn weighing(&self, places: usize) -> At<'_> {
        At::new(self).weighing(places)
    }

    // ----- calls

    /// Runs `work` inside, under `ctx`.
    ///
    /// # Errors
    ///
    /// `Refused`, without `work` having been called: at once if it is full and so is the queue, or if it has fewer places
    /// than the call takes (kind `InvalidArgument`); and at the end of [`max_wait`](Options::max_wait). `Ended` if the
    /// context has ended, in the queue too, or ends meanwhile; else what `work` failed with.
    ///
    /// # Panics
    ///
    /// If `work` does, which is counted as a failure; outside of a tokio runtime with timers if it has to wait.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops `work` where it stands, or leaves the queue; the place goes to the next.
    #[inline]
    pub fn call<T, E, F, Fut>(
        &self,
        ctx: &Context,
        work: F,
    ) -> impl Future<Output = Result<T, Failed<E>>>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        At::new(self).call(ctx, work)
    }

    /// This bulkhead around each call of a tower service. See [`Confined`].
    #[must_use]
    pub fn layer(&self) -> Layer {
        Layer::new(self.core.clone())
    }

    // ----- permits

    /// Takes a place, waiting in the queue where there is one.
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call), before `work`. A place that is there when the context ends is not taken.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the queue and loses the turn; no place is leaked.
    #[inline]
    pub async fn enter(&self, ctx: &Context) -> Result<Permit<'_>, Failed> {
        At::new(self).enter(ctx).await
    }

    /// The same for a permit that may outlive this handle, in a task or a struct.
    ///
    /// # Errors
    ///
    /// As [`enter`](Self::enter).
    ///
    /// # Cancel safety
    ///
    /// As [`enter`](Self::enter).
    #[inline]
    pub async fn enter_owned(&self, ctx: &Context) -> Result<Permit<'static>, Failed> {
        At::new(self).enter_owned(ctx).await
    }

    /// Takes a place if one is free now, ahead of nobody: a queue of waiters refuses.
    ///
    /// # Errors
    ///
    /// The refusal, if none is free.
    #[inline]
    pub fn try_enter(&self) -> Result<Permit<'_>, Refusal> {
        At::new(self).try_enter()
    }

    /// The same for a permit that may outlive this handle.
    ///
    /// # Errors
    ///
    /// As [`try_enter`](Self::try_enter).
    #[inline]
    pub fn try_enter_owned(&self) -> Result<Permit<'static>, Refusal> {
        At::new(self).try_enter_owned()
    }

    // ----- for a stack, which keeps what it has taken by itself

    #[inline]
    pub(super) fn take(&self) -> bool {
        self.core.take(1)
    }

    #[inline]
    pub(super) fn give(&self, outcome: Outcome) {
        self.core.give(1, outcome);
    }

    pub(super) fn lets_wait(&self) -> bool {
        self.core.places.lets_wait()
    }

    pub(super) fn max_wait(&self) -> Duration {
        self.core.options().longest_wait()
    }

    /// Says why [`take`](Self::take) has just failed.
    pub(super) fn full(&self) -> Refusal {
        self.core.refuse_now(1)
    }

    // ----- for operators

    /// Has so many places from now on; never waits.
    ///
    /// If more, those who wait come in at once. If fewer, nobody is put out: who has a place keeps it, and nobody comes in
    /// until fewer are taken than there are. Who waits for more places than there are now is refused.
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new); nothing has changed then.
    pub fn resize(&self, max_concurrent: usize) -> Result<(), BadOptions> {
        self.core.resize(max_concurrent)?;
        tracing::info!(bulkhead = self.name(), max_concurrent, "the bulkhead has another size");
        Ok(())
    }

    /// Takes other options from now on. Who waits stays, for as long as it was to wait; what was counted stays, too.
    ///
    /// # Errors
    ///
    /// If the options do not fit together; nothing has changed then.
    pub fn reconfigure(&self, options: Options) -> Result<(), BadOptions> {
        self.core.reconfigure(options)?;
        tracing::info!(bulkhead = self.name(), ?options, "the bulkhead has other options");
        Ok(())
    }

    // ----- for people

    /// How many places are free now. Stale as soon as it is read.
    #[must_use]
    pub fn free(&self) -> usize {
        self.core.places.available()
    }

    /// Its numbers.
    #[must_use]
    pub fn numbers(&self) -> Numbers {
        self.core.numbers()
    }

    /// It as people look at it.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let numbers = self.numbers();
        let state = match numbers {
            Numbers { queued: 1.., .. } => "queueing",
            Numbers { in_use, max_concurrent, .. } if in_use < max_concurrent => "free",
            _ => "full",
        };
        let shown = vec![
            ("in_use", numbers.in_use as f64),
            ("max_concurrent", numbers.max_concurrent as f64),
            ("queued", numbers.queued as f64),
            ("max_queue", numbers.max_queue as f64),
            ("queue_full", numbers.queue_full as f64),
            ("wait_timeout", numbers.wait_timeout as f64),
            ("failures", numbers.failures as f64),
        ];
        Snapshot { policy: POLICY, instance: self.name(), key: None, state, numbers: shown }
    }
}

impl fmt::Display for Bulkhead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} places", self.core.places.limit())
    }
}

impl fmt::Debug for Bulkhead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.core.fmt(f)
    }
}
