//! The harness: that it sees what outlives a test, and cleans up in between.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use linchpin::error::catch;
use linchpin::task;
use linchpin::time::Instant;
use linchpin_testing::harness::{Options, cleanup, run, run_sync};

fn failure<T>(test: impl FnOnce() -> T) -> String {
    match catch(test) {
        Ok(_) => String::new(),
        Err(error) => error.report().to_string(),
    }
}

#[linchpin_testing::test]
async fn a_test_may_be_async_and_runs_on_a_runtime() {
    assert_eq!(task::spawn("worker", async { 7 }).join().await, 7);
}

#[linchpin_testing::test]
fn a_test_need_not_be_async() {
    assert!(tokio::runtime::Handle::try_current().is_err());
}

#[linchpin_testing::test(start_paused)]
async fn time_may_stand_still() {
    let began = Instant::now();
    tokio::time::sleep(Duration::from_hours(1)).await;
    assert_eq!(began.elapsed(), Duration::from_hours(1));
}

#[linchpin_testing::test(threads = 2)]
async fn a_test_may_have_threads() {
    let workers = async { tokio::runtime::Handle::current().metrics().num_workers() };
    assert_eq!(task::spawn("worker", workers).join().await, 2);
}

#[linchpin_testing::test]
#[should_panic(expected = "as it is told to")]
async fn a_test_that_fails_fails_as_it_did() {
    tokio::task::yield_now().await;
    panic!("as it is told to");
}

#[linchpin_testing::test]
async fn a_test_may_return_a_result() -> linchpin::Result<()> {
    linchpin::Context::root().checkpoint().await?;
    Ok(())
}

// On a thread of its own, which has no test yet.
fn apart<T: Send>(test: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| scope.spawn(test).join().expect("no panic"))
}

#[test]
fn what_outlives_an_async_test_fails_it_by_name_and_line() {
    let text = apart(|| {
        failure(|| {
            run(Options::default().start_paused(), async {
                std::mem::forget(task::spawn("forgotten", std::future::pending::<()>()));
            });
        })
    });
    assert!(text.contains("forgotten") && text.contains("harness.rs"), "{text}");
}

#[test]
fn what_outlives_a_plain_test_fails_it_by_name_and_line() {
    let (release, released) = std::sync::mpsc::channel::<()>();
    let text = apart(|| {
        failure(|| {
            run_sync(Options::default().start_paused(), || {
                drop(task::thread("left alone", move || released.recv().unwrap_or_default()));
            });
        })
    });
    drop(release);
    assert!(text.contains("left alone") && text.contains("harness.rs"), "{text}");
}

#[test]
fn clean_ups_run_at_the_end_the_last_first() {
    let told = apart(|| {
        let told = Rc::new(RefCell::new(Vec::new()));
        let tell = |what: &'static str| {
            let told = told.clone();
            async move { told.borrow_mut().push(what) }
        };
        run(Options::default(), async {
            cleanup(tell("first"));
            let inner = tell("from a clean-up");
            cleanup(async move { cleanup(inner) });
            tell("the test").await;
        });
        told.take()
    });
    assert_eq!(told, ["the test", "from a clean-up", "first"]);
}

#[test]
fn a_task_that_a_clean_up_ends_has_not_leaked() {
    apart(|| {
        run(Options::default(), async {
            let worker = task::spawn("worker", std::future::pending::<()>());
            cleanup(async move { drop(worker) });
        });
    });
}

#[test]
fn a_test_that_fails_drops_its_clean_ups() {
    struct Told(Rc<RefCell<bool>>);
    impl Drop for Told {
        fn drop(&mut self) {
            *self.0.borrow_mut() = true;
        }
    }

    let dropped = apart(|| {
        let dropped = Rc::new(RefCell::new(false));
        let told = Told(dropped.clone());
        let text = failure(|| {
            run(Options::default(), async {
                cleanup(async move {
                    let _told = told;
                    unreachable!("it failed before");
                });
                panic!("on purpose");
            });
        });
        assert!(text.contains("on purpose"), "{text}");
        dropped.take()
    });
    assert!(dropped);
}

#[test]
fn a_clean_up_outside_of_a_test_is_refused() {
    let text = apart(|| failure(|| cleanup(async {})));
    assert!(text.contains("an async test on this thread"), "{text}");
}
