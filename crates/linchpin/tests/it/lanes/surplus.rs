//! What lanes give to others when they are not worth it any more.

use linchpin::Context;
use linchpin::sync::lanes::{Class, Options, Surplus};
use linchpin::time::Instant;
use linchpin_testing::steps::poll_by_hand;

use super::{
    Group, MS, Numbered, SECOND, all, day, in_memory, items, lanes, offer, pass, prove, put,
};

/// What is to be laid below now.
fn surplus(lanes: &Numbered) -> Vec<Surplus<Group, u32, u32>> {
    let ctx = Context::root();
    let mut surplus = poll_by_hand(lanes.surplus(&ctx, 100));
    match surplus.poll() {
        std::task::Poll::Ready(surplus) => surplus.unwrap(),
        std::task::Poll::Pending => Vec::new(),
    }
}

fn numbers(surplus: &[Surplus<Group, u32, u32>]) -> Vec<u32> {
    surplus.iter().map(|one| **one).collect()
}

/// A lane that was well, with so many items that wait.
fn well(lanes: &Numbered, group: Group, key: u32, waiting: u32) {
    prove(lanes, group, key, 1);
    for item in 1..=waiting {
        put(lanes, group, key, item);
    }
}

#[tokio::test(start_paused = true)]
async fn a_lane_that_becomes_slow_keeps_two_and_the_oldest() {
    let lanes = lanes(8, Options::default());
    well(&lanes, "a", 1, 10);
    let _first = lanes.try_next().unwrap();
    assert!(surplus(&lanes).is_empty(), "it is well");
    pass(SECOND + MS).await;
    let spare = surplus(&lanes);
    assert_eq!(numbers(&spare), [10, 9, 8, 7, 6, 5, 4, 3]);
    assert_eq!(in_memory(&lanes).0, 10, "they have their room until they are laid below");
    assert!(surplus(&lanes).is_empty(), "they are on their way");
    for one in spare {
        one.laid(day(SECOND));
    }
    assert_eq!(in_memory(&lanes).0, 2);
    // What comes anew waits behind what went below.
    offer(&lanes, "a", 1, 11).unwrap_err();
    assert_eq!(lanes.oldest_below(), Some(day(SECOND)));
}

#[tokio::test(start_paused = true)]
async fn a_lane_that_is_held_for_long_keeps_two_and_one_held_shortly_all() {
    let lanes = lanes(8, Options::default());
    well(&lanes, "a", 1, 10);
    let first = lanes.try_next().unwrap();
    first.hold(Instant::now() + SECOND);
    first.put_back();
    assert!(surplus(&lanes).is_empty(), "not worth the way");
    lanes.lane("a", 1).release();
    let first = lanes.try_next().unwrap();
    first.hold(Instant::now() + SECOND + MS);
    first.put_back();
    assert_eq!(surplus(&lanes).len(), 8);
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_laid_below_goes_back_to_its_place() {
    let lanes = lanes(8, Options::default());
    well(&lanes, "a", 1, 5);
    let mut first = lanes.try_next().unwrap();
    first.timed_out();
    drop(first);
    assert_eq!(numbers(&surplus(&lanes)), [5, 4]);
    // Dropped they are there again.
    assert_eq!(numbers(&surplus(&lanes)), [5, 4]);
    let mut had = Vec::new();
    while let Some(mut one) = lanes.try_next() {
        had.push(*one);
        one.answered();
    }
    assert_eq!(had, [2, 3, 4, 5]);
}

#[tokio::test(start_paused = true)]
async fn slow_lanes_keep_no_more_than_their_share_however_many_there_are() {
    let lanes = lanes(64, Options::default().items(64).lane_places(1));
    // Two each, which each is worth: one under way, and one that waits.
    let groups = ["a", "b"].into_iter().cycle().zip(0..14);
    groups.clone().for_each(|(group, key)| prove(&lanes, group, key, 1));
    for (group, key) in groups {
        put(&lanes, group, key, key);
        put(&lanes, group, key, key);
    }
    let _begun = all(&lanes);
    assert!(surplus(&lanes).is_empty());
    pass(SECOND + MS).await;
    assert_eq!(lanes.numbers(Class::Slow).items, 28, "their share is 16");
    for one in surplus(&lanes) {
        one.laid(day(SECOND));
    }
    assert_eq!(lanes.numbers(Class::Slow).items, 16);
}

#[tokio::test(start_paused = true)]
async fn held_lanes_leave_a_quarter_of_memory_to_others() {
    let lanes = lanes(512, Options::default().items(256));
    for key in 0..100 {
        let group = ["a", "b", "c"][key as usize % 3];
        prove(&lanes, group, key, 1);
        put(&lanes, group, key, 1);
        put(&lanes, group, key, 2);
        let begun = lanes.try_next().unwrap();
        begun.hold(Instant::now() + 60 * SECOND);
        begun.put_back();
    }
    assert_eq!(in_memory(&lanes).0, 200, "two each, which each is worth");
    for one in surplus(&lanes) {
        one.laid(day(SECOND));
    }
    assert_eq!(in_memory(&lanes).0, 192);
}

/// What was found by the bench of neighbours: endpoints that hang had all the memory of their application.
#[tokio::test(start_paused = true)]
async fn lanes_that_begin_to_hang_leave_their_group_to_the_others() {
    let lanes = lanes(512, Options::default());
    for key in 0..200 {
        prove(&lanes, "app", key, 1);
    }
    prove(&lanes, "app", 1_000, 1);
    'full: loop {
        for key in 0..200 {
            if offer(&lanes, "app", key, key).is_err() {
                break 'full;
            }
        }
    }
    offer(&lanes, "app", 1_000, 7).unwrap_err();
    let _hang = all(&lanes);
    pass(SECOND + MS).await;
    for one in surplus(&lanes) {
        one.laid(day(SECOND));
    }
    put(&lanes, "app", 1_000, 7);
    assert_eq!(items(&all(&lanes)), [7]);
}
