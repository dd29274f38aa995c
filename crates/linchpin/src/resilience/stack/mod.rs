//! Policies around one call, in the order that is right.
//!
//! ```text
//!   client                                        server
//!   deadline      for all attempts together       deadline      of the request
//!   retry         each attempt pays and counts    shedder       what it refuses costs nothing
//!   throttle                                      adaptive      nor what this does
//!   breaker       an open one costs no token      limiter
//!   limiter                                       bulkhead      its queue is within the deadline
//!   adaptive or                                   handler
//!   bulkhead      no place is held in between
//!   timeout       of one attempt
//!   callee
//! ```
//!
//! A hedge stands where a retry would. Whatever order the parts are named in, a stack has this one, prints it, and refuses what makes no sense together.

mod builder;
mod check;
mod end;
mod layer;
mod parts;
mod run;
mod show;
mod taken;
mod way;
mod work;

use std::fmt;
use std::sync::Arc;

pub use self::builder::{Builder, Part};
pub use self::layer::{Layer, Stacked, StackedFuture};
use self::parts::{ByParts, Parts};
use self::run::{Run, Terms};
use self::way::Way;
use self::work::{Closure, Shared};
use crate::context::Context;
use crate::resilience::adaptive::Adaptive;
use crate::resilience::breaker::Breaker;
use crate::resilience::bulkhead::Bulkhead;
use crate::resilience::hedge::Hedge;
use crate::resilience::limiter::Limiter;
use crate::resilience::retry::{Attempt, ByClone, Retry};
use crate::resilience::shed::Shedder;
use crate::resilience::throttle::Throttle;
use crate::resilience::timeout::Timeout;
use crate::resilience::{ByFailed, ByResult, Classify, Failed, Snapshot};
use crate::shim::Mutex;
use crate::time::Instant;

/// Policies around one call, in the order that is right. Clones share them.
///
/// A call that succeeds at once allocates nothing and reads the clock once, or twice with an adaptive limit or a shedder. One
/// that waits, or fails and is tried again, allocates once for all that it has to remember.
///
/// ```
/// # use std::time::Duration;
/// # use linchpin::Context;
/// # use linchpin::resilience::{breaker, limiter::Rate, retry, stack::Stack};
/// # struct Client;
/// # impl Client {
/// #     async fn charge(&self, _: retry::Attempt<'_>, _: &u32) -> Result<u32, std::io::Error> { Ok(7) }
/// # }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> linchpin::Result<()> {
/// # let (ctx, client, order) = (Context::root(), Client, 1);
/// let payments = Stack::client("payments")
///     .deadline(Duration::from_secs(30))
///     .retry(retry::Options::default().idempotent())
///     .breaker(breaker::Options::default())
///     .limiter(Rate::per_second(100))
///     .bulkhead(64)
///     .timeout(Duration::from_secs(10))
///     .build()?;
/// let receipt = payments.call(&ctx, |attempt| client.charge(attempt, &order)).await;
/// # assert_eq!(receipt.unwrap(), 7);
/// println!("{payments}");
/// # Ok(())
/// # }
/// ```
///
/// Two things stay outside of it, since they know the value: a [`Coalesce`](crate::resilience::coalesce::Coalesce), and a [`Fallback`](crate::resilience::fallback::Fallback) around all, which
/// is asked once and not at each attempt.
#[derive(Debug)]
pub struct Stack<C = ByResult> {
    parts: Arc<Parts<C>>,
}

/// On which side of a call it stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Role {
    Client,
    Server,
}

impl Stack {
    /// One for calls that go out; `name` is that of all parts which bring none.
    pub fn client(name: &'static str) -> Builder {
        Builder::new(name, Role::Client)
    }

    /// One for requests that come in.
    pub fn server(name: &'static str) -> Builder {
        Builder::new(name, Role::Server)
    }
}

impl<C> Stack<C> {
    /// A handle of the same policies that reads results in another way.
    #[must_use]
    pub fn classified<D>(&self, classify: D) -> Stack<D> {
        Stack { parts: Arc::new(self.parts.classified(classify)) }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.parts.name
    }

    /// Runs `work` under `ctx` through all policies, and again where the retry says so.
    ///
    /// # Errors
    ///
    /// Flat, whichever policy it comes from. `Refused` if one did; `TimedOut` if the last attempt took too long; `Ended`
    /// if the context ended or the deadline of the stack passed; else what `work` failed with. With a retry,
    /// [`attempts`](Failed::attempts) and [`stop_reason`](Failed::stop_reason) tell why there was no further attempt; if
    /// a policy refused one, the failure before it is given.
    ///
    /// # Panics
    ///
    /// If `work` does, which counts as a failure and gives all back; outside of a tokio runtime with timers if it has to
    /// wait.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops `work` where it stands, and gives back what was taken; the call is ignored.
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
        match &self.parts.hedge {
            None => {
                Way::Alone { run: Run::new(&*self.parts, ctx, Closure(work), Terms::default()) }
            }
            Some(hedge) => Way::Hedged { race: Box::pin(self.hedged(hedge, ctx, work)) },
        }
    }

    /// This stack around each call of a tower service, whose requests can be cloned. See [`Stacked`].
    #[must_use]
    pub fn layer(&self) -> Layer<C> {
        Layer::new(self.clone(), ByClone)
    }

    /// The same, where it depends on the request whether and how it can be sent again.
    #[must_use]
    pub fn layer_with<P>(&self, replay: P) -> Layer<C, P> {
        Layer::new(self.clone(), replay)
    }

    async fn hedged<'a, T, E, F, Fut>(
        &self,
        hedge: &Hedge,
        ctx: &'a Context,
        work: F,
    ) -> Result<T, Failed<Failed<E>>>
    where
        F: FnMut(Attempt<'a>) -> Fut,
        Fut: Future<Output = Result<T, E>>,
        C: Classify<T, E>,
    {
        let deadline = self.parts.deadline(Instant::now(), None);
        let work = Mutex::new(work);
        let raced = hedge.classified(ByParts(&*self.parts));
        let raced = raced.call(ctx, |attempt| {
            let terms = Terms { deadline, number: attempt.number(), ..Terms::default() };
            Run::new(&*self.parts, ctx, Shared(&work), terms)
        });
        raced.await
    }

    // ----- for people and operators

    /// Its hedge.
    #[must_use]
    pub fn hedge(&self) -> Option<&Hedge> {
        self.parts.hedge.as_ref()
    }

    /// Its retry.
    #[must_use]
    pub fn retry(&self) -> Option<&Retry> {
        self.parts.retry.as_ref()
    }

    /// Its throttle.
    #[must_use]
    pub fn throttle(&self) -> Option<&Throttle> {
        self.parts.throttle.as_ref()
    }

    /// Its shedder.
    #[must_use]
    pub fn shedder(&self) -> Option<&Shedder> {
        self.parts.shed.as_ref()
    }

    /// Its adaptive limit.
    #[must_use]
    pub fn adaptive(&self) -> Option<&Adaptive> {
        self.parts.adaptive.as_ref()
    }

    /// Its breaker, which can be forced open, for instance.
    #[must_use]
    pub fn breaker(&self) -> Option<&Breaker> {
        self.parts.breaker.as_ref()
    }

    /// Its limiter.
    #[must_use]
    pub fn limiter(&self) -> Option<&Limiter> {
        self.parts.limiter.as_ref()
    }

    /// Its bulkhead.
    #[must_use]
    pub fn bulkhead(&self) -> Option<&Bulkhead> {
        self.parts.bulkhead.as_ref()
    }

    /// Its limit on the time of an attempt.
    #[must_use]
    pub fn timeout(&self) -> Option<&Timeout> {
        self.parts.timeout.as_ref()
    }

    /// Its parts as people look at them, outermost first.
    #[must_use]
    pub fn snapshots(&self) -> Vec<Snapshot> {
        self.parts.snapshots()
    }
}

impl<C> Clone for Stack<C> {
    fn clone(&self) -> Self {
        Self { parts: self.parts.clone() }
    }
}

impl<C> fmt::Display for Stack<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show::show(&self.parts, f)
    }
}

impl<C> Parts<C> {
    fn classified<D>(&self, classify: D) -> Parts<D> {
        let Self { name, role, deadline, retry, hedge, throttle, .. } = self;
        let Self { breaker, shed, limiter, adaptive, bulkhead, timeout, .. } = self;
        Parts {
            name,
            role: *role,
            deadline: *deadline,
            retry: retry.clone(),
            hedge: hedge.clone(),
            throttle: throttle.clone(),
            breaker: breaker.clone(),
            shed: shed.clone(),
            limiter: limiter.clone(),
            adaptive: adaptive.clone(),
            bulkhead: bulkhead.clone(),
            timeout: timeout.clone(),
            classify: ByFailed(classify),
        }
    }
}
