//! Lock across await: a task waits with a lock in hand, and whoever wants it blocks the thread that would let it go on.
#![cfg(debug_assertions)]

use linchpin::sync::Mutex;
use linchpin::sync::lock::{Collector, Report};
use linchpin_testing::steps::poll_by_hand;

/// Somebody who is asked and answers a little later.
async fn ask() -> u32 {
    tokio::task::yield_now().await;
    7
}

#[expect(
    clippy::await_holding_invalid_type,
    reason = "the mistake, which this lint finds where it sees the type"
)]
async fn adds_with_the_lock_in_hand(total: &Mutex<u32>) {
    let mut total = total.lock();
    *total += ask().await;
}

/// Mended: it waits first, and takes the lock for what needs it.
async fn adds(total: &Mutex<u32>) {
    let more = ask().await;
    *total.lock() += more;
}

#[test]
fn a_lock_that_is_held_across_an_await_is_told() {
    let (total, told) = (Mutex::named("total", 0), Collector::new());
    let mut first = poll_by_hand(adds_with_the_lock_in_hand(&total));
    assert!(first.poll().is_pending());
    // The program that fails: a second task that locked now would block this thread, and the first could not go on.
    assert!(total.try_lock().is_none());

    // The tool: the lock tells when the poll returns. Without a collector the test that does this fails.
    let reports = told.take();
    let [Report::AcrossAwait(taken)] = &reports[..] else { panic!("{reports:#?}") };
    assert_eq!(taken.name, Some("total"));
}

#[test]
fn a_lock_that_is_taken_after_the_wait_is_free_meanwhile() {
    let (total, told) = (Mutex::named("total", 0), Collector::new());
    let (mut first, mut second) = (poll_by_hand(adds(&total)), poll_by_hand(adds(&total)));
    assert!(first.poll().is_pending() && second.poll().is_pending());
    assert!(total.try_lock().is_some());
    assert!(second.poll().is_ready() && first.poll().is_ready());
    drop((first, second));
    assert_eq!((total.into_inner(), told.take().len()), (14, 0));
}
