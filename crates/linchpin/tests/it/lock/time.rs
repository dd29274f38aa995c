//! Locks that are held for long.
#![expect(clippy::await_holding_invalid_type, reason = "so that paused time can pass")]

use std::time::Duration;

use linchpin::sync::lock::{Collector, Report, set_hold_bound};
use linchpin::sync::{Mutex, RwLock};
use tokio::time::advance;

/// The bound is the process's.
static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

const MILLISECOND: Duration = Duration::from_millis(1);

#[tokio::test(start_paused = true)]
async fn a_lock_that_is_held_for_long_is_told_when_it_is_given_back() {
    let _turn = TURN.lock().await;
    let told = Collector::new();
    let lock = Mutex::named("slow", ());
    let line = line!() + 1;
    let guard = lock.lock();
    advance(120 * MILLISECOND).await;
    assert!(told.take().is_empty());
    drop(guard);
    let report = told.take().remove(0);
    let Report::LongHold { taken, lasted, bound, .. } = &report else { panic!("{report}") };
    assert_eq!((taken.site.line(), *lasted), (line, 120 * MILLISECOND));
    assert_eq!(*bound, 100 * MILLISECOND);
    let text = report.to_string();
    assert!(
        text.starts_with("`slow` was held for 120ms, the bound is 100ms\n  taken at "),
        "{text}"
    );
}

#[tokio::test(start_paused = true)]
async fn the_bound_itself_is_too_long_and_less_is_not() {
    let _turn = TURN.lock().await;
    let told = Collector::new();
    let lock = RwLock::new(());
    for (millis, count) in [(99, 0), (100, 1)] {
        let guard = lock.read();
        advance(millis * MILLISECOND).await;
        drop(guard);
        assert_eq!(told.take().len(), count, "{millis}");
        let guard = lock.write();
        advance(millis * MILLISECOND).await;
        drop(guard);
        assert_eq!(told.take().len(), count, "{millis}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_long_hold_fails_no_test() {
    let lock = Mutex::new(());
    let guard = lock.lock();
    advance(Duration::from_secs(1)).await;
    drop(guard);
    // Nor does a collector that nobody asks.
    let _told = Collector::new();
    let guard = lock.lock();
    advance(Duration::from_secs(1)).await;
    drop(guard);
}

#[tokio::test(start_paused = true)]
async fn the_bound_can_be_moved() {
    let _turn = TURN.lock().await;
    let (told, lock) = (Collector::new(), Mutex::new(()));
    for (bound, millis, count) in
        [(5 * MILLISECOND, 5, 1), (Duration::from_secs(10), 9_999, 0), (Duration::MAX, 1 << 30, 0)]
    {
        set_hold_bound(bound);
        let guard = lock.lock();
        advance(millis * MILLISECOND).await;
        drop(guard);
        assert_eq!(told.take().len(), count, "{bound:?}");
    }
    set_hold_bound(100 * MILLISECOND);
}
