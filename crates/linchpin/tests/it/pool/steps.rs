//! Submissions to threads, and jobs that were handed back, dropped wherever they can be.

use std::sync::{Arc, Mutex, mpsc};

use linchpin::Context;
use linchpin::task::pool::{BlockingPool, Handle, Options, Pool, Unstarted};
use linchpin::task::{self, Task};
use linchpin_testing::steps::{drop_at_each, settle};
use tokio::time::sleep;

use super::{SECOND, held, pool};
use crate::steps::Probe;

#[tokio::test]
async fn a_dropped_submission_to_threads_leaves_nothing_behind() {
    type World = (BlockingPool, Probe, Task<()>);

    // One thread, which is busy until somebody has waited for it for a while.
    let world = async || {
        let pool = Pool::blocking(1, Options::default().queue(0)).unwrap();
        let (release, released) = mpsc::channel::<()>();
        let busy = pool.submit(&Context::root(), move |_| Ok(released.recv().ok())).await.unwrap();
        let later = task::spawn("later", async move {
            settle().await;
            drop(release);
            busy.join().await.unwrap();
        });
        (pool, Arc::new(()), later)
    };
    let work = async |(pool, probe, _): &World| {
        let probe = probe.clone();
        let job = move |_: &Context| Ok(Arc::strong_count(&probe));
        pool.submit(&Context::root(), job).await.unwrap().outcome().await.unwrap()
    };
    let left = async |(pool, probe, later): &World| {
        while !later.is_finished() {
            tokio::task::yield_now().await;
        }
        // The place is free for another, and what went before is over: there is one thread.
        let next = pool.submit(&Context::root(), |_| Ok(3)).await.unwrap();
        assert_eq!(next.join().await.unwrap(), 3);
        assert_eq!((pool.stats().waiting, pool.stats().queued), (0, 0));
        assert_eq!(Arc::strong_count(probe), 1);
    };
    let report = drop_at_each(world, work, left).await;
    assert!(report.steps >= 2, "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn a_job_that_was_handed_back_and_is_dropped_half_way_tells_its_handle() {
    struct World {
        unstarted: Mutex<Option<Unstarted>>,
        handle: Mutex<Option<Handle<()>>>,
        done: Mutex<bool>,
        probe: Probe,
    }

    let world = async || {
        let (ctx, pool, probe) = (Context::root(), pool(1, Options::default()), Arc::new(()));
        let (_release, _first) = held(&pool).await;
        let guard = probe.clone();
        let job = move |ctx: Context| async move {
            for _ in 0..3 {
                ctx.sleep(SECOND).await?;
            }
            drop(guard);
            Ok(())
        };
        let handle = pool.submit(&ctx, job).await.unwrap();
        let unstarted = pool.shutdown().await.unstarted.pop();
        let (unstarted, handle) = (Mutex::new(unstarted), Mutex::new(Some(handle)));
        World { unstarted, handle, done: Mutex::new(false), probe }
    };
    let work = async |world: &World| {
        let unstarted = world.unstarted.lock().unwrap().take().expect("one a world");
        unstarted.run().await;
        *world.done.lock().unwrap() = true;
    };
    let left = async |world: &World| {
        // It was never begun where the work was not polled.
        drop(world.unstarted.lock().unwrap().take());
        sleep(SECOND * 5).await;
        let (handle, done) = (world.handle.lock().unwrap().take(), *world.done.lock().unwrap());
        assert_eq!(handle.expect("one a world").outcome().await.is_ok(), done);
        assert_eq!(Arc::strong_count(&world.probe), 1);
    };
    let report = drop_at_each(world, work, left).await;
    assert!(report.steps >= 3, "{report:?}");
}
