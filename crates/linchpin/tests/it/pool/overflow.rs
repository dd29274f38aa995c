//! A full queue: waiting, refusing, displacing, running it oneself.

use futures_util::FutureExt as _;
use linchpin::resilience::FailedKind;
use linchpin::task::pool::{Options, Overflow, Priority};
use linchpin::{Context, Error, Kind};
use linchpin_testing::steps::{drop_at_each, settle};

use super::{Order, SECOND, boom, held, pool};

fn small(overflow: Overflow) -> Options {
    Options::default().queue(1).overflow(overflow)
}

#[tokio::test]
async fn a_full_queue_makes_submitters_wait_in_line() {
    let (ctx, order, pool) = (Context::root(), Order::default(), pool(1, small(Overflow::Wait)));
    let (release, _first) = held(&pool).await;
    drop(pool.submit(&ctx, order.job(1)).await.unwrap());
    let second = pool.submit(&ctx, order.job(2));
    let third = pool.submit(&ctx, order.job(3));
    let urgent = pool.at(Priority::High);
    let fourth = urgent.submit(&ctx, order.job(4));
    let waits = async {
        settle().await;
        assert_eq!(pool.stats().waiting, 3);
        drop(release);
    };
    let (second, third, fourth, ()) = futures_util::join!(second, third, fourth, waits);
    for handle in [second, third, fourth] {
        handle.unwrap().join().await.unwrap();
    }
    assert_eq!(order.seen(), [1, 4, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn a_submitter_that_waits_too_long_gets_its_job_back() {
    let (order, pool) = (Order::default(), pool(1, small(Overflow::Wait)));
    let (_release, _first) = held(&pool).await;
    drop(pool.submit(&Context::root(), order.job(1)).await.unwrap());
    let ctx = Context::root().with_timeout(SECOND);
    let not = pool.submit(&ctx, order.job(2)).await.unwrap_err();
    assert!(matches!(not.reason(), FailedKind::Ended(_)));
    assert_eq!((not.job)(Context::root()).await.unwrap(), 2);
    let stats = pool.stats();
    assert_eq!((stats.waiting, stats.queued, stats.refused), (0, 1, 1));
}

#[tokio::test]
async fn a_pool_that_rejects_says_how_full_it_is_and_hands_the_job_back() {
    let (ctx, order, pool) = (Context::root(), Order::default(), pool(1, small(Overflow::Reject)));
    let (_release, _first) = held(&pool).await;
    drop(pool.submit(&ctx, order.job(1)).await.unwrap());
    let not = pool.submit(&ctx, order.job(2)).await.unwrap_err();
    let FailedKind::Refused(refusal) = not.reason() else { panic!("{not}") };
    assert_eq!((refusal.used, refusal.limit, refusal.instance), (2, 2, "pool"));
    assert_eq!((not.job)(ctx.clone()).await.unwrap(), 2);
    let not = pool.try_submit(&ctx, order.job(3)).unwrap_err();
    assert_eq!(Error::from(not).kind(), Kind::ResourceExhausted);
}

#[tokio::test]
async fn a_queue_of_none_takes_a_job_when_a_worker_is_free_for_it() {
    let (ctx, order) = (Context::root(), Order::default());
    let pool = pool(1, Options::default().queue(0));
    let first = pool.try_submit(&ctx, order.job(1)).unwrap();
    let not = pool.try_submit(&ctx, order.job(2)).unwrap_err();
    let second = pool.submit(&ctx, not.job).await.unwrap();
    assert_eq!((first.join().await.unwrap(), second.join().await.unwrap()), (1, 2));
}

#[tokio::test]
async fn a_newer_job_takes_the_place_of_the_oldest_that_is_no_more_urgent() {
    let (ctx, order) = (Context::root(), Order::default());
    let pool = pool(1, small(Overflow::DropOldest));
    let (release, _first) = held(&pool).await;
    let oldest = pool.submit(&ctx, order.job(1)).await.unwrap();
    let newer = pool.at(Priority::High).try_submit(&ctx, order.job(2)).unwrap();
    let error = oldest.join().await.unwrap_err();
    assert_eq!(error.kind(), Kind::ResourceExhausted);
    assert!(error.to_string().contains("a newer job took its place"), "{error}");
    // All that is queued is more urgent.
    let not = pool.submit(&ctx, order.job(3)).await.unwrap_err();
    assert!(matches!(not.reason(), FailedKind::Refused(_)));
    drop(release);
    assert_eq!(newer.join().await.unwrap(), 2);
    assert_eq!((order.seen(), pool.stats().dropped), (vec![2], 1));
}

#[tokio::test]
async fn the_submitter_runs_what_the_queue_has_no_place_for() {
    let (ctx, order) = (Context::root(), Order::default());
    let pool = pool(1, small(Overflow::CallerRuns));
    let (release, _first) = held(&pool).await;
    drop(pool.submit(&ctx, order.job(1)).await.unwrap());
    let handle = pool.submit(&ctx, order.job(2)).await.unwrap();
    assert!(handle.is_finished());
    assert_eq!((order.seen(), handle.join().await.unwrap()), (vec![2], 2));
    // Its panic is the handle's, as ever.
    let panics = pool.submit(&ctx, |_| async { boom() }).await.unwrap();
    assert!(panics.outcome().await.unwrap_err().to_string().contains("boom"));
    // Dropped half-way it is dropped, and counted.
    let half = pool.submit(&ctx, |_| std::future::pending::<linchpin::Result<()>>());
    assert!(half.now_or_never().is_none());
    let stats = pool.stats();
    assert_eq!((stats.done, stats.panicked, stats.dropped, stats.running), (1, 1, 1, 1));
    drop(release);
    assert!(pool.drain(&ctx).await.is_complete());
}

#[tokio::test(start_paused = true)]
async fn a_dropped_submission_leaves_nothing_behind() {
    let world = async || {
        let pool = pool(1, small(Overflow::Wait));
        let (release, first) = held(&pool).await;
        let order = Order::default();
        drop(pool.submit(&Context::root(), order.job(1)).await.unwrap());
        let later = linchpin::task::spawn("later", async move {
            tokio::time::sleep(SECOND).await;
            drop(release);
        });
        (pool, order, first, later)
    };
    let report = drop_at_each(
        world,
        async |(pool, order, ..)| {
            drop(pool.submit(&Context::root(), order.job(2)).await.unwrap());
        },
        async |(pool, order, ..)| {
            settle().await;
            let stats = pool.stats();
            assert_eq!(stats.waiting, 0);
            // The place is free for another, now or when the first job is done.
            let next = pool.submit(&Context::root(), order.job(3)).await.unwrap();
            assert_eq!(next.join().await.unwrap(), 3);
        },
    )
    .await;
    assert!(report.steps >= 2, "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn a_dropped_wait_for_a_result_leaves_the_job_alone() {
    let report = drop_at_each(
        async || (pool(1, Options::default()), Order::default()),
        async |(pool, order)| {
            let job = order.job(1);
            let job = move |ctx: Context| async move {
                ctx.sleep(SECOND).await?;
                job(ctx).await
            };
            pool.submit(&Context::root(), job).await.unwrap().join().await.unwrap()
        },
        async |(pool, order)| {
            tokio::time::sleep(SECOND).await;
            settle().await;
            let stats = pool.stats();
            assert_eq!((stats.running, stats.queued), (0, 0));
            assert_eq!(stats.done as usize, order.seen().len());
        },
    )
    .await;
    assert!(report.steps >= 2, "{report:?}");
}
