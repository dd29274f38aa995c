//! Gives something less when there is no answer: what was known before, a default, what another source says.
//!
//! ```text
//!   work ──▶ an answer, good or final ─────────────────────────────────────▶ as it is
//!     └──▶ failed, in time, and something less may stand in for it ──▶ instead ──▶ its value, marked as degraded
//!                                                                        └──▶ failed, too: its error, with the first inside
//! ```
//!
//! It belongs around everything else, so that it sees the last word of a call and not that of each attempt; and around
//! reads alone, since nothing stands in for a write that was not made.
//!
//! What is at hand is the best thing to fall back on: a value, a cache, however stale. Another remote source is the worst:
//! it is asked by all at once and just then, was never asked before, and was not made for it. Give such a one a breaker and
//! a bulkhead of its own, and [exercise](Options::exercise_rate) it.

mod core;
mod degraded;
mod instead;
mod layer;
mod lost;
mod meters;
mod options;

use std::fmt;
use std::sync::Arc;

use self::core::Core;
pub use self::degraded::{Degraded, Reason, Served};
pub use self::instead::{ByFn, ByService, Instead, Sending, Value};
pub use self::layer::{Layer, StandIn, StandInFuture};
pub use self::lost::Lost;
pub use self::meters::Numbers;
pub use self::options::Options;
use crate::context::{Context, Ended};
use crate::error::{catch, catch_async};
use crate::resilience::{BadOptions, ByResult, Classify, Failed, FailedKind, Outcome, Snapshot};

/// Gives something less when there is no answer. Clones share the numbers.
///
/// The value it gives is [`Served`], which tells an answer from what stands in for it: the latter must not be kept as if
/// it were the former.
///
/// ```
/// # use linchpin::{Context, Error, Kind};
/// # use linchpin::resilience::{ByKind, fallback::{self, Fallback, Reason}};
/// # async fn ask() -> Result<u32, Error> { Err(Error::new(Kind::Unavailable, "no connection")) }
/// # fn remembered() -> u32 { 7 }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> linchpin::Result<()> {
/// # let ctx = Context::root();
/// let prices = Fallback::new("prices", fallback::Options::default())?.classified(ByKind);
/// let price = prices.call(&ctx, ask, |_| async { Ok(remembered()) }).await.unwrap();
/// assert_eq!(*price, 7);
/// assert_eq!(price.degraded().unwrap().reason, Reason::Failed);
/// # Ok(())
/// # }
/// ```
///
/// What it stands in for is the classifier's word ([`Classify::degraded`]): failures, the time limit of an attempt, and
/// the refusals of policies inside, a limiter's apart. Never for an answer such as "no such thing", for the end of the
/// context, or for a panic, which is a bug and not an outage.
///
/// There is no permit, as other policies give: nothing is admitted here, and who has a result by other means needs no more
/// than [`Classify::degraded`] and an `if`.
pub struct Fallback<C = ByResult> {
    core: Arc<Core>,
    classify: C,
}

impl Fallback {
    /// A fallback; `name` tells it apart in logs and metrics, and is in the mark of what it gives.
    ///
    /// # Errors
    ///
    /// If the options do not fit together; the error says which and why.
    pub fn new(name: &'static str, options: Options) -> Result<Self, BadOptions> {
        options.check()?;
        Ok(Self { core: Arc::new(Core::new(name, options)), classify: ByResult })
    }
}

impl<C> Fallback<C> {
    /// A handle of the same fallback that reads results in another way.
    #[must_use]
    pub fn classified<D>(&self, classify: D) -> Fallback<D> {
        Fallback { core: self.core.clone(), classify }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.core.name
    }

    // ----- calls

    /// Runs `work` under `ctx`, and `instead` if it fails in a way that something less may stand in for.
    ///
    /// `instead` is told what was [`Lost`], from which it takes what it needs before its future begins.
    ///
    /// # Errors
    ///
    /// What `work` failed with, if nothing stands in for that; `Ended` if the context has ended before or meanwhile. If
    /// `instead` fails, too, its error, or `Ended`, with that of `work` as its [source](Failed::instead_of).
    ///
    /// # Panics
    ///
    /// If `work` does, for which nothing stands in, or `instead`, unless it is only exercised.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops `work` or `instead` where it stands.
    pub async fn call<T, E, F, Fut, G, Gut>(
        &self,
        ctx: &Context,
        work: F,
        instead: G,
    ) -> Result<Served<T>, Failed<E>>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
        G: FnOnce(Lost<'_, T, E>) -> Gut,
        Gut: Future<Output = Result<T, E>>,
        C: Classify<T, E>,
    {
        self.core.meters.called();
        let result = match ctx.check() {
            Ok(()) => ctx.run_on(work()).await,
            Err(ended) => Err(ended),
        };
        let Some((degraded, until)) = self.judge(ctx, &result) else {
            // No borrow of the answer is held while it waits: a body may be sent to another thread, and not shared.
            let exercise = match &result {
                Ok(Ok(value)) => self.exercise(ctx, value, instead),
                _ => None,
            };
            if let Some(exercise) = exercise {
                exercise.await;
            }
            return pass(result);
        };
        let own = until.map(|until| ctx.detached().with_deadline(until));
        let ctx = own.as_deref().unwrap_or(ctx);
        let lost = result.as_ref().ok().map(Result::as_ref);
        let work = instead(Lost::new(lost, degraded, ctx));
        // An answer that is none may hold a connection, so it goes before the wait.
        let first = pass(result).err();
        let failed: Failed<E> = match ctx.run_on(work).await {
            Ok(Ok(value)) => {
                self.core.meters.used(degraded);
                return Ok(Served::instead(value, degraded));
            }
            Ok(Err(error)) => FailedKind::Callee(error).into(),
            Err(ended) => ended.into(),
        };
        self.core.meters.failed(degraded);
        Err(match first {
            Some(first) => failed.standing_in_for(first),
            None => failed,
        })
    }

    /// The same with a value that is at hand.
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call), but that the fallback does not fail.
    ///
    /// # Panics
    ///
    /// If `work` does.
    ///
    /// # Cancel safety
    ///
    /// As [`call`](Self::call).
    pub async fn call_or<T, E, F, Fut>(
        &self,
        ctx: &Context,
        work: F,
        value: T,
    ) -> Result<Served<T>, Failed<E>>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
        C: Classify<T, E>,
    {
        self.call(ctx, work, |_| std::future::ready(Ok(value))).await
    }

    /// This fallback around each call of a tower service, with what stands in for its response: a [`Value`], a function
    /// ([`ByFn`]), another service ([`ByService`]), or your own [`Instead`]. See [`StandIn`].
    #[must_use]
    pub fn layer<I>(&self, instead: I) -> Layer<C, I>
    where
        C: Clone,
    {
        Layer::new(self.clone(), instead)
    }

    /// Takes other options from now on. What it has counted stays.
    ///
    /// # Errors
    ///
    /// If the options do not fit together; nothing has changed then.
    pub fn reconfigure(&self, options: Options) -> Result<(), BadOptions> {
        options.check()?;
        self.core.set(options);
        Ok(())
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
        let Numbers { calls, used, failed, exercised, exercises_failed } = self.numbers();
        let degraded = (used + failed) as f64 / calls.max(1) as f64;
        Snapshot {
            policy: "fallback",
            instance: self.core.name,
            key: None,
            state: "ready",
            numbers: vec![
                ("degraded", degraded),
                ("calls", calls as f64),
                ("used", used as f64),
                ("failed", failed as f64),
                ("exercised", exercised as f64),
                ("exercises_failed", exercises_failed as f64),
            ],
        }
    }

    // ----- inside

    /// Whether something stands in for `result`, and until when if that is not the end of the context.
    fn judge<T, E>(
        &self,
        ctx: &Context,
        result: &Result<Result<T, E>, Ended>,
    ) -> Option<(Degraded, Option<crate::time::Instant>)>
    where
        C: Classify<T, E>,
    {
        let reason = match result {
            Ok(result) => self.classify.degraded(result.as_ref())?,
            Err(_) => Reason::Deadline,
        };
        let until = match ctx.check() {
            Ok(()) => None,
            Err(ended) => Some(self.core.grace(ctx, &ended)?),
        };
        Some((self.core.degraded(reason), until))
    }

    fn is_to_exercise<T, E>(&self, result: Result<&T, &E>) -> bool
    where
        C: Classify<T, E>,
    {
        self.core.draws() && self.classify.classify(result) == Outcome::Success
    }

    /// What tries `instead` though there is an answer, which it cannot harm, if it is to be tried.
    fn exercise<'c, T, E, G, Gut>(
        &'c self,
        ctx: &'c Context,
        value: &T,
        instead: G,
    ) -> Option<impl Future<Output = ()> + use<'c, T, E, G, Gut, C>>
    where
        G: FnOnce(Lost<'_, T, E>) -> Gut,
        Gut: Future<Output = Result<T, E>>,
        C: Classify<T, E>,
    {
        if !self.is_to_exercise(Ok::<_, &E>(value)) {
            return None;
        }
        let degraded = self.core.degraded(Reason::Exercise);
        let work = catch(|| instead(Lost::new(Some(Ok(value)), degraded, ctx)));
        Some(async move {
            let tried = match work {
                Ok(work) => catch_async(ctx.run(work)).await,
                Err(panicked) => Err(panicked),
            };
            self.core.exercised(degraded, tried.map(|result| result.map(|result| result.is_ok())));
        })
    }
}

/// What `work` came to, as it is.
fn pass<T, E>(result: Result<Result<T, E>, Ended>) -> Result<Served<T>, Failed<E>> {
    match result {
        Ok(Ok(value)) => Ok(Served::answer(value)),
        Ok(Err(error)) => Err(FailedKind::Callee(error).into()),
        Err(ended) => Err(ended.into()),
    }
}

impl<C: Clone> Clone for Fallback<C> {
    fn clone(&self) -> Self {
        Self { core: self.core.clone(), classify: self.classify.clone() }
    }
}

impl<C> fmt::Debug for Fallback<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fallback")
            .field("name", &self.core.name)
            .field("numbers", &self.numbers())
            .finish_non_exhaustive()
    }
}
