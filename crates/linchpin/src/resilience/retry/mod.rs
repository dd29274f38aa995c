//! Makes a call again that failed, where that makes sense and does no harm.
//!
//! ```text
//!   attempt ──▶ success, or final ──────────────────────────────────────────────▶ its result
//!      ▲  │
//!      │  └──▶ failed ──▶ attempts left? ─▶ harmless? ─▶ not pushed back? ─▶ in time? ─▶ in the budget?
//!      │                       no: the last error, which says why there was no further attempt     │
//!      └────────────────────────────── the delay is over ◀─────────────────────────────────────────┘
//! ```
//!
//! What may be tried again is the classifier's word ([`Again`](super::Again), [`Classify::again`]). How long to wait is in
//! a [`Schedule`], and what the callee asks for ([`Classify::retry_after`]) is never undercut. What the retries of all
//! calls together may cost is in a [`Budget`].
//!
//! One layer of a service retries: three layers that try three times each are 27 calls.

mod attempt;
mod budget;
mod core;
mod layer;
mod meters;
#[cfg(all(test, linchpin_loom))]
#[path = "../../model/retry_budget.rs"]
mod model;
mod options;
mod pace;
mod replay;
pub mod retry_after;
mod retrying;
mod schedule;
mod stop;
mod tried;

use std::fmt;
use std::sync::Arc;

pub use self::attempt::Attempt;
pub(super) use self::budget::Ratio;
pub use self::budget::{Allow, Budget, Event};
pub(super) use self::core::{Bounds, Call, Core, Course, Said};
pub use self::layer::{Layer, Retried, RetriedFuture};
use self::meters::Meters;
pub use self::meters::Numbers;
pub use self::options::Options;
pub use self::pace::Pace;
pub use self::replay::{ByClone, Replay};
use self::retrying::Retrying;
pub use self::schedule::{Jitter, Schedule};
pub use self::stop::StopReason;
pub(super) use self::stop::Stopped;
pub use self::tried::Tried;
use crate::context::Context;
use crate::resilience::{BadOptions, ByResult, Classify, Failed, Snapshot};
use crate::time::Instant;

/// Makes a call again that failed. Clones share the budget and the numbers.
///
/// The work is called anew for each attempt, and its future may keep the [`Attempt`]. A call that succeeds at once
/// reads no clock, allocates nothing, and costs one atomic addition for the budget.
///
/// ```
/// # use linchpin::{Context, resilience::retry::{self, Attempt, Retry}};
/// # struct Client;
/// # impl Client {
/// #     async fn charge(&self, attempt: Attempt<'_>, _: &u32) -> Result<u32, std::io::Error> {
/// #         if attempt.is_retry() { Ok(7) } else { Err(std::io::ErrorKind::TimedOut.into()) }
/// #     }
/// # }
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> linchpin::Result<()> {
/// # let (ctx, client, order) = (Context::root(), Client, 1);
/// let retry = Retry::new("payments", retry::Options::default().idempotent())?;
/// let receipt = retry.call(&ctx, |attempt| client.charge(attempt, &order)).await;
/// # assert_eq!(receipt.unwrap(), 7);
/// # Ok(())
/// # }
/// ```
///
/// Put it around a breaker and a time limit, so that each attempt is judged and has its own time, and give it
/// [`ByFailed`](super::ByFailed) to understand them; [`Failed::flatten`] makes one error of the two. It holds no permit
/// of an inner policy while it waits. To send a second request before the first has failed is another policy's work.
pub struct Retry<C = ByResult> {
    pub(super) core: Arc<Core>,
    classify: C,
    pub(super) is_idempotent: bool,
}

impl Retry {
    /// A retry; `name` tells it apart in logs and metrics.
    ///
    /// # Errors
    ///
    /// If the options do not fit together; the error says which and why.
    pub fn new(name: &'static str, options: Options) -> Result<Self, BadOptions> {
        options.check()?;
        let budget = options.budget.clone().unwrap_or_default();
        let is_idempotent = options.idempotent;
        let core = Arc::new(Core { name, options, budget, meters: Meters::new(name) });
        Ok(Self { core, classify: ByResult, is_idempotent })
    }
}

impl<C> Retry<C> {
    /// A handle of the same retry that reads results in another way.
    #[must_use]
    pub fn classified<D>(&self, classify: D) -> Retry<D> {
        Retry { core: self.core.clone(), classify, is_idempotent: self.is_idempotent }
    }

    /// A handle of the same retry for calls that may be done twice without harm.
    #[must_use]
    pub fn idempotent(&self) -> Self
    where
        C: Clone,
    {
        Self { is_idempotent: true, ..self.clone() }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.core.name
    }

    // ----- calls

    /// Runs `work` under `ctx`, and again while that makes sense.
    ///
    /// # Errors
    ///
    /// The last error of `work`, whose [`stop_reason`](Failed::stop_reason) and [`attempts`](Failed::attempts) tell why it
    /// was the last; if a policy inside refused a later attempt, the error before that. `Ended` if the context has ended
    /// before, between or during the attempts. A last answer that is no error but counts as a failure is given as it is.
    ///
    /// # Panics
    ///
    /// If `work` does, which is not tried again.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops `work` where it stands. What was paid for a retry stays paid, but for a budget by
    /// concurrency, which has its place back.
    pub fn call<'a, T, E, F, Fut>(
        &self,
        ctx: &'a Context,
        work: F,
    ) -> impl Future<Output = Result<T, Failed<E>>>
    where
        F: FnMut(Attempt<'a>) -> Fut,
        Fut: Future<Output = Result<T, E>>,
        C: Classify<T, E>,
    {
        Retrying::new(self, ctx, work)
    }

    /// This retry around each call of a tower service, whose requests can be cloned and are as
    /// [idempotent](Options::idempotent) as the options say. See [`Retried`].
    #[must_use]
    pub fn layer(&self) -> Layer<C>
    where
        C: Clone,
    {
        Layer::new(self.clone(), ByClone)
    }

    /// The same, where it depends on the request whether and how it can be sent again.
    #[must_use]
    pub fn layer_with<P>(&self, replay: P) -> Layer<C, P>
    where
        C: Clone,
    {
        Layer::new(self.clone(), replay)
    }

    // ----- for people

    /// Its numbers.
    #[must_use]
    pub fn numbers(&self) -> Numbers {
        self.core.meters.numbers()
    }

    /// It as people look at it.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let numbers = self.numbers();
        let left = self.core.budget.left(Instant::now());
        let mut shown = vec![
            ("retries", numbers.retries as f64),
            ("recovered", numbers.recovered as f64),
            ("failed", numbers.failed as f64),
            ("out_of_budget", numbers.out_of_budget as f64),
            ("panicked", numbers.panicked as f64),
        ];
        shown.extend(left.map(|left| ("left", left)));
        let is_spent = left.is_some_and(|left| left < 1.0);
        let state = if is_spent { "out of budget" } else { "ready" };
        Snapshot { policy: POLICY, instance: self.core.name, key: None, state, numbers: shown }
    }
}

const POLICY: &str = "retry";

impl<C: Clone> Clone for Retry<C> {
    fn clone(&self) -> Self {
        let Self { core, classify, is_idempotent } = self;
        Self { core: core.clone(), classify: classify.clone(), is_idempotent: *is_idempotent }
    }
}

/// How it is set.
impl<C> fmt::Display for Retry<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Core { options, budget, .. } = &*self.core;
        match options.max_attempts {
            Some(most) => write!(f, "up to {most} attempts")?,
            None => f.write_str("any number of attempts")?,
        }
        write!(f, ", {}, within {budget}", options.backoff)
    }
}

impl<C> fmt::Debug for Retry<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retry")
            .field("name", &self.core.name)
            .field("numbers", &self.numbers())
            .finish_non_exhaustive()
    }
}
