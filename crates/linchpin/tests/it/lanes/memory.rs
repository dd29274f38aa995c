//! How much there is of whom.

use linchpin::sync::lanes::{Class, Options, Seat};
use linchpin::time::Instant;

use super::{Group, Numbered, SECOND, all, in_memory, items, lanes, pass, prove, put};

type Seats = Vec<Seat<Group, u32, u32>>;

/// All the room that a lane has.
fn fill(lanes: &Numbered, group: Group, key: u32) -> Seats {
    std::iter::from_fn(|| lanes.lane(group, key).offer(1).ok()).take(10_000).collect()
}

#[tokio::test(start_paused = true)]
async fn a_lane_has_its_bound_or_an_eighth_of_what_is_free() {
    let large = lanes(8, Options::default().lane_items(40));
    assert_eq!(fill(&large, "a", 1).len(), 8, "it is new");
    prove(&large, "a", 1, 1);
    assert_eq!(fill(&large, "a", 1).len(), 40);
    let small = lanes(8, Options::default().items(90));
    for (group, key) in [("a", 1), ("b", 2)] {
        prove(&small, group, key, 1);
    }
    // Of 90 it has 10, an eighth of the other 80; the next has an eighth of what is left then.
    let (first, second) = (fill(&small, "a", 1), fill(&small, "b", 2));
    assert_eq!((first.len(), second.len()), (10, 9));
}

#[tokio::test(start_paused = true)]
async fn a_lane_that_is_slow_or_held_has_two() {
    let lanes = lanes(8, Options::default());
    put(&lanes, "a", 1, 1);
    lanes.try_next().unwrap().timed_out();
    assert_eq!(fill(&lanes, "a", 1).len(), 2);
    prove(&lanes, "a", 2, 1);
    assert_eq!(fill(&lanes, "a", 2).len(), 32);
    put(&lanes, "a", 2, 1);
    lanes.try_next().unwrap().hold(Instant::now() + SECOND);
    assert_eq!(fill(&lanes, "a", 2).len(), 2);
    pass(SECOND).await;
    assert_eq!(fill(&lanes, "a", 2).len(), 32);
}

#[tokio::test(start_paused = true)]
async fn a_group_has_half_and_the_other_half_is_for_others() {
    let lanes = lanes(8, Options::default().items(64).lane_items(4));
    let groups = ["large", "other", "third"];
    for (group, key) in groups.into_iter().flat_map(|group| (0..64).map(move |key| (group, key))) {
        prove(&lanes, group, key, 1);
    }
    let room =
        groups.map(|group| (0..64).flat_map(|key| fill(&lanes, group, key)).collect::<Seats>());
    assert_eq!(room.each_ref().map(Vec::len), [32, 32, 0]);
}

#[tokio::test(start_paused = true)]
async fn slow_lanes_have_a_quarter_and_new_ones_with_them_a_half() {
    let lanes = lanes(8, Options::default().items(64));
    for key in 0..40 {
        put(&lanes, "slow", key, 0);
        lanes.try_next().unwrap().timed_out();
    }
    let slow: Seats = (0..40).flat_map(|key| fill(&lanes, "slow", key)).collect();
    let new: Seats = (0..40).flat_map(|key| fill(&lanes, "new", key)).collect();
    assert_eq!((slow.len(), new.len()), (16, 16));
    assert_eq!((lanes.numbers(Class::Slow).items, lanes.numbers(Class::Fresh).items), (16, 16));
    drop(new);
    prove(&lanes, "new", 1, 1);
    assert_eq!(fill(&lanes, "new", 1).len(), 5, "an eighth of the other 43");
}

#[tokio::test(start_paused = true)]
async fn bytes_are_bounded_and_the_last_may_be_over() {
    let lanes = lanes(8, Options::default().bytes(1_000).lane_bytes(100));
    let seat = |group, key, bytes| lanes.lane(group, key).offer(bytes);
    let large = seat("a", 1, 5_000).unwrap();
    assert!(seat("a", 2, 1).is_err(), "there is no room in all");
    drop(large);
    let (_one, _two) = (seat("a", 1, 99).unwrap(), seat("a", 1, 99).unwrap());
    assert!(seat("a", 1, 1).is_err(), "its lane has its share");
    let _three = seat("a", 2, 400).unwrap();
    assert!(seat("a", 3, 1).is_err(), "its group has half");
    assert!(seat("b", 1, 1).is_err(), "new lanes have half");
    assert_eq!(in_memory(&lanes), (3, 598));
}

#[tokio::test(start_paused = true)]
async fn room_comes_back_with_the_seat_or_the_item_and_not_with_the_answer() {
    let lanes = lanes(8, Options::default());
    drop(lanes.lane("a", 1).offer(7).unwrap());
    assert_eq!(in_memory(&lanes), (0, 0));
    lanes.lane("a", 1).offer(7).unwrap().put(1);
    let mut begun = lanes.try_next().unwrap();
    assert_eq!(in_memory(&lanes), (1, 7));
    begun.answered();
    assert_eq!((in_memory(&lanes), *begun), ((1, 7), 1));
    drop(begun);
    assert_eq!(in_memory(&lanes), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn what_waits_is_taken_back_and_what_is_under_way_is_not() {
    let lanes = lanes(8, Options::default());
    for item in [1, 2, 3] {
        put(&lanes, "a", 1, item);
    }
    let begun = lanes.try_next().unwrap();
    assert_eq!(lanes.lane("a", 1).take_back(), [2, 3]);
    assert_eq!((in_memory(&lanes), *begun), ((1, 1), 1));
    drop(begun);
    assert!(lanes.try_next().is_none());
    assert!(lanes.lane("b", 1).take_back().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_is_put_back_after_its_answer_is_there_again() {
    let lanes = lanes(8, Options::default());
    put(&lanes, "a", 1, 1);
    let mut begun = lanes.try_next().unwrap();
    begun.answered();
    begun.put_back();
    assert_eq!((in_memory(&lanes), items(&all(&lanes))), ((1, 1), vec![1]));
    assert_eq!(in_memory(&lanes), (0, 0));
}
