//! The striped map.

use std::borrow::Borrow;
use std::hash::{BuildHasher, Hash};
use std::mem;

use hashbrown::hash_table::{Entry, VacantEntry};
use hashbrown::{DefaultHashBuilder, HashTable};

use super::stripes::Stripes;
use crate::resilience::BadOptions;

/// A map for many threads, whose readers do not disturb each other.
///
/// Go's `sync.Map`. What differs on purpose: keys and values have types, what happens to an entry in one step is a
/// closure ([`compute`](Self::compute), [`update`](Self::update), [`remove_if`](Self::remove_if)) and no comparison of
/// values, [`len`](Self::len) exists, and the memory of removed entries is given back.
///
/// A value is cloned out or looked at by a closure under the lock of its stripe, so that none is freed under a reader's
/// eyes: keep what is large or slow to clone in an `Arc`. See the [module](super) for what a closure must not do. `Hash`
/// and `Eq` of a key run under the lock, too, when a stripe grows or shrinks; values and keys are dropped outside of it.
///
/// Keys are hashed with seeds of this process and this map, so that nobody can choose keys beforehand which all fall on
/// one place. The hash is fast and not cryptographic: where strangers choose keys *and* can measure how long single
/// look-ups take, take std's with [`with_hasher`](Self::with_hasher).
///
/// ```
/// # use linchpin::sync::striped::Map;
/// let visits: Map<String, u64> = Map::new();
/// visits.insert("ann".to_owned(), 1);
/// visits.update("ann", |count| *count += 1);
/// assert_eq!(visits.get("ann"), Some(2));
/// ```
pub struct Map<K, V, S = DefaultHashBuilder> {
    pub(super) stripes: Stripes<Table<K, V>>,
    hasher: S,
}

pub(super) type Table<K, V> = HashTable<(K, V)>;

/// A table of at most so many places is never worth shrinking.
const SMALL: usize = 32;

impl<K, V> Map<K, V> {
    /// An empty map, with as many stripes as a [`Lock`](super::Lock) has.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl<K, V, S> Map<K, V, S> {
    /// An empty map with another hash.
    #[must_use]
    pub fn with_hasher(hasher: S) -> Self {
        Self { stripes: Stripes::usual(Table::new), hasher }
    }

    /// An empty map with so many stripes. More of them disturb writers less, and cost 128 bytes each.
    ///
    /// # Errors
    ///
    /// If that is not a power of two, or above 65,536.
    pub fn with_stripes(stripes: usize, hasher: S) -> Result<Self, BadOptions> {
        Ok(Self { stripes: Stripes::new("striped::Map", stripes, Table::new)?, hasher })
    }

    /// How many stripes there are.
    #[must_use]
    pub fn stripes(&self) -> usize {
        self.stripes.len()
    }
}

impl<K: Hash + Eq, V, S: BuildHasher> Map<K, V, S> {
    /// A clone of the value of `key`.
    ///
    /// # Panics
    ///
    /// With debug assertions, inside of a closure of this map. So do all others that come to an entry.
    #[must_use]
    #[cfg_attr(debug_assertions, track_caller)]
    pub fn get<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        V: Clone,
    {
        self.read(key, V::clone)
    }

    /// Looks at the value of `key`, if there is one, beside other readers.
    #[cfg_attr(debug_assertions, track_caller)]
    pub fn read<Q: Hash + Eq + ?Sized, R>(&self, key: &Q, look: impl FnOnce(&V) -> R) -> Option<R>
    where
        K: Borrow<Q>,
    {
        let hash = self.hasher.hash_one(key);
        self.stripes.read(self.stripes.index(hash), |table| {
            table.find(hash, is(key)).map(|(_, value)| look(value))
        })
    }

    /// Whether `key` has a value now.
    #[must_use]
    #[cfg_attr(debug_assertions, track_caller)]
    pub fn contains_key<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.read(key, |_| ()).is_some()
    }

    /// Gives `key` that value, and returns the one it had. The key that is there stays.
    #[cfg_attr(debug_assertions, track_caller)]
    pub fn insert(&self, key: K, value: V) -> Option<V> {
        let hash = self.hasher.hash_one(&key);
        let mut table = self.stripes.lock(self.stripes.index(hash));
        match table.entry(hash, is(&key), |entry| self.hash(entry)) {
            Entry::Occupied(mut entry) => Some(mem::replace(&mut entry.get_mut().1, value)),
            Entry::Vacant(entry) => {
                entry.insert((key, value));
                None
            }
        }
    }

    /// A clone of the value of `key`, which `make` makes if there is none: once, under the lock, so it must be quick.
    ///
    /// What takes its time, or waits, belongs into a single flight.
    #[cfg_attr(debug_assertions, track_caller)]
    pub fn get_or_insert_with(&self, key: K, make: impl FnOnce() -> V) -> V
    where
        V: Clone,
    {
        let hash = self.hasher.hash_one(&key);
        let index = self.stripes.index(hash);
        let there = self
            .stripes
            .read(index, |table| table.find(hash, is(&key)).map(|(_, value)| value.clone()));
        if let Some(value) = there {
            return value;
        }
        let mut table = self.stripes.lock(index);
        match table.entry(hash, is(&key), |entry| self.hash(entry)) {
            Entry::Occupied(entry) => entry.get().1.clone(),
            Entry::Vacant(entry) => entry.insert((key, make())).get().1.clone(),
        }
    }

    /// Changes the value of `key`, if there is one.
    #[cfg_attr(debug_assertions, track_caller)]
    pub fn update<Q: Hash + Eq + ?Sized, R>(
        &self,
        key: &Q,
        change: impl FnOnce(&mut V) -> R,
    ) -> Option<R>
    where
        K: Borrow<Q>,
    {
        let hash = self.hasher.hash_one(key);
        let mut table = self.stripes.lock(self.stripes.index(hash));
        table.find_mut(hash, is(key)).map(|(_, value)| change(value))
    }

    /// Does anything to the entry of `key` in one step: `work` finds `None` if there is none, and what it leaves there
    /// is the entry afterwards, even if it panics.
    ///
    /// ```
    /// # use linchpin::sync::striped::Map;
    /// let stock: Map<&str, u32> = Map::new();
    /// stock.insert("apple", 1);
    /// let sell = |left: &mut Option<u32>| match left.take() {
    ///     Some(count @ 2..) => *left = Some(count - 1),
    ///     last => assert_eq!(last, Some(1), "sold out"),
    /// };
    /// stock.compute("apple", sell);
    /// assert_eq!(stock.get("apple"), None);
    /// ```
    #[cfg_attr(debug_assertions, track_caller)]
    pub fn compute<R>(&self, key: K, work: impl FnOnce(&mut Option<V>) -> R) -> R {
        let hash = self.hasher.hash_one(&key);
        // Before the table, so that it is dropped when the lock is free.
        let mut removed = None;
        let mut table = self.stripes.lock(self.stripes.index(hash));
        let (key, value, place) = match table.entry(hash, is(&key), |entry| self.hash(entry)) {
            Entry::Vacant(place) => (key, None, place),
            Entry::Occupied(entry) => {
                let ((there, value), place) = entry.remove();
                (there, Some(value), place)
            }
        };
        let mut opened =
            Opened { value, key: Some(key), place: Some(place), removed: &mut removed };
        let result = work(&mut opened.value);
        drop(opened);
        if removed.is_some() {
            self.shrink(&mut table);
        }
        result
    }

    /// Removes `key`, and returns the value it had.
    #[cfg_attr(debug_assertions, track_caller)]
    pub fn remove<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        self.remove_if(key, |_| true)
    }

    /// Removes `key` if `judge` says so of its value, and returns that.
    #[cfg_attr(debug_assertions, track_caller)]
    pub fn remove_if<Q: Hash + Eq + ?Sized>(
        &self,
        key: &Q,
        judge: impl FnOnce(&V) -> bool,
    ) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let hash = self.hasher.hash_one(key);
        // Before the table, so that its key is dropped when the lock is free.
        let mut removed = None;
        let mut table = self.stripes.lock(self.stripes.index(hash));
        let entry = table.find_entry(hash, is(key)).ok()?;
        if judge(&entry.get().1) {
            removed = Some(entry.remove().0);
            self.shrink(&mut table);
        }
        drop(table);
        removed.map(|(_, value)| value)
    }

    /// Gives memory back once seven eighths of a table are empty, so that it takes as many steps to get there again.
    pub(super) fn shrink(&self, table: &mut Table<K, V>) {
        let (places, entries) = (table.num_buckets(), table.len());
        if places > SMALL && entries < places / 8 {
            table.shrink_to(entries * 2, |entry| self.hash(entry));
        }
    }

    fn hash(&self, (key, _): &(K, V)) -> u64 {
        self.hasher.hash_one(key)
    }
}

/// Whether an entry is the one of `key`.
fn is<K: Borrow<Q>, V, Q: Eq + ?Sized>(key: &Q) -> impl Fn(&(K, V)) -> bool {
    move |(other, _)| other.borrow() == key
}

/// An entry out of its place, to which it returns when this is dropped.
struct Opened<'a, K, V> {
    value: Option<V>,
    key: Option<K>,
    place: Option<VacantEntry<'a, (K, V)>>,
    removed: &'a mut Option<K>,
}

impl<K, V> Drop for Opened<'_, K, V> {
    fn drop(&mut self) {
        match (self.key.take(), self.value.take(), self.place.take()) {
            (Some(key), Some(value), Some(place)) => drop(place.insert((key, value))),
            (key, ..) => *self.removed = key,
        }
    }
}
