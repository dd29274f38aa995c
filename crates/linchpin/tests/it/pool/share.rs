//! Pools that share workers, and pools that change their size.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use linchpin::Context;
use linchpin::task::pool::{Handle, Options, Pool};
use linchpin_testing::leak::Check;
use linchpin_testing::steps::settle;

use super::{Order, SECOND, held, pool};

/// How many run at once, and the most so far.
#[derive(Clone, Default)]
struct Gauge(Arc<(AtomicUsize, AtomicUsize)>);

impl Gauge {
    async fn submit(&self, pool: &Pool) -> Handle<()> {
        let gauge = self.0.clone();
        let job = move |ctx: Context| async move {
            gauge.1.fetch_max(gauge.0.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            ctx.sleep(SECOND).await?;
            gauge.0.fetch_sub(1, Ordering::SeqCst);
            Ok(())
        };
        pool.submit(&Context::root(), job).await.unwrap()
    }

    fn most(&self) -> usize {
        self.0.1.load(Ordering::SeqCst)
    }
}

#[tokio::test(start_paused = true)]
async fn sub_pools_have_limits_of_their_own_below_that_of_the_whole() {
    let pool = pool(4, Options::default());
    let reports = pool.sub(3, Options::default().name("reports")).unwrap();
    let nightly = reports.sub(2, Options::default().name("nightly")).unwrap();
    let gauges = [Gauge::default(), Gauge::default(), Gauge::default()];
    let mut handles = Vec::new();
    for _ in 0..10 {
        for (gauge, pool) in gauges.iter().zip([&pool, &reports, &nightly]) {
            handles.push(gauge.submit(pool).await);
        }
    }
    let whole = async {
        while pool.stats().queued + reports.stats().queued + nightly.stats().queued > 0 {
            let running = [&pool, &reports, &nightly].map(|pool| pool.stats().running);
            assert!(running.iter().sum::<usize>() <= 4 && running[1] + running[2] <= 3);
            tokio::time::sleep(SECOND / 2).await;
        }
    };
    let began = tokio::time::Instant::now();
    whole.await;
    for handle in handles {
        handle.join().await.unwrap();
    }
    // Thirty jobs on four workers, none of whom idled for long.
    assert!(began.elapsed() < SECOND * 11, "{:?}", began.elapsed());
    assert!(gauges[0].most() <= 4 && gauges[1].most() <= 3 && gauges[2].most() <= 2);
    assert_eq!((pool.stats().done, reports.stats().done, nightly.stats().done), (10, 10, 10));
}

#[tokio::test]
async fn pools_that_share_workers_take_turns() {
    let (order, pool) = (Order::default(), pool(1, Options::default()));
    let other = pool.sub(1, Options::default()).unwrap();
    let (release, _first) = held(&pool).await;
    settle().await;
    for number in 0..4 {
        drop(pool.submit(&Context::root(), order.job(number)).await.unwrap());
    }
    for number in 10..14 {
        drop(other.submit(&Context::root(), order.job(number)).await.unwrap());
    }
    drop(release);
    assert!(pool.drain(&Context::root()).await.is_complete());
    assert_eq!(order.seen(), [10, 0, 11, 1, 12, 2, 13, 3]);
    assert!(other.submit(&Context::root(), order.job(1)).await.is_err(), "closed with the whole");
}

#[tokio::test(start_paused = true)]
async fn a_sub_pool_ends_and_leaves_the_rest_alone() {
    let check = Check::new();
    let (ctx, gauge, pool) = (Context::root(), Gauge::default(), pool(2, Options::default()));
    let sub = pool.sub(1, Options::default()).unwrap();
    let (mine, theirs) = (gauge.submit(&sub).await, gauge.submit(&pool).await);
    assert!(sub.drain(&ctx).await.is_complete());
    mine.join().await.unwrap();
    theirs.join().await.unwrap();
    assert!(sub.try_submit(&ctx, |_| async { Ok(()) }).is_err());
    // Dropped, it stops its own jobs only, and its place is used again.
    for _ in 0..100 {
        let sub = pool.sub(1, Options::default()).unwrap();
        let (stopped, queued) = (gauge.submit(&sub).await, gauge.submit(&sub).await);
        let theirs = gauge.submit(&pool).await;
        settle().await;
        drop(sub);
        assert!(stopped.join().await.is_err() && queued.join().await.is_err());
        theirs.join().await.unwrap();
    }
    assert!(pool.drain(&ctx).await.is_complete());
    check.assert_none().await;
}

#[tokio::test(start_paused = true)]
async fn a_sub_pool_keeps_the_workers_after_its_parent_was_dropped() {
    let check = Check::new();
    let parent = pool(1, Options::default());
    let sub = parent.sub(1, Options::default()).unwrap();
    drop(parent);
    assert_eq!(
        sub.submit(&Context::root(), |_| async { Ok(1) }).await.unwrap().join().await.unwrap(),
        1
    );
    drop(sub);
    check.assert_none().await;
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_grows_begins_more_at_once() {
    let (gauge, pool) = (Gauge::default(), pool(1, Options::default()));
    let mut handles = Vec::new();
    for _ in 0..8 {
        handles.push(gauge.submit(&pool).await);
    }
    settle().await;
    assert_eq!(pool.stats().running, 1);
    pool.resize(4).unwrap();
    settle().await;
    assert_eq!((pool.stats().running, pool.stats().limit), (4, 4));
    for handle in handles {
        handle.join().await.unwrap();
    }
    assert_eq!(gauge.most(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_shrinks_stops_nothing_and_loses_its_surplus() {
    let (gauge, pool) = (Gauge::default(), pool(4, Options::default()));
    let mut handles = Vec::new();
    for _ in 0..8 {
        handles.push(gauge.submit(&pool).await);
    }
    settle().await;
    pool.resize(1).unwrap();
    assert_eq!(pool.stats().running, 4);
    tokio::time::sleep(SECOND + SECOND / 2).await;
    assert_eq!((pool.stats().running, pool.stats().workers, pool.stats().done), (1, 1, 4));
    for handle in handles {
        handle.join().await.unwrap();
    }
    // Idle ones leave, too.
    pool.resize(3).unwrap();
    for handle in [gauge.submit(&pool).await, gauge.submit(&pool).await, gauge.submit(&pool).await]
    {
        handle.join().await.unwrap();
    }
    assert_eq!(pool.stats().workers, 3);
    pool.resize(2).unwrap();
    settle().await;
    assert_eq!(pool.stats().workers, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_several_threads_every_job_runs_once_and_is_heard_of() {
    let check = Check::new();
    let (ctx, pool) = (Context::root(), pool(8, Options::default().queue(4)));
    let ran = Arc::new(AtomicUsize::new(0));
    let submitters: Vec<_> = (0..8)
        .map(|_| {
            let (ctx, pool, ran) = (ctx.clone(), pool.clone(), ran.clone());
            linchpin::task::spawn("submitter", async move {
                for n in 0..500_usize {
                    let ran = ran.clone();
                    let job = move |_| async move {
                        if n.is_multiple_of(3) {
                            tokio::task::yield_now().await;
                        }
                        ran.fetch_add(1, Ordering::Relaxed);
                        Ok(n)
                    };
                    let handle = pool.submit(&ctx, job).await.unwrap();
                    if n.is_multiple_of(7) {
                        assert_eq!(handle.join().await.unwrap(), n);
                    }
                }
            })
        })
        .collect();
    for submitter in submitters {
        submitter.join().await;
    }
    let report = pool.drain(&ctx).await;
    assert!(report.is_complete());
    assert_eq!((report.stats.done, ran.load(Ordering::Relaxed)), (4_000, 4_000));
    check.assert_none().await;
}
