//! Groups by turns, lanes by turns, and holds.

use linchpin::sync::lanes::Options;
use linchpin::time::Instant;

use super::{MS, SECOND, all, items, lanes, pass, prove, put};

#[tokio::test(start_paused = true)]
async fn groups_take_turns_whatever_they_have() {
    let lanes = lanes(64, Options::default());
    for key in 1..=6 {
        put(&lanes, "large", key, key);
    }
    put(&lanes, "small", 1, 10);
    put(&lanes, "small", 2, 20);
    put(&lanes, "other", 1, 100);
    assert_eq!(items(&all(&lanes)), [1, 10, 100, 2, 20, 3, 4, 5, 6]);
}

#[tokio::test(start_paused = true)]
async fn lanes_of_a_group_take_turns_and_each_gives_its_oldest() {
    let lanes = lanes(64, Options::default());
    prove(&lanes, "a", 1, 7);
    prove(&lanes, "a", 2, 7);
    for item in [10, 11, 12, 13] {
        put(&lanes, "a", 1, item);
    }
    put(&lanes, "a", 2, 20);
    put(&lanes, "a", 2, 21);
    assert_eq!(items(&all(&lanes)), [10, 20, 11, 21, 12, 13]);
}

#[tokio::test(start_paused = true)]
async fn who_comes_in_between_waits_for_one_of_each_other() {
    let lanes = lanes(64, Options::default());
    prove(&lanes, "a", 1, 9);
    for item in 10..15 {
        put(&lanes, "a", 1, item);
    }
    assert_eq!(lanes.try_next().as_deref(), Some(&10));
    put(&lanes, "a", 2, 20);
    assert_eq!(items(&all(&lanes)), [11, 20, 12, 13, 14]);
}

#[tokio::test(start_paused = true)]
async fn an_item_that_is_put_back_is_its_lanes_next_and_others_go_first() {
    let lanes = lanes(64, Options::default());
    prove(&lanes, "a", 1, 3);
    for item in [10, 11, 12] {
        put(&lanes, "a", 1, item);
    }
    put(&lanes, "a", 2, 20);
    let (first, other) = (lanes.try_next().unwrap(), lanes.try_next().unwrap());
    assert_eq!((*first, *other), (10, 20));
    let second = lanes.try_next().unwrap();
    assert_eq!(*second, 11);
    // In whatever order they come back.
    first.put_back();
    second.put_back();
    assert_eq!(items(&all(&lanes)), [10, 11, 12]);
}

#[tokio::test(start_paused = true)]
async fn a_lane_that_is_held_lets_the_others_of_its_group_go() {
    let lanes = lanes(64, Options::default());
    put(&lanes, "a", 1, 10);
    put(&lanes, "a", 2, 20);
    let first = lanes.try_next().unwrap();
    first.hold(Instant::now() + SECOND);
    first.put_back();
    assert_eq!(items(&all(&lanes)), [20]);
    pass(999 * MS).await;
    assert!(lanes.try_next().is_none());
    pass(MS).await;
    assert_eq!(items(&all(&lanes)), [10]);
}

#[tokio::test(start_paused = true)]
async fn a_group_that_is_held_lets_none_of_its_lanes_go() {
    let lanes = lanes(64, Options::default());
    put(&lanes, "a", 1, 10);
    put(&lanes, "a", 2, 20);
    put(&lanes, "b", 1, 100);
    let first = lanes.try_next().unwrap();
    first.hold_group(Instant::now() + SECOND);
    first.put_back();
    assert_eq!(items(&all(&lanes)), [100]);
    pass(SECOND).await;
    assert_eq!(items(&all(&lanes)), [20, 10]);
}

#[tokio::test(start_paused = true)]
async fn the_longer_hold_stays_and_a_release_ends_it() {
    let lanes = lanes(64, Options::default());
    put(&lanes, "a", 1, 10);
    let first = lanes.try_next().unwrap();
    first.hold(Instant::now() + 3 * SECOND);
    first.hold(Instant::now() + SECOND);
    first.hold_group(Instant::now() + 5 * SECOND);
    first.put_back();
    pass(2 * SECOND).await;
    lanes.release_group(&"a");
    assert!(lanes.try_next().is_none());
    lanes.lane("a", 1).release();
    assert_eq!(items(&all(&lanes)), [10]);
    // Nobody has heard of these.
    lanes.release_group(&"b");
    lanes.lane("b", 1).release();
}

#[tokio::test(start_paused = true)]
async fn a_hold_that_is_over_before_it_begins_holds_nothing() {
    let lanes = lanes(64, Options::default());
    put(&lanes, "a", 1, 10);
    let first = lanes.try_next().unwrap();
    first.hold(Instant::now());
    first.put_back();
    assert_eq!(items(&all(&lanes)), [10]);
}

#[tokio::test(start_paused = true)]
async fn a_group_stays_held_though_all_its_lanes_are_forgotten() {
    let lanes = lanes(64, Options::default().idle(SECOND));
    put(&lanes, "a", 1, 10);
    let mut first = lanes.try_next().unwrap();
    first.hold_group(Instant::now() + 5 * SECOND);
    first.answered();
    drop(first);
    pass(3 * SECOND).await;
    put(&lanes, "a", 1, 11);
    assert!(lanes.try_next().is_none());
    pass(2 * SECOND).await;
    assert_eq!(items(&all(&lanes)), [11]);
}

#[tokio::test(start_paused = true)]
async fn a_lane_that_changes_its_class_while_it_waits_keeps_its_turn() {
    let lanes = lanes(64, Options::default());
    prove(&lanes, "a", 1, 2);
    put(&lanes, "a", 1, 10);
    put(&lanes, "a", 1, 11);
    let mut first = lanes.try_next().unwrap();
    put(&lanes, "a", 2, 20);
    first.timed_out();
    assert_eq!(items(&all(&lanes)), [11, 20]);
}
