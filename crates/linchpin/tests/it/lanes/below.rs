//! What lies below, and how it comes up.

use linchpin::sync::lanes::{Options, Visit};
use linchpin::time::Instant;
use linchpin::{Context, context::Child};

use super::{Group, MS, Numbered, SECOND, all, day, items, lanes, offer, pass, prove, put};

type Visits = Vec<Visit<Group, u32, u32>>;

/// The visits that are to be made now; none if that would be later.
async fn visits(lanes: &Numbered, most: usize) -> Visits {
    lanes.visits(&soon(), most).await.unwrap_or_default()
}

/// A context that ends before anything else happens.
fn soon() -> Child {
    Context::root().with_timeout(MS / 1_000)
}

fn keys(visits: &Visits) -> Vec<(Group, u32)> {
    visits.iter().map(|visit| (*visit.group(), *visit.key())).collect()
}

#[tokio::test(start_paused = true)]
async fn what_is_due_below_is_visited_and_comes_up() {
    let lanes = lanes(8, Options::default());
    lanes.lane("a", 1).stored(day(SECOND)).unwrap();
    assert!(visits(&lanes, 4).await.is_empty());
    pass(SECOND).await;
    let mut visit = visits(&lanes, 4).await.pop().unwrap();
    assert_eq!((*visit.group(), *visit.key(), visit.room()), ("a", 1, 8));
    let seats = [visit.seat(1).unwrap(), visit.seat(1).unwrap()];
    visit.leaves(Some(day(5 * SECOND)));
    visit.done();
    for (item, seat) in seats.into_iter().enumerate() {
        seat.put(item as u32);
    }
    assert_eq!(items(&all(&lanes)), [0]);
    pass(3 * SECOND).await;
    assert!(visits(&lanes, 4).await.is_empty());
    pass(SECOND).await;
    assert_eq!(keys(&visits(&lanes, 4).await), [("a", 1)]);
}

#[tokio::test(start_paused = true)]
async fn the_oldest_below_is_known_until_a_visit_has_told_what_is_left() {
    let lanes = lanes(8, Options::default());
    assert_eq!(lanes.oldest_below(), None);
    for (lane, due) in [(1, 3 * SECOND), (2, 2 * SECOND), (3, 4 * SECOND)] {
        lanes.lane("a", lane).stored(day(due)).unwrap();
    }
    assert_eq!(lanes.oldest_below(), Some(day(2 * SECOND)));
    pass(2 * SECOND).await;
    let mut visit = visits(&lanes, 4).await.pop().unwrap();
    assert_eq!(lanes.oldest_below(), Some(day(2 * SECOND)), "nobody knows yet what it finds");
    visit.leaves(None);
    visit.done();
    assert_eq!(lanes.oldest_below(), Some(day(3 * SECOND)));
}

#[tokio::test(start_paused = true)]
async fn what_comes_lies_below_while_something_due_does() {
    let lanes = lanes(8, Options::default());
    lanes.lane("a", 1).stored(day(SECOND)).unwrap();
    put(&lanes, "a", 1, 1);
    pass(SECOND).await;
    assert!(offer(&lanes, "a", 1, 2).is_err(), "it would pass what is due");
    put(&lanes, "a", 2, 3);
    let mut visit = visits(&lanes, 4).await.pop().unwrap();
    assert!(offer(&lanes, "a", 1, 2).is_err(), "nobody knows what is left");
    visit.leaves(None);
    put(&lanes, "a", 1, 2);
    visit.done();
    put(&lanes, "a", 1, 3);
}

#[tokio::test(start_paused = true)]
async fn lanes_are_visited_by_turns_of_groups_and_each_once_at_a_time() {
    let lanes = lanes(8, Options::default());
    for (group, key) in [("a", 1), ("a", 2), ("a", 3), ("b", 1), ("c", 1)] {
        lanes.lane(group, key).stored(day(MS * key)).unwrap();
    }
    pass(SECOND).await;
    let first = visits(&lanes, 4).await;
    assert_eq!(first.len(), 4);
    let groups: Vec<_> = first[..3].iter().map(|visit| *visit.group()).collect();
    assert!(["a", "b", "c"].iter().all(|group| groups.contains(group)), "{groups:?}");
    let mut all = keys(&first);
    all.extend(keys(&visits(&lanes, 4).await));
    all.sort_unstable();
    assert_eq!(all, [("a", 1), ("a", 2), ("a", 3), ("b", 1), ("c", 1)]);
    // The second was dropped and came to nothing, and the first is under way.
    assert_eq!(visits(&lanes, 4).await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_visit_that_comes_to_nothing_is_made_again() {
    let lanes = lanes(8, Options::default());
    lanes.lane("a", 1).stored(day(MS)).unwrap();
    pass(SECOND).await;
    let mut visit = visits(&lanes, 1).await.pop().unwrap();
    drop(visit.seat(1).unwrap());
    visit.leaves(None);
    put(&lanes, "a", 1, 1);
    // The write in which it was seen has failed.
    drop(visit);
    assert!(offer(&lanes, "a", 1, 2).is_err());
    assert_eq!(keys(&visits(&lanes, 1).await), [("a", 1)]);
    // Nothing was told, so nothing is known.
    visits(&lanes, 1).await.pop().unwrap().done();
    assert_eq!(visits(&lanes, 1).await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_stored_before_a_visit_looks_is_seen_by_it_and_what_comes_after_is_not_lost() {
    let lanes = lanes(8, Options::default());
    lanes.lane("a", 1).stored(day(MS)).unwrap();
    pass(SECOND).await;
    let mut visit = visits(&lanes, 1).await.pop().unwrap();
    lanes.lane("a", 1).stored(day(2 * MS)).unwrap();
    visit.leaves(None);
    lanes.lane("a", 1).stored(day(3 * SECOND)).unwrap();
    visit.done();
    assert!(visits(&lanes, 1).await.is_empty());
    put(&lanes, "a", 1, 1);
    pass(2 * SECOND).await;
    assert_eq!(visits(&lanes, 1).await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn who_is_held_or_has_no_room_is_not_visited_and_is_when_that_is_over() {
    let lanes = lanes(8, Options::default().lane_items(4));
    prove(&lanes, "a", 1, 1);
    for item in 0..3 {
        put(&lanes, "a", 1, item);
    }
    let mut begun = lanes.try_next().unwrap();
    lanes.lane("a", 1).stored(day(MS)).unwrap();
    pass(MS).await;
    assert!(visits(&lanes, 1).await.is_empty(), "half of its room is to be free");
    begun.hold(Instant::now() + SECOND);
    begun.answered();
    drop(begun);
    assert!(visits(&lanes, 1).await.is_empty(), "it is held");
    pass(SECOND).await;
    let visit = visits(&lanes, 1).await.pop().unwrap();
    assert_eq!(visit.room(), 2);
    assert!([visit.seat(1), visit.seat(1)].iter().all(Result::is_ok));
    drop(visit);
    let begun = lanes.try_next().unwrap();
    begun.hold_group(Instant::now() + SECOND);
    drop(begun);
    assert!(visits(&lanes, 1).await.is_empty(), "its group is held");
    lanes.release_group(&"a");
    assert_eq!(visits(&lanes, 1).await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn nobody_is_visited_while_the_memory_is_full() {
    let lanes = lanes(8, Options::default().items(2));
    lanes.lane("a", 1).stored(day(MS)).unwrap();
    pass(MS).await;
    let full = lanes.lane("b", 1).offer(1).unwrap();
    assert!(visits(&lanes, 1).await.is_empty());
    drop(full);
    let visit = visits(&lanes, 1).await.pop().unwrap();
    let full = lanes.lane("b", 1).offer(1).unwrap();
    assert!(visit.seat(1).is_err(), "another was there first");
    drop(visit);
    assert!(visits(&lanes, 1).await.is_empty(), "and it is not called in vain");
    drop(full);
    assert_eq!(visits(&lanes, 1).await.len(), 1);
}
