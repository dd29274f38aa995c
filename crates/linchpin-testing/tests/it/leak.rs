//! Leak check: it finds what its own test left, and only that, whoever runs beside it.

use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use futures_util::FutureExt as _;
use linchpin::task::{self, Kind, Tracker, panic_text};
use linchpin_testing::leak::Check;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

/// What `check` says at the end of a test that left something.
async fn complaint(check: &Check) -> String {
    let panic = AssertUnwindSafe(check.assert_none()).catch_unwind().await.unwrap_err();
    panic_text(panic.as_ref()).to_owned()
}

fn current_thread() -> Runtime {
    Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

fn multi_thread() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap()
}

#[tokio::test]
async fn a_task_that_is_left_is_found_with_its_name_and_site() {
    let check = Check::new();
    let (go, wait) = oneshot::channel::<()>();
    let forgotten = task::spawn("forgotten", wait);
    let leaked = check.leaked();
    assert_eq!(leaked.len(), 1);
    assert_eq!(leaked[0].name, "forgotten");
    assert!(leaked[0].site.file().ends_with("leak.rs"));
    go.send(()).unwrap();
    forgotten.join().await.unwrap();
    check.assert_none().await;
}

#[tokio::test(start_paused = true)]
async fn an_assertion_names_what_is_left() {
    let check = Check::new();
    let _stuck = (task::spawn("stuck", pending::<()>()), task::spawn("too", pending::<()>()));
    let complaint = complaint(&check).await;
    assert!(complaint.starts_with("2 tasks are left:\n  `stuck` from"), "{complaint}");
    assert!(complaint.contains("\n  `too` from"), "{complaint}");
}

#[tokio::test]
async fn tasks_that_end_are_not_reported() {
    let check = Check::new();
    let tracker = Tracker::new("test");
    for _ in 0..100 {
        tracker.spawn("short", tokio::task::yield_now());
    }
    check.assert_none().await;
}

#[tokio::test(start_paused = true)]
async fn names_narrow_the_look() {
    let only = Check::new().only(["a"]);
    let ignoring = Check::new().ignoring(["b"]);
    let _b = task::spawn("b", pending::<()>());
    only.assert_none().await;
    ignoring.assert_none().await;
    let _a = task::spawn("a", pending::<()>());
    assert_eq!((only.leaked().len(), ignoring.leaked().len()), (1, 1));
}

/// One test that leaks and one that does not, at the same time: what goleak cannot do.
fn side_by_side(runtime: fn() -> Runtime) {
    let barrier = Arc::new(Barrier::new(2));
    let clean = thread::spawn({
        let barrier = barrier.clone();
        move || {
            runtime().block_on(async {
                let check = Check::new();
                barrier.wait(); // Both checks began before either test spawned.
                let tracker = Tracker::new("clean");
                tracker.spawn("clean", tokio::task::yield_now());
                barrier.wait(); // The other one leaks now.
                check.assert_none().await;
                barrier.wait();
            });
        }
    });
    let leaked = runtime().block_on(async {
        let check = Check::new();
        barrier.wait();
        // One leaks at home, one far away on a worker.
        let far =
            task::spawn("parent", async { task::spawn("grandchild", pending::<()>()) }).join();
        let _leaks = (task::spawn("leak", pending::<()>()), far.await);
        barrier.wait();
        barrier.wait(); // The clean test is over.
        check.leaked()
    });
    clean.join().unwrap();
    let mut names: Vec<&str> = leaked.iter().map(|task| task.name).collect();
    names.sort_unstable();
    assert_eq!(names, ["grandchild", "leak"]);
}

#[test]
fn tests_side_by_side_on_one_thread_each_do_not_see_one_another() {
    side_by_side(current_thread);
}

#[test]
fn tests_side_by_side_on_many_threads_do_not_see_one_another() {
    side_by_side(multi_thread);
}

#[test]
fn a_task_on_a_private_runtime_of_a_component_is_the_tests() {
    let check = Check::new();
    let private = task::thread("component", || {
        let runtime = multi_thread();
        let task = runtime.block_on(async {
            task::spawn("inner", async { task::spawn("innermost", pending::<()>()) }).join().await
        });
        (runtime, task)
    });
    let (runtime, task) = private.unwrap().join().unwrap();
    let names: Vec<&str> = check.leaked().iter().map(|task| task.name).collect();
    assert_eq!(names, ["innermost"]);
    drop((task, runtime));
    assert!(check.leaked().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
#[expect(clippy::disallowed_methods, reason = "as a foreign library does")]
async fn what_a_foreign_library_spawns_on_the_tests_runtime_is_the_tests() {
    let check = Check::new();
    let foreign = tokio::spawn(async { task::spawn("from foreign code", pending::<()>()) });
    let _task = foreign.await.unwrap();
    assert_eq!(check.leaked().len(), 1);
}

#[test]
fn a_runtime_that_begins_after_the_check_is_the_tests() {
    let check = Check::new();
    current_thread().block_on(async {
        let _task = task::spawn("later", pending::<()>());
        assert_eq!(check.leaked().len(), 1);
    });
    assert!(check.leaked().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_thread_that_was_told_to_end_gets_real_time_for_it() {
    let check = Check::new();
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let thread = task::thread("slow to end", move || {
        wait.recv().ok();
        thread::sleep(Duration::from_millis(20));
    });
    drop(go);
    assert_eq!(check.leaked()[0].kind, Kind::Thread);
    check.assert_none().await;
    thread.unwrap().join().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_check_that_was_not_asked_looks_when_it_is_dropped() {
    let drops = |check: Check| {
        let panic = catch_unwind(AssertUnwindSafe(|| drop(check))).err();
        panic.map(|panic| panic_text(panic.as_ref()).to_owned())
    };
    assert_eq!(drops(Check::new()), None);

    let unasked = Check::new();
    let stuck = task::spawn("stuck", pending::<()>());
    let complaint = drops(unasked).expect("something is left");
    assert!(complaint.starts_with("1 tasks are left:\n  `stuck` from"), "{complaint}");

    let asked = Check::new();
    drop(stuck);
    asked.assert_none().await;
    let _stuck = task::spawn("after the question", pending::<()>());
    assert_eq!(drops(asked), None);
}

#[tokio::test]
async fn a_test_that_fails_is_not_made_to_fail_twice() {
    let failing = async {
        let _check = Check::new();
        let _task = task::spawn("stuck", pending::<()>());
        panic!("the test's own reason");
    };
    let panic = AssertUnwindSafe(failing).catch_unwind().await.unwrap_err();
    assert_eq!(panic_text(panic.as_ref()), "the test's own reason");
}
