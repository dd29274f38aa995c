//! Go's own tests of `sync.Map` and of the trie under it, with a good, a bad and a truncated hash. The table
//! is in the guide, P5.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;

use hashbrown::DefaultHashBuilder;
use linchpin::sync::striped::Map;

/// Keeps some bits of a good hash, the lowest of which choose the place and the highest are compared first.
#[derive(Clone, Default)]
pub(crate) struct Truncated(pub(crate) DefaultHashBuilder, pub(crate) u64);

pub(crate) struct Bits<H>(H, u64);

impl BuildHasher for Truncated {
    type Hasher = Bits<<DefaultHashBuilder as BuildHasher>::Hasher>;

    fn build_hasher(&self) -> Self::Hasher {
        Bits(self.0.build_hasher(), self.1)
    }
}

impl<H: Hasher> Hasher for Bits<H> {
    fn finish(&self) -> u64 {
        self.0.finish() & self.1
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0.write(bytes);
    }
}

type Tested = Map<String, usize, Truncated>;

/// The three maps that Go runs each test on.
fn maps() -> [Tested; 3] {
    let map = |bits| Map::with_hasher(Truncated(DefaultHashBuilder::default(), bits));
    [map(u64::MAX), map(0), map(0x7)]
}

const KEYS: usize = 128;

/// One key, and several: what Go changes alone.
const SOME: [&[usize]; 2] = [&[15], &[1, 105, 6, 85]];

/// What `n` has for a value after those have had one added.
fn moved(n: usize, those: &[usize]) -> usize {
    n + usize::from(those.contains(&n))
}

fn key(n: usize) -> String {
    // Some short, some long, some empty at the end, as in Go's list.
    "x".repeat(n % 7) + &n.to_string()
}

fn fill(map: &Tested) {
    for n in 0..KEYS {
        assert_eq!(map.get(&key(n)), None);
        assert_eq!(map.get_or_insert_with(key(n), || n), n);
        assert_eq!(map.get(&key(n)), Some(n));
        assert_eq!(map.get_or_insert_with(key(n), || 0), n);
    }
}

fn swap(map: &Tested, key: &str, old: usize, new: usize) -> bool {
    let change = |value: &mut usize| {
        let same = *value == old;
        if same {
            *value = new;
        }
        same
    };
    map.update(key, change).unwrap_or(false)
}

fn delete(map: &Tested, key: &str, old: usize) -> bool {
    map.remove_if(key, |value| *value == old).is_some()
}

/// So many threads, each with its number.
fn concurrently(work: impl Fn(usize) + Sync) {
    thread::scope(|scope| {
        for id in 0..4 {
            let work = &work;
            scope.spawn(move || work(id));
        }
    });
}

#[test]
fn go_load_empty_and_load_or_store() {
    for map in maps() {
        assert!((0..KEYS).all(|n| map.get(&key(n)).is_none()));
        fill(&map);
        for n in 0..KEYS {
            assert_eq!(map.get_or_insert_with(key(n), || 0), n);
        }
    }
}

#[test]
fn go_all_sees_each_entry_once() {
    for map in maps() {
        fill(&map);
        let seen: BTreeMap<String, usize> = map.iter().collect();
        assert_eq!((seen.len(), map.iter().count()), (KEYS, KEYS));
        assert!((0..KEYS).all(|n| seen[&key(n)] == n));
    }
}

#[test]
fn go_clear_and_concurrent_clear() {
    for map in maps() {
        fill(&map);
        map.clear();
        assert!((0..KEYS).all(|n| map.get(&key(n)).is_none()));
        fill(&map);
        thread::scope(|scope| {
            scope.spawn(|| {
                concurrently(|_| {
                    for n in 0..KEYS {
                        assert!(!delete(&map, &key(n), usize::MAX));
                        swap(&map, &key(n), n, n + 1);
                    }
                });
            });
            map.clear();
        });
        assert!(map.is_empty());
    }
    let map = maps().into_iter().next().unwrap();
    concurrently(|id| {
        for n in 0..30 {
            map.insert(key(n), n);
            assert!(map.get(&key(n)).is_none_or(|value| value == n));
            if id % 2 == 0 {
                map.clear();
            }
        }
    });
    map.clear();
    assert!(map.is_empty());
}

#[test]
fn go_compare_and_delete() {
    for map in maps() {
        for _ in 0..3 {
            fill(&map);
            for n in 0..KEYS {
                assert!(!delete(&map, &key(n), usize::MAX));
                assert!(delete(&map, &key(n), n));
                assert!(!delete(&map, &key(n), n));
                assert_eq!(map.get(&key(n)), None);
            }
        }
        for some in SOME {
            fill(&map);
            for n in some {
                assert!(!delete(&map, &key(*n), usize::MAX) && delete(&map, &key(*n), *n));
                assert!(!delete(&map, &key(*n), *n));
            }
            assert!((0..KEYS).all(|n| map.get(&key(n)) == (!some.contains(&n)).then_some(n)));
            map.clear();
        }
        fill(&map);
        for (key, value) in &map {
            assert!(delete(&map, &key, value));
        }
        assert!(map.is_empty());
    }
}

#[test]
fn go_compare_and_swap() {
    for map in maps() {
        assert!(!swap(&map, "none", 0, 42), "a key that is not there");
        fill(&map);
        for round in 0..3 {
            for n in 0..KEYS {
                assert!(!swap(&map, &key(n), usize::MAX, 0));
                assert!(swap(&map, &key(n), n + round, n + round + 1));
                assert!(!swap(&map, &key(n), n + round, n + round + 1));
            }
        }
        assert!((0..KEYS).all(|n| map.get(&key(n)) == Some(n + 3)));
        for some in SOME {
            map.clear();
            fill(&map);
            for n in some {
                assert!(!swap(&map, &key(*n), usize::MAX, n + 1));
                assert!(swap(&map, &key(*n), *n, n + 1) && !swap(&map, &key(*n), *n, n + 1));
            }
            assert!((0..KEYS).all(|n| map.get(&key(n)) == Some(moved(n, some))));
        }
    }
}

#[test]
fn go_swap() {
    for map in maps() {
        for n in 0..KEYS {
            assert_eq!((map.insert(key(n), n), map.insert(key(n), n)), (None, Some(n)));
        }
        for round in 0..3 {
            for n in 0..KEYS {
                assert_eq!(map.insert(key(n), n + round + 1), Some(n + round));
            }
        }
        assert!((0..KEYS).all(|n| map.insert(key(n), n + 3) == Some(n + 3)));
        for some in SOME {
            map.clear();
            fill(&map);
            for n in some {
                assert_eq!(map.insert(key(*n), n + 1), Some(*n));
            }
            assert!((0..KEYS).all(|n| map.get(&key(n)) == Some(moved(n, some))));
        }
    }
}

#[test]
fn go_load_and_delete() {
    for map in maps() {
        for _ in 0..3 {
            fill(&map);
            for n in 0..KEYS {
                assert_eq!((map.remove(&key(n)), map.remove(&key(n))), (Some(n), None));
            }
        }
        for some in SOME {
            fill(&map);
            for n in some {
                assert_eq!((map.remove(&key(*n)), map.remove(&key(*n))), (Some(*n), None));
            }
            assert!((0..KEYS).all(|n| map.get(&key(n)) == (!some.contains(&n)).then_some(n)));
            map.clear();
        }
        fill(&map);
        for (key, value) in &map {
            assert_eq!(map.remove(&key), Some(value));
        }
        assert!(map.is_empty());
    }
}

#[test]
fn go_concurrent_keys_of_ones_own() {
    for map in maps() {
        concurrently(|id| {
            let own = |n| format!("{}-{id}", key(n));
            for n in 0..KEYS {
                assert_eq!(map.get_or_insert_with(own(n), || id), id);
                assert_eq!(map.insert(own(n), id), Some(id));
            }
            for n in 0..KEYS {
                assert!(swap(&map, &own(n), id, id + 1));
                assert_eq!(map.get(&own(n)), Some(id + 1));
                if n % 2 == 0 {
                    assert!(delete(&map, &own(n), id + 1));
                } else {
                    assert_eq!(map.remove(&own(n)), Some(id + 1));
                }
                assert!(!swap(&map, &own(n), id + 1, id + 2) && !delete(&map, &own(n), id + 1));
            }
            assert!((0..KEYS).all(|n| map.get(&own(n)).is_none()));
            for n in 0..KEYS {
                assert_eq!((map.insert(own(n), id), map.remove(&own(n))), (None, Some(id)));
            }
        });
        assert!(map.is_empty());
    }
}

#[test]
fn go_concurrent_keys_of_all() {
    for map in maps() {
        fill(&map);
        concurrently(|_| {
            for n in 0..KEYS {
                assert!(!swap(&map, &key(n), usize::MAX, n + 1));
                swap(&map, &key(n), n, n + 1);
                assert_eq!(map.get(&key(n)), Some(n + 1));
                assert_eq!(map.insert(key(n), n + 1), Some(n + 1));
            }
        });
        concurrently(|_| {
            for n in 0..KEYS {
                delete(&map, &key(n), n + 1);
                assert_eq!((map.get(&key(n)), map.remove(&key(n))), (None, None));
            }
        });
        assert!(map.is_empty());
    }
}

/// `TestConcurrentRange`: nothing is seen twice, nothing is missed, and each value belongs to its key.
#[test]
fn go_concurrent_range() {
    const SIZE: usize = 1 << 10;
    let map: Map<usize, usize> = (1..=SIZE).map(|n| (n, n)).collect();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for writer in 1..=2 {
            let (map, done) = (&map, &done);
            scope.spawn(move || {
                for round in 0.. {
                    for n in (1..=SIZE).step_by(97) {
                        map.insert(n, n * round * writer);
                        assert!(map.contains_key(&n));
                    }
                    if done.load(SeqCst) {
                        break;
                    }
                }
            });
        }
        for _ in 0..64 {
            let mut seen = BTreeSet::new();
            for (key, value) in &map {
                assert_eq!(value % key, 0, "a value of another key");
                assert!(seen.insert(key), "twice");
            }
            assert_eq!(seen.len(), SIZE);
        }
        done.store(true, SeqCst);
    });
}

/// `TestMapRangeNestedCall`: a loop inside of a loop, and all other calls.
#[test]
fn go_range_nested_call() {
    let map: Map<usize, &str> = ["hello", "world", "Rust"].into_iter().enumerate().collect();
    for (outer, _) in &map {
        for (inner, value) in &map {
            assert_eq!(map.get(&inner), Some(value));
            assert_eq!(map.get_or_insert_with(42, || "dummy"), "dummy");
            map.insert(42, "map");
            assert_eq!(map.remove(&42), Some("map"));
        }
        map.remove(&outer);
    }
    assert!(map.is_empty());
}

/// `TestIssue40999`: a key that was removed is dropped.
#[test]
fn go_removed_keys_are_not_kept() {
    let (map, key) = (Map::new(), Arc::new(1));
    map.insert(key.clone(), ());
    map.remove(&key);
    assert_eq!(Arc::strong_count(&key), 1);
}
