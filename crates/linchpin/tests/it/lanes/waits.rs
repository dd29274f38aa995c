//! Who waits for what is next, and for what lies below.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use linchpin::sync::lanes::{Lanes, Options};
use linchpin::task;
use linchpin::time::Instant;
use linchpin::{Context, context::Ended};
use linchpin_testing::steps::{self, poll_by_hand};

use super::{Numbered, SECOND, day, in_memory, lanes, pass, put, under_way};

#[tokio::test(start_paused = true)]
async fn whoever_waits_is_woken_by_an_item_a_place_and_a_release() {
    let lanes = lanes(1, Options::default());
    let ctx = Context::root();
    let mut next = poll_by_hand(lanes.next(&ctx));
    assert!(next.poll().is_pending());
    let seat = lanes.lane("a", 1).offer(1).unwrap();
    assert_eq!(next.wakes(), 0, "a seat is no item");
    seat.put(1);
    assert_eq!(next.wakes(), 1);
    let std::task::Poll::Ready(Ok(mut first)) = next.poll() else { panic!("there is one") };

    put(&lanes, "b", 1, 2);
    let mut next = poll_by_hand(lanes.next(&ctx));
    assert!(next.poll().is_pending());
    first.answered();
    assert_eq!(next.wakes(), 1, "its place is free before it is dropped");
    let std::task::Poll::Ready(Ok(second)) = next.poll() else { panic!("there is one") };
    assert_eq!(*second, 2);

    second.hold(Instant::now() + 100 * SECOND);
    second.put_back();
    let mut next = poll_by_hand(lanes.next(&ctx));
    assert!(next.poll().is_pending());
    assert!(lanes.lane("b", 1).release(), "it may start now");
    assert_eq!(next.wakes(), 1);
    assert!(next.poll().is_ready());
    assert!(!lanes.lane("b", 1).release(), "nothing is left of it");
    assert!(!lanes.lane("c", 1).release(), "nobody knows it");
}

#[tokio::test(start_paused = true)]
async fn a_step_of_the_clock_is_told_to_who_waits_until_something_is_due() {
    let step = Arc::new(AtomicUsize::new(0));
    let (days, seconds) = (super::clock(), step.clone());
    let clock = move || days() + SECOND * seconds.load(Ordering::Relaxed) as u32;
    let lanes: Numbered = Lanes::new(8, Options::default().clock(clock)).unwrap();
    lanes.lane("a", 1).stored(day(100 * SECOND)).unwrap();
    let ctx = Context::root();
    let mut visits = poll_by_hand(lanes.visits(&ctx, 1));
    assert!(visits.poll().is_pending());
    step.store(100, Ordering::Relaxed);
    pass(SECOND).await;
    assert_eq!(visits.wakes(), 0, "the wait is by the other clock");
    lanes.clock_stepped();
    assert_eq!(visits.wakes(), 1);
    assert!(visits.poll().is_ready());
}

#[tokio::test(start_paused = true)]
async fn a_hold_is_over_at_its_time_though_it_began_after_the_wait() {
    let lanes = lanes(8, Options::default());
    let began = Instant::now();
    put(&lanes, "a", 1, 1);
    put(&lanes, "b", 1, 2);
    let (first, second) = (lanes.try_next().unwrap(), lanes.try_next().unwrap());
    first.hold(Instant::now() + 100 * SECOND);
    first.put_back();
    let waiter = task::spawn("waiter", {
        let lanes = lanes.clone();
        async move { *lanes.next(&Context::root()).await.unwrap() }
    });
    steps::settle().await;
    second.hold(Instant::now() + 5 * SECOND);
    second.put_back();
    assert_eq!((waiter.join().await, began.elapsed()), (2, 5 * SECOND));
}

#[tokio::test(start_paused = true)]
async fn what_is_stored_is_visited_at_its_time_though_another_was_to_be_later() {
    let lanes = lanes(8, Options::default());
    let began = Instant::now();
    lanes.lane("a", 1).stored(day(100 * SECOND)).unwrap();
    let waiter = task::spawn("waiter", {
        let lanes = lanes.clone();
        async move { *lanes.visits(&Context::root(), 9).await.unwrap()[0].key() }
    });
    steps::settle().await;
    lanes.lane("a", 2).stored(day(5 * SECOND)).unwrap();
    assert_eq!((waiter.join().await, began.elapsed()), (2, 5 * SECOND));
}

#[tokio::test(start_paused = true)]
async fn a_look_for_unknown_lanes_waits_for_its_time_and_for_room() {
    let lanes = lanes(8, Options::default().max_lanes(1));
    let began = Instant::now();
    let seat = lanes.lane("a", 1).offer(1).unwrap();
    let waiter = task::spawn("waiter", {
        let lanes = lanes.clone();
        async move { lanes.unlisted(&Context::root()).await.unwrap() }
    });
    steps::settle().await;
    assert!(lanes.lane("a", 2).stored(day(5 * SECOND)).is_err());
    steps::settle().await;
    pass(7 * SECOND).await;
    steps::settle().await;
    assert!(!waiter.is_finished(), "there is no room");
    drop(seat);
    waiter.join().await;
    assert_eq!(began.elapsed(), 7 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_under_a_context_that_has_ended() {
    let lanes = lanes(8, Options::default());
    put(&lanes, "a", 1, 1);
    let ctx = Context::root().child();
    ctx.cancel("planted");
    let ended: [Ended; 3] = [
        lanes.next(&ctx).await.map(drop).unwrap_err(),
        lanes.visits(&ctx, 1).await.map(drop).unwrap_err(),
        lanes.unlisted(&ctx).await.unwrap_err(),
    ];
    assert!(ended.iter().all(|ended| ended.to_string().contains("planted")), "{ended:?}");
    assert!(lanes.try_next().is_some());
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_is_dropped_wherever_it_can_be_takes_nothing() {
    let world = async || {
        let lanes = lanes(2, Options::default().max_lanes(4));
        put(&lanes, "a", 1, 1);
        let held = lanes.try_next().unwrap();
        held.hold(Instant::now() + 3 * SECOND);
        held.put_back();
        lanes.lane("a", 2).stored(day(2 * SECOND)).unwrap();
        let seats = [3, 4].map(|key| lanes.lane("a", key).offer(1).unwrap());
        assert!(lanes.lane("a", 5).stored(day(3 * SECOND)).is_err());
        let giver = task::spawn("giver", async move {
            tokio::time::sleep(2 * SECOND).await;
            drop(seats);
        });
        (lanes, giver)
    };
    let left = async |(lanes, giver): &(Numbered, task::Task<()>)| {
        while !giver.is_finished() {
            tokio::time::sleep(SECOND).await;
        }
        pass(5 * SECOND).await;
        assert_eq!((under_way(lanes), in_memory(lanes)), ([0; 3], (1, 1)));
        let ctx = Context::root().with_timeout(SECOND);
        assert_eq!(lanes.visits(&ctx, 4).await.unwrap().len(), 1);
        let begun = lanes.next(&ctx).await.unwrap();
        assert_eq!(*begun, 1);
        begun.put_back();
    };
    for timeout in [10 * SECOND, SECOND / 2] {
        let work = async |(lanes, _): &(Numbered, task::Task<()>)| {
            let ctx = Context::root().with_timeout(timeout);
            if let Ok(begun) = lanes.next(&ctx).await {
                begun.put_back();
            }
        };
        assert!(steps::drop_at_each(world, work, left).await.steps > 1);
        let work = async |(lanes, _): &(Numbered, task::Task<()>)| {
            let ctx = Context::root().with_timeout(timeout);
            drop(lanes.visits(&ctx, 4).await);
        };
        assert!(steps::drop_at_each(world, work, left).await.steps > 1);
        let work = async |(lanes, _): &(Numbered, task::Task<()>)| {
            let ctx = Context::root().with_timeout(timeout);
            drop(lanes.unlisted(&ctx).await);
        };
        assert!(steps::drop_at_each(world, work, left).await.steps > 1);
        let work = async |(lanes, _): &(Numbered, task::Task<()>)| {
            let ctx = Context::root().with_timeout(timeout);
            drop(lanes.surplus(&ctx, 4).await);
        };
        assert!(steps::drop_at_each(world, work, left).await.steps > 1);
    }
}

/// Several put, several take, on several threads: each item is had once, and never more than the places.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn on_several_threads_each_item_starts_once_and_never_more_than_the_places() {
    const PLACES: usize = 8;
    const ITEMS: usize = 500;
    let lanes: Lanes<usize, usize, usize> = Lanes::new(PLACES, Options::default()).unwrap();
    let (used, sum) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let ctx = Context::root().with_timeout(60 * SECOND);
    let putters = (0..4).map(|group| {
        let lanes = lanes.clone();
        task::spawn("putter", async move {
            for item in 1..=ITEMS {
                while lanes.lane(group, item % 3).offer(1).map(|seat| seat.put(item)).is_err() {
                    tokio::task::yield_now().await;
                }
            }
        })
    });
    let takers = (0..4).map(|_| {
        let (lanes, ctx) = (lanes.clone(), linchpin::Context::clone(&ctx));
        let (used, sum) = (used.clone(), sum.clone());
        task::spawn("taker", async move {
            for _ in 0..ITEMS {
                let mut begun = lanes.next(&ctx).await.unwrap();
                assert!(used.fetch_add(1, Ordering::Relaxed) < PLACES);
                tokio::task::yield_now().await;
                sum.fetch_add(*begun, Ordering::Relaxed);
                used.fetch_sub(1, Ordering::Relaxed);
                begun.answered();
            }
        })
    });
    for task in putters.chain(takers).collect::<Vec<_>>() {
        task.join().await;
    }
    assert_eq!(sum.load(Ordering::Relaxed), 4 * ITEMS * (ITEMS + 1) / 2);
}
