//! The panic policy: what becomes of a panic wherever user code runs. The table is in the guide, chapter E5.

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt as _;
use linchpin::error::{Panicked, catch};
use linchpin::task::{self, Fault, Group, Tracker};
use linchpin::{Context, Error, Kind};
use tokio::sync::oneshot;

use crate::panic::{Bomb, hooked, logged};

fn text(error: &Error) -> &str {
    error.find::<Panicked>().expect("a panic").text()
}

#[tokio::test]
async fn a_panic_in_blocking_work_is_raised_at_the_join_or_is_a_value() {
    let task = task::blocking("blocking", || panic!("boom"));
    let raised = AssertUnwindSafe(task.join()).catch_unwind().await.map(|()| 0).unwrap_err();
    assert_eq!(task::panic_text(&*raised), "boom");
    let task = task::blocking("blocking", || panic!("boom"));
    assert!(matches!(task.outcome().await, Err(Fault::Panicked(_))));
}

#[test]
fn a_panic_in_a_thread_is_a_value_at_its_join() {
    let thread = task::thread("threaded", || panic!("boom")).unwrap();
    let payload = thread.join().map(|()| 0).unwrap_err();
    assert_eq!(task::panic_text(&*payload), "boom");
    assert!(task::live().iter().all(|task| task.name != "threaded"));
}

#[tokio::test]
async fn a_fault_becomes_an_error() {
    let fault = task::spawn("panicking", async { panic!("boom") }).outcome().await;
    let error = Error::from(fault.map(|()| 0).unwrap_err());
    assert_eq!((error.kind(), text(&error)), (Kind::Internal, "boom"));

    let task = task::spawn("aborted", std::future::pending::<()>());
    task.abort();
    let error = Error::from(task.outcome().await.unwrap_err());
    assert_eq!(error.kind(), Kind::Cancelled);
    assert!(error.find::<Panicked>().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_panic_under_a_limit_gives_its_place_to_the_next() {
    let mut group = Group::<()>::new(&Context::root()).limit(1);
    group.spawn("panicking", |_| async { panic!("boom") });
    let (done, next) = oneshot::channel::<()>();
    group.spawn("next", |_| async {
        drop(done);
        Ok(())
    });
    // It has run, or was told that it has no point; it does not wait for ever.
    let waited = tokio::time::timeout(Duration::from_secs(1), next).await;
    assert!(waited.is_ok(), "the place was lost");
    let raised = AssertUnwindSafe(group.join()).catch_unwind().await.unwrap_err();
    assert_eq!(task::panic_text(&*raised), "boom");
}

#[tokio::test]
async fn a_panic_under_a_context_reaches_the_caller_and_leaves_the_context_live() {
    let ctx = Context::root().child();
    let work = ctx.run(async { panic!("boom") });
    let raised = AssertUnwindSafe(work).catch_unwind().await.map(|_: Result<(), _>| 0).unwrap_err();
    assert_eq!(task::panic_text(&*raised), "boom");
    assert!(ctx.run(async {}).await.is_ok());
}

#[tokio::test]
async fn a_value_that_panics_when_it_is_dropped_costs_its_own_task_only() {
    // In the future of an aborted task.
    let tracker = Tracker::new("test");
    for _ in 0..3 {
        tracker.spawn("bomb", async {
            let _bomb = Bomb;
            std::future::pending::<()>().await;
        });
    }
    let (done, seen) = oneshot::channel();
    tracker.spawn("neighbour", async move {
        tokio::task::yield_now().await;
        done.send(()).unwrap();
    });
    seen.await.unwrap();
    tracker.abort_all();
    tracker.close();
    tracker.wait().await;
    // As a result that nobody fetches.
    let task = task::spawn("bomb", async { Bomb });
    while !task.is_finished() {
        tokio::task::yield_now().await;
    }
    drop(task);
    // In the future of a task that is dropped before it has begun.
    let bomb = Bomb;
    drop(task::spawn("bomb", async move {
        let _bomb = bomb;
    }));
    tokio::task::yield_now().await;
    assert_eq!(task::spawn("neighbour", async { 7 }).join().await, 7);
}

#[test]
fn an_error_that_panics_when_it_is_shown_is_the_callers_panic() {
    #[derive(Debug)]
    struct Unspeakable;
    impl fmt::Display for Unspeakable {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            panic!("no words");
        }
    }
    impl std::error::Error for Unspeakable {}

    hooked();
    let error = Error::new(Kind::Internal, Unspeakable).context("load");
    assert_eq!(error.to_string(), "load");
    let caught = catch(|| error.report().to_string()).unwrap_err();
    assert_eq!(text(&caught), "no words");
    // The log goes on after it.
    let lines = logged(|| {
        let caught = catch(|| tracing::warn!(error = %error.report(), "failed")).unwrap_err();
        tracing::warn!(error = %caught.report(), "failed to say why");
    });
    assert!(lines.iter().any(|line| line.contains("failed to say why")), "{lines:?}");
}
