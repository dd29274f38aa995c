//! The pool of threads.

use std::sync::mpsc;
use std::time::Duration;

use linchpin::Context;
use linchpin::context::Cause;
use linchpin::error::Panicked;
use linchpin::task::pool::{BlockingPool, Options, Overflow, Pool};
use linchpin::task::{self, live};
use linchpin_testing::leak::Check;
use linchpin_testing::steps::settle;

use super::{SECOND, boom};

fn threads(workers: usize, options: Options) -> BlockingPool {
    Pool::blocking(workers, options).unwrap()
}

#[tokio::test]
async fn a_blocking_job_runs_on_a_listed_thread_and_hands_its_result_back() {
    let check = Check::new();
    let (ctx, pool) = (Context::root(), threads(2, Options::default().name("disk")));
    assert_eq!(live().iter().filter(|task| task.name == "disk").count(), 2);
    let name = pool.submit(&ctx, |_| Ok(std::thread::current().name().map(str::to_owned)));
    assert_eq!(name.await.unwrap().join().await.unwrap().as_deref(), Some("disk"));
    let panics = pool.submit(&ctx, |_| boom()).await.unwrap();
    assert_eq!(panics.outcome().await.unwrap_err().find::<Panicked>().unwrap().text(), "boom");
    // A job may use the runtime of whoever made the pool.
    let spawns = pool.submit(&ctx, |_| Ok(task::spawn("from a thread", async { 7 })));
    assert_eq!(spawns.await.unwrap().join().await.unwrap().join().await, 7);
    let report = pool.drain(&ctx).await;
    assert!(report.is_complete());
    assert_eq!((report.stats.done, report.stats.panicked, report.stats.workers), (2, 1, 0));
    check.assert_none().await;
}

#[test]
fn a_blocking_pool_needs_no_runtime() {
    let pool = threads(1, Options::default());
    let (tell, told) = mpsc::channel();
    let job = move |_: &Context| Ok(tell.send(1).ok());
    drop(pool.try_submit(&Context::root(), job).unwrap());
    assert_eq!(told.recv_timeout(30 * SECOND), Ok(1));
}

#[tokio::test]
async fn blocking_jobs_wait_in_line_like_others() {
    let (ctx, pool) = (Context::root(), threads(1, Options::default().queue(0)));
    let (release, released) = mpsc::channel::<()>();
    let first = pool.submit(&ctx, move |_| Ok(released.recv().ok())).await.unwrap();
    let not = pool.try_submit(&ctx, |_| Ok(2)).unwrap_err();
    let releases = async {
        settle().await;
        assert_eq!(pool.stats().waiting, 1);
        drop(release);
    };
    let (second, ()) = futures_util::join!(pool.submit(&ctx, not.job), releases);
    assert_eq!(second.unwrap().join().await.unwrap(), 2);
    first.join().await.unwrap();
}

#[tokio::test]
async fn a_shutdown_is_told_to_a_blocking_job_and_waits_for_it() {
    let check = Check::new();
    let (ctx, pool) = (Context::root(), threads(1, Options::default()));
    let (begin, begun) = tokio::sync::oneshot::channel();
    let running = pool.submit(&ctx, |ctx| {
        begin.send(()).ok();
        Ok(matches!(ctx.blocking().wait(), Cause::Shutdown))
    });
    let running = running.await.unwrap();
    let queued = pool.submit(&ctx, |ctx| Ok(ctx.check().map(|()| 1)?)).await.unwrap();
    begun.await.unwrap();
    let mut report = pool.shutdown().await;
    assert!(running.join().await.unwrap(), "it was told why");
    assert_eq!((report.stopped, report.unstarted.len(), report.stats.done), (1, 1, 1));
    // What was handed back is not under the pool any more.
    report.unstarted.remove(0).run();
    assert_eq!(queued.join().await.unwrap(), 1);
    check.assert_none().await;
}

#[tokio::test]
async fn a_drain_does_not_wait_for_a_blocking_job_beyond_its_time() {
    let (ctx, pool) = (Context::root(), threads(1, Options::default()));
    let (release, released) = mpsc::channel::<()>();
    let stuck = pool.submit(&ctx, move |_| Ok(released.recv().ok())).await.unwrap();
    settle().await;
    while pool.stats().running == 0 {
        tokio::task::yield_now().await;
    }
    let report = pool.drain(&ctx.with_timeout(Duration::from_millis(1))).await;
    assert_eq!((report.stats.running, report.is_complete()), (1, false));
    drop(release);
    stuck.join().await.unwrap();
    assert!(pool.drain(&ctx).await.is_complete());
}

#[tokio::test]
async fn a_blocking_job_is_told_that_its_time_is_over() {
    let pool = threads(1, Options::default().timeout(Duration::from_millis(5)));
    let cause = pool.submit(&Context::root(), |ctx| Ok(ctx.blocking().wait())).await.unwrap();
    assert!(matches!(cause.join().await.unwrap(), Cause::Deadline));
}

#[tokio::test]
async fn threads_come_and_go_with_the_size_and_the_pool() {
    let check = Check::new();
    let pool = threads(1, Options::default().name("sized"));
    let count = || live().iter().filter(|task| task.name == "sized").count();
    pool.resize(3).unwrap();
    assert_eq!(count(), 3);
    pool.resize(1).unwrap();
    while count() > 1 {
        tokio::task::yield_now().await;
    }
    assert_eq!(pool.submit(&Context::root(), |_| Ok(1)).await.unwrap().join().await.unwrap(), 1);
    drop(pool);
    check.assert_none().await;
}

#[test]
fn a_blocking_pool_does_not_block_its_submitters() {
    assert!(Pool::blocking(1, Options::default().overflow(Overflow::CallerRuns)).is_err());
    let sub = threads(1, Options::default()).sub(1, Options::default());
    assert!(sub.is_ok());
}
