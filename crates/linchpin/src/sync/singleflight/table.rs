//! The flights of a group: who leads one, who joins it, and when it is gone.
//!
//! A few tables, each under a lock, chosen by a hash. To look for a flight and to begin one is one step under it. A flight
//! leaves its table when it has ended, by its number and not by its key: what was begun after it under the same key is
//! another. One that is *closed* takes nobody any more, and stays until it ends. Keys are hashed, cloned and dropped
//! when the lock is free, and compared under it.

use std::sync::Arc;
use std::time::Duration;

use crossbeam_utils::CachePadded;
use hashbrown::HashTable;

use super::record::{Joined, Record};
use crate::shim::{Fault, Mutex, MutexGuard, lock, planted};
use crate::sync::striped::stripes;
use crate::time::Instant;

pub(crate) struct Table<K, O> {
    shards: Box<[Padded<K, O>]>,
}

/// What flights may do that begin from now on. They are changed and read as one: a flight that goes on by itself by the
/// old ones must not have the time of the new, which may be none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    pub(crate) max_waiting: usize,
    pub(crate) max_age: Option<Duration>,
    /// How long one may take.
    pub(crate) max_flight: Option<Duration>,
    /// Whether one goes on when all have left.
    pub(crate) detach: bool,
}

type Padded<K, O> = CachePadded<Mutex<Shard<K, O>>>;

struct Shard<K, O> {
    flights: HashTable<Entry<K, O>>,
    rules: Rules,
    /// How many have begun, and how many callers shared one.
    begun: u64,
    shared: u64,
}

/// A flight.
struct Entry<K, O> {
    hash: u64,
    number: u64,
    key: K,
    /// Where it may be too old.
    begun: Option<Instant>,
    /// Those who wait for it and never leave.
    standing: usize,
    /// What its waiters share; `None` while nobody but its leader wants it, who is about to see whether it ends at once.
    record: Option<Arc<Record<O>>>,
    closed: bool,
}

/// A flight's place in the table.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Place {
    hash: u64,
    number: u64,
}

/// What one who comes is to do.
pub(crate) enum Entered<O> {
    /// Do the work, which may take so long.
    Leads { place: Place, limit: Option<Duration> },
    /// Wait for it.
    Joins(Arc<Record<O>>),
}

/// The numbers of a group.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Numbers {
    /// Flights begun: so often was work called.
    pub calls: u64,
    /// Callers that did not call their work and waited for that of another. Once more for each time one came anew.
    pub shared: u64,
    /// Flights that have not ended.
    pub running: usize,
}

/// A table of at most so many places is never worth shrinking.
const SMALL: usize = 32;

impl<K, O> Table<K, O> {
    #[cfg(all(test, linchpin_loom))]
    pub(crate) fn new(shards: usize, max_waiting: usize) -> Self {
        let rules = Rules { max_waiting, max_age: None, max_flight: None, detach: false };
        Self::with(shards, rules)
    }

    pub(crate) fn with(shards: usize, rules: Rules) -> Self {
        let shard = || Shard { flights: HashTable::new(), rules, begun: 0, shared: 0 };
        let shards = (0..shards).map(|_| CachePadded::new(Mutex::new(shard()))).collect();
        Self { shards }
    }

    /// Other rules from now on. A flight that is under way goes on without anybody as it began.
    pub(crate) fn set(&self, rules: Rules) {
        for shard in &self.shards {
            if planted(Fault::FlightMixesItsRules) {
                lock(shard).rules.max_flight = rules.max_flight;
            }
            lock(shard).rules = rules;
        }
    }

    /// Joins the flight of `key`, or begins one, for which it takes the key.
    ///
    /// # Panics
    ///
    /// If there is no key, or when keys that are compared do.
    pub(crate) fn enter(&self, hash: u64, key: &mut Option<K>) -> Entered<O>
    where
        K: Eq,
    {
        let mut shard = self.shard(hash);
        let Shard { flights, rules, begun, shared } = &mut *shard;
        let now = rules.max_age.map(|_| Instant::now());
        if let Some(entry) = flights.find_mut(hash, |entry| entry.is(hash, key.as_ref())) {
            if rules.is_too_old(entry.begun, now) {
                entry.closed = true;
            } else {
                let record = entry.record();
                match record.join(rules.max_waiting.saturating_add(entry.standing)) {
                    Joined::Yes => {
                        *shared += 1;
                        return Entered::Joins(record);
                    }
                    // All have left it, or it has as many as it may have.
                    Joined::Over | Joined::Full => entry.closed = true,
                }
            }
        }
        let key = key.take().expect("who comes brings a key");
        let place = Place { hash, number: *begun };
        *begun += 1;
        let number = place.number;
        let (standing, limit) = (usize::from(rules.detach), rules.max_flight);
        let entry = Entry { hash, number, key, begun: now, standing, record: None, closed: false };
        flights.insert_unique(hash, entry, |entry| entry.hash);
        Entered::Leads { place, limit }
    }

    /// What the waiters of a flight share, which did not end at once.
    pub(crate) fn record(&self, place: Place) -> Arc<Record<O>> {
        let mut shard = self.shard(place.hash);
        let entry = shard.flights.find_mut(place.hash, |entry| entry.number == place.number);
        let entry = entry.expect("a flight leaves when it has ended, once");
        entry.record()
    }

    /// A flight has ended: who waits for it, if anybody.
    pub(crate) fn remove(&self, place: Place) -> Option<Arc<Record<O>>> {
        let mut shard = self.shard(place.hash);
        let flights = &mut shard.flights;
        let removed =
            flights.find_entry(place.hash, |entry| entry.number == place.number).ok()?.remove().0;
        let (places, entries) = (flights.num_buckets(), flights.len());
        if places > SMALL && entries < places / 8 {
            flights.shrink_to(entries * 2, |entry| entry.hash);
        }
        drop(shard);
        removed.record
    }

    /// Closes the flight of a key for all who come from now on: whether there is one, and what its waiters share.
    pub(crate) fn close(
        &self,
        hash: u64,
        is: impl Fn(&K) -> bool,
    ) -> (bool, Option<Arc<Record<O>>>) {
        let mut shard = self.shard(hash);
        let found = |entry: &Entry<K, O>| entry.hash == hash && !entry.closed && is(&entry.key);
        let Some(entry) = shard.flights.find_mut(hash, found) else { return (false, None) };
        entry.closed = !planted(Fault::FlightStaysOpen);
        (true, entry.record.clone())
    }

    /// The same for all keys.
    pub(super) fn close_all(&self) -> Vec<Arc<Record<O>>> {
        let mut records = Vec::new();
        for shard in &self.shards {
            let mut shard = lock(shard);
            for entry in shard.flights.iter_mut().filter(|entry| !entry.closed) {
                entry.closed = true;
                records.extend(entry.record.clone());
            }
        }
        records
    }

    pub(crate) fn numbers(&self) -> Numbers {
        let mut sum = Numbers::default();
        for shard in &self.shards {
            let shard = lock(shard);
            sum.calls += shard.begun;
            sum.shared += shard.shared;
            sum.running += shard.flights.len();
        }
        sum
    }

    fn shard(&self, hash: u64) -> MutexGuard<'_, Shard<K, O>> {
        lock(&self.shards[stripes::place(hash, self.shards.len())])
    }
}

impl Rules {
    fn is_too_old(&self, begun: Option<Instant>, now: Option<Instant>) -> bool {
        let age = || Some((now? - begun?, self.max_age?));
        age().is_some_and(|(age, most)| age >= most)
    }
}

impl<K, O> Entry<K, O> {
    fn record(&mut self) -> Arc<Record<O>> {
        let standing = self.standing;
        self.record.get_or_insert_with(|| Arc::new(Record::with_standing(standing))).clone()
    }
}

impl<K: Eq, O> Entry<K, O> {
    fn is(&self, hash: u64, key: Option<&K>) -> bool {
        self.hash == hash && !self.closed && Some(&self.key) == key
    }
}
