//! Sends less to a callee that takes less on, and learns at once when it takes on more.
//!
//! ```text
//!             requests - multiplier * accepted
//!   chance = ─────────────────────────────────── , to the power of 1 / aggression; at most `most_refused`
//!                     requests + 1
//! ```
//!
//! *Accepted* are the calls that the callee took on, whatever became of them: an error of the business is an answer.
//! *Requests* are those, those that it turned away or left without an answer, those that were refused here, and those that
//! are under way for longer than a grace. Since refusals count, a callee that takes on nothing gets less and less, and
//! one that takes on all that is left is soon sent everything again.
//!
//! It is the client's half of the handling of overload in Google's book on site reliability (the chapter of that name,
//! adaptive throttling), with what others have added: a least number of requests, a highest chance (Envoy's admission
//! control), a probe when nobody passed for long (go-zero). The book counts a request when it is made: a client that
//! begins a hundred calls at once would spare a callee that is well. Here it counts when it ends, or when the grace is
//! over.
//!
//! No timer and no task belong to it.

mod layer;
mod machine;
mod meters;
#[cfg(all(test, linchpin_loom))]
#[path = "../../model/throttle.rs"]
mod model;
mod options;
mod permit;
mod stacked;
mod state;
mod turn;
mod word;

use std::fmt;
use std::sync::Arc;

use self::machine::{Core, No};
use self::meters::Meters;
pub use self::options::Options;
pub use self::permit::Permit;
pub(super) use self::stacked::Ticket;
pub use self::state::Numbers;
use crate::context::Context;
use crate::error::Kind;
use crate::resilience::admitted::Layer;
use crate::resilience::clock::Clock;
use crate::resilience::held::Held;
use crate::resilience::within::Call;
use crate::resilience::{BadOptions, ByResult, Classify, Failed, FailedKind, Refusal, Snapshot};
use crate::shim::lock;
use crate::time::Instant;

/// An adaptive throttle. Clones share what they count.
///
/// A call costs two looks at the clock, an exchange of a word before and one after; while the callee takes on everything,
/// no chance is drawn and nothing is divided. Now and then, sixteen times in the grace at most, a call carries the
/// count over, under a lock.
///
/// ```
/// # use linchpin::{Context, resilience::throttle::{self, Throttle}};
/// # struct Client;
/// # impl Client { async fn search(&self, _: &str) -> Result<u32, std::io::Error> { Ok(7) } }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> linchpin::Result<()> {
/// # let (ctx, client) = (Context::root(), Client);
/// let throttle = Throttle::new("search", throttle::Options::default())?;
/// let hits = throttle.call(&ctx, || client.search("linchpin")).await;
/// # assert_eq!(hits.unwrap(), 7);
/// # Ok(())
/// # }
/// ```
///
/// For a callee that is overloaded by many clients, of which each does its part. It never shuts: for one that is dead
/// take a [`Breaker`](super::breaker::Breaker), which spares the caller the wait, too.
///
/// What counts as taken on is the classifier's word, [`Classify::load`]: by default whatever is no error; with
/// [`ByKind`](super::ByKind) all but `Unavailable`, `ResourceExhausted` and `DeadlineExceeded`.
pub struct Throttle<C = ByResult> {
    core: Arc<Core>,
    classify: C,
}

impl Throttle {
    /// A throttle that refuses nobody yet; `name` tells it apart in refusals, logs and metrics.
    ///
    /// # Errors
    ///
    /// If the options do not fit together; the error says which and why.
    pub fn new(name: &'static str, options: Options) -> Result<Self, BadOptions> {
        options.check()?;
        let core = Core::new(name, Meters::new(name), options, Instant::now());
        Ok(Self { core: Arc::new(core), classify: ByResult })
    }
}

impl<C> Throttle<C> {
    /// A handle of the same throttle that reads results in another way.
    #[must_use]
    pub fn classified<D>(&self, classify: D) -> Throttle<D> {
        Throttle { core: self.core.clone(), classify }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.core.name
    }

    // ----- calls

    /// Runs `work` under `ctx` unless it is refused, and counts how it ended.
    ///
    /// # Errors
    ///
    /// `Refused` by chance, without `work` having been called; `Ended` if the context has ended, before or meanwhile;
    /// else what `work` failed with. A deadline that cuts `work` counts as a request that was not accepted, any other end
    /// of the context is ignored.
    ///
    /// # Panics
    ///
    /// If `work` does, which counts as a request that was not accepted.
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
        match self.admit(Instant::now()) {
            Ok(mut permit) => {
                let result = work();
                permit.says(self.classify.load(result.as_ref()), Clock);
                result.map_err(|error| FailedKind::Callee(error).into())
            }
            Err(refusal) => Err(refusal.into()),
        }
    }

    /// Lets a call through at the time `now`, or not: for who makes it by other means and records its outcome.
    ///
    /// ```
    /// # use linchpin::{resilience::{Outcome, throttle::{self, Throttle}}, time::Instant};
    /// # fn status() -> u16 { 200 }
    /// let throttle = Throttle::new("search", throttle::Options::default())?;
    /// let permit = throttle.admit(Instant::now())?;
    /// permit.record(if status() == 503 { Outcome::Failure } else { Outcome::Success });
    /// # Ok::<(), linchpin::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The refusal, which tells how many of how many requests were accepted. It has no `retry_after`, and to try again
    /// makes no sense: that is the load which the callee is to be spared.
    #[inline]
    pub fn admit(&self, now: Instant) -> Result<Permit<'_>, Refusal> {
        match self.core.admit(now) {
            Ok(ticket) => Ok(Permit::new(Held::Borrowed(&self.core), ticket)),
            Err(no) => Err(self.refusal(no)),
        }
    }

    /// The same with a permit that owns a handle and may go wherever it likes.
    ///
    /// # Errors
    ///
    /// As [`admit`](Self::admit).
    pub fn admit_owned(&self, now: Instant) -> Result<Permit<'static>, Refusal> {
        match self.core.admit(now) {
            Ok(ticket) => Ok(Permit::new(Held::Owned(self.core.clone()), ticket)),
            Err(no) => Err(self.refusal(no)),
        }
    }

    /// This throttle before each call of a tower service. See [`Admitted`](crate::resilience::admitted::Admitted).
    #[must_use]
    pub fn layer(&self) -> Layer<Self>
    where
        C: Clone,
    {
        Layer::new(self.clone())
    }

    // ----- for people

    /// Its numbers now.
    #[must_use]
    pub fn numbers(&self) -> Numbers {
        self.core.numbers(Instant::now())
    }

    /// It as people look at it.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let numbers = self.numbers();
        Snapshot {
            policy: POLICY,
            instance: self.core.name,
            key: None,
            state: numbers.word(),
            numbers: vec![
                ("chance", numbers.chance),
                ("requests", numbers.requests as f64),
                ("accepted", numbers.accepted as f64),
                ("overdue", numbers.overdue as f64),
                ("under_way", numbers.under_way as f64),
            ],
        }
    }

    // ----- for operators

    /// Takes other options from now on, and keeps what it has counted. A shorter window forgets what lies outside of it;
    /// of calls under way some may count as overdue up to the longer of the two graces late.
    ///
    /// # Errors
    ///
    /// If the options do not fit together; nothing has changed then.
    pub fn reconfigure(&self, options: Options) -> Result<(), BadOptions> {
        options.check()?;
        self.core.reconfigure(options, Instant::now());
        Ok(())
    }

    #[cold]
    fn refusal(&self, no: No) -> Refusal {
        Refusal {
            kind: Kind::Unavailable,
            ..Refusal::new(POLICY, self.core.name, "the callee takes on too few of the calls")
                .compared(no.accepted, no.requests)
        }
    }
}

const POLICY: &str = "throttle";

impl<C: Clone> Clone for Throttle<C> {
    fn clone(&self) -> Self {
        Self { core: self.core.clone(), classify: self.classify.clone() }
    }
}

/// How it is set.
impl<C> fmt::Display for Throttle<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        lock(&self.core.state).options.fmt(f)
    }
}

impl<C> fmt::Debug for Throttle<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Throttle")
            .field("name", &self.core.name)
            .field("numbers", &self.numbers())
            .finish_non_exhaustive()
    }
}
