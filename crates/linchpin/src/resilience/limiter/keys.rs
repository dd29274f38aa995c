//! The states of keys: shards, each a table under a lock, which sweep themselves.

use std::borrow::Borrow;
use std::hash::{BuildHasher as _, Hash};

use crossbeam_utils::CachePadded;
#[cfg(not(linchpin_loom))]
use hashbrown::DefaultHashBuilder as Hasher;
use hashbrown::HashTable;
use smallvec::SmallVec;

use super::decision::{Decision, No, Slot, Ticket};
use super::machine::{Kept, Machine};
use super::meters::KeyMeters;
use crate::shim::atomic::AtomicUsize;
use crate::shim::atomic::Ordering::Relaxed;
use crate::shim::{Fault, Mutex, lock, planted};
use crate::sync::striped::stripes::{place, usual};

/// What all shards share.
pub(super) struct Keys<K, M: Kept> {
    shards: Box<[Locked<K, M>]>,
    hasher: Hasher,
    /// How many keys there are in all shards.
    count: AtomicUsize,
    most: usize,
    /// What keys share for which there was no room.
    overflow: Mutex<Overflow<M>>,
}

/// A line of the processor's cache for each.
type Locked<K, M> = CachePadded<Mutex<Shard<K, M>>>;

struct Shard<K, M: Kept> {
    plan: M,
    version: u64,
    table: HashTable<(K, M::State)>,
    /// The bucket at which the sweep goes on.
    hand: usize,
}

struct Overflow<M: Kept> {
    plan: M,
    version: u64,
    state: M::State,
}

/// Where a slot was given.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Place {
    Own,
    Overflow,
}

/// A model has to take the same course each time, and so has to find its keys in the same shards.
#[cfg(linchpin_loom)]
type Hasher = std::hash::BuildHasherDefault<std::hash::DefaultHasher>;

/// Keys that left. They are dropped when no lock is held.
type Gone<K> = SmallVec<[K; LOOKS]>;

/// How many buckets are looked at for each key that comes.
const LOOKS: usize = 8;
/// And if there is no room for it.
const LOOKS_FOR_ROOM: usize = 64;
/// For how long a key that is over is kept while there is room, in nanoseconds: who comes often, and seldom enough to have
/// its whole limit each time, costs no entry each time.
const KEPT: u64 = 10_000_000_000;
/// A table of so few buckets is not worth shrinking.
const SMALL: usize = 64;

impl<K: Hash + Eq, M: Kept> Keys<K, M> {
    pub(super) fn new(plan: M, most: usize, shards: usize) -> Self {
        let shard = || Shard { plan, version: 0, table: HashTable::new(), hand: 0 };
        Self {
            shards: (0..shards).map(|_| CachePadded::new(Mutex::new(shard()))).collect(),
            hasher: Hasher::default(),
            count: AtomicUsize::new(0),
            most,
            overflow: Mutex::new(Overflow { plan, version: 0, state: plan.fresh() }),
        }
    }

    pub(super) fn usual(plan: M, most: usize) -> Self {
        Self::new(plan, most, usual())
    }

    pub(super) fn len(&self) -> usize {
        self.count.load(Relaxed)
    }

    /// What `visit` makes of the state of `key`, by the plan and its version. Whoever is refused leaves no trace, and neither
    /// does who brings a key and does not last.
    #[inline]
    pub(super) fn with<Q, T, No>(
        &self,
        key: &Q,
        now: u64,
        lasts: bool,
        meters: &KeyMeters,
        visit: impl Fn(&M, u64, &mut M::State) -> Result<T, No>,
    ) -> Result<(T, Place), No>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        let hash = self.hasher.hash_one(key);
        let mut shard = lock(self.shard(hash));
        let Shard { plan, version, table, .. } = &mut *shard;
        if let Some((_, state)) = table.find_mut(hash, |(other, _)| other.borrow() == key) {
            return visit(plan, *version, state).map(|made| (made, Place::Own));
        }
        drop(shard);
        self.introduce(key, (hash, now), lasts, meters, visit)
    }

    /// For a key that was not there.
    #[cold]
    fn introduce<Q, T, No>(
        &self,
        key: &Q,
        (hash, now): (u64, u64),
        lasts: bool,
        meters: &KeyMeters,
        visit: impl Fn(&M, u64, &mut M::State) -> Result<T, No>,
    ) -> Result<(T, Place), No>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        let ours = if lasts { Some(key.to_owned()) } else { None };
        let mut gone = Gone::new();
        let mut locked = lock(self.shard(hash));
        let shard = &mut *locked;
        // Another may have brought it meanwhile.
        if let Some((_, state)) = shard.table.find_mut(hash, |(other, _)| other.borrow() == key) {
            return visit(&shard.plan, shard.version, state).map(|made| (made, Place::Own));
        }
        let mut state = shard.plan.fresh();
        let made = visit(&shard.plan, shard.version, &mut state)?;
        let Some(ours) = ours else { return Ok((made, Place::Own)) };
        self.make_room(shard, now, &mut gone);
        let is_room = self.enter();
        if is_room {
            let hasher = |entry: &(K, M::State)| self.hasher.hash_one(&entry.0);
            shard.table.insert_unique(hash, (ours, state), hasher);
        }
        drop(locked);
        meters.went(gone.len());
        drop(gone);
        if is_room {
            meters.came();
            return Ok((made, Place::Own));
        }
        let Overflow { plan, version, state } = &mut *lock(&self.overflow);
        visit(plan, *version, state).map(|made| (made, Place::Overflow))
    }

    /// Lets go of some keys that were over long ago, and of all of them before a table grows; if there is no room for more
    /// keys, of some that are over.
    fn make_room(&self, shard: &mut Shard<K, M>, now: u64, gone: &mut Gone<K>) {
        let long_ago = now.saturating_sub(KEPT);
        if self.len() >= self.most {
            shard.sweep(now, LOOKS_FOR_ROOM, gone);
        } else if shard.table.len() == shard.table.capacity() {
            shard.sweep(long_ago, shard.table.num_buckets(), gone);
            // It is worth a look at all only if many come before the next one.
            let room = shard.table.capacity() / 4;
            shard.table.reserve(room, |(key, _)| self.hasher.hash_one(key));
        } else {
            shard.sweep(long_ago, LOOKS, gone);
        }
        self.count.fetch_sub(gone.len(), Relaxed);
    }

    /// Counts one more, if there is room.
    fn enter(&self) -> bool {
        let more = |count: usize| if count < self.most { Some(count + 1) } else { None };
        if planted(Fault::LimiterLooksBeforeItCounts) {
            let is_room = more(self.count.load(Relaxed)).is_some();
            self.count.fetch_add(usize::from(is_room), Relaxed);
            return is_room;
        }
        self.count.fetch_update(Relaxed, Relaxed, more).is_ok()
    }

    /// Changes the state of `key`, for which there need not be room: a penalty is not forgotten.
    pub(super) fn penalize_by<Q>(
        &self,
        key: &Q,
        meters: &KeyMeters,
        penalize: impl Fn(&M, &mut M::State),
    ) where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        if self.penalize_locked(key, penalize) {
            meters.came();
        }
    }

    /// Whether it has not been there.
    fn penalize_locked<Q>(&self, key: &Q, penalize: impl Fn(&M, &mut M::State)) -> bool
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        let (hash, ours) = (self.hasher.hash_one(key), key.to_owned());
        let Shard { plan, version, table, .. } = &mut *lock(self.shard(hash));
        // Older tickets are void: to give one back would take the penalty back, too.
        *version += 1;
        if let Some((_, state)) = table.find_mut(hash, |(other, _)| other.borrow() == key) {
            penalize(plan, state);
            return false;
        }
        let mut state = plan.fresh();
        penalize(plan, &mut state);
        let hasher = |entry: &(K, M::State)| self.hasher.hash_one(&entry.0);
        table.insert_unique(hash, (ours, state), hasher);
        self.count.fetch_add(1, Relaxed);
        true
    }

    /// Lets go of `key`, whatever its state; whether it was there.
    pub(super) fn forget<Q>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let hash = self.hasher.hash_one(key);
        let mut shard = lock(self.shard(hash));
        let found = shard.table.find_entry(hash, |(other, _)| other.borrow() == key);
        let Ok((gone, _)) = found.map(|entry| entry.remove().0) else { return false };
        // Older tickets are void: what they took is forgotten, and not to be given back to who comes next.
        shard.version += 1;
        self.count.fetch_sub(1, Relaxed);
        drop(shard);
        drop(gone);
        true
    }

    /// Looks at all keys and lets go of those that are fresh; how many went.
    pub(super) fn prune(&self, now: u64) -> usize {
        let mut all = 0;
        for shard in &self.shards {
            let mut gone = Gone::new();
            let mut shard = lock(shard);
            shard.hand = 0;
            let buckets = shard.table.num_buckets();
            shard.sweep(now, buckets, &mut gone);
            self.shrink(&mut shard);
            drop(shard);
            self.count.fetch_sub(gone.len(), Relaxed);
            all += gone.len();
        }
        all
    }

    fn shrink(&self, shard: &mut Shard<K, M>) {
        let buckets = shard.table.num_buckets();
        if buckets > SMALL && shard.table.len() < buckets / 8 {
            shard.table.shrink_to(0, |(key, _)| self.hasher.hash_one(key));
        }
    }

    #[inline]
    fn shard(&self, hash: u64) -> &Mutex<Shard<K, M>> {
        &self.shards[place(hash, self.shards.len())]
    }
}

impl<K: Hash + Eq, M: Machine> Keys<K, M> {
    /// As [`Machine::pass`] on the state of `key`, and `None` if it is not there.
    #[inline]
    pub(super) fn pass<Q>(&self, key: &Q, now: u64, cost: u32) -> Option<Decision>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let hash = self.hasher.hash_one(key);
        let Shard { plan, table, .. } = &mut *lock(self.shard(hash));
        let (_, state) = table.find_mut(hash, |(other, _)| other.borrow() == key)?;
        plan.pass(state, now, cost)
    }

    /// As [`Machine::take`] on the state of `key`.
    pub(super) fn take<Q>(
        &self,
        key: &Q,
        (now, cost, max_wait): (u64, u32, u64),
        meters: &KeyMeters,
    ) -> Result<(Slot, Place), No>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        self.with(key, now, cost > 0, meters, |plan, version, state| {
            let mut slot = plan.take(state, now, cost, max_wait)?;
            slot.ticket.version = version;
            Ok(slot)
        })
    }

    pub(super) fn undo<Q>(&self, key: &Q, ticket: &Ticket, place: Place) -> bool
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        if place == Place::Overflow {
            let Overflow { plan, version, state } = &mut *lock(&self.overflow);
            return *version == ticket.version && plan.undo(state, ticket);
        }
        let hash = self.hasher.hash_one(key);
        let Shard { plan, version, table, .. } = &mut *lock(self.shard(hash));
        let entry = table.find_mut(hash, |(other, _)| other.borrow() == key);
        entry.is_some_and(|(_, state)| *version == ticket.version && plan.undo(state, ticket))
    }

    /// Lets nothing of `key` pass before `until`.
    pub(super) fn penalize<Q>(&self, key: &Q, until: u64, meters: &KeyMeters)
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        self.penalize_by(key, meters, |plan, state| plan.penalize(state, until));
    }

    /// Makes each state one of `plan`, which is of the same kind.
    pub(super) fn reconfigure(&self, plan: M, now: u64) {
        for shard in &self.shards {
            let Shard { plan: old, version, table, .. } = &mut *lock(shard);
            for (_, state) in table.iter_mut() {
                plan.carry(old, state, now);
            }
            *old = plan;
            *version += 1;
        }
        let Overflow { plan: old, version, state } = &mut *lock(&self.overflow);
        plan.carry(old, state, now);
        *old = plan;
        *version += 1;
    }

    /// The numbers by which those who share are judged.
    pub(super) fn plan(&self) -> M {
        lock(&self.overflow).plan
    }

    /// What there is for those who share.
    pub(super) fn shared(&self, now: u64) -> Decision {
        let overflow = lock(&self.overflow);
        overflow.plan.look(&overflow.state, now)
    }
}

impl<K, M: Kept> Shard<K, M> {
    /// Looks at so many buckets, and takes out who is fresh.
    fn sweep(&mut self, now: u64, looks: usize, gone: &mut Gone<K>) {
        let buckets = self.table.num_buckets();
        for _ in 0..looks.min(buckets) {
            if self.hand >= buckets {
                self.hand = 0;
            }
            if let Ok(entry) = self.table.get_bucket_entry(self.hand)
                && self.plan.is_fresh(&entry.get().1, now)
            {
                let ((key, _), _) = entry.remove();
                gone.push(key);
            }
            self.hand += 1;
        }
    }
}
