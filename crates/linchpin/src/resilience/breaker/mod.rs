//! Stops asking a callee that is not well, and finds out when it is well again.
//!
//! ```text
//!            too many failures, or slow calls                      it was open for long enough
//!   Closed ────────────────────────────────────▶ Open ──────────────────────────────────────────▶ HalfOpen
//!     ▲                                           ▲    enough probes failed, or one hangs            │
//!     │                                           └──────────────────────────────────────────────────┤
//!     └──────────────────────────────────────────────────────────────────────────────────────────────┘
//!                                          enough probes succeeded
//!
//!   by an operator, until the operator says otherwise:   ForcedOpen   ForcedClosed   MetricsOnly
//! ```
//!
//! One breaker stands before one dependency, or one group of its endpoints that fails together; one for each key, such as
//! a customer's endpoint, comes from a [`Registry`]. What counts as a failure is the classifier's word
//! ([`Classify`]); which calls are judged, and how long it stays open, is in [`Options`].
//!
//! No timer and no task belong to it: each admission, outcome and look first makes the transitions that are due, dated
//! when they were due.

mod admission;
mod counting;
pub mod fleet;
mod layer;
mod locked;
mod machine;
mod meters;
#[cfg(all(test, linchpin_loom))]
#[path = "../../model/breaker.rs"]
mod model;
mod options;
mod pending;
mod permit;
mod probes;
mod registry;
mod stacked;
mod state;
mod tally;
mod transit;
mod window;
mod word;

use std::fmt;
use std::sync::Arc;

use self::locked::Standing;
use self::machine::Core;
pub(super) use self::machine::Ticket;
use self::meters::Meters;
pub use self::options::Options;
pub use self::permit::Permit;
pub use self::registry::{Registry, RegistryOptions};
pub use self::state::{Cause, Change, Numbers, State};
use crate::context::Context;
use crate::resilience::admitted::Layer;
use crate::resilience::clock::{Clock, Now};
use crate::resilience::held::Held;
use crate::resilience::within::Call;
use crate::resilience::{
    BadOptions, ByResult, Classify, Failed, FailedKind, Outcome, Refusal, Snapshot,
};
use crate::shim::lock;
use crate::time::Instant;

/// A circuit breaker. Clones share its state.
///
/// While it is closed a call costs one exchange of a word, however large the window; with a time window, which is the
/// default, it also reads the clock. Now and then a call carries the count over, under a lock: when a tenth of the time
/// window is over or the word is full, of a window of calls only while a failure is in it.
///
/// ```
/// # use linchpin::{Context, resilience::breaker::{self, Breaker}};
/// # struct Client;
/// # impl Client { async fn charge(&self, _: u32) -> Result<u32, std::io::Error> { Ok(7) } }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> linchpin::Result<()> {
/// # let (ctx, client, order) = (Context::root(), Client, 1);
/// let breaker = Breaker::new("payments", breaker::Options::default())?;
/// let receipt = breaker.call(&ctx, || client.charge(order)).await;
/// # assert_eq!(receipt.unwrap(), 7);
/// # Ok(())
/// # }
/// ```
///
/// To stop waiting take a time limit inside of it, and put a retry around it: each attempt is then judged, and an open
/// breaker ends the retrying. To shed load of a callee that is only slow prefer a limiter.
pub struct Breaker<C = ByResult> {
    core: Arc<Core>,
    classify: C,
}

impl Breaker {
    /// A closed breaker; `name` tells it apart in refusals, logs and metrics.
    ///
    /// # Errors
    ///
    /// If the options do not fit together; the error says which and why.
    pub fn new(name: &'static str, options: Options) -> Result<Self, BadOptions> {
        options.check()?;
        let core = Core::new(name, None, Arc::new(Meters::new(name)), options, Instant::now());
        Ok(Self { core: Arc::new(core), classify: ByResult })
    }
}

impl<C> Breaker<C> {
    /// A handle of the same breaker that reads results in another way.
    #[must_use]
    pub fn classified<D>(&self, classify: D) -> Breaker<D> {
        Breaker { core: self.core.clone(), classify }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.core.name
    }

    // ----- calls

    /// Runs `work` if the breaker lets it, under `ctx`, and counts how it ended.
    ///
    /// # Errors
    ///
    /// `Refused` if the breaker is open, without `work` having been called; `Ended` if the context has ended, before or
    /// meanwhile; else what `work` failed with. A deadline that cuts `work` counts as a failure, any other end of the
    /// context is ignored.
    ///
    /// # Panics
    ///
    /// If `work` does, which counts as a failure.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops `work` where it stands; the call is ignored and the place of a probe free again.
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

    /// The same for work that does not wait.
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call).
    ///
    /// # Panics
    ///
    /// As [`call`](Self::call).
    #[inline]
    pub fn call_sync<T, E>(&self, work: impl FnOnce() -> Result<T, E>) -> Result<T, Failed<E>>
    where
        C: Classify<T, E>,
    {
        match self.core.pass(Clock) {
            Some(ticket) => {
                let permit = Permit::new(Held::Borrowed(&*self.core), ticket);
                conclude(&self.classify, permit, work())
            }
            None => self.call_otherwise(work),
        }
    }

    /// The same for a call that nobody lets through at once, which comes back to no place of those that are.
    #[inline(never)]
    fn call_otherwise<T, E>(&self, work: impl FnOnce() -> Result<T, E>) -> Result<T, Failed<E>>
    where
        C: Classify<T, E>,
    {
        match self.core.admit_otherwise(Clock.now()) {
            Ok(ticket) => {
                let permit = Permit::new(Held::Borrowed(&*self.core), ticket);
                conclude(&self.classify, permit, work())
            }
            Err(no) => Err(self.core.refusal(no).into()),
        }
    }

    /// Lets a call through at the time `now`: for who makes it by other means and records its outcome.
    ///
    /// ```
    /// # use linchpin::{resilience::{Outcome, breaker::{self, Breaker}}, time::Instant};
    /// # fn work() -> bool { true }
    /// let breaker = Breaker::new("payments", breaker::Options::default())?;
    /// let permit = breaker.admit(Instant::now())?;
    /// permit.record(if work() { Outcome::Success } else { Outcome::Failure });
    /// # Ok::<(), linchpin::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The refusal: `retry_after` says for how long it is open; it is `None` while every probe is under way, and when an
    /// operator holds it open.
    #[inline]
    pub fn admit(&self, now: Instant) -> Result<Permit<'_>, Refusal> {
        self.admit_by(now)
    }

    /// The same with a permit that owns a handle and may go wherever it likes.
    ///
    /// # Errors
    ///
    /// As [`admit`](Self::admit).
    pub fn admit_owned(&self, now: Instant) -> Result<Permit<'static>, Refusal> {
        self.own(now)
    }

    /// This breaker before each call of a tower service. See [`Admitted`](crate::resilience::admitted::Admitted).
    #[must_use]
    pub fn layer(&self) -> Layer<Self>
    where
        C: Clone,
    {
        Layer::new(self.clone())
    }

    // ----- for people

    /// Its numbers. Makes the transitions that are due first.
    #[must_use]
    pub fn numbers(&self) -> Numbers {
        self.core.numbers(Instant::now())
    }

    /// How it is. Makes the transitions that are due first.
    #[must_use]
    pub fn state(&self) -> State {
        self.numbers().state
    }

    /// It as people look at it.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let numbers = self.numbers();
        let mut shown = vec![
            ("calls", numbers.calls as f64),
            ("failures", numbers.failures as f64),
            ("slow", numbers.slow as f64),
            ("failures_in_a_row", numbers.consecutive_failures as f64),
            ("opens", f64::from(numbers.opens)),
        ];
        if numbers.state == State::HalfOpen {
            shown.push(("probes", numbers.probes as f64));
        }
        if let Some(wait) = numbers.retry_after {
            shown.push(("retry_after", wait.as_secs_f64()));
        }
        Snapshot {
            policy: POLICY,
            instance: self.core.name,
            key: self.core.key.clone(),
            state: numbers.state.as_str(),
            numbers: shown,
        }
    }

    // ----- for operators

    /// Refuses every call until an operator says otherwise.
    pub fn force_open(&self) {
        self.force(Standing::ForcedOpen);
    }

    /// Lets every call pass and counts none, until an operator says otherwise.
    pub fn force_closed(&self) {
        self.force(Standing::ForcedClosed);
    }

    /// Lets every call pass and counts them, until an operator says otherwise. When it would have opened it tells so,
    /// once.
    pub fn metrics_only(&self) {
        self.force(Standing::MetricsOnly { told: false });
    }

    /// Closes it, whatever it was, with an empty window.
    pub fn reset(&self) {
        self.force(Standing::Closed);
    }

    /// Takes other options from now on. Its state and what it has counted stay; a time it is open for and probes under
    /// way are as they were begun.
    ///
    /// A window of another kind (of calls, of time) begins empty. A shorter one forgets what lies outside of it.
    ///
    /// # Errors
    ///
    /// If the options do not fit together; nothing has changed then.
    pub fn reconfigure(&self, options: Options) -> Result<(), BadOptions> {
        options.check()?;
        self.core.reconfigure(&mut lock(&self.core.state), options, Instant::now());
        self.core.tell();
        Ok(())
    }

    // ----- inside

    fn force(&self, to: Standing) {
        self.core.force(&mut lock(&self.core.state), to, Instant::now());
        self.core.tell();
    }

    #[expect(clippy::inline_always, reason = "a few instructions that each call has")]
    #[inline(always)]
    fn admit_by(&self, clock: impl Now) -> Result<Permit<'_>, Refusal> {
        let ticket = match self.core.pass(clock) {
            Some(ticket) => ticket,
            None => match self.core.admit_otherwise(clock.now()) {
                Ok(ticket) => ticket,
                Err(no) => return Err(self.core.refusal(no)),
            },
        };
        Ok(Permit::new(Held::Borrowed(&*self.core), ticket))
    }

    fn own(&self, clock: impl Now) -> Result<Permit<'static>, Refusal> {
        let admitted = match self.core.pass(clock) {
            Some(ticket) => Ok(ticket),
            None => self.core.admit_otherwise(clock.now()),
        };
        match admitted {
            Ok(ticket) => Ok(Permit::new(Held::Owned(self.core.clone()), ticket)),
            Err(no) => Err(self.core.refusal(no)),
        }
    }
}

/// Records what a result says.
#[expect(clippy::inline_always, reason = "a few instructions that each call has")]
#[inline(always)]
fn says<T, E, C: Classify<T, E>>(classify: &C, permit: &mut Permit<'_>, result: Result<&T, &E>) {
    let outcome = classify.classify(result);
    let hint = match outcome {
        Outcome::Failure => classify.retry_after(result),
        _ => None,
    };
    permit.says(outcome, hint, Clock);
}

/// The same for a permit that needs to be no longer, with the result passed on.
#[expect(clippy::inline_always, reason = "a few instructions that each call has")]
#[inline(always)]
fn conclude<T, E, C: Classify<T, E>>(
    classify: &C,
    mut permit: Permit<'_>,
    result: Result<T, E>,
) -> Result<T, Failed<E>> {
    says(classify, &mut permit, result.as_ref());
    permit.done();
    match result {
        Ok(value) => Ok(value),
        Err(error) => Err(FailedKind::Callee(error).into()),
    }
}

const POLICY: &str = "breaker";

impl<C: Clone> Clone for Breaker<C> {
    fn clone(&self) -> Self {
        Self { core: self.core.clone(), classify: self.classify.clone() }
    }
}

/// How it is set.
impl<C> fmt::Display for Breaker<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        lock(&self.core.state).options.fmt(f)
    }
}

impl<C> fmt::Debug for Breaker<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Breaker")
            .field("name", &self.core.name)
            .field("key", &self.core.key)
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}
