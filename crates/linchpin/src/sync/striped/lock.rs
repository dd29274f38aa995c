//! Any value, in as many copies as there are stripes.

use std::fmt;
use std::hash::{BuildHasher as _, Hash};

use hashbrown::DefaultHashBuilder;

use super::stripes::{Several, Stripes};
use crate::resilience::BadOptions;

/// A lock of many stripes, each with a value of its own, in which a key finds its stripe by its hash.
///
/// The value of a stripe holds the state of all keys that fall on it, so most often it is a map; with `()` the stripes are
/// mere locks of keys. Prefer a [`Map`](super::Map) where one key at a time is looked up or changed.
///
/// Equal keys must hash alike however they are written: a `u32` and a `u64` do not, a `String` and its `str` do. The hash
/// has seeds of its own in each lock, as in [`Map`](super::Map).
///
/// ```
/// # use std::collections::HashMap;
/// # use linchpin::sync::striped::Lock;
/// let accounts: Lock<HashMap<&str, u64>> = Lock::new(HashMap::new);
/// accounts.write("ann", |stripe| stripe.insert("ann", 5));
/// accounts.write_all(["ann", "bob"], |mut held| {
///     *held.of_mut("ann").get_mut("ann").unwrap() -= 2;
///     *held.of_mut("bob").entry("bob").or_default() += 2;
/// });
/// assert_eq!(accounts.read("bob", |stripe| stripe["bob"]), 2);
/// ```
pub struct Lock<T> {
    stripes: Stripes<T>,
    hasher: DefaultHashBuilder,
}

/// The stripes of several keys, all locked: what [`Lock::write_all`] shows.
pub struct Held<'a, T> {
    lock: &'a Lock<T>,
    several: Several<'a, T>,
}

// ===== impl Lock =====

impl<T> Lock<T> {
    /// A lock with sixteen stripes for each processor, rounded up to a power of two and 1,024 at most, of 128 bytes
    /// each and what `make` makes for it.
    #[must_use]
    pub fn new(make: impl FnMut() -> T) -> Self {
        Self { stripes: Stripes::usual(make), hasher: DefaultHashBuilder::default() }
    }

    /// A lock with so many stripes.
    ///
    /// # Errors
    ///
    /// If that is not a power of two, or above 65,536.
    pub fn with_stripes(stripes: usize, make: impl FnMut() -> T) -> Result<Self, BadOptions> {
        let stripes = Stripes::new("striped::Lock", stripes, make)?;
        Ok(Self { stripes, hasher: DefaultHashBuilder::default() })
    }

    /// Reads the stripe of `key`, beside other readers.
    ///
    /// # Panics
    ///
    /// With debug assertions, inside of a closure of this lock. So do the others.
    #[cfg_attr(debug_assertions, track_caller)]
    pub fn read<K: Hash + ?Sized, R>(&self, key: &K, work: impl FnOnce(&T) -> R) -> R {
        self.stripes.read(self.index(key), work)
    }

    /// Changes the stripe of `key`, alone.
    #[cfg_attr(debug_assertions, track_caller)]
    pub fn write<K: Hash + ?Sized, R>(&self, key: &K, work: impl FnOnce(&mut T) -> R) -> R {
        work(&mut self.stripes.lock(self.index(key)))
    }

    /// Changes the stripes of all `keys` in one step, alone on all of them.
    ///
    /// Each stripe is locked once, whichever keys fall on it, and all callers lock them in the same order, so that none
    /// waits for another in a circle.
    #[cfg_attr(debug_assertions, track_caller)]
    pub fn write_all<'k, K: Hash + ?Sized + 'k, R>(
        &self,
        keys: impl IntoIterator<Item = &'k K>,
        work: impl FnOnce(Held<'_, T>) -> R,
    ) -> R {
        let indices = keys.into_iter().map(|key| self.index(key));
        work(Held { lock: self, several: self.stripes.lock_several(indices) })
    }

    /// Reads one stripe after the other. What is written meanwhile may be seen or not.
    #[cfg_attr(debug_assertions, track_caller)]
    pub fn for_each(&self, mut work: impl FnMut(&T)) {
        for index in 0..self.stripes() {
            self.stripes.read(index, &mut work);
        }
    }

    /// Changes one stripe after the other, each alone.
    #[cfg_attr(debug_assertions, track_caller)]
    pub fn for_each_mut(&self, mut work: impl FnMut(&mut T)) {
        for index in 0..self.stripes() {
            work(&mut self.stripes.lock(index));
        }
    }

    /// How many stripes there are.
    #[must_use]
    pub fn stripes(&self) -> usize {
        self.stripes.len()
    }

    /// The values of all stripes.
    pub fn into_values(self) -> impl Iterator<Item = T> {
        self.stripes.into_values()
    }

    #[inline]
    fn index<K: Hash + ?Sized>(&self, key: &K) -> usize {
        self.stripes.index(self.hasher.hash_one(key))
    }
}

impl<T: Default> Default for Lock<T> {
    fn default() -> Self {
        Self::new(T::default)
    }
}

impl<T> fmt::Debug for Lock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lock").field("stripes", &self.stripes()).finish_non_exhaustive()
    }
}

// ===== impl Held =====

impl<T> Held<'_, T> {
    /// The stripe of `key`.
    ///
    /// # Panics
    ///
    /// If it is not held: `key` was not among the keys, and falls on the stripe of none of them.
    #[must_use]
    #[track_caller]
    pub fn of<K: Hash + ?Sized>(&self, key: &K) -> &T {
        &self.several.stripes[self.position(key)].1
    }

    /// The stripe of `key`, to be changed. Two keys may have the same one.
    ///
    /// # Panics
    ///
    /// As [`of`](Self::of).
    #[must_use]
    #[track_caller]
    pub fn of_mut<K: Hash + ?Sized>(&mut self, key: &K) -> &mut T {
        let position = self.position(key);
        &mut self.several.stripes[position].1
    }

    #[track_caller]
    fn position<K: Hash + ?Sized>(&self, key: &K) -> usize {
        let wanted = self.lock.index(key);
        let position = self.several.stripes.iter().position(|(index, _)| *index == wanted);
        position.expect("the key is one of those that were locked")
    }
}

impl<T> fmt::Debug for Held<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held").field("stripes", &self.several.stripes.len()).finish_non_exhaustive()
    }
}
