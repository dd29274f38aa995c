//! Futures that wait with a lock in hand.
#![expect(clippy::await_holding_invalid_type, reason = "that is what is told")]

use std::cell::RefCell;

use linchpin::sync::lock::{Collector, MutexGuard, Report, checked};
use linchpin::sync::{Mutex, RwLock};
use linchpin::task::{self, Scope};
use linchpin::{Context, Error};
use linchpin_testing::steps;
use tokio::task::yield_now;

use super::{mistakes, only, panic_of};

static STASHED: Mutex<()> = Mutex::named("stashed", ());

thread_local! {
    /// The one way to keep a guard in a future that may move: it is not in the future.
    static STASH: RefCell<Option<MutexGuard<'static, ()>>> = const { RefCell::new(None) };
}

/// A future that may move, and waits with a lock in hand all the same.
async fn stashing() {
    STASH.set(Some(STASHED.lock()));
    yield_now().await;
    STASH.set(None);
}

fn taken(report: &Report) -> (Option<&'static str>, u32) {
    let Report::AcrossAwait(taken) = report else { panic!("{report}") };
    (taken.name, taken.site.line())
}

#[tokio::test]
async fn a_future_that_waits_with_a_lock_in_hand_is_told_once() {
    let (lock, told) = (Mutex::named("kept", 0), Collector::new());
    let line = line!() + 2;
    checked(async {
        let mut kept = lock.lock();
        for _ in 0..3 {
            yield_now().await;
        }
        *kept += 1;
    })
    .await;
    let report = only(&told);
    assert_eq!(taken(&report), (Some("kept"), line));
    let text = report.to_string();
    assert!(text.starts_with("a future waits with `kept` in hand\n  taken at "), "{text}");
    assert_eq!(lock.into_inner(), 1);
}

#[tokio::test]
async fn what_was_taken_before_or_given_back_in_time_is_not_told() {
    let (outer, inner) = (Mutex::new(()), RwLock::new(0));
    let told = Collector::new();
    let _outer = outer.lock();
    checked(async {
        *inner.write() += 1;
        yield_now().await;
        let guard = inner.read();
        drop(guard);
        yield_now().await;
        let _to_the_end = inner.read();
    })
    .await;
    assert!(mistakes(&told).is_empty());
}

#[tokio::test]
async fn work_under_a_context_and_future_polled_by_hand_are_checked() {
    let (lock, told) = (RwLock::new(()), Collector::new());
    let keeps = async || {
        let _kept = lock.read();
        yield_now().await;
    };
    Context::root().run(keeps()).await.unwrap();
    only(&told);
    let mut polled = steps::poll_by_hand(keeps());
    assert!(polled.poll().is_pending());
    only(&told);
    drop(polled);
    // What is told twice is told by the innermost boundary alone.
    checked(async { Context::root().run(keeps()).await }).await.unwrap();
    only(&told);
}

#[tokio::test]
async fn futures_of_a_local_set_are_checked_under_their_context() {
    let told = Collector::new();
    let local = tokio::task::LocalSet::new();
    local.spawn_local(async {
        let lock = Mutex::new(());
        let work = async {
            let _kept = lock.lock();
            yield_now().await;
        };
        Context::root().run(work).await.unwrap();
    });
    local.await;
    only(&told);
}

/// In one test: they share what they lock.
#[test]
fn listed_tasks_are_checked_and_the_panic_is_theirs() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    {
        let told = Collector::new();
        runtime.block_on(async { task::spawn("stashing", stashing()).join().await });
        assert_eq!(taken(&only(&told)).0, Some("stashed"));
        let mut scope = Scope::new(&Context::root());
        scope.spawn("stashing", |_| async {
            stashing().await;
            Ok::<_, Error>(())
        });
        runtime.block_on(scope.join()).unwrap();
        only(&told);
    }
    let joined = || {
        let work = async {
            let stashed = std::panic::AssertUnwindSafe(stashing());
            task::spawn("stashing", stashed.0).join().await;
        };
        runtime.block_on(work);
    };
    let text = panic_of(joined);
    assert!(text.starts_with("a future waits with `stashed` in hand"), "{text}");
    STASH.set(None);
}
