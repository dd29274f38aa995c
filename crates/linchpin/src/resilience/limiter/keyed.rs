//! A limiter for each key.

use std::borrow::Borrow;
use std::fmt;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use super::core::another;
use super::counting::Counting;
use super::decision::{Decision, No, Slot, Ticket};
use super::keys::{Keys, Place};
use super::left;
use super::meters::{KeyMeters, Meters};
use super::options::{Options, Plan, nanos};
use super::pace::Pace;
use super::rate::Rate;
use super::refuse::{POLICY, refusal};
use super::reservation::{Home, Reservation};
use crate::context::Context;
use crate::resilience::{BadOptions, Failed, Refusal, Snapshot};
use crate::shim::{Mutex, lock};
use crate::time::Instant;

/// A limiter for each key, which forgets keys that it has nothing to remember of. Clones share the keys.
///
/// A key whose whole limit is free again is the same as one that never came, so it is let go of. That is done by those who
/// bring new keys: each looks at a few buckets for keys that have been over for 10 s, before a table grows all of those
/// leave it, and where there is no room for more keys 10 s are not waited for. [`prune`](Self::prune) lets go of all that
/// are over at once. No task and no timer does it, so that keys of the last burst stay until others come.
///
/// Bounded: beyond [`max_keys`](KeyedOptions::max_keys) at a time new keys share one bucket, as if they were one key.
/// Those who are known go on as before, and whoever makes up keys limits others who do.
///
/// Keys are hashed with seeds of this process and this limiter. What strangers can choose freely is a poor key: of an
/// address of IPv6 take the first 64 bits, and of a chain of proxies what your own proxy says.
///
/// ```
/// # use linchpin::resilience::limiter::{Keyed, KeyedOptions, Options, Rate};
/// let customers: Keyed<String> =
///     Keyed::new("customer", Rate::per_minute(60), Options::default().burst(2), KeyedOptions::default())?;
/// customers.try_acquire("ann", 2)?;
/// assert!(customers.try_acquire("ann", 1).is_err());
/// assert!(customers.try_acquire("bob", 1).is_ok());
/// # Ok::<(), linchpin::Error>(())
/// ```
pub struct Keyed<K: Eq + Hash> {
    inner: Arc<Inner<K>>,
}

/// How many keys a [`Keyed`] limiter keeps.
#[derive(Clone, Debug)]
pub struct KeyedOptions {
    max_keys: usize,
}

struct Inner<K: Eq + Hash> {
    name: &'static str,
    meters: Meters,
    key_meters: KeyMeters,
    limits: KeyedOptions,
    settings: Mutex<(Rate, Options)>,
    keys: Table<K>,
}

enum Table<K> {
    Counted(Keys<K, Counting>),
    Paced(Keys<K, Pace>),
}

/// Who gave a turn to a key.
struct Seat<K: Eq + Hash> {
    inner: Arc<Inner<K>>,
    key: K,
    place: Place,
}

/// Calls a method of the table, whichever it is.
macro_rules! table {
    ($inner:expr, |$keys:ident| $call:expr) => {
        match &$inner.keys {
            Table::Counted($keys) => $call,
            Table::Paced($keys) => $call,
        }
    };
}

// ===== impl Keyed =====

impl<K: Eq + Hash> Keyed<K> {
    /// A limiter without a key; `name` is that of all, and each has that rate for itself.
    ///
    /// # Errors
    ///
    /// If rate and options do not fit together, as for a [`Limiter`](super::Limiter).
    pub fn new(
        name: &'static str,
        rate: Rate,
        options: Options,
        limits: KeyedOptions,
    ) -> Result<Self, BadOptions> {
        limits.check()?;
        if options.longest_wait() > 0 {
            let why =
                "`max_wait` is for calls, which a limiter of keys has none of; `acquire` waits";
            return Err(BadOptions::new("limiter::Keyed", why));
        }
        let max_keys = limits.max_keys;
        let keys = match options.plan(rate, Instant::now().to_bits())? {
            Plan::Counted(plan) => Table::Counted(Keys::usual(plan, max_keys)),
            Plan::Paced(plan) => Table::Paced(Keys::usual(plan, max_keys)),
        };
        let inner = Inner {
            name,
            meters: Meters::new(name),
            key_meters: KeyMeters::new(name),
            limits,
            settings: Mutex::new((rate, options)),
            keys,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// How many keys it remembers now.
    #[must_use]
    pub fn len(&self) -> usize {
        table!(self.inner, |keys| keys.len())
    }

    /// Whether it remembers none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Looks at all keys and lets go of those whose whole limit is free again; how many went. Gives memory back that is
    /// mostly empty. Locks one shard after the other.
    pub fn prune(&self) -> usize {
        let went = table!(self.inner, |keys| keys.prune(Instant::now().to_bits()));
        self.inner.key_meters.went(went);
        went
    }

    /// Takes another rate and other options from now on, for all keys. See
    /// [`Limiter::reconfigure`](super::Limiter::reconfigure). It takes a while: one shard after the other.
    ///
    /// # Errors
    ///
    /// If they do not fit together, or are for another algorithm; nothing has changed then.
    pub fn reconfigure(&self, rate: Rate, options: Options) -> Result<(), BadOptions> {
        let now = Instant::now().to_bits();
        // One at a time.
        let mut settings = lock(&self.inner.settings);
        match (&self.inner.keys, options.plan(rate, now)?) {
            (Table::Paced(keys), Plan::Paced(plan)) if keys.plan().smooth == plan.smooth => {
                keys.reconfigure(plan, now);
            }
            (Table::Counted(keys), Plan::Counted(plan)) if keys.plan().is_like(&plan) => {
                keys.reconfigure(plan.aligned(&keys.plan()), now);
            }
            _ => return Err(another()),
        }
        *settings = (rate, options);
        Ok(())
    }

    /// It as people look at it.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let (keys, now) = (self.len(), Instant::now().to_bits());
        let shared = table!(self.inner, |keys| keys.shared(now));
        let (rate, _) = *lock(&self.inner.settings);
        let numbers = vec![
            ("keys", keys as f64),
            ("max_keys", self.inner.limits.max_keys as f64),
            ("limit", f64::from(shared.limit())),
            ("per_second", f64::from(rate.count()) / rate.period().as_secs_f64()),
            ("shared_remaining", f64::from(shared.remaining())),
        ];
        let state = if keys < self.inner.limits.max_keys { "room" } else { "full" };
        Snapshot { policy: POLICY, instance: self.inner.name, key: None, state, numbers }
    }

    /// Takes `cost` of what `key` may, now. A cost of zero always passes, takes nothing and tells what there is.
    ///
    /// # Errors
    ///
    /// As [`Limiter::try_acquire`](super::Limiter::try_acquire). The refusal names the key.
    #[inline]
    pub fn try_acquire<Q>(&self, key: &Q, cost: u32) -> Result<Decision, Refusal>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + fmt::Display + ?Sized,
    {
        self.try_acquire_at(Instant::now(), key, cost)
    }

    /// The same for who knows what the time is.
    ///
    /// # Errors
    ///
    /// As [`try_acquire`](Self::try_acquire).
    #[inline]
    pub fn try_acquire_at<Q>(&self, now: Instant, key: &Q, cost: u32) -> Result<Decision, Refusal>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + fmt::Display + ?Sized,
    {
        let inner = &*self.inner;
        match table!(inner, |keys| keys.pass(key, now.to_bits(), cost)) {
            Some(decision) => {
                inner.meters.passed();
                Ok(decision)
            }
            None => self.try_otherwise(now, key, cost),
        }
    }

    /// Refuses; looks; brings a new key.
    #[inline(never)]
    fn try_otherwise<Q>(&self, now: Instant, key: &Q, cost: u32) -> Result<Decision, Refusal>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + fmt::Display + ?Sized,
    {
        self.take(now, key, cost, 0).map(|(slot, _)| slot.decision)
    }

    /// Lets nothing of `key` pass before `until`. It is remembered until then, whether there is room or not.
    pub fn penalize<Q>(&self, key: &Q, until: Instant)
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        table!(self.inner, |keys| keys.penalize(key, until.to_bits(), &self.inner.key_meters));
    }

    /// Forgets all of `key`, its penalty too, as if it had never come; whether it was remembered. Its turns are not given
    /// back any more. What shares the bucket of those for whom there was no room stays in it.
    pub fn forget<Q>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let was_there = table!(self.inner, |keys| keys.forget(key));
        self.inner.key_meters.went(usize::from(was_there));
        was_there
    }

    fn take<Q>(
        &self,
        now: Instant,
        key: &Q,
        cost: u32,
        max_wait: u64,
    ) -> Result<(Slot, Place), Refusal>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + fmt::Display + ?Sized,
    {
        let inner = &*self.inner;
        let visit = (now.to_bits(), cost, max_wait);
        let taken = table!(inner, |keys| keys.take(key, visit, &inner.key_meters));
        match taken {
            Ok((slot, place)) => {
                if cost > 0 {
                    inner.meters.granted(inner.name, slot.decision.wait);
                }
                if place == Place::Overflow {
                    inner.key_meters.overflowed(inner.name, inner.limits.max_keys);
                }
                Ok((slot, place))
            }
            Err(no) => Err(inner.refuse(key, &no, max_wait > 0)),
        }
    }
}

impl<K: Eq + Hash + Send + Sync + 'static> Keyed<K> {
    /// Takes `cost` of what `key` may, for a time that is at most `max_wait` ahead.
    ///
    /// # Errors
    ///
    /// As [`Limiter::reserve`](super::Limiter::reserve).
    pub fn reserve<Q>(&self, key: &Q, cost: u32, max_wait: Duration) -> Result<Reservation, Refusal>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + fmt::Display + ?Sized,
    {
        let (slot, place) = self.take(Instant::now(), key, cost, nanos(max_wait))?;
        Ok(self.seated(slot, key, place))
    }

    /// Takes `cost` of what `key` may, and waits for its turn.
    ///
    /// # Errors
    ///
    /// As [`Limiter::acquire`](super::Limiter::acquire).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives the turn back, as dropping a [`Reservation`] does.
    pub async fn acquire<Q>(&self, ctx: &Context, key: &Q, cost: u32) -> Result<Decision, Failed>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + fmt::Display + ?Sized,
    {
        ctx.check()?;
        let now = Instant::now();
        let (slot, place) = self.take(now, key, cost, left(ctx, now))?;
        if slot.at <= now.to_bits() {
            return Ok(slot.decision);
        }
        Ok(self.seated(slot, key, place).wait(ctx).await?)
    }

    fn seated<Q: ToOwned<Owned = K> + ?Sized>(
        &self,
        slot: Slot,
        key: &Q,
        place: Place,
    ) -> Reservation {
        let seat = Seat { inner: self.inner.clone(), key: key.to_owned(), place };
        Reservation::new(slot, Arc::new(seat))
    }
}

impl<K: Eq + Hash> Clone for Keyed<K> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone() }
    }
}

impl<K: Eq + Hash> fmt::Debug for Keyed<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyed")
            .field("name", &self.inner.name)
            .field("rate", &lock(&self.inner.settings).0)
            .field("keys", &self.len())
            .finish_non_exhaustive()
    }
}

// ===== impl Inner =====

impl<K: Eq + Hash> Inner<K> {
    #[cold]
    fn refuse<Q: fmt::Display + ?Sized>(&self, key: &Q, no: &No, patient: bool) -> Refusal {
        self.meters.refused(self.name, no);
        refusal(self.name, Some(key.to_string().into()), no, patient)
    }
}

impl<K: Eq + Hash> Drop for Inner<K> {
    fn drop(&mut self) {
        self.key_meters.gone(table!(self, |keys| keys.len()));
    }
}

impl<K: Eq + Hash + Send + Sync> Home for Seat<K> {
    fn undo(&self, ticket: &Ticket) -> bool {
        table!(self.inner, |keys| keys.undo(&self.key, ticket, self.place))
    }
}

// ===== impl KeyedOptions =====

impl KeyedOptions {
    /// The most keys that are remembered at a time. Default: 1,000,000. Those that have their whole limit back make room
    /// for others.
    #[must_use]
    pub fn max_keys(mut self, keys: usize) -> Self {
        self.max_keys = keys;
        self
    }

    fn check(&self) -> Result<(), BadOptions> {
        if self.max_keys == 0 {
            let why = "it would keep no key, and all would share one bucket; take a Limiter";
            return Err(BadOptions::new("limiter::Keyed", why));
        }
        Ok(())
    }
}

impl Default for KeyedOptions {
    fn default() -> Self {
        Self { max_keys: 1_000_000 }
    }
}
