//! Makes a call once for all who make it at the same time: a policy over [`singleflight`](crate::sync::singleflight).
//!
//! What a single flight does is said there, and this adds what a policy has: a name, metrics, numbers for people, and a layer
//! of tower that reads the key from the request.

mod layer;
mod meters;
mod shared;

use std::fmt;
use std::hash::Hash;
use std::sync::Arc;

pub use self::layer::{Coalesced, CoalescedFuture, Layer};
use self::meters::Meters;
pub use self::meters::Numbers;
use self::shared::{Measured, Shared};
use crate::context::Context;
use crate::error::Error;
use crate::resilience::{BadOptions, Failed, Snapshot};
use crate::sync::singleflight::{Flight, Group, Options};

/// Makes a call once for all who make it at the same time. Clones share the flights.
///
/// The work belongs to nobody who waits: who came first may go away, by a deadline or a drop, and the others have its answer
/// all the same. The last to leave cancels it. It is no cache: when the flight has ended, the next caller begins another.
///
/// **The key** must hold everything that shapes the answer, *and who may see it*: two users who share a key share the
/// answer.
///
/// ```
/// # use linchpin::{Context, Error, resilience::coalesce::Coalesce, sync::singleflight::Options};
/// # use std::sync::Arc;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> linchpin::Result<()> {
/// # let ctx = Context::root();
/// # async fn load(user: u64) -> Result<Arc<str>, Error> { Ok("ann".into()) }
/// let users: Coalesce<u64, Arc<str>> = Coalesce::new("users", Options::default())?;
/// let name = users.call(&ctx, 7, |_| load(7)).await.unwrap();
/// assert_eq!((&*name, users.numbers().flights), ("ann", 1));
/// # Ok(())
/// # }
/// ```
///
/// It refuses nobody: more than [may wait](Options::max_waiting) begin another flight.
pub struct Coalesce<K, V, E = Error> {
    group: Group<K, V, E>,
    meters: Arc<Meters>,
}

impl<K, V, E> Coalesce<K, V, E> {
    /// One without flights; `name` tells it apart in logs and metrics, and is that of its tasks.
    ///
    /// # Errors
    ///
    /// If the options do not fit together; the error says which and why.
    pub fn new(name: &'static str, options: Options) -> Result<Self, BadOptions> {
        let group = Group::new(options.name(name))?;
        Ok(Self { group, meters: Arc::new(Meters::new(name)) })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.meters.name
    }

    /// Its flights, to [forget](Group::forget) or [invalidate](Group::invalidate) one after a write.
    #[must_use]
    pub fn group(&self) -> &Group<K, V, E> {
        &self.group
    }

    /// This policy around each call of a tower service whose request has a key. See [`Coalesced`].
    ///
    /// `key` gives `None` for a request that is to be sent by itself, as a write is.
    #[must_use]
    pub fn layer<R, X>(&self, key: X) -> Layer<K, V, E, X>
    where
        X: Fn(&R) -> Option<K>,
    {
        Layer::new(self.clone(), key)
    }

    /// Takes other options from now on, as [`Group::reconfigure`] does. What it has counted stays.
    ///
    /// # Errors
    ///
    /// If the options do not fit together; nothing has changed then.
    pub fn reconfigure(&self, options: Options) -> Result<(), BadOptions> {
        self.group.reconfigure(options.name(self.meters.name))
    }

    // ----- for people

    /// Its numbers.
    #[must_use]
    pub fn numbers(&self) -> Numbers {
        self.meters.numbers(self.group.numbers())
    }

    /// It as people look at it.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let Numbers { flights, shared, running, failed, panicked, timed_out } = self.numbers();
        Snapshot {
            policy: "coalesce",
            instance: self.meters.name,
            key: None,
            state: if running > 0 { "flying" } else { "idle" },
            numbers: vec![
                ("flights", flights as f64),
                ("shared", shared as f64),
                ("running", running as f64),
                ("failed", failed as f64),
                ("panicked", panicked as f64),
                ("timed_out", timed_out as f64),
            ],
        }
    }
}

impl<K, V, E> Coalesce<K, V, E>
where
    K: Hash + Eq + Send + 'static,
    V: Clone + Send + Sync + 'static,
    E: Clone + Send + Sync + 'static,
{
    /// What `work` comes to for `key`, or the work of somebody else who is at it.
    ///
    /// # Errors
    ///
    /// As [`Group::run`]: `Callee` and `Panicked` for all who wait, `TimedOut` if the flight took longer than it
    /// [may](Options::max_flight), `Ended` when the context ends first.
    ///
    /// # Panics
    ///
    /// As [`Group::run`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the flight, and cancels it if nobody else waits.
    pub async fn call<F, Fut>(&self, ctx: &Context, key: K, work: F) -> Result<V, Failed<E>>
    where
        F: FnOnce(Flight<'_>) -> Fut,
        Fut: Future<Output = Result<V, E>> + Send + 'static,
    {
        ctx.check()?;
        let work = |flight: Flight<'_>| Measured::new(self.meters.clone(), work(flight));
        Shared::new(self.group.fly(ctx, key, work), &*self.meters).await
    }
}

impl<K, V, E> Clone for Coalesce<K, V, E> {
    fn clone(&self) -> Self {
        Self { group: self.group.clone(), meters: self.meters.clone() }
    }
}

impl<K, V, E> fmt::Debug for Coalesce<K, V, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Coalesce")
            .field("name", &self.meters.name)
            .field("numbers", &self.numbers())
            .finish_non_exhaustive()
    }
}
