//! Random orders: what closes a circle is told at once, beside a detector that knows nothing of ours; what does not, never.

use std::collections::HashSet;

use linchpin::sync::Mutex;
use linchpin::sync::lock::Collector;
use proptest::prelude::*;

use super::mistakes;

const LOCKS: usize = 7;

/// The plain detector: takes away whatever has no predecessor, until nothing is left or everything has one.
fn has_circle(orders: &HashSet<(usize, usize)>) -> bool {
    let mut left: HashSet<usize> = (0..LOCKS).collect();
    loop {
        let is_after =
            |lock: &usize| orders.iter().any(|(from, to)| to == lock && left.contains(from));
        let free: Vec<usize> = left.iter().copied().filter(|lock| !is_after(lock)).collect();
        if free.is_empty() {
            return !left.is_empty();
        }
        left.retain(|lock| !free.contains(lock));
    }
}

/// Takes the pairs one after the other, and compares each with what the detector says.
fn compare(locks: &[Mutex<()>], pairs: &[(usize, usize)]) {
    let told = Collector::new();
    let (mut orders, mut seen) = (HashSet::new(), HashSet::new());
    for &(held, then) in pairs.iter().filter(|(held, then)| held != then) {
        drop((locks[held].lock(), locks[then].lock()));
        let mut with = orders.clone();
        with.insert((held, then));
        let closes = has_circle(&with);
        // One that closes a circle is told once, and is no order that others are measured by.
        let expected = usize::from(closes && seen.insert((held, then)));
        assert_eq!(mistakes(&told).len(), expected, "{held} then {then} after {orders:?}");
        if !closes {
            orders = with;
        }
    }
}

/// Names of kinds that no other case has.
fn names() -> [&'static str; LOCKS] {
    static CASE: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    let case = CASE.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    std::array::from_fn(|lock| &*Box::leak(format!("random {case}.{lock}").into_boxed_str()))
}

fn pairs() -> impl Strategy<Value = Vec<(usize, usize)>> {
    prop::collection::vec((0..LOCKS, 0..LOCKS), 1..40)
}

proptest! {
    #[test]
    fn within_a_kind_exactly_what_closes_a_circle_is_told(pairs in pairs()) {
        let locks: Vec<_> = (0..LOCKS).map(|_| Mutex::new(())).collect();
        compare(&locks, &pairs);
    }

    #[test]
    fn between_kinds_exactly_what_closes_a_circle_is_told(pairs in pairs()) {
        compare(&names().map(|name| Mutex::named(name, ())), &pairs);
    }

    #[test]
    fn whoever_keeps_to_levels_is_never_told(
        levels in prop::collection::vec(0..4_u8, 12),
        walks in prop::collection::vec(prop::collection::vec(0..12_usize, 1..6), 1..40),
    ) {
        let told = Collector::new();
        let locks: Vec<_> = levels.iter().map(|_| Mutex::new(())).collect();
        for mut walk in walks {
            // One lock a level, from the first level down: the rule by which people order locks.
            walk.sort_unstable_by_key(|lock| levels[*lock]);
            walk.dedup_by_key(|lock| levels[*lock]);
            let guards: Vec<_> = walk.iter().map(|lock| locks[*lock].lock()).collect();
            drop(guards);
        }
        prop_assert!(mistakes(&told).is_empty());
    }
}

#[test]
fn the_plain_detector_knows_a_circle() {
    assert!(!has_circle(&HashSet::from([(0, 1), (1, 2), (0, 2)])));
    assert!(has_circle(&HashSet::from([(0, 1), (1, 2), (2, 0), (3, 4)])));
}
