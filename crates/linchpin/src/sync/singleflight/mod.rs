//! Single flight: while somebody fetches what a key stands for, others who want the same wait for it.
//!
//! ```
//! # use linchpin::{Context, Error, sync::singleflight::{Group, Options}};
//! # use std::sync::Arc;
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> linchpin::Result<()> {
//! # let ctx = Context::root();
//! # async fn load(id: u64) -> Result<Arc<str>, Error> { Ok("ann".into()) }
//! let users: Group<u64, Arc<str>> = Group::new(Options::default().name("users"))?;
//! let name = users.run(&ctx, 7, |_| load(7)).await.unwrap();
//! assert_eq!((&*name, users.numbers().calls), ("ann", 1));
//! # Ok(())
//! # }
//! ```

mod flight;
mod join;
mod options;
mod record;
mod run;
mod table;

use std::borrow::Borrow;
use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

use hashbrown::DefaultHashBuilder;

pub(crate) use self::flight::Core;
pub use self::flight::Flight;
pub use self::options::Options;
#[cfg(all(test, linchpin_loom))]
pub(crate) use self::record::{Found, Joined, Record, Waiter};
pub(crate) use self::run::{Run, Work};
pub use self::table::Numbers;
#[cfg(all(test, linchpin_loom))]
pub(crate) use self::table::{Entered as TableEntered, Rules, Table as Flights};
use crate::context::Context;
use crate::error::Error;
use crate::resilience::{BadOptions, Failed};

/// Calls that are made once for all who make them at the same time.
///
/// Go's `x/sync/singleflight`. What differs on purpose: keys, values and errors have types; who waits does so under a
/// context; the work belongs to the group and not to who came first; and a panic is an error for all, and kills nobody.
/// Clones share the flights.
///
/// **Whose work.** Who comes first for a key *leads*: its work is called, and polled once where the leader is. If it is not
/// ready then, it goes on as a task of the group. The others *share*: theirs is not called. A leader that goes away, by
/// its deadline, a drop or a panic, is one waiter less; the last to leave cancels the work. The first poll and the rest
/// may be on different tasks, so work must not count on the task it runs on.
///
/// **It is no cache.** When a flight has ended it is gone, and the next caller begins another. What all must share is the
/// key: it must hold everything that shapes the answer, *and who may see it*.
///
/// **Two ways to say that what is under way is out of date**, both exact: what was begun before is never given to who comes
/// after. After [`forget`](Self::forget) those who wait get it still. After [`invalidate`](Self::invalidate) those who
/// only share come anew, as if they came now; the leader, whose work it is, gets it.
///
/// Values are cloned for all who share: keep what is large in an `Arc`. Work that asks its own group for its own key waits
/// for itself, until its time is over.
///
/// | you have | use |
/// |---|---|
/// | one value, not one a key, to be kept | [`Once`](super::once::Once), [`Renewable`](super::once::Renewable) |
/// | many keys asked for at once, to be fetched together | a batcher |
/// | a result that is to be kept for a while | a cache, in front of this |
///
/// Costs: a call that nobody shares takes a lock twice and allocates its work; who waits stands in a table of the flight
/// (`scripts/bench sync`).
pub struct Group<K, V, E = Error, S = DefaultHashBuilder> {
    core: Arc<Core<K, V, E>>,
    hasher: S,
}

/// A call by a group at hand.
type At<'a, K, V, E, W> = Run<'a, &'a Arc<Core<K, V, E>>, K, V, E, W>;

/// A call that holds its group.
type Owned<K, V, E, W> = Run<'static, Arc<Core<K, V, E>>, K, V, E, W>;

impl<K, V, E> Group<K, V, E> {
    /// A group without flights.
    ///
    /// # Errors
    ///
    /// If nobody may wait for a flight, or a flight has no time.
    pub fn new(options: Options) -> Result<Self, BadOptions> {
        Self::with_hasher(options, DefaultHashBuilder::default())
    }
}

impl<K, V, E, S> Group<K, V, E, S> {
    /// The same with another hash: where strangers choose keys and can measure look-ups, take std's.
    ///
    /// # Errors
    ///
    /// As [`new`](Group::new).
    pub fn with_hasher(options: Options, hasher: S) -> Result<Self, BadOptions> {
        options.check()?;
        Ok(Self { core: Arc::new(Core::new(&options)), hasher })
    }

    /// Takes other options from now on; flights that are under way go on as they began, but that as many may share one as
    /// the new options say. The name stays, and so do the numbers.
    ///
    /// # Errors
    ///
    /// If nobody may wait for a flight, or a flight has no time; nothing has changed then.
    pub fn reconfigure(&self, options: Options) -> Result<(), BadOptions> {
        options.check()?;
        self.core.set(&options);
        Ok(())
    }

    /// Its numbers. Flights of several keys are counted one after the other, so they are exact if nobody comes meanwhile.
    #[must_use]
    pub fn numbers(&self) -> Numbers {
        self.core.table.numbers()
    }

    /// [Invalidates](Self::invalidate) whatever is under way.
    pub fn invalidate_all(&self) {
        self.core.table.close_all().iter().for_each(|record| record.invalidate());
    }
}

impl<K, V, E, S> Group<K, V, E, S>
where
    K: Hash + Eq + Send + 'static,
    V: Clone + Send + Sync + 'static,
    E: Clone + Send + Sync + 'static,
    S: BuildHasher,
{
    /// What `work` comes to for `key`, or the work of somebody else who is at it.
    ///
    /// `work` is told of its [`Flight`], which has a context for what it calls.
    ///
    /// # Errors
    ///
    /// `Callee` with the error of the work; `Panicked` if it panicked, both for all who wait. `TimedOut` if the flight took
    /// longer than it [may](Options::max_flight). `Ended` when the context ends first, in which case the flight goes on for
    /// the others; and, with [`Cause::Shutdown`](crate::context::Cause), when the runtime of the flight goes away.
    ///
    /// # Panics
    ///
    /// If the work is not ready at once: outside a tokio runtime, or in one without timers if a flight has a limit. When
    /// `Hash` or `Eq` of a key does.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the flight, and cancels it if nobody else waits.
    pub async fn run<F, Fut>(&self, ctx: &Context, key: K, work: F) -> Result<V, Failed<E>>
    where
        F: FnOnce(Flight<'_>) -> Fut,
        Fut: Future<Output = Result<V, E>> + Send + 'static,
    {
        ctx.check()?;
        Run::new(&self.core, ctx, self.hasher.hash_one(&key), key, work).await
    }

    /// The same for who has looked whether the context has ended, as a future with a name.
    pub(crate) fn fly<'a, W>(&'a self, ctx: &'a Context, key: K, work: W) -> At<'a, K, V, E, W> {
        Run::new(&self.core, ctx, self.hasher.hash_one(&key), key, work)
    }

    /// The same for a future of its own.
    pub(crate) fn fly_owned<W>(&self, ctx: &'static Context, key: K, work: W) -> Owned<K, V, E, W> {
        Run::new(self.core.clone(), ctx, self.hasher.hash_one(&key), key, work)
    }

    /// Lets who comes from now on begin anew, whatever is under way for `key`; whether there was anything. Go's `Forget`.
    ///
    /// Those who wait get what is under way.
    pub fn forget<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        let hash = self.hasher.hash_one(key);
        self.core.table.close(hash, |other| other.borrow() == key).0
    }

    /// The same, and those who share what is under way for `key` come anew as well, with work of their own.
    ///
    /// For when what the key stands for has changed: nobody but the leader gets what was there before.
    pub fn invalidate<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        let hash = self.hasher.hash_one(key);
        let (closed, record) = self.core.table.close(hash, |other| other.borrow() == key);
        if let Some(record) = record {
            record.invalidate();
        }
        closed
    }
}

impl<K, V, E, S: Clone> Clone for Group<K, V, E, S> {
    fn clone(&self) -> Self {
        Self { core: self.core.clone(), hasher: self.hasher.clone() }
    }
}

impl<K, V, E, S> fmt::Debug for Group<K, V, E, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group")
            .field("name", &self.core.name)
            .field("numbers", &self.numbers())
            .finish_non_exhaustive()
    }
}
