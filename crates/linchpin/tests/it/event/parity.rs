//! Go's own cases for `sync.WaitGroup` and `sync.Cond`, and Java's for its latch, in our words.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use linchpin::Context;
use linchpin::sync::event::{Event, Latch, WaitGroup};
use linchpin::sync::watched::Watched;
use linchpin::task;
use linchpin_testing::steps::poll_by_hand;

/// `TestWaitGroup`: sixteen, twice, in both directions.
#[tokio::test]
async fn sixteen_wait_for_each_other_through_two_groups() {
    let (ctx, first, second) = (Context::root(), WaitGroup::new(), WaitGroup::new());
    for _round in 0..8 {
        let gate = Event::new();
        let tasks: Vec<_> = (0..16)
            .map(|_| {
                let (one, other) = (first.begin(), second.begin());
                let (gate, group) = (gate.clone(), first.clone());
                task::spawn("one of sixteen", async move {
                    drop(one);
                    group.wait(&Context::root()).await.unwrap();
                    gate.wait(&Context::root()).await.unwrap();
                    drop(other);
                })
            })
            .collect();
        first.wait(&ctx).await.unwrap();
        assert_eq!(second.len(), 16, "nobody is let out before the gate opens");
        gate.set();
        second.wait(&ctx).await.unwrap();
        for task in tasks {
            task.join().await;
        }
    }
}

/// `TestWaitGroupRace`: it is done at once, with nothing in between, a thousand times.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_counted_before_the_last_guard_went_is_seen() {
    for _ in 0..1_000 {
        let (group, n) = (WaitGroup::new(), Arc::new(AtomicUsize::new(0)));
        for _ in 0..2 {
            let (guard, n) = (group.begin(), n.clone());
            drop(task::spawn("adds", async move {
                n.fetch_add(1, Ordering::Relaxed);
                drop(guard);
            }));
        }
        group.wait(&Context::root()).await.unwrap();
        // A task that was dropped before it began has dropped its guard, too.
        assert!(group.is_empty() && n.load(Ordering::Relaxed) <= 2);
    }
}

/// `TestWaitGroupAlign`, `TestWaitGroupGo`: a group inside of something, and a task that is in it.
#[tokio::test]
async fn a_group_may_be_part_of_something() {
    #[derive(Default)]
    struct Server {
        _name: u8,
        requests: WaitGroup,
    }
    let server = Server::default();
    let guard = server.requests.begin();
    let task = task::spawn("request", async move { drop(guard) });
    server.requests.wait(&Context::root()).await.unwrap();
    task.join().await;
}

/// `TestCondBroadcast`: all who wait are woken, each time.
#[test]
fn all_who_wait_are_woken_each_time() {
    let ctx = Context::root();
    let event = Event::new();
    for _round in 0..5 {
        let mut waiters: Vec<_> = (0..200).map(|_| poll_by_hand(event.wait(&ctx))).collect();
        assert!(waiters.iter_mut().all(|waiter| waiter.poll().is_pending()));
        event.set();
        event.reset();
        assert!(waiters.iter_mut().all(|waiter| matches!(waiter.poll(), Poll::Ready(Ok(())))));
    }
}

/// `TestCondSignalGenerations` and the loop around `Cond.Wait`: each sees that its turn has come, whatever it missed.
#[tokio::test]
async fn who_waits_for_a_state_of_a_value_sees_it_whatever_came_in_between() {
    let turn = Watched::new(0_usize);
    let tasks: Vec<_> = (0..20)
        .map(|mine| {
            let (turn, mut viewer) = (turn.clone(), turn.viewer());
            task::spawn("has its turn", async move {
                viewer.wait_for(&Context::root(), |turn| *turn == mine).await.unwrap();
                turn.update(|turn| Some(turn + 1));
            })
        })
        .collect();
    for task in tasks {
        task.join().await;
    }
    assert_eq!(*turn.get(), 20);
}

/// Java's `CountDownLatchTest`: a count of zero is open, counting on does nothing, all are let through.
#[tokio::test]
async fn a_latch_is_open_at_zero_and_below_there_is_nothing() {
    let (ctx, latch) = (Context::root(), Latch::new(2).unwrap());
    let waiting = latch.clone();
    let task = task::spawn("waits", async move { waiting.wait(&Context::root()).await });
    assert_eq!((latch.count_down(), latch.remaining()), (false, 1));
    assert_eq!((latch.count_down(), latch.remaining()), (true, 0));
    assert_eq!((latch.count_down(), latch.remaining()), (false, 0));
    task.join().await.unwrap();
    latch.wait(&ctx).await.unwrap();
}
