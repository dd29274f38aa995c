//! What the tests of Go's `golang.org/x/sync/semaphore` say, one by one. The guide's chapter C6 has the table.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use linchpin::Context;
use linchpin::sync::semaphore::Semaphore;
use linchpin::task::{self, Group};
use linchpin_testing::steps::{poll_by_hand, settle};

use super::{SECOND, ended, granted, semaphore, waiter};

/// `TestWeighted`: many that take and give back, each its own weight.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_tasks_that_hammer_it_all_come_through() {
    let (ctx, semaphore) = (Context::root(), semaphore(4));
    let mut group = Group::new(&ctx);
    for permits in 0..4 {
        let semaphore = semaphore.clone();
        group.spawn("hammer", move |ctx| async move {
            for _ in 0..1_000 {
                let permit = semaphore.acquire(&ctx, permits).await?;
                task::spawn("holds it", async {}).join().await;
                drop(permit);
            }
            Ok::<_, linchpin::Error>(())
        });
    }
    group.join().await.unwrap();
    assert_eq!(semaphore.available(), 4);
}

/// `TestWeightedTryAcquire`.
#[tokio::test]
async fn a_try_takes_what_is_free_and_nothing_else() {
    let (ctx, semaphore) = (Context::root(), semaphore(2));
    let first = semaphore.acquire(&ctx, 1).await.unwrap();
    let second = semaphore.try_acquire(1);
    assert!(second.is_ok() && semaphore.try_acquire(1).is_err());
    drop((first, second));
    let third = semaphore.try_acquire(1);
    let fourth = semaphore.acquire(&ctx, 1).await;
    assert!(third.is_ok() && fourth.is_ok() && semaphore.try_acquire(1).is_err());
}

/// `TestWeightedAcquire`.
#[tokio::test(start_paused = true)]
async fn a_wait_with_a_deadline_takes_what_is_free_or_ends() {
    let (ctx, semaphore) = (Context::root(), semaphore(2));
    let soon = || Context::root().with_timeout(Duration::from_millis(10));
    let (one, two) = (soon(), soon());
    let first = semaphore.acquire(&ctx, 1).await.unwrap();
    let second = semaphore.acquire(&one, 1).await.unwrap();
    drop(ended(semaphore.acquire(&two, 1).await));
    drop((first, second));
    let three = soon();
    let third = semaphore.acquire(&three, 1).await;
    let fourth = semaphore.acquire(&ctx, 1).await;
    assert!(third.is_ok() && fourth.is_ok());
    let last = soon();
    drop(ended(semaphore.acquire(&last, 1).await));
}

/// `TestWeightedDoesntBlockIfTooBig`.
#[tokio::test(start_paused = true)]
async fn one_that_asks_for_more_than_there_are_blocks_nobody() {
    let semaphore = semaphore(2);
    let large = semaphore.acquire_owned(&Context::root(), 3).await;
    assert!(large.is_err(), "refused, where Go's waits until its context is done");
    let mut group = Group::new(&Context::root());
    for _ in 0..6 {
        let semaphore = semaphore.clone();
        group.spawn("one", move |ctx| async move {
            let permit = semaphore.acquire(&ctx, 1).await?;
            ctx.sleep(Duration::from_millis(1)).await?;
            drop(permit);
            Ok::<_, linchpin::Error>(())
        });
    }
    group.join().await.unwrap();
}

/// `TestLargeAcquireDoesntStarve`.
#[tokio::test(start_paused = true)]
async fn a_large_one_is_served_though_small_ones_never_cease() {
    const PERMITS: usize = 4;
    let (semaphore, running) = (semaphore(PERMITS), Arc::new(AtomicBool::new(true)));
    let mut group = Group::new(&Context::root());
    for _ in 0..PERMITS {
        let (semaphore, running) = (semaphore.clone(), running.clone());
        group.spawn("small", move |ctx| async move {
            let mut permit = semaphore.acquire(&ctx, 1).await?;
            while running.load(Ordering::SeqCst) {
                ctx.sleep(Duration::from_millis(1)).await?;
                drop(permit);
                permit = semaphore.acquire(&ctx, 1).await?;
            }
            drop(permit);
            Ok::<_, linchpin::Error>(())
        });
    }
    settle().await;
    let ctx = Context::root().with_timeout(SECOND);
    let all = semaphore.acquire(&ctx, PERMITS).await.unwrap();
    running.store(false, Ordering::SeqCst);
    drop(all);
    group.join().await.unwrap();
}

/// `TestAllocCancelDoesntStarve`: a large one is cancelled while a small one comes. Whichever is first, the small one
/// gets what is free.
#[test]
fn a_large_one_that_is_cancelled_lets_a_small_one_through() {
    for small_comes_first in [true, false] {
        let (ctx, semaphore) = (Context::root().child(), semaphore(10));
        let _held = semaphore.try_acquire(1).unwrap();
        let mut large = poll_by_hand(semaphore.acquire(&ctx, 10));
        assert!(large.poll().is_pending());
        assert!(semaphore.try_acquire(1).is_err());
        let small = small_comes_first.then(|| waiter(&semaphore, 1));
        ctx.cancel("enough");
        let Poll::Ready(result) = large.poll() else { panic!("it has ended") };
        drop(ended(result));
        match small {
            Some(mut small) => drop(granted(&mut small)),
            None => assert!(semaphore.try_acquire(1).is_ok()),
        }
    }
}

/// `TestWeightedAcquireCanceled`: an end that comes before the permits, while one waits.
#[test]
fn a_cancelled_wait_gets_nothing_though_permits_come_afterwards() {
    let (ctx, semaphore) = (Context::root().child(), semaphore(2));
    let held = semaphore.try_acquire(1).unwrap();
    let mut both = poll_by_hand(semaphore.acquire(&ctx, 2));
    assert!(both.poll().is_pending());
    ctx.cancel("enough");
    drop(held);
    let Poll::Ready(result) = both.poll() else { panic!("it has ended") };
    drop(ended(result));
    assert_eq!(semaphore.available(), 2);
}

/// `Example_workerPool`: all permits together are there when every worker is done.
#[tokio::test]
async fn all_permits_together_are_there_when_every_worker_is_done() {
    let (ctx, places): (_, Semaphore) = (Context::root(), semaphore(3));
    let mut squares = Vec::new();
    for n in 0..32_u64 {
        let place = places.acquire_owned(&ctx, 1).await.unwrap();
        squares.push(task::spawn("square", async move {
            tokio::task::yield_now().await;
            drop(place);
            n * n
        }));
    }
    let all = places.acquire(&ctx, 3).await.unwrap();
    drop(all);
    settle().await;
    assert!(squares.iter().all(task::Task::is_finished));
}
