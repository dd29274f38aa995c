//! Leak check: it finds what is left, and only that.

use linchpin::task::{self, Tracker};
use linchpin_testing::leak::Check;
use tokio::sync::oneshot;

#[tokio::test]
async fn a_task_that_is_left_is_found_with_its_name_and_site() {
    let check = Check::new().only(["forgotten"]);
    let (go, wait) = oneshot::channel::<()>();
    let forgotten = task::spawn("forgotten", wait);
    let leaked = check.leaked();
    assert_eq!(leaked.len(), 1);
    assert!(leaked[0].site.file().ends_with("leak.rs"));
    go.send(()).unwrap();
    forgotten.join().await.unwrap();
    check.assert_none().await;
}

#[tokio::test(start_paused = true)]
async fn an_assertion_names_what_is_left() {
    let check = Check::new().only(["stuck"]);
    let stuck = task::spawn("stuck", std::future::pending::<()>());
    let failed = task::spawn("the assertion", async move { check.assert_none().await });
    let fault = failed.outcome().await.unwrap_err().to_string();
    assert!(fault.contains("1 tasks are left:\n  `stuck` from"), "{fault}");
    drop(stuck);
}

#[tokio::test]
async fn tasks_that_end_are_not_reported() {
    let check = Check::new().only(["short"]);
    let tracker = Tracker::new("test");
    for _ in 0..100 {
        tracker.spawn("short", tokio::task::yield_now());
    }
    check.assert_none().await;
}
