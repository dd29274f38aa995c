//! How a pool ends: drained, shut down, dropped, with its runtime.

use std::time::Duration;

use linchpin::resilience::FailedKind;
use linchpin::task::pool::{Options, Pool};
use linchpin::{Context, Error, Kind};
use linchpin_testing::leak::Check;
use linchpin_testing::steps::{drop_at_each, settle};
use tokio::sync::oneshot;

use super::{Order, SECOND, held, pool};

fn forever(
    hold: oneshot::Sender<()>,
) -> impl FnOnce(Context) -> futures_util::future::BoxFuture<'static, linchpin::Result<()>> {
    move |_| {
        Box::pin(async move {
            let _hold = hold;
            std::future::pending().await
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_drained_pool_has_done_everything_and_left_no_worker() {
    let check = Check::new();
    let (ctx, order, pool) = (Context::root(), Order::default(), pool(2, Options::default()));
    for number in 0..10 {
        let job = order.job(number);
        let job = move |ctx: Context| async move {
            ctx.sleep(SECOND).await?;
            job(ctx).await
        };
        drop(pool.submit(&ctx, job).await.unwrap());
    }
    let report = pool.drain(&ctx).await;
    assert!(report.is_complete());
    assert_eq!((report.stats.done, report.stats.workers, order.seen().len()), (10, 0, 10));
    check.assert_none().await;
    // Drained again it is still drained, and takes nothing.
    assert!(pool.drain(&ctx).await.is_complete());
    let not = pool.submit(&ctx, order.job(99)).await.unwrap_err();
    assert!(matches!(not.reason(), FailedKind::Refused(refusal) if refusal.reason == "closed"));
    assert_eq!(Error::from(not).kind(), Kind::Unavailable);
}

#[tokio::test]
async fn an_unused_pool_is_drained_at_once() {
    assert!(pool(2, Options::default()).drain(&Context::root()).await.is_complete());
}

#[tokio::test]
async fn closing_refuses_those_who_wait_and_runs_what_is_queued() {
    let (ctx, order, pool) =
        (Context::root(), Order::default(), pool(1, Options::default().queue(1)));
    let (release, _first) = held(&pool).await;
    let queued = pool.submit(&ctx, order.job(1)).await.unwrap();
    let closes = async {
        settle().await;
        pool.close();
    };
    let (waiting, ()) = futures_util::join!(pool.submit(&ctx, order.job(2)), closes);
    let not = waiting.unwrap_err();
    assert_eq!((not.job)(ctx.clone()).await.unwrap(), 2);
    drop(release);
    assert_eq!(queued.join().await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_drain_that_takes_too_long_stops_what_runs_and_hands_back_what_does_not() {
    let check = Check::new();
    let (ctx, order, pool) = (Context::root(), Order::default(), pool(1, Options::default()));
    let (hold, dropped) = oneshot::channel();
    let running = pool.submit(&ctx, forever(hold)).await.unwrap();
    let queued = pool.submit(&ctx, order.job(1)).await.unwrap();
    let other = pool.submit(&ctx, order.job(2)).await.unwrap();
    let began = tokio::time::Instant::now();
    let mut report = pool.drain(&ctx.with_timeout(SECOND)).await;
    assert!(began.elapsed() >= SECOND && began.elapsed() < SECOND + SECOND / 10);
    assert!(!report.is_complete());
    assert_eq!((report.stopped, report.unstarted.len(), report.stats.workers), (1, 2, 0));
    assert!(dropped.await.is_err());
    assert_eq!(running.join().await.unwrap_err().kind(), Kind::Cancelled);
    // What was handed back still runs, and its handle hears of it; what is dropped is told as well.
    report.unstarted.remove(0).run().await;
    assert_eq!(queued.join().await.unwrap(), 1);
    drop(report);
    assert_eq!(other.join().await.unwrap_err().kind(), Kind::Cancelled);
    assert_eq!(order.seen(), [1]);
    check.assert_none().await;
}

#[tokio::test]
async fn a_shutdown_waits_for_none_of_them() {
    let check = Check::new();
    let (ctx, order, pool) = (Context::root(), Order::default(), pool(3, Options::default()));
    let mut dropped = Vec::new();
    for _ in 0..3 {
        let (hold, held) = oneshot::channel();
        drop(pool.submit(&ctx, forever(hold)).await.unwrap());
        dropped.push(held);
    }
    drop(pool.submit(&ctx, order.job(1)).await.unwrap());
    settle().await;
    let report = pool.shutdown().await;
    assert_eq!((report.stopped, report.unstarted.len(), report.stats.dropped), (3, 1, 4));
    for held in dropped {
        assert!(held.await.is_err());
    }
    check.assert_none().await;
}

#[tokio::test]
async fn dropping_the_pool_leaves_no_task_and_tells_every_handle() {
    let check = Check::new();
    let (ctx, order, pool) = (Context::root(), Order::default(), pool(1, Options::default()));
    let (hold, dropped) = oneshot::channel();
    let running = pool.submit(&ctx, forever(hold)).await.unwrap();
    let queued = pool.submit(&ctx, order.job(1)).await.unwrap();
    settle().await;
    drop(pool);
    assert!(dropped.await.is_err());
    assert_eq!(running.join().await.unwrap_err().kind(), Kind::Cancelled);
    assert_eq!(queued.join().await.unwrap_err().kind(), Kind::Cancelled);
    check.assert_none().await;
}

#[test]
fn a_pool_outlives_the_runtime_of_its_workers() {
    let (ctx, order, pool) = (Context::root(), Order::default(), pool(1, Options::default()));
    let run = || tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (running, queued) = run().block_on(async {
        let (hold, _) = oneshot::channel();
        let running = pool.submit(&ctx, forever(hold)).await.unwrap();
        let queued = pool.submit(&ctx, order.job(1)).await.unwrap();
        settle().await;
        (running, queued)
    });
    // Its workers went with the runtime: nothing waits for ever.
    run().block_on(async {
        assert_eq!(running.join().await.unwrap_err().kind(), Kind::Cancelled);
        assert_eq!(queued.join().await.unwrap_err().kind(), Kind::Cancelled);
        let again = pool.submit(&ctx, order.job(2)).await.unwrap();
        assert_eq!(again.join().await.unwrap(), 2);
        assert!(pool.drain(&ctx).await.stats.workers == 0);
    });
}

#[test]
fn a_job_that_is_submitted_outside_of_a_runtime_is_the_callers_mistake_alone() {
    let (ctx, order, pool) = (Context::root(), Order::default(), pool(1, Options::default()));
    let outside = std::panic::AssertUnwindSafe(|| pool.try_submit(&ctx, order.job(1)));
    assert!(std::panic::catch_unwind(outside).is_err());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let inside = async { pool.submit(&ctx, order.job(2)).await.unwrap().join().await };
    assert_eq!(runtime.block_on(inside).unwrap(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_drain_leaves_the_pool_closed_and_nobody_waiting() {
    let world = async || {
        let pool = pool(1, Options::default());
        let job = |ctx: Context| async move { Ok(ctx.sleep(SECOND).await?) };
        drop(pool.submit(&Context::root(), job).await.unwrap());
        pool
    };
    let ends = async |pool: &Pool| {
        tokio::time::sleep(2 * SECOND).await;
        settle().await;
        assert_eq!(pool.stats().running, 0);
    };
    let report =
        drop_at_each(world, async |pool| drop(pool.drain(&Context::root()).await), ends).await;
    assert!(report.steps >= 2, "{report:?}");
    drop_at_each(world, async |pool| drop(pool.shutdown().await), ends).await;
    let short = async |pool: &Pool| {
        drop(pool.drain(&Context::root().with_timeout(Duration::from_millis(100))).await);
    };
    drop_at_each(world, short, ends).await;
}
