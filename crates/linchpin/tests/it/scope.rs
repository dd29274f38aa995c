//! Scope: a group for futures that borrow.

use std::cell::RefCell;
use std::num::NonZeroUsize;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt as _;
use linchpin::task::{self, Scope};
use linchpin::{Context, Error, Kind};
use linchpin_testing::steps;

#[tokio::test(start_paused = true)]
async fn futures_borrow_run_at_once_and_give_results_in_order() {
    let delays = vec![3, 1, 2];
    let began = linchpin::time::Instant::now();
    let order = Mutex::new(Vec::new());
    let mut scope = Scope::new(&Context::root());
    for delay in &delays {
        let order = &order;
        scope.spawn("sleeper", move |ctx| async move {
            ctx.sleep(Duration::from_secs(*delay)).await?;
            order.lock().unwrap().push(*delay);
            Ok(delay)
        });
    }
    assert_eq!(scope.join().await.unwrap(), [&3, &1, &2]);
    assert_eq!(*order.lock().unwrap(), [1, 2, 3]);
    assert_eq!(began.elapsed(), Duration::from_secs(3));
}

#[tokio::test]
async fn the_first_real_error_ends_the_rest() {
    let told = AtomicUsize::new(0);
    let mut scope = Scope::<()>::new(&Context::root());
    scope.spawn("sibling", |ctx| async {
        let ctx = ctx;
        ctx.cancelled().await;
        told.fetch_add(1, Ordering::SeqCst);
        Ok(ctx.check()?)
    });
    scope.spawn("failing", |_| async { Err(Error::new(Kind::NotFound, "no such row")) });
    assert_eq!(scope.join().await.unwrap_err().to_string(), "no such row");
    assert_eq!(told.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_panic_is_raised_after_the_others_have_ended() {
    let ended = AtomicUsize::new(0);
    let mut scope = Scope::<()>::new(&Context::root());
    scope.spawn("panicking", |_| async {
        tokio::task::yield_now().await;
        panic!("boom")
    });
    scope.spawn("sibling", |ctx| async {
        let ctx = ctx;
        ctx.cancelled().await;
        ended.fetch_add(1, Ordering::SeqCst);
        Ok(())
    });
    let raised = AssertUnwindSafe(scope.join()).catch_unwind().await.unwrap_err();
    assert_eq!(task::panic_text(raised.as_ref()), "boom");
    assert_eq!(ended.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn a_limit_holds_and_the_queue_is_served_in_order() {
    let (running, most, order) = (AtomicUsize::new(0), AtomicUsize::new(0), Mutex::new(Vec::new()));
    let mut scope = Scope::new(&Context::root()).limit(NonZeroUsize::new(2).unwrap());
    for n in 0..9 {
        let (running, most, order) = (&running, &most, &order);
        scope.spawn("limited", move |ctx| async move {
            order.lock().unwrap().push(n);
            most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            ctx.sleep(Duration::from_secs(1)).await?;
            running.fetch_sub(1, Ordering::SeqCst);
            Ok(())
        });
    }
    scope.join().await.unwrap();
    assert_eq!(most.load(Ordering::SeqCst), 2);
    assert_eq!(*order.lock().unwrap(), (0..9).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_waits_for_a_place_when_one_fails_never_begins() {
    let mut scope = Scope::<()>::new(&Context::root()).limit(NonZeroUsize::MIN);
    scope.spawn("failing", |_| async { Err(Error::new(Kind::NotFound, "first")) });
    scope.spawn("late", |_| async { panic!("it began") });
    assert_eq!(scope.join().await.unwrap_err().to_string(), "first");
}

#[tokio::test]
async fn going_on_and_settling_are_as_in_a_group() {
    let fill = |mut scope: Scope<'static, u8>| {
        scope.spawn("failing", |_| async { Err(Error::new(Kind::NotFound, "no such row")) });
        scope.spawn("after", |ctx| async move {
            ctx.run(tokio::task::yield_now()).await?;
            Ok(2)
        });
        scope
    };
    let error = fill(Scope::new(&Context::root()).keep_going()).join().await.unwrap_err();
    assert_eq!(error.to_string(), "no such row");
    let results = fill(Scope::new(&Context::root()).keep_going()).settle().await;
    assert_eq!(*results[1].as_ref().unwrap(), 2);
    let results = fill(Scope::new(&Context::root())).settle().await;
    assert_eq!(
        results[1].as_ref().unwrap_err().to_string(),
        "ended: a sibling failed: no such row"
    );
}

#[tokio::test]
async fn nothing_runs_before_it_is_joined_and_what_runs_is_listed() {
    let log = Mutex::new(RefCell::new(Vec::new()));
    let mut scope = Scope::new(&Context::root());
    scope.spawn("borrower", |_| async {
        log.lock().unwrap().borrow_mut().push("ran");
        Ok(task::live().iter().filter(|task| task.name == "borrower").count())
    });
    steps::settle().await;
    assert!(log.lock().unwrap().borrow().is_empty());
    assert_eq!(scope.join().await.unwrap(), [1]);
    assert!(task::live().iter().all(|task| task.name != "borrower"));
}

#[tokio::test(start_paused = true)]
async fn joining_may_be_dropped_anywhere() {
    let run = async |probe: &Arc<()>| {
        let mut scope = Scope::new(&Context::root()).limit(NonZeroUsize::new(2).unwrap());
        for n in 1..4 {
            let probe = probe.clone();
            scope.spawn("busy", move |ctx| async move {
                ctx.sleep(Duration::from_secs(n)).await?;
                drop(probe);
                Ok(())
            });
        }
        scope.join().await
    };
    let left = async |probe: &Arc<()>| assert_eq!(Arc::strong_count(probe), 1);
    let report = steps::drop_at_each(async || Arc::new(()), run, left).await;
    assert!(report.steps > 2);
}
