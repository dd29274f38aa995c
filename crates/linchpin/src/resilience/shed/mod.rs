//! Refuses early what cannot be served, the least important first.
//!
//! ```text
//!   shutting down ? ──▶ too late for its deadline ? ──▶ too loaded for its class ? ──▶ more under way than it bears ? ──▶ in
//!        │ yes               │ yes (if asked)               │ yes (if asked)                │ yes
//!        └───────────────────┴──────────────────────────────┴───────────────────────────────┘
//!                                            Refused, in microseconds
//! ```
//!
//! A service that takes everything serves nobody when there is too much: each waits for all others, and is answered after
//! its client has gone. A refusal costs a thousandth of an answer, so what is refused early leaves room for what is served.
//!
//! Two signals must agree before anything is refused by default: the processors are busy, *and* more is under way than
//! the service has shown that it bears. Busy alone is a service at work; much under way alone may wait for others. That is
//! go-zero's rule. By criticality ([`Options::by_priority`]) the load alone decides.
//!
//! Put it in front of everything, so that a refusal costs nothing, and leave out what an operator needs in that very
//! moment: health and metrics. What is nearly done, such as a commit, is not refused either: it is inside.

mod core;
mod cpu;
mod flight;
mod layer;
mod level;
mod load;
mod median;
mod meters;
#[cfg(all(test, linchpin_loom))]
#[path = "../../model/shed.rs"]
mod model;
mod options;
mod permit;
mod recent;
mod stacked;
mod state;
mod waits;

use std::fmt;
use std::sync::Arc;

use self::core::Core;
pub use self::cpu::{Process, Source, Usage};
pub use self::level::Level;
pub use self::load::Load;
pub use self::options::{Options, Window};
pub use self::permit::Permit;
pub use self::state::Numbers;
use self::state::{Ask, Cause, No};
use crate::context::Context;
use crate::error::Kind;
use crate::resilience::admitted::Layer;
use crate::resilience::held::Held;
use crate::resilience::within::Call;
use crate::resilience::{BadOptions, ByResult, Classify, Failed, Refusal, Snapshot};
use crate::time::Instant;

/// Sheds load. Clones share what they know.
///
/// While there is no overload a call costs three exchanges of a word and two looks at the clock.
///
/// ```
/// # use linchpin::{Context, resilience::shed::{self, Shedder}};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> linchpin::Result<()> {
/// # let ctx = Context::root();
/// let shedder = Shedder::new("api", shed::Options::default())?;
/// let answer = shedder.call(&ctx, || async { Ok::<_, std::io::Error>(7) }).await;
/// # assert_eq!(answer.unwrap(), 7);
/// # Ok(())
/// # }
/// ```
///
/// What a call is to the service it reads from its context: a [`Priority`](crate::resilience::Priority), a [`Level`] within
/// it, a deadline. For a bound on what is under way that holds at any load take
/// [`Adaptive`](crate::resilience::adaptive::Adaptive) inside of it.
pub struct Shedder<C = ByResult> {
    core: Arc<Core>,
    accepting: Option<Context>,
    classify: C,
}

impl Shedder {
    /// A shedder that has seen nothing; `name` tells it apart in refusals, logs and metrics.
    ///
    /// # Errors
    ///
    /// If the options do not fit together, and outside of a tokio runtime unless they have a [`load`](Options::load): the
    /// error says which and why.
    pub fn new(name: &'static str, options: Options) -> Result<Self, BadOptions> {
        options.check()?;
        let load = match &options.load {
            Some(load) => load.clone(),
            None => Load::of_process()?,
        };
        let accepting = options.accepting.clone();
        let core = Arc::new(Core::new(name, options, load, Instant::now()));
        Ok(Self { core, accepting, classify: ByResult })
    }
}

impl<C> Shedder<C> {
    /// A handle of the same shedder that reads results in another way.
    #[must_use]
    pub fn classified<D>(&self, classify: D) -> Shedder<D> {
        Shedder { core: self.core.clone(), accepting: self.accepting.clone(), classify }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.core.name
    }

    // ----- calls

    /// Runs `work` under `ctx`, unless it has to be shed.
    ///
    /// # Errors
    ///
    /// `Refused` without `work` having been called; `Ended` if the context has ended, before or meanwhile; else what `work`
    /// failed with.
    ///
    /// # Panics
    ///
    /// If `work` does.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops `work` where it stands; the call is ignored.
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

    /// Lets a call through that begins at the time `now` and is for what `ctx` carries: for who makes it by other means
    /// and records its outcome.
    ///
    /// # Errors
    ///
    /// The refusal: `retry_after` is one second or two, drawn, if it is the load; there is none if the call comes too late
    /// for its deadline, and none if the service is shutting down, when another one may be asked at once.
    #[inline]
    pub fn admit(&self, ctx: &Context, now: Instant) -> Result<Permit<'_>, Refusal> {
        self.pass(ctx, now).map_err(|no| self.refusal(&no))?;
        Ok(Permit::new(Held::Borrowed(&*self.core), now))
    }

    /// The same with a permit that owns a handle and may go wherever it likes.
    ///
    /// # Errors
    ///
    /// As [`admit`](Self::admit).
    pub fn admit_owned(&self, ctx: &Context, now: Instant) -> Result<Permit<'static>, Refusal> {
        self.pass(ctx, now).map_err(|no| self.refusal(&no))?;
        Ok(Permit::new(Held::Owned(self.core.clone()), now))
    }

    /// This shedder before each call of a tower service. See [`Admitted`](crate::resilience::admitted::Admitted).
    ///
    /// There is no context there: every call is [`Critical`](crate::resilience::Priority::Critical) and has no deadline.
    #[must_use]
    pub fn layer(&self) -> Layer<Self>
    where
        C: Clone,
    {
        Layer::new(self.clone())
    }

    /// Whether so much is refused that clients had better not try again, wherever: their other attempts would be most of
    /// what comes. The header `x-retry: no` says so, which a retry obeys
    /// ([`retry_after::forbidden`](crate::resilience::retry::retry_after::forbidden)).
    ///
    /// A service sees itself alone, and takes itself for all of its fleet.
    #[must_use]
    pub fn discourages_retries(&self) -> bool {
        self.core.discourages_retries(Instant::now())
    }

    // ----- for people

    /// Its numbers.
    #[must_use]
    pub fn numbers(&self) -> Numbers {
        self.core.numbers(Instant::now())
    }

    /// It as people look at it.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let seen = self.numbers();
        let mut numbers = vec![
            ("load", seen.load),
            ("in_flight", f64::from(seen.inflight)),
            ("average", seen.average),
            ("most", seen.most),
            ("shed_share", seen.shed_share),
            ("shed", seen.shed as f64),
        ];
        numbers.extend(seen.median.map(|median| ("median", median.as_secs_f64())));
        let state = match (self.is_stopping(), seen.shed_share > 0.0) {
            (true, _) => "stopping",
            (false, true) => "shedding",
            (false, false) => "ready",
        };
        Snapshot { policy: POLICY, instance: self.core.name, key: None, state, numbers }
    }

    // ----- for operators

    /// Takes other options from now on. What it has seen stays, and so do where the load is read and the context of its
    /// shutdown: those of `options` are not looked at.
    ///
    /// # Errors
    ///
    /// If the options do not fit together; nothing has changed then.
    pub fn reconfigure(&self, options: Options) -> Result<(), BadOptions> {
        options.check()?;
        self.core.reconfigure(options);
        Ok(())
    }

    // ----- inside

    #[inline]
    fn pass(&self, ctx: &Context, now: Instant) -> Result<(), No> {
        let ask = Ask::of(ctx);
        if self.is_stopping() {
            return Err(No { cause: Cause::Stopping, class: ask.class, used: 0, limit: 0 });
        }
        self.core.admit(&ask, now)?;
        self.core.meters.admitted(ask.class);
        Ok(())
    }

    #[inline]
    fn is_stopping(&self) -> bool {
        self.accepting.as_ref().is_some_and(Context::is_cancelled)
    }

    #[cold]
    fn refusal(&self, no: &No) -> Refusal {
        self.core.refused(no);
        let by_load = matches!(no.cause, Cause::Busy | Cause::Priority);
        Refusal {
            retry_after: by_load.then(|| self.core.retry_after()),
            retryable: no.cause == Cause::Stopping,
            kind: if no.cause == Cause::Late { Kind::DeadlineExceeded } else { Kind::Unavailable },
            ..Refusal::new(POLICY, self.core.name, no.reason()).compared(no.used, no.limit)
        }
    }
}

const POLICY: &str = "shed";

impl<C: Clone> Clone for Shedder<C> {
    fn clone(&self) -> Self {
        self.classified(self.classify.clone())
    }
}

impl<C> fmt::Debug for Shedder<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shedder")
            .field("name", &self.core.name)
            .field("numbers", &self.numbers())
            .finish_non_exhaustive()
    }
}
