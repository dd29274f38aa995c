//! Owned tasks: names, ends, panics.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::FutureExt as _;
use linchpin::task::{self, Fault, Tracker};
use tokio::sync::oneshot;

fn alive(name: &str) -> usize {
    task::live().iter().filter(|task| task.name == name).count()
}

#[tokio::test]
async fn a_task_is_listed_with_its_name_and_site_while_it_lives() {
    let (go, wait) = oneshot::channel::<()>();
    let line = line!() + 1;
    let listed = task::spawn("listed", wait);
    let live = task::live().into_iter().find(|task| task.name == "listed").unwrap();
    assert!(live.site.file().ends_with("task.rs"));
    assert_eq!(live.site.line(), line);
    go.send(()).unwrap();
    listed.join().await.unwrap();
    assert_eq!(alive("listed"), 0);
}

#[tokio::test]
async fn dropping_a_task_ends_it_at_its_next_await() {
    let (hold, held) = oneshot::channel::<()>();
    let task = task::spawn("dropped", async move {
        let _hold = hold;
        std::future::pending::<()>().await;
    });
    drop(task);
    assert!(held.await.is_err(), "its future was dropped");
    assert_eq!(alive("dropped"), 0);
}

#[tokio::test]
async fn a_panic_is_raised_again_at_the_join_or_is_a_value() {
    let panicking = task::spawn("panicking", async { panic!("boom {}", 1) });
    let raised = AssertUnwindSafe(panicking.join()).catch_unwind().await.unwrap_err();
    assert_eq!(task::panic_text(raised.as_ref()), "boom 1");

    let panicking = task::spawn("panicking", async { panic!("boom") });
    let fault = panicking.outcome().await.unwrap_err();
    assert_eq!(fault.to_string(), "the task panicked: boom");

    let aborted = task::spawn("aborted", std::future::pending::<()>());
    aborted.abort();
    assert!(matches!(aborted.outcome().await, Err(Fault::Aborted)));
}

#[tokio::test]
async fn blocking_work_and_threads_are_listed_until_they_return() {
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let blocking = task::blocking("blocking", move || wait.recv());
    assert_eq!(alive("blocking"), 1);
    go.send(()).unwrap();
    blocking.join().await.unwrap();
    assert_eq!(alive("blocking"), 0);

    let (go, wait) = std::sync::mpsc::channel::<()>();
    let thread = task::thread("threaded", move || wait.recv()).unwrap();
    assert_eq!(alive("threaded"), 1);
    go.send(()).unwrap();
    thread.join().unwrap().unwrap();
    assert_eq!(alive("threaded"), 0);
}

#[tokio::test]
async fn a_panic_in_a_tracker_harms_nobody() {
    let tracker = Tracker::new("test");
    let done = Arc::new(AtomicUsize::new(0));
    for n in 0..10 {
        let done = done.clone();
        tracker.spawn("one of many", async move {
            tokio::task::yield_now().await;
            assert!(n % 2 == 0, "odd");
            done.fetch_add(1, Ordering::SeqCst);
        });
    }
    tracker.close();
    tracker.wait().await;
    assert_eq!(done.load(Ordering::SeqCst), 5);
    assert!(tracker.is_empty());
}

#[tokio::test]
async fn a_tracker_waits_until_it_is_closed_and_empty_and_can_abort() {
    let tracker = Tracker::new("test");
    tracker.spawn("stuck", std::future::pending());
    let mut wait = Box::pin(tracker.wait());
    assert!((&mut wait).now_or_never().is_none());
    tracker.close();
    assert!((&mut wait).now_or_never().is_none());
    tracker.abort_all();
    wait.await;
    assert_eq!(alive("stuck"), 0);
}

#[tokio::test]
async fn dropping_the_last_tracker_ends_its_tasks() {
    let (hold, held) = oneshot::channel::<()>();
    let tracker = Tracker::new("test");
    tracker.clone().spawn("left", async move {
        let _hold = hold;
        std::future::pending::<()>().await;
    });
    drop(tracker);
    assert!(held.await.is_err());
}
