//! The barrier: nobody passes before all have come, and who left has not.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use futures_util::FutureExt as _;
use linchpin::sync::event::Barrier;
use linchpin::task::{self, Group};
use linchpin::{Context, Error};
use linchpin_testing::steps::{self, poll_by_hand};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn all_pass_when_the_last_comes_and_it_leads() {
    let (ctx, barrier) = (Context::root(), Barrier::new(3).unwrap());
    for _round in 0..3 {
        let mut first = [(); 2].map(|()| poll_by_hand(barrier.wait(&ctx)));
        for wait in &mut first {
            assert!(wait.poll().is_pending());
        }
        assert_eq!((barrier.waiting(), barrier.parties()), (2, 3));
        assert!(barrier.wait(&ctx).now_or_never().unwrap().unwrap().is_leader());
        for wait in &mut first {
            assert!(wait.wakes() > 0);
            assert!(matches!(wait.poll(), Poll::Ready(Ok(passed)) if !passed.is_leader()));
        }
        assert_eq!(barrier.waiting(), 0);
    }
    assert!(Barrier::new(0).is_err());
    let alone = Barrier::new(1).unwrap();
    assert!(alone.wait(&ctx).now_or_never().unwrap().unwrap().is_leader());
}

#[test]
fn who_left_is_not_counted() {
    let (ctx, barrier) = (Context::root(), Barrier::new(2).unwrap());
    let mut left = poll_by_hand(barrier.wait(&ctx));
    assert!(left.poll().is_pending());
    drop(left);
    // Tokio's would let this one pass alone.
    let mut first = poll_by_hand(barrier.wait(&ctx));
    assert!(first.poll().is_pending());
    assert!(barrier.wait(&ctx).now_or_never().unwrap().is_ok());
    assert!(matches!(first.poll(), Poll::Ready(Ok(_))));
}

#[test]
fn who_was_called_and_is_dropped_before_it_runs_has_come() {
    let (ctx, barrier) = (Context::root(), Barrier::new(2).unwrap());
    let mut first = poll_by_hand(barrier.wait(&ctx));
    assert!(first.poll().is_pending());
    assert!(barrier.wait(&ctx).now_or_never().unwrap().is_ok());
    // The next round has begun: the drop takes nothing from it.
    let mut next = poll_by_hand(barrier.wait(&ctx));
    assert!(next.poll().is_pending());
    drop(first);
    assert_eq!(barrier.waiting(), 1);
    assert!(barrier.wait(&ctx).now_or_never().unwrap().is_ok());
    assert!(next.poll().is_ready());
}

#[tokio::test(start_paused = true)]
async fn one_that_fails_ends_the_waits_of_the_others_by_the_context_of_their_group() {
    let barrier = Barrier::new(3).unwrap();
    let mut group = Group::new(&Context::root());
    for _ in 0..2 {
        let barrier = barrier.clone();
        group.spawn("waits", move |ctx| async move {
            barrier.wait(&ctx).await?;
            Ok(())
        });
    }
    group.spawn("fails", |_| async { Err(Error::new(linchpin::Kind::Internal, "boom")) });
    assert_eq!(group.join().await.unwrap_err().to_string(), "boom");
    assert_eq!(barrier.waiting(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_wait_at_a_barrier_may_be_dropped_anywhere() {
    let world = async || {
        let barrier = Barrier::new(2).unwrap();
        let other = barrier.clone();
        let task = task::spawn("other", async move {
            for _ in 0..2 {
                tokio::time::sleep(SECOND).await;
                let ctx = Context::root().with_timeout(SECOND / 2);
                drop(other.wait(&ctx).await);
            }
        });
        (barrier, task)
    };
    let work = async |(barrier, _): &(Barrier, task::Task<()>)| {
        let ctx = Context::root().with_timeout(10 * SECOND);
        barrier.wait(&ctx).await.unwrap();
        barrier.wait(&ctx).await.unwrap();
    };
    let left = async |(barrier, task): &(Barrier, task::Task<()>)| {
        while !task.is_finished() {
            tokio::time::sleep(SECOND).await;
        }
        assert_eq!(barrier.waiting(), 0);
    };
    assert!(steps::drop_at_each(world, work, left).await.steps > 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn on_several_threads_nobody_is_ahead_by_more_than_a_step() {
    const PARTIES: usize = 5;
    let (barrier, steps) = (Barrier::new(PARTIES).unwrap(), Arc::new(AtomicUsize::new(0)));
    let leaders = Arc::new(AtomicUsize::new(0));
    let tasks: Vec<_> = (0..PARTIES)
        .map(|_| {
            let (barrier, steps, leaders) = (barrier.clone(), steps.clone(), leaders.clone());
            task::spawn("party", async move {
                let ctx = Context::root().with_timeout(60 * SECOND);
                for step in 0..300 {
                    let done = steps.fetch_add(1, Ordering::SeqCst);
                    assert!((step * PARTIES..(step + 1) * PARTIES).contains(&done));
                    if barrier.wait(&ctx).await.unwrap().is_leader() {
                        leaders.fetch_add(1, Ordering::SeqCst);
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.join().await;
    }
    assert_eq!((leaders.load(Ordering::SeqCst), barrier.waiting()), (300, 0));
}
