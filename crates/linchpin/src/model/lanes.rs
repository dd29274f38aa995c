//! Lanes: who waits for what is next is woken by an item and by a free place, and nothing starts twice or is lost.

use std::pin::pin;
use std::task::{Context as Poller, Poll, Waker};
use std::time::Duration;

use loom::thread;

use super::{Woken, catches, holds};
use crate::Context;
use crate::shim::Fault;
use crate::sync::lanes::{Lanes, Options};
use crate::time::{Instant, Timestamp};

type Items = Lanes<u8, u8, u32>;

fn lanes(places: usize) -> Items {
    Lanes::new(places, Options::default()).expect("good options")
}

fn put(lanes: &Items, group: u8, item: u32) {
    lanes.lane(group, 1).offer(1).expect("there is room").put(item);
}

/// The item that is had at once, or once another thread, begun before, has done its part.
fn next(lanes: &Items, other: thread::JoinHandle<()>) -> u32 {
    let (ctx, (woken, waker)) = (Context::root(), Woken::pair());
    let mut next = pin!(lanes.next(&ctx));
    let first = next.as_mut().poll(&mut Poller::from_waker(&waker));
    other.join().unwrap();
    let begun = match first {
        Poll::Ready(begun) => begun,
        Poll::Pending => {
            assert!(woken.times() > 0, "a wake-up was lost");
            let Poll::Ready(begun) = next.poll(&mut Poller::from_waker(Waker::noop())) else {
                panic!("woken for nothing")
            };
            begun
        }
    };
    *begun.expect("a root does not end")
}

/// An item is put while one waits.
fn an_item_wakes() {
    let lanes = lanes(1);
    let putter = thread::spawn({
        let lanes = lanes.clone();
        move || put(&lanes, 1, 7)
    });
    assert_eq!(next(&lanes, putter), 7);
}

/// The only place comes back while one waits, by an answer or by a drop.
fn a_place_wakes() {
    let lanes = lanes(1);
    put(&lanes, 1, 7);
    put(&lanes, 2, 8);
    let mut first = lanes.try_next().expect("there is one");
    let holder = thread::spawn(move || first.answered());
    assert_eq!(next(&lanes, holder), 8);
}

/// A group is held and released by two: whoever was first, the last word of one of them stands, whole.
fn a_hold_and_a_release_do_not_mix() {
    let lanes = lanes(1);
    put(&lanes, 1, 7);
    let first = lanes.try_next().expect("there is one");
    let releaser = thread::spawn({
        let lanes = lanes.clone();
        move || lanes.release_group(&1)
    });
    first.hold_group(Instant::now() + Duration::from_hours(1));
    first.put_back();
    releaser.join().unwrap();
    let is_held = lanes.try_next().is_none();
    lanes.release_group(&1);
    assert_eq!(lanes.try_next().is_some(), is_held);
}

/// Two take what two put, and each item is had once.
fn nothing_starts_twice() {
    let lanes = lanes(4);
    put(&lanes, 1, 1);
    let taker = thread::spawn({
        let lanes = lanes.clone();
        move || {
            put(&lanes, 2, 2);
            lanes.try_next().map(|begun| *begun)
        }
    });
    let here = lanes.try_next().map(|begun| *begun);
    let there = taker.join().unwrap();
    let left = lanes.try_next().map(|begun| *begun);
    let mut had: Vec<u32> = [here, there, left].into_iter().flatten().collect();
    had.sort_unstable();
    assert_eq!(had, [1, 2]);
}

/// Something is stored while a visit tells that nothing is left: it is called again, or it was told before.
fn what_is_stored_is_not_lost() {
    let lanes = lanes(1);
    lanes.lane(1, 1).stored(Timestamp::default()).expect("there is room");
    let ctx = Context::root();
    let visits = |lanes: &Items| {
        let mut visits = pin!(lanes.visits(&ctx, 1));
        match visits.as_mut().poll(&mut Poller::from_waker(Waker::noop())) {
            Poll::Ready(visits) => visits.expect("a root does not end").pop(),
            Poll::Pending => None,
        }
    };
    let mut visit = visits(&lanes).expect("it is due");
    visit.leaves(None);
    let storer = thread::spawn({
        let lanes = lanes.clone();
        move || lanes.lane(1, 1).stored(Timestamp::default()).expect("there is room")
    });
    visit.done();
    storer.join().unwrap();
    assert!(visits(&lanes).is_some(), "it was lost");
}

/// A lane becomes slow while one waits for what it is not worth any more.
fn a_surplus_wakes() {
    let lanes = lanes(8);
    put(&lanes, 1, 0);
    lanes.try_next().expect("there is one").answered();
    for item in 1..=4 {
        put(&lanes, 1, item);
    }
    let mut first = lanes.try_next().expect("there is one");
    let other = thread::spawn(move || {
        first.timed_out();
        drop(first);
    });
    let (ctx, (woken, waker)) = (Context::root(), Woken::pair());
    let mut surplus = pin!(lanes.surplus(&ctx, 8));
    let had = surplus.as_mut().poll(&mut Poller::from_waker(&waker));
    other.join().unwrap();
    let had = match had {
        Poll::Ready(had) => had,
        Poll::Pending => {
            assert!(woken.times() > 0, "a wake-up was lost");
            let Poll::Ready(had) = surplus.poll(&mut Poller::from_waker(Waker::noop())) else {
                panic!("woken for nothing")
            };
            had
        }
    };
    let had: Vec<u32> = had.expect("a root does not end").iter().map(|one| **one).collect();
    // The first was still there if it was looked at before it was dropped.
    assert!([vec![4], vec![4, 3]].contains(&had), "{had:?}");
}

#[test]
fn lanes_wake() {
    holds("lanes_items", an_item_wakes);
    catches(Fault::LanesLookBeforeTheyWait, an_item_wakes);
    holds("lanes_places", a_place_wakes);
    catches(Fault::LanesLookBeforeTheyWait, a_place_wakes);
    holds("lanes_surplus", a_surplus_wakes);
    catches(Fault::LanesLookBeforeTheyWait, a_surplus_wakes);
}

#[test]
fn lanes_hold() {
    holds("lanes_holds", a_hold_and_a_release_do_not_mix);
}

#[test]
fn lanes_start() {
    holds("lanes_starts", nothing_starts_twice);
}

#[test]
fn lanes_visit() {
    holds("lanes_visits", what_is_stored_is_not_lost);
}
