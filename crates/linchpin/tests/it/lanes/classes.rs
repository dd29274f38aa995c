//! What a lane costs, and how many of its kind go at once.

use std::panic::{AssertUnwindSafe, catch_unwind};

use linchpin::sync::lanes::{Class, Options};

use super::{MS, SECOND, all, items, lanes, offer, pass, prove, put, under_way};

#[tokio::test(start_paused = true)]
async fn a_new_lane_has_one_under_way_and_a_proven_one_more_with_each_answer() {
    let lanes = lanes(64, Options::default().items(10_000));
    let mut windows = Vec::new();
    for _ in 0..10 {
        while offer(&lanes, "a", 1, 0).is_ok() {}
        let mut begun = all(&lanes);
        windows.push(begun.len());
        begun[0].answered();
        drop(begun);
        drop(lanes.lane("a", 1).take_back());
    }
    // An eighth of the places at most.
    assert_eq!(windows, [1, 2, 3, 4, 5, 6, 7, 8, 8, 8]);
}

#[tokio::test(start_paused = true)]
async fn a_lane_may_have_another_bound() {
    let lanes = lanes(2, Options::default().lane_places(2));
    prove(&lanes, "a", 1, 5);
    for item in 0..4 {
        put(&lanes, "a", 1, item);
    }
    assert_eq!(items(&all(&lanes)), [0, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_lane_is_slow_while_it_lets_others_wait_and_not_when_it_answers() {
    let lanes = lanes(64, Options::default());
    prove(&lanes, "a", 1, 4);
    for item in 0..4 {
        put(&lanes, "a", 1, item);
    }
    let begun = all(&lanes);
    pass(SECOND).await;
    assert_eq!(under_way(&lanes), [4, 0, 0]);
    pass(MS).await;
    assert_eq!(under_way(&lanes), [0, 0, 4]);
    drop(begun);
    put(&lanes, "a", 1, 4);
    put(&lanes, "a", 1, 5);
    // Its window is one now.
    assert_eq!(items(&all(&lanes)), [4]);
}

#[tokio::test(start_paused = true)]
async fn the_next_answer_in_time_makes_a_slow_lane_well() {
    let lanes = lanes(64, Options::default());
    put(&lanes, "a", 1, 1);
    let mut begun = lanes.try_next().unwrap();
    pass(2 * SECOND).await;
    begun.answered();
    drop(begun);
    assert_eq!(lanes.numbers(Class::Slow).lanes, 1);
    prove(&lanes, "a", 1, 1);
    assert_eq!(lanes.numbers(Class::Proven).lanes, 1);
    put(&lanes, "a", 1, 2);
    put(&lanes, "a", 1, 3);
    put(&lanes, "a", 1, 4);
    assert_eq!(items(&all(&lanes)), [2, 3]);
}

#[tokio::test(start_paused = true)]
async fn an_answer_in_time_beside_something_late_proves_nothing() {
    let lanes = lanes(64, Options::default());
    prove(&lanes, "a", 1, 1);
    put(&lanes, "a", 1, 1);
    put(&lanes, "a", 1, 2);
    let mut late = lanes.try_next().unwrap();
    pass(SECOND).await;
    let mut in_time = lanes.try_next().unwrap();
    pass(MS).await;
    in_time.answered();
    assert_eq!(lanes.numbers(Class::Slow).lanes, 1);
    late.answered();
    assert_eq!(lanes.numbers(Class::Slow).lanes, 1);
}

#[tokio::test(start_paused = true)]
async fn what_timed_out_is_slow_however_soon() {
    let lanes = lanes(64, Options::default());
    prove(&lanes, "a", 1, 4);
    put(&lanes, "a", 1, 1);
    lanes.try_next().unwrap().timed_out();
    assert_eq!(lanes.numbers(Class::Slow).lanes, 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_dropped_or_panics_frees_its_place_and_teaches_nothing() {
    let lanes = lanes(1, Options::default());
    put(&lanes, "a", 1, 1);
    put(&lanes, "a", 2, 2);
    drop(lanes.try_next().unwrap());
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _begun = lanes.try_next().unwrap();
        panic!("planted");
    }));
    assert!(panicked.is_err());
    assert_eq!(under_way(&lanes), [0; 3]);
    assert_eq!(lanes.numbers(Class::Fresh).lanes, 2);
}

#[tokio::test(start_paused = true)]
async fn an_end_is_told_once() {
    let lanes = lanes(4, Options::default());
    put(&lanes, "a", 1, 1);
    let mut begun = lanes.try_next().unwrap();
    begun.answered();
    begun.timed_out();
    begun.answered();
    drop(begun);
    assert_eq!(lanes.numbers(Class::Proven).lanes, 1);
    assert_eq!(under_way(&lanes), [0; 3]);
}

#[tokio::test(start_paused = true)]
async fn two_hundred_hanging_lanes_leave_half_of_the_places_and_then_three_quarters() {
    let lanes = lanes(64, Options::default());
    for key in 0..64 {
        prove(&lanes, "well", key, 1);
    }
    for key in 0..200 {
        put(&lanes, "hanging", key, key);
    }
    // While nothing is known of them they have half.
    let hanging = all(&lanes);
    assert_eq!(under_way(&lanes), [0, 32, 0]);
    pass(2 * SECOND).await;
    assert_eq!(under_way(&lanes), [0, 0, 32]);
    assert!(lanes.try_next().is_none());
    for key in 0..64 {
        put(&lanes, "well", key, key);
    }
    let well = all(&lanes);
    assert_eq!(under_way(&lanes), [32, 0, 32]);

    drop((hanging, well));
    // Each has hung once.
    while let Some(mut begun) = lanes.try_next() {
        begun.timed_out();
    }
    for key in 0..200 {
        put(&lanes, "hanging", key, key);
    }
    let _hanging = all(&lanes);
    assert_eq!(under_way(&lanes), [0, 0, 16]);
}

#[tokio::test(start_paused = true)]
async fn a_newcomer_does_not_wait_behind_the_slow() {
    let lanes = lanes(16, Options::default());
    for key in 0..16 {
        put(&lanes, "slow", key, key);
        lanes.try_next().unwrap().timed_out();
    }
    for key in 0..16 {
        put(&lanes, "slow", key, key);
    }
    let slow = all(&lanes);
    assert_eq!((slow.len(), under_way(&lanes)), (4, [0, 0, 4]));
    put(&lanes, "slow", 100, 100);
    assert_eq!(items(&all(&lanes)), [100]);
}

#[tokio::test(start_paused = true)]
async fn with_one_place_every_class_has_it() {
    let lanes = lanes(1, Options::default());
    put(&lanes, "a", 1, 1);
    lanes.try_next().unwrap().timed_out();
    put(&lanes, "a", 1, 2);
    put(&lanes, "a", 2, 3);
    let slow = lanes.try_next();
    assert_eq!((slow.as_deref(), all(&lanes).len()), (Some(&2), 0));
    drop(slow);
    assert_eq!(items(&all(&lanes)), [3]);
}
