//! Striped locks and maps: who sees what, what runs outside of the lock, and what a panic leaves.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier};
use std::thread;

use linchpin::sync::striped::{Held, Lock, Map};

fn panics<T>(work: impl FnOnce() -> T) -> String {
    let payload = catch_unwind(AssertUnwindSafe(|| drop(work()))).expect_err("a panic");
    linchpin::task::panic_text(&*payload).to_owned()
}

#[test]
fn an_entry_is_there_until_it_is_removed() {
    let map: Map<String, u32> = Map::new();
    assert_eq!((map.get("a"), map.len(), map.is_empty()), (None, 0, true));
    assert_eq!(map.insert("a".into(), 1), None);
    assert_eq!(map.insert("a".into(), 2), Some(1));
    assert_eq!((map.get("a"), map.read("a", |value| value + 1)), (Some(2), Some(3)));
    assert!(map.contains_key("a") && !map.contains_key("b"));
    assert_eq!(map.update("a", |value| std::mem::replace(value, 3)), Some(2));
    assert_eq!(map.update("b", |_| ()), None);
    assert_eq!(map.get_or_insert_with("a".into(), || unreachable!()), 3);
    assert_eq!(map.get_or_insert_with("b".into(), || 4), 4);
    assert_eq!((map.remove_if("b", |value| *value == 5), map.len()), (None, 2));
    assert_eq!(map.remove_if("b", |value| *value == 4), Some(4));
    assert_eq!((map.remove("a"), map.remove("a"), map.len()), (Some(3), None, 0));
}

#[test]
fn compute_leaves_what_the_closure_leaves() {
    let map: Map<&str, u32> = Map::new();
    assert_eq!(map.compute("a", |slot| slot.replace(1)), None);
    assert_eq!(map.compute("a", |slot| slot.replace(2)), Some(1));
    assert_eq!(map.get("a"), Some(2));
    assert_eq!(map.compute("a", Option::take), Some(2));
    assert_eq!(map.compute("a", |slot| *slot), None);
    assert!(map.is_empty());
}

#[test]
fn all_entries_are_seen_kept_or_cleared() {
    let map: Map<u32, u32> = (0..1000).map(|n| (n, n)).collect();
    assert_eq!(map.len(), 1000);
    map.retain(|key, value| {
        *value += 1;
        key % 2 == 0
    });
    let mut seen = Vec::new();
    map.for_each(|key, value| seen.push((*key, *value)));
    seen.sort_unstable();
    let expected: Vec<_> = (0..1000).step_by(2).map(|n| (n, n + 1)).collect();
    assert_eq!(seen, expected);
    let mut entries: Vec<_> = map.iter().collect();
    entries.sort_unstable();
    assert_eq!(entries, expected);
    map.clear();
    assert_eq!((map.iter().next(), map.len()), (None, 0));
    map.insert(1, 1);
    assert_eq!(map.into_iter().collect::<Vec<_>>(), [(1, 1)]);
}

/// Comes back to the map when it is dropped: under its lock that would be found as a nested call, or hang.
struct Comes(Arc<Map<u32, Comes>>, Arc<AtomicUsize>);

impl Drop for Comes {
    fn drop(&mut self) {
        self.0.for_each(|_, _| ());
        self.1.fetch_add(1, SeqCst);
    }
}

#[test]
fn values_are_dropped_outside_of_the_lock() {
    let (map, dropped) = (Arc::new(Map::new()), Arc::new(AtomicUsize::new(0)));
    let comes = || Comes(map.clone(), dropped.clone());
    let fill = || (0..100).for_each(|key| drop(map.insert(key, comes())));
    fill();
    fill();
    assert_eq!(dropped.load(SeqCst), 100);
    drop(map.remove(&1));
    map.retain(|key, _| *key != 2);
    drop(map.compute(3, Option::take));
    drop(map.remove_if(&4, |_| true));
    map.clear();
    assert_eq!(dropped.load(SeqCst), 200);
}

#[test]
fn keys_are_dropped_outside_of_the_lock() {
    #[derive(Clone)]
    struct Key(Arc<Map<Key, ()>>);
    impl std::hash::Hash for Key {
        fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
            state.write_u8(1);
        }
    }
    impl PartialEq for Key {
        fn eq(&self, _: &Self) -> bool {
            true
        }
    }
    impl Eq for Key {}
    impl Drop for Key {
        fn drop(&mut self) {
            self.0.for_each(|_, ()| ());
        }
    }
    let map = Arc::new(Map::new());
    let key = || Key(map.clone());
    for _ in 0..2 {
        map.insert(key(), ());
    }
    map.get_or_insert_with(key(), || ());
    map.compute(key(), |slot| assert!(slot.is_some()));
    map.compute(key(), |slot| *slot = None);
    map.insert(key(), ());
    assert_eq!(map.remove(&key()), Some(()));
    map.insert(key(), ());
    panics(|| {
        map.compute(key(), |slot| {
            *slot = None;
            panic!("boom")
        })
    });
    assert!(map.is_empty());
}

#[test]
fn a_panic_in_a_closure_leaves_what_was_done_and_the_map_goes_on() {
    let map: Map<u32, u32> = Map::new();
    map.insert(1, 1);
    let half = |slot: &mut u32| {
        *slot = 2;
        panic!("boom");
    };
    assert_eq!(panics(|| map.update(&1, half)), "boom");
    assert_eq!(map.get(&1), Some(2));
    panics(|| map.compute(1, |slot| half(slot.as_mut().unwrap())));
    assert_eq!(map.get(&1), Some(2));
    panics(|| map.compute(2, |_| panic!("boom")));
    panics(|| map.get_or_insert_with(2, || panic!("boom")));
    assert_eq!(map.get(&2), None);
    // Calm by then: the reader sits.
    for _ in 0..100 {
        map.read(&1, |_| ());
    }
    panics(|| map.read(&1, |_| panic!("boom")));
    panics(|| map.for_each(|_, _| panic!("boom")));
    panics(|| map.retain(|_, _| panic!("boom")));
    let (lock, mut calls) = (Lock::new(|| 0), 0);
    panics(|| lock.write_all([&1, &2], |_| panic!("boom")));
    lock.for_each_mut(|_| calls += 1);
    assert_eq!((map.insert(1, 3), calls), (Some(2), lock.stripes()));
}

#[test]
#[cfg(debug_assertions)]
fn a_closure_that_comes_back_is_found_and_both_places_are_named() {
    let map: Map<u32, u32> = Map::new();
    map.insert(1, 1);
    for _ in 0..100 {
        assert!(map.contains_key(&1));
    }
    let text = panics(|| map.update(&1, |_| map.get(&2)));
    assert_eq!(text.matches(file!()).count(), 2, "{text}");
    for nested in [
        panics(|| map.read(&1, |_| map.insert(1, 2))),
        panics(|| map.compute(1, |_| map.clear())),
        panics(|| map.for_each(|_, _| assert!(map.remove(&1).is_some()))),
        panics(|| map.get_or_insert_with(3, || map.len() as u32)),
    ] {
        assert!(nested.contains("from inside of a closure"), "{nested}");
    }
    let lock = Lock::new(|| 0);
    panics(|| lock.read(&1, |_| lock.write_all([&1, &2], |_| ())));
    // Another one may be asked, and it may be asked again.
    let other: Map<u32, u32> = Map::new();
    assert_eq!(map.read(&1, |_| other.insert(1, 1)), Some(None));
    assert_eq!((map.get(&1), other.get(&1)), (Some(1), Some(1)));
}

#[test]
fn a_writer_waits_for_the_reader_that_is_there() {
    let map: Map<u32, u32> = Map::new();
    map.insert(1, 1);
    for _ in 0..100 {
        assert!(map.contains_key(&1));
    }
    let (inside, written) = (Barrier::new(2), AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(|| {
            inside.wait();
            map.insert(1, 2);
            written.store(true, SeqCst);
        });
        map.read(&1, |value| {
            inside.wait();
            for _ in 0..1000 {
                assert!(*value == 1 && !written.load(SeqCst));
                thread::yield_now();
            }
        });
    });
    assert_eq!(map.get(&1), Some(2));
}

#[test]
fn more_threads_than_seats_read_and_write_alike() {
    let map: Map<usize, usize> = (0..16).map(|key| (key, 0)).collect();
    let start = Barrier::new(300);
    thread::scope(|scope| {
        for thread in 0..300 {
            let (map, start) = (&map, &start);
            scope.spawn(move || {
                start.wait();
                for round in 0..100 {
                    let key = (thread + round) % 16;
                    assert!(map.get(&key).is_some());
                    if round % 10 == 0 {
                        map.update(&key, |count| *count += 1);
                    }
                }
            });
        }
    });
    assert_eq!(map.iter().map(|(_, count)| count).sum::<usize>(), 3000);
}

#[test]
fn a_loop_over_entries_may_do_to_the_map_what_it_likes() {
    let map: Map<u32, u32> = (0..100).map(|n| (n, n)).collect();
    for (key, _) in &map {
        map.remove(&key);
        map.insert(key + 1000, 0);
        map.remove(&(key + 1000));
    }
    assert!(map.is_empty());
}

#[test]
fn a_lock_of_several_keys_is_one_step() {
    let accounts: Lock<HashMap<u32, u64>> = Lock::new(HashMap::new);
    for account in 0..8 {
        accounts.write(&account, |stripe| stripe.insert(account, 1000));
    }
    thread::scope(|scope| {
        for thread in 0..4_u32 {
            let accounts = &accounts;
            scope.spawn(move || {
                for round in 0..2000_u32 {
                    let (from, to) = ((thread + round) % 8, (thread * 3 + round * 5) % 8);
                    accounts.write_all([&from, &to], |mut held| {
                        *held.of_mut(&from).get_mut(&from).unwrap() -= 1;
                        *held.of_mut(&to).get_mut(&to).unwrap() += 1;
                    });
                    if round % 100 == 0 {
                        let keys: Vec<u32> = (0..8).collect();
                        let sum = accounts.write_all(&keys, |held| {
                            keys.iter().map(|key| held.of(key)[key]).sum::<u64>()
                        });
                        assert_eq!(sum, 8000);
                    }
                }
            });
        }
    });
    let mut sum = 0;
    accounts.for_each(|stripe| sum += stripe.values().sum::<u64>());
    assert_eq!(sum, 8000);
    assert_eq!(accounts.into_values().flatten().count(), 8);
}

#[test]
fn a_key_that_is_not_held_is_a_panic() {
    let lock = Lock::with_stripes(1 << 10, || 0).unwrap();
    let is_held = |key| {
        let look = |held: Held<'_, i32>| catch_unwind(AssertUnwindSafe(|| *held.of(&key))).is_ok();
        lock.write_all([&0], look)
    };
    assert!(is_held(0));
    assert!((1..10).any(|key| !is_held(key)));
}

#[test]
fn keys_spread_over_the_stripes() {
    fn worst<K: std::hash::Hash>(keys: impl Iterator<Item = K>) -> u32 {
        let lock = Lock::with_stripes(64, || 0_u32).unwrap();
        keys.for_each(|key| lock.write(&key, |count| *count += 1));
        lock.into_values().max().unwrap()
    }
    // A hundred on each on average, ten more or less where chance rules; seeds are new each time.
    const BOUND: u32 = 180;
    assert!(worst((0..6400).map(|n| format!("tenant-{n:08}"))) < BOUND);
    for shift in [0, 8, 16, 24, 32, 40, 48] {
        let most = worst((0..6400_u64).map(|n| n << shift));
        assert!(most < BOUND, "{most} of the integers shifted by {shift}");
    }
}

#[test]
fn a_wrong_number_of_stripes_is_refused() {
    for stripes in [0, 3, 1 << 17] {
        assert!(Lock::with_stripes(stripes, || ()).is_err());
        let map = Map::<u8, u8>::with_stripes(stripes, hashbrown::DefaultHashBuilder::default());
        let error = map.unwrap_err().to_string();
        assert!(error.contains("power of two"), "{error}");
    }
    let lock = Lock::with_stripes(1, || 7).unwrap();
    assert_eq!((lock.stripes(), lock.read("any", |value| *value)), (1, 7));
}
