//! Group: how many run, and what is left when it ends, in whatever way.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::task::Context as Poller;
use std::time::Duration;

use futures_util::FutureExt as _;
use linchpin::context::Cause;
use linchpin::task::{self, Group, NotSpawned};
use linchpin::{Context, Error, Kind};
use linchpin_testing::steps;
use tokio::sync::{Semaphore, oneshot};

use crate::bell::Bell;
use crate::panic::Bomb;
use crate::steps::{Probe, holds};

// ===== limits =====

#[tokio::test(start_paused = true)]
async fn a_limit_holds() {
    const LIMIT: usize = 10;
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let mut group = Group::new(&Context::root()).limit(LIMIT);
    for n in 0..1_025 {
        let (running, most) = (running.clone(), most.clone());
        group.spawn("limited", move |ctx| async move {
            most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            ctx.sleep(Duration::from_micros(n % 3)).await?;
            running.fetch_sub(1, Ordering::SeqCst);
            Ok(n)
        });
    }
    assert_eq!(group.join().await.unwrap(), (0..1_025).collect::<Vec<_>>());
    assert_eq!(most.load(Ordering::SeqCst), LIMIT);
}

#[tokio::test]
async fn trying_at_the_limit_is_refused_and_works_again_when_one_is_done() {
    let mut group = Group::new(&Context::root()).limit(42);
    let gate = Arc::new(Semaphore::new(0));
    let pass = |gate: Arc<Semaphore>| {
        move |_| async move {
            gate.acquire().await.expect("an open gate").forget();
            Ok(())
        }
    };
    for _ in 0..42 {
        group.try_spawn("waiting", pass(gate.clone())).unwrap();
    }
    let refused = group.try_spawn("waiting", pass(gate.clone())).unwrap_err();
    assert!(matches!(refused, NotSpawned::Full { limit: 42, .. }));
    assert_eq!(refused.to_string(), "not spawned: 42 tasks run, as many as may");
    gate.add_permits(1);
    while group.len() == 42 {
        tokio::task::yield_now().await;
    }
    steps::settle().await;
    group.try_spawn("waiting", pass(gate.clone())).unwrap();
    gate.add_permits(42);
    assert_eq!(group.join().await.unwrap().len(), 43);
}

#[tokio::test]
async fn trying_without_a_limit_is_spawning() {
    let mut group = Group::new(&Context::root());
    for n in 0..100 {
        group.try_spawn("free", move |_| async move { Ok(n) }).unwrap();
    }
    assert_eq!(group.join().await.unwrap().len(), 100);
}

#[tokio::test]
async fn a_limit_of_zero_runs_none_until_the_context_ends() {
    let parent = Context::root().child();
    let mut group = Group::<()>::new(&parent).limit(0);
    for _ in 0..1_024 {
        let refused = group.try_spawn("none", |_| async { Ok(()) });
        assert!(matches!(refused, Err(NotSpawned::Full { limit: 0, .. })));
    }
    group.spawn("waiting", |_| async { panic!("it began") });
    let mut joined = std::pin::pin!(group.join());
    steps::settle().await;
    assert!(joined.as_mut().now_or_never().is_none());
    parent.cancel("enough");
    assert_eq!(joined.await.unwrap_err().to_string(), "ended: enough");
}

#[tokio::test]
async fn a_limit_counts_neither_forks_nor_blocking_work() {
    let mut group = Group::new(&Context::root()).limit(1);
    let (release, held) = oneshot::channel::<()>();
    group.spawn("holding", |_| async {
        held.await.expect("released");
        Ok(1)
    });
    group.spawn_blocking("blocking", |_| Ok(2));
    assert_eq!(group.fork("fork", |_| async { Ok(3) }).join().await.unwrap(), 3);
    release.send(()).unwrap();
    assert_eq!(group.join().await.unwrap(), [1, 2]);
}

// ===== ends =====

#[tokio::test]
async fn the_context_has_ended_when_the_group_is_joined() {
    for fails in [false, true] {
        let mut group = Group::new(&Context::root());
        let context = group.context().clone();
        group.spawn("task", move |_| async move {
            if fails { Err(Error::new(Kind::Aborted, "doomed")) } else { Ok(()) }
        });
        assert_eq!(group.join().await.is_err(), fails);
        let cause = context.cause().expect("ended");
        assert!(if fails {
            matches!(cause, Cause::Failed(_))
        } else {
            matches!(cause, Cause::Dropped)
        });
    }
}

#[tokio::test]
async fn dropping_the_group_leaves_no_task() {
    let (hold, held) = oneshot::channel::<()>();
    let mut group = Group::<()>::new(&Context::root()).limit(1);
    group.spawn("left", move |_| async move {
        let _hold = hold;
        std::future::pending().await
    });
    let (queued, waited) = oneshot::channel::<()>();
    group.spawn("queued", move |_| async move {
        drop(queued);
        Ok(())
    });
    drop(group);
    assert!(waited.now_or_never().is_some(), "what has not begun is gone at once");
    assert!(held.await.is_err());
}

#[tokio::test]
async fn shutting_down_stops_each_task_at_its_next_await_and_waits() {
    struct Probe(Arc<AtomicUsize>);
    impl Drop for Probe {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::SeqCst);
        }
    }
    let alive = Arc::new(AtomicUsize::new(4));
    let mut group = Group::<()>::new(&Context::root()).limit(2);
    for _ in 0..4 {
        let probe = Probe(alive.clone());
        group.spawn("endless", move |_| async move {
            let _probe = probe;
            std::future::pending().await
        });
    }
    let context = group.context().clone();
    group.shutdown().await;
    assert_eq!(alive.load(Ordering::SeqCst), 0);
    assert!(matches!(context.cause(), Some(Cause::Shutdown)));
}

#[tokio::test]
async fn shutting_down_stops_a_fork_too_and_its_handle_says_so() {
    let mut group = Group::<()>::new(&Context::root());
    let fork = group.fork("endless", |_| std::future::pending::<Result<(), Error>>());
    steps::settle().await;
    group.shutdown().await;
    let error = fork.join().await.unwrap_err();
    assert_eq!(error.kind(), Kind::Cancelled);
    assert_eq!(error.to_string(), "the task was aborted with its group");
}

#[tokio::test]
async fn blocking_work_that_has_no_thread_yet_does_not_begin_after_an_abort() {
    let mut group = Group::<()>::new(&Context::root());
    let runtime = tokio::runtime::Builder::new_current_thread().max_blocking_threads(1).build();
    let runtime = runtime.unwrap();
    let (release, held) = mpsc::channel::<()>();
    let (began, begun) = mpsc::channel();
    let captured = Arc::new(());
    {
        let _inside = runtime.enter();
        group.spawn_blocking("holding", move |_| {
            began.send(()).unwrap();
            held.recv().unwrap();
            Ok(())
        });
        begun.recv().unwrap();
        let captured = captured.clone();
        group.spawn_blocking("late", move |_| {
            drop(captured);
            panic!("it began")
        });
    }
    let mut down = Box::pin(group.shutdown());
    steps::settle().await;
    assert!(down.as_mut().now_or_never().is_none());
    release.send(()).unwrap();
    down.await;
    assert_eq!(Arc::strong_count(&captured), 1);
    runtime.shutdown_background();
}

#[tokio::test]
async fn blocking_work_is_told_waited_for_and_listed_until_it_ends() {
    let listed = || task::live().iter().filter(|task| task.name == "stubborn").count();
    let mut group = Group::new(&Context::root());
    let (began, begun) = oneshot::channel();
    let (release, held) = mpsc::channel::<()>();
    group.spawn_blocking("stubborn", move |ctx| {
        began.send(()).unwrap();
        held.recv().unwrap();
        Ok(ctx.check()?)
    });
    begun.await.unwrap();
    let mut down = Box::pin(group.shutdown());
    steps::settle().await;
    assert!(down.as_mut().now_or_never().is_none(), "it cannot be stopped");
    drop(down);
    assert_eq!(listed(), 1, "and nobody forgets it");
    release.send(()).unwrap();
    while listed() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn blocking_work_has_its_place_among_the_results_and_its_panic_is_raised() {
    let mut group = Group::new(&Context::root());
    group.spawn_blocking("first", |ctx| ctx.check().map(|()| 1).map_err(Error::from));
    group.spawn("second", |_| async { Ok(2) });
    assert_eq!(group.join().await.unwrap(), [1, 2]);

    let mut group = Group::<()>::new(&Context::root());
    group.spawn_blocking("panicking", |_| panic!("boom"));
    let raised = AssertUnwindSafe(group.join()).catch_unwind().await.unwrap_err();
    assert_eq!(task::panic_text(raised.as_ref()), "boom");
}

#[tokio::test]
async fn a_future_that_panics_when_it_is_dropped_is_a_panic_of_its_task() {
    // Done or aborted, under a limit, with a neighbour in the queue behind it.
    struct Bombed(Bomb, bool);
    impl Future for Bombed {
        type Output = Result<u8, Error>;
        fn poll(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Self::Output> {
            if self.1 { std::task::Poll::Ready(Ok(1)) } else { std::task::Poll::Pending }
        }
    }
    let mut group = Group::new(&Context::root()).limit(1).keep_going();
    group.spawn("bombed", |_| Bombed(Bomb, true));
    let (done, seen) = oneshot::channel();
    group.spawn("neighbour", |_| async { Ok(done.send(()).map_or(0, |()| 2)) });
    seen.await.expect("the neighbour has its turn");
    let raised = AssertUnwindSafe(group.join()).catch_unwind().await.unwrap_err();
    assert_eq!(task::panic_text(raised.as_ref()), "the bomb");

    let mut group = Group::new(&Context::root());
    group.spawn("bombed", |_| Bombed(Bomb, false));
    steps::settle().await;
    let raised = AssertUnwindSafe(group.shutdown()).catch_unwind().await.unwrap_err();
    assert_eq!(task::panic_text(raised.as_ref()), "the bomb");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_a_task_captured_is_left_when_the_group_is_joined() {
    for round in 0..200_usize {
        let owned = Arc::new(());
        let mut group = Group::new(&Context::root());
        if round % 2 == 0 {
            group = group.limit(3);
        }
        for n in 0..8 {
            let owned = owned.clone();
            group.spawn("owner", move |_| async move {
                tokio::task::yield_now().await;
                drop(owned.clone());
                if n == round % 16 { Err(Error::new(Kind::Aborted, "stop")) } else { Ok(()) }
            });
        }
        assert_eq!(group.join().await.is_err(), round % 16 < 8);
        assert_eq!(Arc::strong_count(&owned), 1, "round {round}");
    }
}

#[tokio::test]
async fn a_joiners_waker_that_panics_is_no_fault_of_the_task_that_ended() {
    let mut group = Group::new(&Context::root());
    group.spawn("task", |_| async { Ok(7) });
    let mut joined = Box::pin(group.join());
    let bell = Bell::new(true);
    assert!(joined.as_mut().poll(&mut Poller::from_waker(&bell.waker())).is_pending());
    steps::settle().await;
    assert!(bell.has_rung());
    assert_eq!(joined.await.unwrap(), [7]);
}

// ===== cancellation at each point =====

/// A group with a running task, one in the queue, and a fork; all hold the probe.
fn busy(probe: &Probe) -> Group<()> {
    let mut group = Group::new(&Context::root()).limit(1);
    for turns in 1..3 {
        let probe = probe.clone();
        group.spawn("busy", move |_| async move {
            for _ in 0..turns {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            drop(probe);
            Ok(())
        });
    }
    group
}

#[tokio::test(start_paused = true)]
async fn joining_may_be_dropped_anywhere() {
    holds(async |probe| drop(busy(probe).join().await)).await;
}

#[tokio::test(start_paused = true)]
async fn settling_may_be_dropped_anywhere() {
    holds(async |probe| drop(busy(probe).settle().await)).await;
}

#[tokio::test(start_paused = true)]
async fn shutting_down_may_be_dropped_anywhere() {
    holds(async |probe| {
        let group = busy(probe);
        tokio::task::yield_now().await;
        group.shutdown().await;
    })
    .await;
}
