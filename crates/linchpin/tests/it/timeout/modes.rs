//! Work that is waited for, and work that is abandoned.

use std::panic::AssertUnwindSafe;
use std::sync::mpsc;

use futures_util::FutureExt as _;
use linchpin::error::Panicked;
use linchpin::resilience::FailedKind;
use linchpin::resilience::bulkhead::{Bulkhead, Options};
use linchpin::time::Instant;
use linchpin::{Context, task};
use linchpin_testing::steps::drop_at_each;

use super::{MS, SECOND, timeout};

#[tokio::test(start_paused = true)]
async fn work_that_is_waited_for_hears_of_the_limit_and_ends_by_itself() {
    let timeout = timeout(SECOND);
    let root = Context::root();
    for (deadline, is_ok, at) in
        [(5_000, false, 1_500), (1_000, false, 1_500), (5_000, true, 1_500)]
    {
        let ctx = root.with_timeout(deadline * MS);
        let begun = Instant::now();
        let result = timeout
            .wait(&ctx, |own| async move {
                let ended = own.cancelled().await;
                tokio::time::sleep(500 * MS).await; // puts things in order
                if is_ok { Ok(()) } else { Err(ended) }
            })
            .await;
        assert_eq!(begun.elapsed(), at * MS);
        match result.as_ref().map_err(linchpin::resilience::Failed::kind) {
            Ok(()) => assert!(is_ok, "done all the same"),
            Err(FailedKind::TimedOut) => assert_eq!(deadline, 5_000),
            Err(FailedKind::Ended(_)) => assert_eq!(deadline, 1_000),
            Err(other) => panic!("{other:?}"),
        }
    }
    let failed = timeout.wait(&root, |_| async { Err::<(), _>("sick") }).await.unwrap_err();
    assert!(matches!(failed.kind(), FailedKind::Callee("sick")), "in time");
    assert_eq!(timeout.numbers().fired, 1);
}

#[tokio::test(start_paused = true)]
async fn t6_abandoned_work_goes_on_with_its_permit_and_is_counted() {
    let door = Bulkhead::new("test", 1, Options::default()).unwrap();
    let timeout = timeout(SECOND);
    let ctx = Context::root();
    let begun = Instant::now();
    let permit = door.enter_owned(&ctx).await.unwrap();
    let work = async move {
        tokio::time::sleep(5 * SECOND).await;
        drop(permit);
        Ok::<(), ()>(())
    };
    let failed = timeout.abandon(&ctx, "report", work).await.unwrap_err();
    assert!(matches!(failed.kind(), FailedKind::TimedOut));
    assert_eq!(
        (begun.elapsed(), timeout.numbers().abandoned, door.numbers().in_use),
        (SECOND, 1, 1)
    );
    tokio::time::sleep(3_999 * MS).await;
    assert_eq!((timeout.numbers().abandoned, door.numbers().in_use), (1, 1));
    tokio::time::sleep(2 * MS).await;
    assert_eq!((timeout.numbers().abandoned, door.numbers().in_use), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn work_that_ends_in_time_is_not_abandoned() {
    let timeout = timeout(SECOND);
    let ctx = Context::root();
    let done = timeout.abandon(&ctx, "report", async { Ok::<_, ()>(7) }).await;
    assert_eq!(done.unwrap(), 7);
    let sick = timeout.abandon(&ctx, "report", async { Err::<(), _>("sick") }).await.unwrap_err();
    assert!(matches!(sick.kind(), FailedKind::Callee("sick")));
    assert_eq!(timeout.numbers(), linchpin::resilience::timeout::Numbers::default());
}

#[tokio::test]
async fn code_that_blocks_its_thread_is_abandoned_too() {
    let timeout = timeout(MS);
    let (go_on, wait) = mpsc::channel::<()>();
    let ctx = Context::root();
    let work = move || wait.recv().map_err(drop);
    let failed = timeout.abandon_blocking(&ctx, "blocks", work).await.unwrap_err();
    assert!(matches!(failed.kind(), FailedKind::TimedOut));
    assert_eq!(timeout.numbers().abandoned, 1);
    go_on.send(()).unwrap();
    while timeout.numbers().abandoned > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_work_under_a_limit_is_the_callers() {
    let (timeout, ctx) = (timeout(SECOND), Context::root());
    let work = || async {
        tokio::time::sleep(MS).await;
        panic!("boom")
    };
    let called = timeout.call::<(), (), _, _>(&ctx, work);
    let raised = AssertUnwindSafe(called).catch_unwind().await.map(drop).unwrap_err();
    assert_eq!(task::panic_text(&*raised), "boom");
    let waited = timeout.wait::<(), (), _, _>(&ctx, |_| work());
    let raised = AssertUnwindSafe(waited).catch_unwind().await.map(drop).unwrap_err();
    assert_eq!(task::panic_text(&*raised), "boom");
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_work_that_is_waited_for_is_an_error_and_costs_nobody() {
    let timeout = timeout(SECOND);
    let ctx = Context::root();
    let work = async {
        tokio::time::sleep(MS).await;
        panic!("boom")
    };
    let failed = timeout.abandon::<(), ()>(&ctx, "bad", work).await.unwrap_err();
    let FailedKind::Panicked(error) = failed.kind() else { panic!("{failed:?}") };
    assert_eq!(error.find::<Panicked>().unwrap().text(), "boom");
    assert_eq!(timeout.numbers().abandoned, 0);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_leaves_its_work() {
    drop_at_each(
        async || (timeout(SECOND), Context::root().child()),
        async |(timeout, ctx)| {
            let work = async {
                tokio::time::sleep(MS).await;
                Ok::<_, ()>(())
            };
            timeout.abandon(ctx, "left", work).await.unwrap();
        },
        async |(timeout, _)| {
            tokio::time::sleep(2 * MS).await;
            assert_eq!(timeout.numbers().abandoned, 0, "it has gone on to its end");
        },
    )
    .await;
    drop_at_each(
        async || (timeout(SECOND), Context::root().child()),
        async |(timeout, ctx)| {
            timeout.abandon_blocking(ctx, "left", || Ok::<_, ()>(())).await.unwrap();
        },
        async |(timeout, _)| {
            while timeout.numbers().abandoned > 0 {
                tokio::task::yield_now().await;
            }
        },
    )
    .await;
}
