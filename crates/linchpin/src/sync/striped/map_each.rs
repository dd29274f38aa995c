//! What concerns all entries of a map: one stripe after the other.

use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::iter::FusedIterator;
use std::{mem, vec};

use super::Map;
use super::map::Table;

/// Clones of a map's entries: see [`Map::iter`].
#[derive(Debug)]
pub struct Iter<'a, K, V, S> {
    map: &'a Map<K, V, S>,
    /// The stripe that comes next.
    next: usize,
    entries: vec::IntoIter<(K, V)>,
}

impl<K: Hash + Eq, V, S: BuildHasher> Map<K, V, S> {
    /// Keeps the entries of which `keep` says so, under the lock of one stripe after the other. The others are dropped
    /// when the lock of their stripe is free, and their memory is given back.
    #[cfg_attr(debug_assertions, track_caller)]
    pub fn retain(&self, mut keep: impl FnMut(&K, &mut V) -> bool) {
        for index in 0..self.stripes() {
            let mut removed = Vec::new();
            let mut table = self.stripes.lock(index);
            removed.extend(table.extract_if(|(key, value)| !keep(key, value)));
            self.shrink(&mut table);
            drop(table);
        }
    }
}

impl<K, V, S> Map<K, V, S> {
    /// Removes all entries and gives their memory back. An entry that is put into a stripe whose turn is over stays.
    #[cfg_attr(debug_assertions, track_caller)]
    pub fn clear(&self) {
        for index in 0..self.stripes() {
            let table = mem::replace(&mut *self.stripes.lock(index), Table::new());
            drop(table);
        }
    }

    /// How many entries there are: the sum of all stripes, one after the other, so exact if nobody writes meanwhile.
    #[must_use]
    #[cfg_attr(debug_assertions, track_caller)]
    pub fn len(&self) -> usize {
        let mut entries = 0;
        for index in 0..self.stripes() {
            entries += self.stripes.read(index, Table::len);
        }
        entries
    }

    /// Whether there is no entry: as exact as [`len`](Self::len).
    #[must_use]
    #[cfg_attr(debug_assertions, track_caller)]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many entries there is room for in the tables as they are, which is what the map takes in memory.
    #[must_use]
    #[cfg_attr(debug_assertions, track_caller)]
    pub fn capacity(&self) -> usize {
        let mut places = 0;
        for index in 0..self.stripes() {
            places += self.stripes.read(index, Table::num_buckets);
        }
        // A table is filled to seven eighths.
        places / 8 * 7
    }

    /// Looks at every entry, under the lock of its stripe, in no order. See [`iter`](Self::iter) for who is seen.
    #[cfg_attr(debug_assertions, track_caller)]
    pub fn for_each(&self, mut look: impl FnMut(&K, &V)) {
        for index in 0..self.stripes() {
            self.stripes.read(index, |table| {
                table.iter().for_each(|(key, value)| look(key, value));
            });
        }
    }

    /// Clones of the entries, in no order.
    ///
    /// They are cloned a stripe at a time, when the one before is used up, and no lock is held in between: the loop may
    /// do to the map what it likes. An entry that is there from the first to the last call of `next` is seen, once. One
    /// that comes, goes or changes meanwhile is seen as it was at some moment in between, or not at all; no key is seen
    /// twice.
    pub fn iter(&self) -> Iter<'_, K, V, S>
    where
        K: Clone,
        V: Clone,
    {
        Iter { map: self, next: 0, entries: Vec::new().into_iter() }
    }
}

impl<K: Clone, V: Clone, S> Iterator for Iter<'_, K, V, S> {
    type Item = (K, V);

    #[cfg_attr(debug_assertions, track_caller)]
    fn next(&mut self) -> Option<(K, V)> {
        loop {
            if let Some(entry) = self.entries.next() {
                return Some(entry);
            }
            if self.next == self.map.stripes() {
                return None;
            }
            let clone = |table: &Table<K, V>| table.iter().cloned().collect::<Vec<_>>();
            self.entries = self.map.stripes.read(self.next, clone).into_iter();
            self.next += 1;
        }
    }
}

impl<K: Clone, V: Clone, S> FusedIterator for Iter<'_, K, V, S> {}

impl<'a, K: Clone, V: Clone, S> IntoIterator for &'a Map<K, V, S> {
    type Item = (K, V);
    type IntoIter = Iter<'a, K, V, S>;

    fn into_iter(self) -> Iter<'a, K, V, S> {
        self.iter()
    }
}

impl<K, V, S> IntoIterator for Map<K, V, S> {
    type Item = (K, V);
    type IntoIter = vec::IntoIter<(K, V)>;

    fn into_iter(self) -> vec::IntoIter<(K, V)> {
        self.stripes.into_values().flatten().collect::<Vec<_>>().into_iter()
    }
}

impl<K: Hash + Eq, V, S: BuildHasher + Default> FromIterator<(K, V)> for Map<K, V, S> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let map = Self::default();
        for (key, value) in entries {
            map.insert(key, value);
        }
        map
    }
}

impl<K, V, S: Default> Default for Map<K, V, S> {
    fn default() -> Self {
        Self::with_hasher(S::default())
    }
}

impl<K, V, S> fmt::Debug for Map<K, V, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Map").field("stripes", &self.stripes()).finish_non_exhaustive()
    }
}
