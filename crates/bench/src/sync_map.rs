//! Rows `map-*`: maps that threads share, with as many readers as the name says: 99, 75 and 50 of a hundred operations.
//!
//! Ten thousand integers, half of them in the map at any time; of what is no look-up, half inserts and half removes. In
//! `map-hot` all look up the same key. Every peer is there with the hash it has by itself, which is `SipHash` for each of
//! them, and with the one of ours. Go's `sync.Map` puts keys and values into interfaces, which is its only way.

mod go;

use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use hashbrown::DefaultHashBuilder;
use linchpin::sync::striped;

use self::go::Go;
use crate::harness::Operation;
use crate::row::Role::{Ours, Peer};

const KEYS: u64 = 10_000;

/// Every row of maps.
pub fn operations() -> Vec<Operation> {
    let go = Go::build();
    let row = |name, load, threads| go.beside(operation(name, load, threads), load, threads);
    vec![
        row("map-read", Load::spread(99), 1),
        row("map-mixed", Load::spread(75), 1),
        row("map-write", Load::spread(50), 1),
        row("map-read-t2", Load::spread(99), 2),
        row("map-mixed-t2", Load::spread(75), 2),
        row("map-write-t2", Load::spread(50), 2),
        row("map-hot-t2", Load { reads: 100, keys: 1 }, 2),
    ]
}

/// What is done to a map.
#[derive(Clone, Copy)]
struct Load {
    /// Look-ups among a hundred operations.
    reads: u64,
    keys: u64,
}

impl Load {
    fn spread(reads: u64) -> Self {
        Self { reads, keys: KEYS }
    }
}

fn operation(name: &'static str, load: Load, threads: usize) -> Operation {
    type Std = RandomState;
    type Fast = DefaultHashBuilder;
    let ours = striped::Map::<u64, u64>::new();
    Operation::new(name)
        .threads(threads, Ours, "linchpin", run(ours, load))
        .threads(threads, Peer, "dashmap", run(dashmap::DashMap::<_, _, Std>::default(), load))
        .threads(threads, Peer, "papaya", run(papaya::HashMap::<_, _, Std>::default(), load))
        .threads(threads, Peer, "scc, HashMap", run(scc::HashMap::<_, _, Std>::default(), load))
        .threads(threads, Peer, "scc, HashIndex", run(scc::HashIndex::<_, _, Std>::default(), load))
        .threads(threads, Peer, "dashmap, our hash", {
            run(dashmap::DashMap::<_, _, Fast>::default(), load)
        })
        .threads(threads, Peer, "papaya, our hash", {
            run(papaya::HashMap::<_, _, Fast>::default(), load)
        })
        .threads(threads, Peer, "scc, HashMap, our hash", {
            run(scc::HashMap::<_, _, Fast>::default(), load)
        })
        .threads(threads, Peer, "scc, HashIndex, our hash", {
            run(scc::HashIndex::<_, _, Fast>::default(), load)
        })
}

/// One operation after the other, as chance has it.
fn run<M: Shared>(map: M, load: Load) -> impl Fn() + Sync {
    (0..load.keys).step_by(2).for_each(|key| map.insert(key, key));
    move || {
        let map = black_box(&map);
        let chance = chance();
        let key = (chance >> 40) % load.keys;
        if (chance & 0xffff) * 100 < load.reads << 16 {
            black_box(map.get(key));
        } else if chance & 0x1_0000 == 0 {
            map.insert(key, chance);
        } else {
            map.remove(key);
        }
    }
}

/// The next number of this thread, by Marsaglia's xorshift.
fn chance() -> u64 {
    static SEED: AtomicU64 = AtomicU64::new(0);
    thread_local! {
        static STATE: Cell<u64> =
            Cell::new(SEED.fetch_add(1, Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    }
    STATE.with(|state| {
        let mut next = state.get();
        next ^= next << 13;
        next ^= next >> 7;
        next ^= next << 17;
        state.set(next);
        next
    })
}

/// What all of them do.
trait Shared: Sync + 'static {
    fn get(&self, key: u64) -> Option<u64>;
    fn insert(&self, key: u64, value: u64);
    fn remove(&self, key: u64);
}

impl Shared for striped::Map<u64, u64> {
    fn get(&self, key: u64) -> Option<u64> {
        self.get(&key)
    }

    fn insert(&self, key: u64, value: u64) {
        black_box(self.insert(key, value));
    }

    fn remove(&self, key: u64) {
        black_box(self.remove(&key));
    }
}

impl<S: BuildHasher + Clone + Send + Sync + 'static> Shared for dashmap::DashMap<u64, u64, S> {
    fn get(&self, key: u64) -> Option<u64> {
        self.get(&key).map(|value| *value)
    }

    fn insert(&self, key: u64, value: u64) {
        black_box(self.insert(key, value));
    }

    fn remove(&self, key: u64) {
        black_box(self.remove(&key));
    }
}

impl<S: BuildHasher + Send + Sync + 'static> Shared for papaya::HashMap<u64, u64, S> {
    fn get(&self, key: u64) -> Option<u64> {
        self.pin().get(&key).copied()
    }

    fn insert(&self, key: u64, value: u64) {
        black_box(self.pin().insert(key, value));
    }

    fn remove(&self, key: u64) {
        black_box(self.pin().remove(&key));
    }
}

impl<S: BuildHasher + Send + Sync + 'static> Shared for scc::HashMap<u64, u64, S> {
    fn get(&self, key: u64) -> Option<u64> {
        self.read_sync(&key, |_, value| *value)
    }

    fn insert(&self, key: u64, value: u64) {
        black_box(self.upsert_sync(key, value));
    }

    fn remove(&self, key: u64) {
        black_box(self.remove_sync(&key));
    }
}

impl<S: BuildHasher + Send + Sync + 'static> Shared for scc::HashIndex<u64, u64, S> {
    fn get(&self, key: u64) -> Option<u64> {
        self.peek_with(&key, |_, value| *value)
    }

    fn insert(&self, key: u64, value: u64) {
        match self.entry_sync(key) {
            scc::hash_index::Entry::Occupied(mut entry) => entry.update(value),
            scc::hash_index::Entry::Vacant(entry) => drop(entry.insert_entry(value)),
        }
    }

    fn remove(&self, key: u64) {
        black_box(self.remove_sync(&key));
    }
}
