//! Sends a second request when the first takes long, and takes the answer that comes first.
//!
//! ```text
//!   attempt 1 ──────── slow ─────────────────┬──────────────────────────▶ lost: dropped
//!                       │ the delay is over  │ or it failed
//!                       ▼                    ▼
//!               attempt 2, if doing it twice is harmless, in time, and in both budgets ──▶ answer
//! ```
//!
//! One call in a hundred is slow by bad luck: a pause, a lost packet, a host that is busy. A second attempt has other luck.
//! What is slow for all is no luck, and then a hedge makes it worse: so further attempts are a small share of all calls,
//! and a call is slow only by the measure of the calls before it.
//!
//! It is a retry as well: an attempt that fails brings the next one at once. So no retry is put around a hedge, nor a
//! hedge around a retry.

mod call;
mod core;
mod latency;
mod layer;
mod meters;
#[cfg(all(test, linchpin_loom))]
#[path = "../../model/hedge.rs"]
mod model;
mod options;
mod race;

use std::fmt;
use std::sync::Arc;

use self::call::{Bounds, Call};
use self::core::Core;
pub use self::layer::{Hedged, HedgedFuture, Layer};
pub use self::meters::Numbers;
pub use self::options::Options;
use self::race::{Calls, Race, Source as _};
use crate::context::Context;
use crate::resilience::retry::{Allow as _, Attempt, ByClone};
use crate::resilience::{BadOptions, ByResult, Classify, Failed, Snapshot};
use crate::time::Instant;

/// Sends a second request when the first takes long. Clones share the budgets, the numbers and what is known of delays.
///
/// The work is called anew for each attempt, and all attempts are polled by the task of the call. A call that need not
/// wait reads no clock and allocates nothing; each further attempt is an allocation. The attempts that lost are dropped
/// before the answer is given, and nobody waits for them.
///
/// ```
/// # use std::time::Duration;
/// # use linchpin::{Context, resilience::{hedge::{self, Hedge}, retry::Attempt}};
/// # struct Client;
/// # impl Client {
/// #     async fn search(&self, attempt: Attempt<'_>, _: &str) -> Result<u32, std::io::Error> {
/// #         if attempt.number() == 1 { tokio::time::sleep(Duration::from_secs(9)).await }
/// #         Ok(attempt.number())
/// #     }
/// # }
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> linchpin::Result<()> {
/// # let (ctx, client) = (Context::root(), Client);
/// # let options = hedge::Options::default().delay(Duration::from_millis(50)).max_extra_load(1.0);
/// # let options = || options.clone();
/// let hedge = Hedge::new("search", options().idempotent())?;
/// let found = hedge.call(&ctx, |attempt| client.search(attempt, "pins")).await;
/// # assert_eq!(found.unwrap(), 2);
/// # Ok(())
/// # }
/// ```
///
/// Make one for each route, since the delay is that of similar calls, and give those of one target the same
/// [budget](Options::budget). Put breakers, limits and time limits inside, so that each attempt has its own, and give it
/// [`ByFailed`](super::ByFailed) to understand them. An attempt that one of them refuses says nothing: it brings no other
/// attempt, and those under way go on. Time in a queue inside, be it a bulkhead, a limiter's turn or the readiness of a
/// service, is none of an attempt's: its delay and its sample count from when it has left the queue, as long as the queue
/// is in the task of the call. Where the next attempt should go to another host, a
/// [`Tried`](super::retry::Tried) tells which ones were taken.
///
/// There is no permit, as other policies give: what a hedge does is to race the attempts of a call, and who made them by
/// other means would have to race them, too.
pub struct Hedge<C = ByResult> {
    core: Arc<Core>,
    classify: C,
    pub(super) is_idempotent: bool,
}

impl Hedge {
    /// A hedge; `name` tells it apart in logs and metrics.
    ///
    /// # Errors
    ///
    /// If the options do not fit together; the error says which and why.
    pub fn new(name: &'static str, options: Options) -> Result<Self, BadOptions> {
        options.check()?;
        let is_idempotent = options.idempotent;
        let core = Arc::new(Core::new(name, options, Instant::now()));
        Ok(Self { core, classify: ByResult, is_idempotent })
    }
}

impl<C> Hedge<C> {
    /// A handle of the same hedge that reads results in another way.
    #[must_use]
    pub fn classified<D>(&self, classify: D) -> Hedge<D> {
        Hedge { core: self.core.clone(), classify, is_idempotent: self.is_idempotent }
    }

    /// A handle of the same hedge for calls that may be done twice, at the same time too, without harm.
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

    /// Runs `work` under `ctx`, and once more beside it when it takes long or fails. The first answer is given.
    ///
    /// An error that is final ([`Again::Never`](super::Again)) is an answer, too.
    ///
    /// # Errors
    ///
    /// The final error of an attempt; if all have failed otherwise, the error of the first attempt. In both cases
    /// [`others`](Failed::others) are those of the other attempts, [`attempts`](Failed::attempts) their number, and
    /// [`stop_reason`](Failed::stop_reason) why there was no further one. `Ended` if the context has ended before or
    /// during the attempts. A first answer that is no error but counts as a failure is given as it is, when all have
    /// failed.
    ///
    /// # Panics
    ///
    /// If an attempt does, whatever the others do; outside of a tokio runtime with timers if it has to wait.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops all attempts where they stand. What was paid for a further attempt stays paid, but for a
    /// budget by concurrency, which has its place back.
    pub async fn call<'a, T, E, F, Fut>(&self, ctx: &'a Context, work: F) -> Result<T, Failed<E>>
    where
        F: FnMut(Attempt<'a>) -> Fut,
        Fut: Future<Output = Result<T, E>>,
        C: Classify<T, E>,
    {
        ctx.check()?;
        let bounds = Bounds { deadline: ctx.deadline(), is_idempotent: self.is_idempotent };
        let mut call = Call::new(self, bounds);
        let mut source = Calls { ctx, work };
        let first = source.send(1);
        let raced = ctx.run_on(Race::new(source, first, &mut call)).await;
        match raced {
            Ok(result) => result,
            Err(ended) => {
                let stopped = call.cut(&ended);
                Err(Failed::from(ended).stopped(stopped))
            }
        }
    }

    /// This hedge around each call of a tower service, whose requests can be cloned and are as
    /// [idempotent](Options::idempotent) as the options say. See [`Hedged`].
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

    /// Takes other options from now on, calls under way too. What it has counted and measured stays.
    ///
    /// The budget is the one it was built with, and whether calls are idempotent is as each handle says.
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
        self.core.meters.numbers(self.core.load.calls(), self.core.delay())
    }

    /// It as people look at it.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let now = Instant::now();
        let left = self.core.load.left(now).min(self.core.budget.left(now).unwrap_or(f64::MAX));
        let Numbers { calls, sent, won, lost, out_of_budget, failed, panicked, delay } =
            self.numbers();
        let share =
            |part: u64, whole: u64| if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
        let mut numbers = vec![
            ("extra_load", share(sent, calls)),
            ("win_ratio", share(won, sent)),
            ("calls", calls as f64),
            ("sent", sent as f64),
            ("won", won as f64),
            ("lost", lost as f64),
            ("failed", failed as f64),
            ("out_of_budget", out_of_budget as f64),
            ("panicked", panicked as f64),
            ("left", left),
        ];
        numbers.extend(delay.map(|delay| ("delay", delay.as_secs_f64())));
        let state = match delay {
            _ if self.core.max_attempts() == 1 => "off",
            None => "measuring",
            Some(_) if left < 1.0 => "out of budget",
            Some(_) => "ready",
        };
        Snapshot { policy: "hedge", instance: self.core.name, key: None, state, numbers }
    }
}

/// A hedge at hand, or one of a call's own.
trait Handle {
    type Classify;

    fn core(&self) -> &Core;

    fn classify(&self) -> &Self::Classify;
}

impl<C> Handle for Hedge<C> {
    type Classify = C;

    #[inline]
    fn core(&self) -> &Core {
        &self.core
    }

    #[inline]
    fn classify(&self) -> &C {
        &self.classify
    }
}

impl<C> Handle for &Hedge<C> {
    type Classify = C;

    #[inline]
    fn core(&self) -> &Core {
        &self.core
    }

    #[inline]
    fn classify(&self) -> &C {
        &self.classify
    }
}

impl<C: Clone> Clone for Hedge<C> {
    fn clone(&self) -> Self {
        let Self { core, classify, is_idempotent } = self;
        Self { core: core.clone(), classify: classify.clone(), is_idempotent: *is_idempotent }
    }
}

/// How it is set: "up to 2 attempts, the next after 50ms".
impl<C> fmt::Display for Hedge<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "up to {} attempts, the next ", self.core.max_attempts())?;
        match self.core.delay() {
            Some(delay) => write!(f, "after {delay:?}"),
            None => f.write_str("when it takes longer than is usual"),
        }
    }
}

impl<C> fmt::Debug for Hedge<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hedge")
            .field("name", &self.core.name)
            .field("numbers", &self.numbers())
            .finish_non_exhaustive()
    }
}
