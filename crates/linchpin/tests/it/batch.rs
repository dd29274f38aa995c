//! Batcher: when a batch is run, who gets which answer, and what becomes of those who go away.

mod ends;
mod parity;
mod random;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use linchpin::context::Child;
use linchpin::resilience::{Failed, FailedKind};
use linchpin::sync::Mutex;
use linchpin::sync::batch::{Batch, Batcher, Options};
use linchpin::sync::event::Event;
use linchpin::task::{self, Group};
use linchpin::{Context, Error};
use linchpin_testing::steps::{drop_at_each, poll_by_hand, settle};

pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// The batches that were run, as they came.
pub(crate) type Seen = Arc<Mutex<Vec<Vec<u32>>>>;

/// Notes its batches, and answers each item by ten times of it.
pub(crate) fn tens(ctx: &Context, options: Options) -> (Arc<Batcher<u32, u32>>, Seen) {
    let seen = Seen::default();
    let noted = seen.clone();
    let work = move |_, batch: Batch<u32, u32>| {
        noted.lock().push(batch.items().copied().collect());
        async move {
            batch.answer(|item| 10 * item);
            Ok(())
        }
    };
    (Arc::new(Batcher::answering(ctx, options, work).unwrap()), seen)
}

/// The same whose work waits until the gate is open.
pub(crate) fn gated(options: Options) -> (Arc<Batcher<u32, u32>>, Seen, Event) {
    let (seen, gate) = (Seen::default(), Event::new());
    let (noted, closed) = (seen.clone(), gate.clone());
    let work = move |ctx: Context, batch: Batch<u32, u32>| {
        noted.lock().push(batch.items().copied().collect());
        let gate = closed.clone();
        async move {
            gate.wait(&ctx).await?;
            batch.answer(|item| 10 * item);
            Ok(())
        }
    };
    (Arc::new(Batcher::answering(&Context::root(), options, work).unwrap()), seen, gate)
}

/// Submits in a task, and lets it come as far as it can.
pub(crate) async fn submit(
    ctx: &Context,
    batcher: &Arc<Batcher<u32, u32>>,
    item: u32,
) -> task::Task<Result<u32, Failed<Error>>> {
    let (ctx, batcher) = (ctx.clone(), batcher.clone());
    let task = task::spawn("submitter", async move { batcher.submit(&ctx, item).await });
    settle().await;
    task
}

pub(crate) fn has_ended<T, E: std::fmt::Debug>(result: Result<T, Failed<E>>) -> bool {
    matches!(result.map(drop).unwrap_err().kind(), FailedKind::Ended(_))
}

#[tokio::test(start_paused = true)]
async fn what_comes_while_a_batch_runs_is_the_next_batch_and_each_gets_its_answer() {
    let (ctx, (batcher, seen, gate)) = (Context::root(), gated(Options::default()));
    let first = submit(&ctx, &batcher, 1).await;
    let rest = [submit(&ctx, &batcher, 2).await, submit(&ctx, &batcher, 3).await];
    assert_eq!((seen.lock().clone(), batcher.stats().queued), (vec![vec![1]], 2));
    gate.set();
    assert_eq!(first.join().await.unwrap(), 10);
    for (task, answer) in rest.into_iter().zip([20, 30]) {
        assert_eq!(task.join().await.unwrap(), answer);
    }
    assert_eq!(*seen.lock(), [vec![1], vec![2, 3]]);
    let stats = batcher.stats();
    assert_eq!((stats.queued, stats.batches, stats.items), (0, 2, 3));
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_run_when_it_has_enough_items_or_has_waited_long_enough() {
    let ctx = Context::root();
    let (batcher, seen) = tens(&ctx, Options::default().max_items(3).max_delay(SECOND));
    for item in 1..=4 {
        batcher.push(&ctx, item).await.unwrap();
    }
    settle().await;
    assert_eq!(*seen.lock(), [vec![1, 2, 3]]);
    tokio::time::sleep(SECOND / 2).await;
    batcher.push(&ctx, 5).await.unwrap();
    settle().await;
    assert_eq!(seen.lock().len(), 1, "the fourth has half a second left");
    tokio::time::sleep(SECOND / 2 + Duration::from_millis(2)).await;
    assert_eq!(*seen.lock(), [vec![1, 2, 3], vec![4, 5]]);
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_run_when_it_has_enough_bytes_and_one_too_large_is_alone() {
    let seen = Seen::default();
    let noted = seen.clone();
    let work = move |_, batch: Batch<u32>| {
        noted.lock().push(batch.items().copied().collect());
        async { Ok(()) }
    };
    let options = Options::default().max_bytes(100).max_delay(60 * SECOND);
    let ctx = Context::root();
    let batcher = Batcher::new(&ctx, options, work).unwrap().weigh(|item| *item as usize);
    for item in [40, 40] {
        batcher.push(&ctx, item).await.unwrap();
    }
    settle().await;
    assert_eq!(seen.lock().len(), 0);
    batcher.push(&ctx, 30).await.unwrap();
    settle().await;
    assert_eq!(*seen.lock(), [vec![40, 40]], "with the third it would be more than may be");
    batcher.push(&ctx, 500).await.unwrap();
    settle().await;
    assert_eq!(*seen.lock(), [vec![40, 40], vec![30], vec![500]]);
}

#[tokio::test(start_paused = true)]
async fn a_flush_runs_what_is_there_and_nothing_later() {
    let ctx = Context::root();
    let (batcher, seen) = tens(&ctx, Options::default().max_delay(60 * SECOND));
    batcher.flush();
    batcher.push(&ctx, 1).await.unwrap();
    settle().await;
    assert_eq!(seen.lock().len(), 0, "there was nothing to flush");
    batcher.flush();
    settle().await;
    batcher.push(&ctx, 2).await.unwrap();
    settle().await;
    assert_eq!(*seen.lock(), [vec![1]]);
}

#[tokio::test(start_paused = true)]
async fn whoever_has_one_more_than_may_queue_waits_for_room() {
    let (ctx, (batcher, seen, gate)) =
        (Context::root(), gated(Options::default().max_items(2).capacity(2)));
    let running = submit(&ctx, &batcher, 1).await;
    batcher.push(&ctx, 2).await.unwrap();
    batcher.try_push(3).unwrap();
    let (item, refusal) = batcher.try_push(4).unwrap_err();
    assert_eq!((item, refusal.policy, refusal.used, refusal.limit), (4, "batcher", 2, 2));
    let mut waits = poll_by_hand(batcher.push(&ctx, 4));
    assert!(waits.poll().is_pending());
    let soon = Context::root().with_timeout(SECOND);
    assert!(has_ended(batcher.push(&soon, 5).await));
    gate.set();
    running.join().await.unwrap();
    settle().await;
    assert!(waits.poll().is_ready());
    batcher.close(&ctx).await.unwrap();
    assert_eq!(*seen.lock(), [vec![1], vec![2, 3], vec![4]]);
}

#[tokio::test(start_paused = true)]
async fn one_who_goes_takes_a_queued_item_back_and_leaves_one_that_runs() {
    let (ctx, (batcher, seen, gate)) = (Context::root(), gated(Options::default().capacity(3)));
    let leaver = Context::root().child();
    let running = submit(&leaver, &batcher, 1).await;
    let (dropped, ended) = (submit(&ctx, &batcher, 2).await, submit(&leaver, &batcher, 3).await);
    let stays = submit(&ctx, &batcher, 4).await;
    assert!(batcher.try_push(5).is_err(), "it is full");
    drop(dropped);
    leaver.cancel("over");
    assert!(has_ended(running.join().await) && has_ended(ended.join().await));
    settle().await;
    assert_eq!(batcher.stats().queued, 1);
    batcher.try_push(6).unwrap();
    batcher.try_push(7).unwrap();
    gate.set();
    assert_eq!(stays.join().await.unwrap(), 40);
    batcher.close(&ctx).await.unwrap();
    assert_eq!(*seen.lock(), [vec![1], vec![4, 6, 7]]);
}

#[tokio::test]
async fn bad_options_are_refused_with_the_reason() {
    let why = |options| {
        let batcher = Batcher::<u32>::new(&Context::root(), options, |_, _| async { Ok(()) });
        batcher.unwrap_err().to_string()
    };
    let options = Options::default;
    assert_eq!(
        why(options().max_items(0)),
        "bad options for Batcher: a batch of `batcher` has no item at all; say at least 1"
    );
    assert!(why(options().capacity(0)).contains("a queue for 0 items of `batcher`; say 1 to"));
    assert!(why(options().capacity(8).max_delay(SECOND)).ends_with("only 8 may queue"));
}

#[tokio::test(start_paused = true)]
async fn a_wait_for_an_answer_or_for_room_may_be_dropped_anywhere() {
    type World = (Arc<Batcher<u32, u32>>, Seen, Child);
    let world = async || -> World {
        let ctx = Context::root().child();
        let (batcher, seen) =
            tens(&ctx, Options::default().capacity(2).max_items(2).max_delay(SECOND));
        batcher.push(&ctx, 1).await.unwrap();
        (batcher, seen, ctx)
    };
    let work = async |(batcher, _, ctx): &World| {
        drop(batcher.submit(ctx, 2).await);
        drop(batcher.push(ctx, 3).await);
        drop(batcher.submit(&ctx.with_timeout(SECOND / 2), 4).await);
        drop(batcher.close(ctx).await);
    };
    let left = async |(batcher, _, _): &World| {
        // Whatever was left off: it goes on, and has room for as many as ever.
        batcher.flush();
        settle().await;
        assert_eq!(batcher.stats().queued, 0);
        if batcher.try_push(5).is_ok() {
            batcher.try_push(6).unwrap();
            settle().await;
            batcher.close(&Context::root()).await.unwrap();
        }
    };
    assert!(drop_at_each(world, work, left).await.steps > 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn on_several_threads_each_item_is_run_once_and_each_gets_its_own_answer() {
    let ctx = Context::root();
    let ran = Arc::new(AtomicUsize::new(0));
    let counted = ran.clone();
    let options = Options::default().max_items(16).capacity(32);
    let batcher = Arc::new(
        Batcher::answering(&ctx, options, move |_, batch: Batch<usize, usize>| {
            counted.fetch_add(batch.len(), Ordering::SeqCst);
            async move {
                batch.answer(|item| item + 1);
                Ok(())
            }
        })
        .unwrap(),
    );
    let mut group = Group::new(&ctx);
    for task in 0..16 {
        let batcher = batcher.clone();
        group.spawn("submitter", move |ctx| async move {
            for round in 0..300 {
                let item = task * 1_000 + round;
                if round % 3 == 0 {
                    batcher.push(&ctx, item).await.unwrap();
                } else {
                    assert_eq!(batcher.submit(&ctx, item).await.unwrap(), item + 1);
                }
            }
            Ok::<_, Error>(())
        });
    }
    group.join().await.unwrap();
    batcher.close(&ctx).await.unwrap();
    assert_eq!((ran.load(Ordering::SeqCst), batcher.stats().items), (16 * 300, 16 * 300));
}
