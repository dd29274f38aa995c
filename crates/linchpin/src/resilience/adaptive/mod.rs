//! Finds out how many calls at once a service bears, and lets no more in.
//!
//! ```text
//!                       calls are no slower than usual
//!                  ┌────────────────────────────────────────┐
//!                  ▼                                        │
//!   enter ──▶ in flight < limit ? ──▶ the call ──▶ how long it took, window by window
//!                  │ no                                     │
//!                  ▼                                        │ calls are slower, or dropped
//!               Refused            limit goes down ◀────────┘
//! ```
//!
//! A fixed limit is right on the day it was measured. This one is measured all the time: while more calls at once do not
//! make them slower the limit grows, and when they wait for one another it shrinks. How it does is an
//! [`Algorithm`]; the machines are an [`Estimator`] for who wants to look.
//!
//! It refuses and never queues: what waits is slow, and would be taken for a service that is. Long polls and streams do
//! not belong into it, since they are long by nature; nor do two of them in series, each of which takes the other's
//! refusals for the service's word.

mod core;
mod gate;
mod laws;
mod layer;
mod meters;
#[cfg(all(test, linchpin_loom))]
#[path = "../../model/adaptive.rs"]
mod model;
mod options;
mod permit;
mod stacked;
mod state;

use std::fmt;
use std::sync::Arc;

use self::core::Core;
use self::gate::{Full, Of};
pub use self::laws::{Estimator, Sample, envoy};
pub use self::options::{Algorithm, Options};
pub use self::permit::Permit;
pub(super) use self::stacked::Ticket;
pub use self::state::{Ending, Numbers};
use crate::context::Context;
use crate::resilience::admitted::Layer;
use crate::resilience::held::Held;
use crate::resilience::within::Call;
use crate::resilience::{BadOptions, ByResult, Classify, Failed, Refusal, Snapshot};
use crate::time::Instant;

/// A limit on what is under way at once that finds its own number. Clones share it.
///
/// A call costs three exchanges of a word and two looks at the clock, and takes no lock with the default algorithm but
/// once a window.
///
/// ```
/// # use linchpin::{Context, resilience::adaptive::{self, Adaptive}};
/// # struct Client;
/// # impl Client { async fn charge(&self, _: u32) -> Result<u32, std::io::Error> { Ok(7) } }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> linchpin::Result<()> {
/// # let (ctx, client, order) = (Context::root(), Client, 1);
/// let limit = Adaptive::new("payments", adaptive::Options::default())?;
/// let receipt = limit.call(&ctx, || client.charge(order)).await;
/// # assert_eq!(receipt.unwrap(), 7);
/// # Ok(())
/// # }
/// ```
///
/// For a number that is known, or a queue in front, take a [`Bulkhead`](crate::resilience::bulkhead::Bulkhead); for what
/// begins in some time a [`Limiter`](crate::resilience::limiter::Limiter).
pub struct Adaptive<C = ByResult> {
    core: Arc<Core>,
    of: Of,
    classify: C,
}

impl Adaptive {
    /// A limit that has seen nothing; `name` tells it apart in refusals, logs and metrics.
    ///
    /// # Errors
    ///
    /// If the options do not fit together; the error says which and why.
    pub fn new(name: &'static str, options: Options) -> Result<Self, BadOptions> {
        options.check()?;
        let core = Arc::new(Core::new(name, options, Instant::now()));
        Ok(Self { core, of: Of::NONE, classify: ByResult })
    }
}

impl<C> Adaptive<C> {
    /// A handle of the same limit that reads results in another way. What is overload is the word of
    /// [`Classify::overloaded`].
    #[must_use]
    pub fn classified<D>(&self, classify: D) -> Adaptive<D> {
        Adaptive { core: self.core.clone(), of: self.of, classify }
    }

    /// A handle of the same limit whose calls have the share of that [partition](Options::partition); `None` if there is
    /// none of that name. Calls through other handles have what is left.
    #[must_use]
    pub fn partition(&self, name: &str) -> Option<Self>
    where
        C: Clone,
    {
        let of = self.core.gate.of(name)?;
        Some(Self { core: self.core.clone(), of, classify: self.classify.clone() })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.core.name
    }

    // ----- calls

    /// Runs `work` if the limit lets it, under `ctx`, and measures it.
    ///
    /// # Errors
    ///
    /// `Refused` if as many are under way as the limit allows, without `work` having been called; `Ended` if the context
    /// has ended, before or meanwhile; else what `work` failed with. A deadline that cuts `work` counts as an overload.
    ///
    /// # Panics
    ///
    /// If `work` does; its place is free again.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops `work` where it stands; its place is free again, and nothing is learnt from it.
    pub fn call<'a, T, E, F, Fut>(
        &'a self,
        ctx: &'a Context,
        work: F,
    ) -> impl Future<Output = Result<T, Failed<E>>>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
        C: Classify<T, E>,
    {
        Call::new(self, ctx, work)
    }

    /// Lets a call through that begins at the time `now`: for who makes it by other means and records its outcome.
    ///
    /// ```
    /// # use linchpin::{resilience::{Outcome, adaptive::{self, Adaptive}}, time::Instant};
    /// # fn work() -> bool { true }
    /// let limit = Adaptive::new("payments", adaptive::Options::default())?;
    /// let permit = limit.admit(Instant::now())?;
    /// permit.record(if work() { Outcome::Success } else { Outcome::Failure });
    /// # Ok::<(), linchpin::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The refusal, if as many are under way as the limit allows.
    #[inline]
    pub fn admit(&self, now: Instant) -> Result<Permit<'_>, Refusal> {
        match self.core.gate.enter(self.of) {
            Ok(inflight) => Ok(Permit::new(Held::Borrowed(&*self.core), self.of, inflight, now)),
            Err(full) => Err(self.refusal(full)),
        }
    }

    /// The same with a permit that owns a handle and may go wherever it likes.
    ///
    /// # Errors
    ///
    /// As [`admit`](Self::admit).
    pub fn admit_owned(&self, now: Instant) -> Result<Permit<'static>, Refusal> {
        match self.core.gate.enter(self.of) {
            Ok(inflight) => Ok(Permit::new(Held::Owned(self.core.clone()), self.of, inflight, now)),
            Err(full) => Err(self.refusal(full)),
        }
    }

    /// This limit before each call of a tower service. See [`Admitted`](crate::resilience::admitted::Admitted).
    #[must_use]
    pub fn layer(&self) -> Layer<Self>
    where
        C: Clone,
    {
        Layer::new(self.clone())
    }

    // ----- for people

    /// Its numbers.
    #[must_use]
    pub fn numbers(&self) -> Numbers {
        self.core.numbers()
    }

    /// It as people look at it. Of each partition it has how many are under way.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let seen = self.numbers();
        let mut numbers =
            vec![("limit", f64::from(seen.limit)), ("in_flight", f64::from(seen.inflight))];
        let seconds =
            |name, time: Option<std::time::Duration>| time.map(|time| (name, time.as_secs_f64()));
        numbers.extend(seconds("rtt", seen.rtt));
        numbers.extend(seconds("unloaded", seen.unloaded));
        numbers.extend(seen.queue.map(|queue| ("queue", queue)));
        numbers.push(("samples", seen.samples as f64));
        numbers.extend(self.core.gate.parts().map(|(name, inside)| (name, inside as f64)));
        let state = if seen.inflight < seen.limit { "open" } else { "full" };
        Snapshot { policy: POLICY, instance: self.core.name, key: None, state, numbers }
    }

    // ----- for operators

    /// Takes other options from now on. The limit stays, within its new bounds, and so does what was learnt, unless it is
    /// for another algorithm.
    ///
    /// # Errors
    ///
    /// If the options do not fit together, or are for other partitions; nothing has changed then.
    pub fn reconfigure(&self, options: Options) -> Result<(), BadOptions> {
        options.check()?;
        self.core.reconfigure(options, Instant::now())
    }

    // ----- inside

    #[cold]
    fn refusal(&self, full: Full) -> Refusal {
        self.core.meters.refused(self.core.name, full);
        Refusal::new(POLICY, self.core.name, "as many are under way as it bears")
            .compared(full.inside.into(), full.limit.into())
    }
}

const POLICY: &str = "adaptive";

impl<C: Clone> Clone for Adaptive<C> {
    fn clone(&self) -> Self {
        Self { core: self.core.clone(), of: self.of, classify: self.classify.clone() }
    }
}

/// How it is set.
impl<C> fmt::Display for Adaptive<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.core.options().fmt(f)
    }
}

impl<C> fmt::Debug for Adaptive<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Adaptive")
            .field("name", &self.core.name)
            .field("numbers", &self.numbers())
            .finish_non_exhaustive()
    }
}
