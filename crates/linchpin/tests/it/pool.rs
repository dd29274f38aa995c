//! The pool of tasks: who runs when, what comes back, what is left.

mod blocking;
mod end;
mod memory;
mod overflow;
mod random;
mod share;
mod steps;

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt as _;
use linchpin::context::Ended;
use linchpin::error::Panicked;
use linchpin::task::pool::{Handle, Options, Pool, Priority, Stats};
use linchpin::task::{live, panic_text};
use linchpin::{Context, Error, Kind};
use linchpin_testing::leak::Check;
use linchpin_testing::steps::settle;
use tokio::sync::oneshot;

use crate::panic::Bomb;

pub(crate) const SECOND: Duration = Duration::from_secs(1);

pub(crate) fn pool(workers: usize, options: Options) -> Pool {
    Pool::new(workers, options).unwrap()
}

/// A job that runs until the sender is used or dropped.
pub(crate) async fn held(pool: &Pool) -> (oneshot::Sender<()>, Handle<()>) {
    let (release, released) = oneshot::channel();
    let job = |_| async move {
        released.await.ok();
        Ok(())
    };
    let handle = pool.submit(&Context::root(), job).await.unwrap();
    settle().await;
    (release, handle)
}

pub(crate) fn boom() -> linchpin::Result<()> {
    panic!("boom")
}

/// Notes the order in which jobs run.
#[derive(Clone, Default)]
pub(crate) struct Order(Arc<Mutex<Vec<u32>>>);

impl Order {
    pub(crate) fn job(
        &self,
        number: u32,
    ) -> impl FnOnce(Context) -> futures_util::future::Ready<linchpin::Result<u32>> + use<> {
        let order = self.0.clone();
        move |_| {
            order.lock().unwrap().push(number);
            futures_util::future::ready(Ok(number))
        }
    }

    pub(crate) fn seen(&self) -> Vec<u32> {
        self.0.lock().unwrap().clone()
    }
}

fn accounted(stats: &Stats) -> u64 {
    let now = (stats.queued + stats.running) as u64;
    now + stats.done + stats.failed + stats.panicked + stats.dropped
}

#[tokio::test(start_paused = true)]
async fn a_job_hands_its_result_back() {
    let check = Check::new();
    let ctx = Context::root();
    let pool = pool(2, Options::default());
    let value = pool.submit(&ctx, |_| async { Ok(7) }).await.unwrap();
    assert_eq!(value.join().await.unwrap(), 7);
    let error = pool.submit(&ctx, |_| async { Err::<(), _>(Error::new(Kind::NotFound, "no")) });
    assert_eq!(error.await.unwrap().join().await.unwrap_err().kind(), Kind::NotFound);
    let stats = pool.stats();
    assert_eq!((stats.submitted, stats.done, stats.failed, stats.running), (2, 1, 1, 0));
    drop(pool);
    check.assert_none().await;
}

#[tokio::test(start_paused = true)]
async fn at_most_as_many_jobs_run_as_there_are_workers() {
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let pool = pool(3, Options::default());
    let mut handles = Vec::new();
    for _ in 0..20 {
        let (running, most) = (running.clone(), most.clone());
        let job = move |ctx: Context| async move {
            most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            ctx.sleep(SECOND).await?;
            running.fetch_sub(1, Ordering::SeqCst);
            Ok(())
        };
        handles.push(pool.submit(&Context::root(), job).await.unwrap());
    }
    let began = tokio::time::Instant::now();
    for handle in handles {
        handle.join().await.unwrap();
    }
    assert_eq!(most.load(Ordering::SeqCst), 3);
    // No worker idles while a job waits.
    assert!(began.elapsed() < SECOND * 7 + SECOND / 2, "{:?}", began.elapsed());
    assert_eq!(pool.stats().workers, 3);
}

#[tokio::test]
async fn jobs_begin_in_the_order_of_submission() {
    let (order, pool) = (Order::default(), pool(1, Options::default()));
    let (release, _first) = held(&pool).await;
    let mut handles = Vec::new();
    for number in 0..50 {
        handles.push(pool.submit(&Context::root(), order.job(number)).await.unwrap());
    }
    assert_eq!(pool.stats().queued + pool.stats().running, 51);
    drop(release);
    for (number, handle) in handles.into_iter().enumerate() {
        assert_eq!(handle.join().await.unwrap() as usize, number);
    }
    assert_eq!(order.seen(), (0..50).collect::<Vec<_>>());
}

#[tokio::test]
async fn the_more_urgent_goes_first_and_nothing_starves() {
    let (order, pool) = (Order::default(), pool(1, Options::default()));
    let (release, _first) = held(&pool).await;
    settle().await;
    let (ctx, low, high) = (Context::root(), pool.at(Priority::Low), pool.at(Priority::High));
    drop(low.submit(&ctx, order.job(1000)).await.unwrap());
    drop(pool.submit(&ctx, order.job(500)).await.unwrap());
    for number in 0..40 {
        drop(high.submit(&ctx, order.job(number)).await.unwrap());
    }
    drop(release);
    assert!(pool.drain(&ctx).await.is_complete());
    let seen = order.seen();
    assert_eq!(seen[..3], [0, 1, 2]);
    let place = |number| seen.iter().position(|seen| *seen == number).unwrap();
    assert!((10..30).contains(&place(500)), "{seen:?}");
    assert!((10..30).contains(&place(1000)), "{seen:?}");
}

#[tokio::test]
async fn a_panic_comes_back_through_the_handle_and_costs_no_worker() {
    let (ctx, pool) = (Context::root(), pool(1, Options::default()));
    for _ in 0..3 {
        let handle = pool.submit(&ctx, |_| async { panic!("boom") }).await.unwrap();
        let raised = AssertUnwindSafe(handle.join()).catch_unwind().await;
        assert_eq!(panic_text(&*raised.map(|_: Result<(), _>| ()).unwrap_err()), "boom");
    }
    // In the closure itself, and as an error.
    let job = |_| -> futures_util::future::Ready<linchpin::Result<()>> { panic!("early") };
    let error = pool.submit(&ctx, job).await.unwrap().outcome().await.unwrap_err();
    assert_eq!(error.find::<Panicked>().unwrap().text(), "early");
    let after = pool.submit(&ctx, |_| async { Ok(1) }).await.unwrap();
    assert_eq!(after.join().await.unwrap(), 1);
    let stats = pool.stats();
    assert_eq!((stats.panicked, stats.done, stats.workers), (4, 1, 1));
}

#[tokio::test]
async fn a_panic_that_nobody_fetches_is_logged_and_a_bomb_harms_nobody() {
    let (ctx, pool) = (Context::root(), pool(1, Options::default()));
    // A result, a captured value and an unfetched result that panic when they are dropped.
    drop(pool.submit(&ctx, |_| async { Ok(Bomb) }).await.unwrap());
    let bomb = Bomb;
    let captured = pool.submit(&ctx, move |_| async move {
        let _bomb = bomb;
        Ok(())
    });
    let error = captured.await.unwrap().outcome().await.unwrap_err();
    assert!(error.find::<Panicked>().is_some());
    drop(pool.submit(&ctx, |_| async { boom() }).await.unwrap());
    let ended = ctx.child();
    let bomb = Bomb;
    let never = pool.submit(&ended, move |_| async move {
        drop(bomb);
        Ok(())
    });
    let never = never.await.unwrap();
    ended.cancel("over");
    assert_eq!(never.join().await.unwrap_err().kind(), Kind::Cancelled);
    let after = pool.submit(&ctx, |_| async { Ok(1) }).await.unwrap();
    assert_eq!(after.join().await.unwrap(), 1);
    assert_eq!(pool.stats().workers, 1);
    // In the job that runs and in one that is queued when the pool goes.
    for _ in 0..2 {
        let bomb = Bomb;
        let job = move |_| async move {
            let _bomb = bomb;
            std::future::pending::<linchpin::Result<()>>().await
        };
        drop(pool.submit(&ctx, job).await.unwrap());
    }
    settle().await;
    let check = Check::new();
    assert_eq!(pool.shutdown().await.stats.workers, 0);
    check.assert_none().await;
}

#[tokio::test]
async fn a_job_whose_context_ended_never_begins() {
    let pool = pool(1, Options::default());
    let (release, _first) = held(&pool).await;
    let ctx = Context::root().child();
    let order = Order::default();
    let queued = pool.submit(&ctx, order.job(1)).await.unwrap();
    ctx.cancel("the client went away");
    drop(release);
    let error = queued.join().await.unwrap_err();
    assert!(error.find::<Ended>().is_some());
    assert!(error.to_string().contains("the client went away"));
    assert!(order.seen().is_empty());
    // Nor is it taken in.
    let late = pool.submit(&ctx, order.job(2)).await.unwrap_err();
    assert_eq!((late.job)(ctx.detached()).await.unwrap(), 2);
    assert_eq!((pool.stats().dropped, pool.stats().refused), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_job_that_takes_too_long_is_dropped_where_it_waits() {
    let pool = pool(1, Options::default().timeout(SECOND));
    let (hold, held) = oneshot::channel::<()>();
    let root = Context::root();
    let slow = pool.submit(&root, |ctx| async move {
        assert!(ctx.remaining() <= Some(SECOND));
        let _hold = hold;
        std::future::pending::<Result<(), _>>().await
    });
    let error = slow.await.unwrap().join().await.unwrap_err();
    assert_eq!(error.kind(), Kind::DeadlineExceeded);
    assert!(held.await.is_err());
    let quick = pool.submit(&Context::root(), |_| async { Ok(1) }).await.unwrap();
    assert_eq!(quick.join().await.unwrap(), 1);
    let stats = pool.stats();
    assert_eq!((stats.failed, stats.timed_out, stats.done), (1, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn the_numbers_add_up_and_say_how_long_jobs_waited_and_ran() {
    let ctx = Context::root();
    let pool = pool(1, Options::default());
    for _ in 0..3 {
        let job = |ctx: Context| async move { Ok(ctx.sleep(SECOND).await?) };
        drop(pool.submit(&ctx, job).await.unwrap());
    }
    assert_eq!(accounted(&pool.stats()), 3);
    let stats = pool.drain(&ctx).await.stats;
    assert_eq!((stats.done, stats.submitted, accounted(&stats)), (3, 3, 3));
    let close = |a: Duration, b: Duration| a.abs_diff(b) < SECOND / 10;
    assert!(close(stats.run.total, 3 * SECOND) && close(stats.run.mean(), SECOND), "{stats:?}");
    assert!(close(stats.wait.total, 3 * SECOND) && close(stats.wait.longest, 2 * SECOND));
}

#[tokio::test]
async fn workers_are_listed_under_the_pools_name_and_the_line_that_made_it() {
    let check = Check::new();
    let line = line!() + 1;
    let pool = Pool::new(3, Options::default().name("listed pool")).unwrap();
    let listed = || live().into_iter().filter(|task| task.name == "listed pool").count();
    assert_eq!(listed(), 0, "none before the first job");
    let (_release, _job) = held(&pool).await;
    settle().await;
    let worker = live().into_iter().find(|task| task.name == "listed pool").unwrap();
    assert!(worker.site.file().ends_with("pool.rs"));
    assert_eq!((worker.site.line(), listed()), (line, 1));
    drop(pool);
    check.assert_none().await;
}

#[tokio::test]
async fn a_pool_without_workers_or_time_is_refused() {
    assert!(Pool::new(0, Options::default()).is_err());
    assert!(Pool::new(1, Options::default().timeout(Duration::ZERO)).is_err());
    let pool = pool(1, Options::default());
    assert!(pool.resize(0).is_err() && pool.sub(0, Options::default()).is_err());
}

#[tokio::test]
async fn a_handle_that_is_dropped_does_not_stop_its_job() {
    let pool = pool(1, Options::default());
    let order = Order::default();
    drop(pool.submit(&Context::root(), order.job(1)).await.unwrap());
    assert!(pool.drain(&Context::root()).await.is_complete());
    assert_eq!(order.seen(), [1]);
}
