//! Chooses among targets that do the same, and leaves out for a while those that are not well.
//!
//! ```text
//!            too many failures in a row, or by far fewer successes than the others
//!   in use ──────────────────────────────────────────────────────────────────────▶ ejected
//!     ▲                                                                               │
//!     └───────────────────────────────────────────────────────────────────────────────┘
//!              its time is over: 30 s by its number of ejections, which good times reduce
//! ```
//!
//! A breaker stands before a dependency as a whole; this is for one host of many. What is ejected, and when, is Envoy's
//! outlier detection: failures in a row at once, shares at each sweep, never more than a share of all, and if too few are
//! left all are used (its panic threshold). Not here, as the classifier says what a failure is: Envoy's separate counts of
//! gateway errors and of errors of one's own side. The choice is Finagle's: of two that are drawn by chance the one with
//! less to do, which is as good as to look at all of them and does not send everybody to the same.
//!
//! The set may change while it is used. No timer and no task belong to it: each call and look first makes happen what is
//! due, dated when it was due.

mod core;
mod cost;
mod meters;
#[cfg(all(test, linchpin_loom))]
#[path = "../../model/outlier.rs"]
mod model;
mod options;
mod picked;
mod service;
mod state;
mod sweep;
mod target;

use std::fmt;
use std::sync::Arc;

use self::core::{Core, Ticket};
use self::meters::Meters;
pub use self::options::Options;
pub use self::picked::Picked;
pub use self::service::{Balanced, BalancedFuture};
pub use self::state::{Cause, Numbers, TargetNumbers};
pub use self::target::Target;
use crate::context::Context;
use crate::error::Kind;
use crate::resilience::held::Held;
use crate::resilience::retry::Tried;
use crate::resilience::{
    BadOptions, ByResult, Classify, Failed, FailedKind, Outcome, Refusal, Snapshot,
};
use crate::time::Instant;

/// Targets that do the same: addresses, clients, services. Clones share them.
///
/// To choose costs a look at two targets, an exchange and a clone of an `Arc`, and no lock while nobody is ejected,
/// returns, comes or goes, but for one choice in each sweep; to record two exchanges and a look at the clock. It does not
/// matter how many targets there are.
///
/// ```
/// # use linchpin::{Context, resilience::{outlier::{Balancer, Options}, retry::Tried}};
/// # async fn get(host: &str) -> Result<usize, std::io::Error> { Ok(host.len()) }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> linchpin::Result<()> {
/// # let ctx = Context::root();
/// let hosts = Balancer::new("search", ["10.0.0.1", "10.0.0.2"], Options::default())?;
/// let tried = Tried::default(); // one for all attempts of a call, so that the next goes elsewhere
/// let answer = hosts.call(&ctx, &tried, |host| async move { get(&host).await }).await;
/// # assert_eq!(answer.unwrap(), 8);
/// # Ok(())
/// # }
/// ```
///
/// It belongs inside of a retry, so that each attempt is another choice. Two targets are the same if they are equal: with a
/// client for a target, equality is that of its address.
pub struct Balancer<T, C = ByResult> {
    core: Arc<Core<T>>,
    classify: C,
}

impl<T: Eq + fmt::Display> Balancer<T> {
    /// A balancer over `targets`, which may be none yet; `name` tells it apart in refusals, logs and metrics.
    ///
    /// # Errors
    ///
    /// If the options do not fit together; the error says which and why.
    pub fn new(
        name: &'static str,
        targets: impl IntoIterator<Item = T>,
        options: Options,
    ) -> Result<Self, BadOptions> {
        options.check()?;
        let core = Core::new(name, Meters::new(name), options, Instant::now());
        let balancer = Self { core: Arc::new(core), classify: ByResult };
        balancer.replace(targets);
        Ok(balancer)
    }
}

impl<T: Eq + fmt::Display, C> Balancer<T, C> {
    /// Adds a target, unless there is one that is equal.
    pub fn add(&self, target: T) {
        let text = target.to_string().into();
        self.core.replace(vec![(target, text)], T::eq, Instant::now(), false);
    }

    /// Makes `targets` those there are, in one step: who stays keeps what is known of it, who goes is given no more calls.
    pub fn replace(&self, targets: impl IntoIterator<Item = T>) {
        let shown = |target: T| {
            let text = target.to_string().into();
            (target, text)
        };
        let targets = targets.into_iter().map(shown).collect();
        self.core.replace(targets, T::eq, Instant::now(), true);
    }
}

impl<T: Eq, C> Balancer<T, C> {
    /// Removes a target; whether it was there. Calls that are under way to it go on.
    pub fn remove(&self, target: &T) -> bool {
        self.core.remove(|other| other == target) > 0
    }
}

impl<T, C> Balancer<T, C> {
    /// A handle of the same balancer that reads results in another way.
    #[must_use]
    pub fn classified<D>(&self, classify: D) -> Balancer<T, D> {
        Balancer { core: self.core.clone(), classify }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.core.name
    }

    // ----- calls

    /// Runs `work` with a target, under `ctx`, and counts how it ended.
    ///
    /// # Errors
    ///
    /// `Refused` if there is no target at all, without `work` having been called; `Ended` if the context has ended, before
    /// or meanwhile; else what `work` failed with. A deadline that cuts `work` counts as a failure of the target, any
    /// other end of the context is ignored.
    ///
    /// # Panics
    ///
    /// If `work` does, which counts as a failure of the target.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops `work` where it stands; the call is ignored.
    pub async fn call<R, E, F, Fut>(
        &self,
        ctx: &Context,
        tried: &Tried<Target<T>>,
        work: F,
    ) -> Result<R, Failed<E>>
    where
        F: FnOnce(Target<T>) -> Fut,
        Fut: Future<Output = Result<R, E>>,
        C: Classify<R, E>,
    {
        ctx.check()?;
        let picked = self.pick(Instant::now(), (self.core.random)(), tried)?;
        let work = work(picked.target());
        // A context that never ends needs nobody who looks whether it has.
        let outcome = if ctx.never_ends() { Ok(work.await) } else { ctx.run_on(work).await };
        match outcome {
            Ok(result) => conclude(&self.classify, picked, result),
            Err(ended) => {
                picked.record(Outcome::of_end(&ended));
                Err(ended.into())
            }
        }
    }

    /// Chooses a target for a call that begins at `now`, by the chance `u` from 0.0 up to 1.0, other than those that were
    /// `tried`; one of those again if there is no other, and none of the ejected ones.
    ///
    /// ```
    /// # use linchpin::resilience::{Outcome, outlier::{Balancer, Options}, retry::Tried};
    /// # use linchpin::time::Instant;
    /// let hosts = Balancer::new("search", ["10.0.0.1", "10.0.0.2"], Options::default())?;
    /// let host = hosts.pick(Instant::now(), 0.7, &Tried::default())?;
    /// # fn get(_: &str) -> bool { true }
    /// let outcome = if get(&host) { Outcome::Success } else { Outcome::Failure };
    /// host.record(outcome);
    /// # Ok::<(), linchpin::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The refusal, if there is no target at all.
    #[inline]
    pub fn pick(
        &self,
        now: Instant,
        u: f64,
        tried: &Tried<Target<T>>,
    ) -> Result<Picked<'_, T>, Refusal> {
        let ticket = self.take(now, u, Some(tried))?;
        Ok(Picked::new(Held::Borrowed(&self.core), ticket))
    }

    /// The same for a call that is made once, with a chance of the options.
    ///
    /// # Errors
    ///
    /// As [`pick`](Self::pick).
    #[inline]
    pub fn draw(&self, now: Instant) -> Result<Picked<'_, T>, Refusal> {
        let ticket = self.take(now, (self.core.random)(), None)?;
        Ok(Picked::new(Held::Borrowed(&self.core), ticket))
    }

    /// The same with a guard that owns a handle and may go wherever it likes.
    ///
    /// # Errors
    ///
    /// As [`pick`](Self::pick).
    pub fn draw_owned(&self, now: Instant) -> Result<Picked<'static, T>, Refusal> {
        let ticket = self.take(now, (self.core.random)(), None)?;
        Ok(Picked::new(Held::Owned(self.core.clone()), ticket))
    }

    /// One tower service over the targets, which are services. See [`Balanced`].
    #[must_use]
    pub fn service(&self) -> Balanced<T, C>
    where
        C: Clone,
    {
        Balanced::new(self.clone())
    }

    // ----- for people

    /// Its numbers now.
    #[must_use]
    pub fn numbers(&self) -> Numbers {
        self.core.numbers(Instant::now())
    }

    /// The numbers of each target, in the order in which they came.
    #[must_use]
    pub fn targets(&self) -> Vec<TargetNumbers<T>> {
        self.core.targets(Instant::now())
    }

    /// It as people look at it.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let numbers = self.numbers();
        let state = match numbers {
            Numbers { targets: 0, .. } => "empty",
            Numbers { panicking: true, .. } => "panicking",
            Numbers { ejected: 0, .. } => "all_in_use",
            _ => "some_ejected",
        };
        Snapshot {
            policy: POLICY,
            instance: self.core.name,
            key: None,
            state,
            numbers: vec![
                ("targets", numbers.targets as f64),
                ("ejected", numbers.ejected as f64),
                ("under_way", numbers.under_way as f64),
                ("ejections", numbers.ejections as f64),
                ("overflows", numbers.overflows as f64),
            ],
        }
    }

    /// Each target as people look at it, with the target as the key.
    #[must_use]
    pub fn snapshots(&self) -> Vec<Snapshot> {
        let shown = |numbers: TargetNumbers<T>| Snapshot {
            policy: POLICY,
            instance: self.core.name,
            key: Some(numbers.target.text().clone()),
            state: if numbers.ejected_for.is_some() { "ejected" } else { "in_use" },
            numbers: vec![
                ("under_way", numbers.under_way as f64),
                ("calls", numbers.calls as f64),
                ("successes", numbers.successes as f64),
                ("failures_in_a_row", f64::from(numbers.consecutive_failures)),
                ("latency", numbers.latency.as_secs_f64()),
                ("ejections", numbers.ejections as f64),
                ("ejected_for", numbers.ejected_for.unwrap_or_default().as_secs_f64()),
            ],
        };
        self.targets().into_iter().map(shown).collect()
    }

    // ----- for operators

    /// Takes other options from now on. The targets, what is known of them and for how long they are ejected stay.
    ///
    /// # Errors
    ///
    /// If the options do not fit together; nothing has changed then.
    pub fn reconfigure(&self, options: Options) -> Result<(), BadOptions> {
        options.check()?;
        self.core.reconfigure(options, Instant::now());
        Ok(())
    }

    // ----- inside

    #[inline]
    fn take(
        &self,
        now: Instant,
        u: f64,
        tried: Option<&Tried<Target<T>>>,
    ) -> Result<Ticket<T>, Refusal> {
        self.core.pick(now, u, tried).ok_or_else(|| self.refusal())
    }

    #[cold]
    fn refusal(&self) -> Refusal {
        self.core.meters.refused(self.core.name);
        // Those who find targets may bring some at any time.
        Refusal {
            kind: Kind::Unavailable,
            retryable: true,
            ..Refusal::new(POLICY, self.core.name, "it has no target")
        }
    }
}

/// Records what `result` says, and passes it on.
#[inline]
fn conclude<T, R, E, C: Classify<R, E>>(
    classify: &C,
    picked: Picked<'_, T>,
    result: Result<R, E>,
) -> Result<R, Failed<E>> {
    picked.record(classify.classify(result.as_ref()));
    match result {
        Ok(value) => Ok(value),
        Err(error) => Err(FailedKind::Callee(error).into()),
    }
}

const POLICY: &str = "balancer";

impl<T, C: Clone> Clone for Balancer<T, C> {
    fn clone(&self) -> Self {
        Self { core: self.core.clone(), classify: self.classify.clone() }
    }
}

impl<T, C> fmt::Debug for Balancer<T, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Balancer")
            .field("name", &self.core.name)
            .field("numbers", &self.numbers())
            .finish_non_exhaustive()
    }
}
