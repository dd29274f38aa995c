//! Batcher: what fails, what panics, and how it ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use linchpin::resilience::{Failed, FailedKind};
use linchpin::sync::batch::{Batch, Batcher, Options, Unanswered};
use linchpin::task;
use linchpin::{Context, Error, Kind};
use linchpin_testing::steps::{poll_by_hand, settle};

use super::{SECOND, gated, has_ended, submit, tens};
use crate::bell::Bell;

fn refused<T>(result: Result<T, Failed<Error>>) -> String {
    match result.map(drop).unwrap_err().into_kind() {
        FailedKind::Refused(refusal) => refusal.to_string(),
        other => panic!("{other:?}"),
    }
}

/// Fails on ones, panics on twos, answers threes and forgets fours.
fn moody(ctx: &Context) -> Batcher<u32, &'static str> {
    Batcher::answering(ctx, Options::default(), |_, batch| async move {
        for (item, reply) in batch {
            match item {
                1 => return Err(Error::new(Kind::Unavailable, std::io::Error::other("planted"))),
                2 => panic!("planted"),
                3 => reply.send("three"),
                _ => drop(reply),
            }
        }
        Ok(())
    })
    .unwrap()
}

#[tokio::test(start_paused = true)]
async fn an_error_or_a_panic_is_the_answer_to_its_batch_alone() {
    let ctx = Context::root();
    let batcher = moody(&ctx);
    let batch = async |items: &[u32]| {
        let waits = items.iter().map(|item| batcher.submit(&ctx, *item));
        futures_util::future::join_all(waits).await
    };
    let answers = batch(&[3, 1, 3]).await;
    assert_eq!(*answers[0].as_ref().unwrap(), "three", "it was answered before");
    for answer in &answers[1..] {
        let FailedKind::Callee(error) = answer.as_ref().unwrap_err().kind() else { panic!() };
        assert_eq!(error.kind(), Kind::Unavailable);
    }
    let answers = batch(&[3, 3, 2, 3]).await;
    assert!(answers[..2].iter().all(Result::is_ok));
    for answer in &answers[2..] {
        assert!(matches!(answer.as_ref().unwrap_err().kind(), FailedKind::Panicked(_)));
    }
    let answers = batch(&[3, 4]).await;
    let FailedKind::Callee(error) = answers[1].as_ref().unwrap_err().kind() else { panic!() };
    assert!(error.find::<Unanswered>().is_some());
    assert!(batch(&[3, 3]).await.iter().all(Result::is_ok), "it goes on");
}

#[tokio::test(start_paused = true)]
async fn a_panic_where_nobody_waits_is_logged_and_the_next_batch_runs() {
    let ctx = Context::root();
    let ran = Arc::new(AtomicUsize::new(0));
    let counted = ran.clone();
    let batcher = Batcher::new(&ctx, Options::default(), move |_, batch: Batch<u32>| {
        // Before there is a future, too.
        assert!(!batch.items().any(|item| *item == 2), "planted");
        counted.fetch_add(batch.len(), Ordering::SeqCst);
        async { Ok(()) }
    })
    .unwrap();
    for item in [1, 2, 3] {
        batcher.push(&ctx, item).await.unwrap();
        settle().await;
    }
    batcher.submit(&ctx, 4).await.unwrap();
    batcher.close(&ctx).await.unwrap();
    assert_eq!(ran.load(Ordering::SeqCst), 3);
}

#[tokio::test(start_paused = true)]
async fn a_weighing_that_panics_is_the_submitters_and_nothing_is_queued() {
    let ctx = Context::root();
    let batcher = Batcher::new(&ctx, Options::default().capacity(1), |_, _| async { Ok(()) })
        .unwrap()
        .weigh(|item: &u32| if *item == 1 { panic!("planted") } else { 1 });
    let mut broken = poll_by_hand(batcher.push(&ctx, 1));
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| broken.poll()));
    assert!(panicked.is_err());
    drop(broken);
    assert_eq!(batcher.stats().queued, 0);
    batcher.submit(&ctx, 2).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_close_runs_what_is_queued_and_refuses_what_comes() {
    let ctx = Context::root();
    let (batcher, seen) = tens(&ctx, Options::default().max_delay(60 * SECOND).max_items(2));
    batcher.push(&ctx, 1).await.unwrap();
    batcher.close(&ctx).await.unwrap();
    assert_eq!(*seen.lock(), [vec![1]]);
    assert_eq!(
        refused(batcher.submit(&ctx, 2).await),
        "batcher `batcher` refused: closed (0 of 8192)"
    );
    assert!(batcher.try_push(3).is_err());
    batcher.close(&ctx).await.unwrap();

    let (batcher, _, gate) = gated(Options::default());
    let running = submit(&ctx, &batcher, 1).await;
    assert!(batcher.close(&Context::root().with_timeout(SECOND)).await.is_err());
    gate.set();
    batcher.close(&ctx).await.unwrap();
    assert_eq!(running.join().await.unwrap(), 10);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_its_context_answers_all_who_wait_and_drops_the_rest() {
    let own = Context::root().child();
    let never = |_, batch: Batch<u32, u32>| async move {
        std::future::pending::<()>().await;
        drop(batch);
        Ok(())
    };
    let batcher = Arc::new(Batcher::answering(&own, Options::default(), never).unwrap());
    let ctx = Context::root();
    let running = submit(&ctx, &batcher, 1).await;
    let queued = submit(&ctx, &batcher, 2).await;
    batcher.push(&ctx, 3).await.unwrap();
    own.cancel("over");
    assert!(has_ended(running.join().await) && has_ended(queued.join().await));
    assert!(batcher.submit(&ctx, 4).await.is_err());
    batcher.close(&ctx).await.unwrap();
    assert_eq!(batcher.stats().queued, 0);
}

#[tokio::test(start_paused = true)]
async fn a_batcher_that_is_dropped_ends_its_task_and_drops_what_it_had() {
    const NAME: &str = "a batcher that is dropped";
    let held = Arc::new(());
    let batcher = Batcher::new(
        &Context::root(),
        Options::default().name(NAME).max_delay(SECOND),
        |_, _| async { Ok(()) },
    )
    .unwrap();
    batcher.push(&Context::root(), held.clone()).await.unwrap();
    settle().await;
    assert_eq!(Arc::strong_count(&held), 2);
    drop(batcher);
    settle().await;
    assert_eq!(Arc::strong_count(&held), 1);
    assert!(!task::live().iter().any(|task| task.name == NAME));
}

#[tokio::test(start_paused = true)]
async fn a_waker_of_a_submitter_that_panics_keeps_nobody_from_being_answered() {
    let ctx = Context::root();
    let (batcher, seen) = tens(&ctx, Options::default().max_delay(SECOND));
    let mut first = Box::pin(batcher.submit(&ctx, 1));
    let bell = Bell::new(true);
    assert!(first.as_mut().poll(&mut std::task::Context::from_waker(&bell.waker())).is_pending());
    assert_eq!(batcher.submit(&ctx, 2).await.unwrap(), 20);
    assert!(bell.has_rung());
    assert_eq!(first.await.unwrap(), 10);
    assert_eq!(*seen.lock(), [[1, 2]]);
}
