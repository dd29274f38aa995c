//! How many lanes are known, and which are told of.

use std::cell::Cell;
use std::hash::{Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};

use linchpin::Context;
use linchpin::sync::lanes::{Class, Lanes, Options};
use linchpin::time::Instant;

use super::{MS, SECOND, day, lanes, offer, pass, prove, put};

fn known(lanes: &super::Numbered) -> usize {
    [Class::Proven, Class::Fresh, Class::Slow].map(|class| lanes.numbers(class).lanes).iter().sum()
}

async fn is_unlisted(lanes: &super::Numbered) -> bool {
    lanes.unlisted(&Context::root().with_timeout(MS / 1_000)).await.is_ok()
}

#[tokio::test(start_paused = true)]
async fn a_lane_that_has_nothing_is_forgotten_after_a_while() {
    let lanes = lanes(64, Options::default().idle(10 * SECOND));
    prove(&lanes, "a", 1, 1);
    pass(9 * SECOND).await;
    prove(&lanes, "a", 2, 1);
    assert_eq!(known(&lanes), 2);
    pass(SECOND).await;
    assert_eq!(known(&lanes), 1);
    pass(9 * SECOND).await;
    assert_eq!(known(&lanes), 0);
    put(&lanes, "a", 1, 1);
    assert_eq!(lanes.numbers(Class::Fresh).lanes, 1);
}

#[tokio::test(start_paused = true)]
async fn a_lane_that_has_anything_is_not_forgotten() {
    let lanes = lanes(64, Options::default().idle(SECOND));
    let seat = lanes.lane("a", 1).offer(1).unwrap();
    put(&lanes, "a", 2, 1);
    lanes.lane("a", 3).stored(day(100 * SECOND)).unwrap();
    put(&lanes, "b", 4, 4);
    let mut held = lanes.try_next().unwrap();
    assert_eq!(*held, 1);
    held.hold(Instant::now() + 20 * SECOND);
    held.answered();
    drop(held);
    let begun = lanes.try_next().unwrap();
    pass(10 * SECOND).await;
    assert_eq!((known(&lanes), *begun), (4, 4));
    drop((seat, begun));
    pass(SECOND).await;
    assert_eq!(known(&lanes), 2);
}

#[tokio::test(start_paused = true)]
async fn for_one_lane_more_the_one_that_had_nothing_for_longest_is_forgotten() {
    let lanes = lanes(64, Options::default().max_lanes(2));
    prove(&lanes, "a", 1, 1);
    pass(MS).await;
    prove(&lanes, "a", 2, 1);
    let seat = lanes.lane("b", 3).offer(1).unwrap();
    assert_eq!(known(&lanes), 2);
    assert_eq!(lanes.numbers(Class::Proven).lanes, 1);
    let other = lanes.lane("b", 4).offer(1).unwrap();
    assert!(offer(&lanes, "c", 5, 1).is_err(), "both have something");
    drop(seat);
    put(&lanes, "c", 5, 1);
    drop(other);
}

#[tokio::test(start_paused = true)]
async fn who_is_due_furthest_makes_way_and_is_looked_for_at_its_time() {
    let lanes = lanes(64, Options::default().max_lanes(2));
    lanes.lane("a", 1).stored(day(10 * SECOND)).unwrap();
    lanes.lane("a", 2).stored(day(20 * SECOND)).unwrap();
    assert!(lanes.lane("a", 3).stored(day(30 * SECOND)).is_err());
    let seat = lanes.lane("a", 4).offer(1).unwrap();
    assert!(!is_unlisted(&lanes).await, "the second was forgotten, and is not due");
    pass(20 * SECOND).await;
    assert!(!is_unlisted(&lanes).await, "it is due, and the others may not be forgotten");
    drop(seat);
    assert!(is_unlisted(&lanes).await);
    assert!(!is_unlisted(&lanes).await, "it is said once");
    lanes.lane("a", 2).stored(day(20 * SECOND)).unwrap();
    assert!(lanes.lane("a", 3).stored(day(30 * SECOND)).is_err());
    pass(10 * SECOND).await;
    assert!(!is_unlisted(&lanes).await, "there is no room for it still");
}

#[tokio::test(start_paused = true)]
async fn the_slowest_are_told_the_oldest_first() {
    let lanes = lanes(64, Options::default());
    prove(&lanes, "a", 1, 2);
    for item in [1, 2, 3] {
        put(&lanes, "a", 1, item);
    }
    let first = lanes.try_next().unwrap();
    pass(2 * SECOND).await;
    put(&lanes, "b", 2, 2);
    let second = lanes.try_next().unwrap();
    pass(MS).await;
    put(&lanes, "b", 3, 3);
    let third = lanes.try_next().unwrap();
    third.hold_group(Instant::now() + SECOND);
    lanes.lane("b", 3).stored(day(9 * SECOND)).unwrap();
    let slowest = lanes.slowest(3);
    let told = |at: usize| (slowest[at].group, slowest[at].key, slowest[at].class);
    assert_eq!(told(0), ("a", 1, Class::Slow));
    assert_eq!((slowest[0].waiting, slowest[0].under_way), (2, 1));
    assert_eq!((slowest[0].longest, slowest[0].held), (2 * SECOND + MS, None));
    assert_eq!((told(1), slowest[1].held), (("b", 2, Class::Fresh), Some(SECOND)));
    assert_eq!((told(2), slowest[2].below), (("b", 3, Class::Fresh), Some(day(9 * SECOND))));
    assert_eq!(lanes.slowest(1).len(), 1);
    drop((first, second, third));
    assert!(lanes.slowest(3).is_empty());
}

thread_local! {
    static FUSE: Cell<Option<u32>> = const { Cell::new(None) };
}

/// Panics when the fuse has burnt down, wherever it is hashed, compared or cloned.
#[derive(Debug)]
struct Key(u32);

fn burn() {
    if let Some(left) = FUSE.get() {
        FUSE.set(left.checked_sub(1));
        assert!(left > 0, "planted");
    }
}

impl Clone for Key {
    fn clone(&self) -> Self {
        burn();
        Self(self.0)
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        burn();
        self.0.hash(hasher);
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        burn();
        self.0 == other.0
    }
}

impl Eq for Key {}

/// Whatever is asked, and at whatever touch of a key it panics: what is done then works, and nothing is left.
#[tokio::test(start_paused = true)]
async fn keys_that_panic_leave_the_lanes_whole() {
    type Course = fn(&Lanes<Key, Key, u32>);
    let courses: [Course; 6] = [
        |lanes| drop(lanes.lane(Key(2), Key(1)).offer(1)),
        |lanes| drop(lanes.lane(Key(1), Key(1)).offer(1)),
        |lanes| lanes.lane(Key(1), Key(2)).stored(day(9 * SECOND)).unwrap(),
        |lanes| drop(lanes.lane(Key(1), Key(1)).take_back()),
        |lanes| lanes.release_group(&Key(1)),
        |lanes| drop(lanes.slowest(9)),
    ];
    for course in courses {
        for fuse in 0.. {
            let options = Options::default().max_lanes(3).clock(super::clock());
            let lanes = Lanes::new(8, options).unwrap();
            lanes.lane(Key(1), Key(1)).offer(1).unwrap().put(1);
            let begun = lanes.try_next().unwrap();
            lanes.lane(Key(1), Key(1)).offer(1).unwrap().put(2);
            drop(lanes.lane(Key(1), Key(3)).offer(1).unwrap());
            FUSE.set(Some(fuse));
            let result = catch_unwind(AssertUnwindSafe(|| course(&lanes)));
            FUSE.set(None);
            drop(begun);
            drop(lanes.lane(Key(1), Key(1)).take_back());
            for key in 0..6 {
                lanes.lane(Key(key), Key(key)).offer(1).unwrap().put(key);
                assert_eq!(lanes.try_next().as_deref(), Some(&key));
            }
            assert_eq!(
                [Class::Proven, Class::Fresh, Class::Slow].map(|class| lanes.numbers(class).items),
                [0; 3]
            );
            if result.is_ok() {
                break;
            }
        }
    }
}

/// The same for a visit, whose key is cloned.
#[tokio::test(start_paused = true)]
async fn a_key_that_panics_in_a_visit_leaves_its_lane_to_be_visited() {
    let lanes: Lanes<Key, Key, u32> =
        Lanes::new(8, Options::default().clock(super::clock())).unwrap();
    for key in 1..=3 {
        lanes.lane(Key(key), Key(key)).stored(day(MS)).unwrap();
    }
    pass(MS).await;
    let ctx = Context::root();
    for fuse in 0..6 {
        FUSE.set(Some(fuse));
        let mut visits = linchpin_testing::steps::poll_by_hand(lanes.visits(&ctx, 9));
        assert!(catch_unwind(AssertUnwindSafe(|| visits.poll())).is_err(), "{fuse}");
        FUSE.set(None);
    }
    assert_eq!(lanes.visits(&ctx, 9).await.unwrap().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_panics_is_the_callers_panic_and_changes_nothing() {
    let clock = || match FUSE.get() {
        Some(_) => panic!("planted"),
        None => day(SECOND),
    };
    let lanes: super::Numbered = Lanes::new(8, Options::default().clock(clock)).unwrap();
    FUSE.set(Some(0));
    assert!(catch_unwind(AssertUnwindSafe(|| drop(lanes.lane("a", 1).offer(1)))).is_err());
    FUSE.set(None);
    put(&lanes, "a", 1, 1);
    assert_eq!((known(&lanes), lanes.try_next().as_deref()), (1, Some(&1)));
}
