//! What Go's tests of `AfterFunc` say of callbacks.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use linchpin::Context;
use linchpin::context::Cause;

use super::SHORT;

/// A callback and whether it ran.
fn flag() -> (impl FnOnce() + Send + 'static, Arc<AtomicBool>) {
    let ran = Arc::new(AtomicBool::new(false));
    let flag = ran.clone();
    (move || flag.store(true, Ordering::SeqCst), ran)
}

fn ran(flag: &AtomicBool) -> bool {
    flag.load(Ordering::SeqCst)
}

#[test]
fn a_callback_runs_when_the_context_is_cancelled() {
    let context = Context::root().child();
    let (callback, flag) = flag();
    let after = context.after(callback);
    assert!(!ran(&flag));
    context.cancel(Cause::Cancelled);
    assert!(ran(&flag));
    assert!(!after.stop());
}

#[tokio::test(start_paused = true)]
async fn a_callback_runs_when_the_deadline_passes() {
    let context = Context::root().with_timeout(SHORT);
    let (callback, flag) = flag();
    let _after = context.after(callback);
    context.cancelled().await;
    assert!(ran(&flag));
}

#[test]
fn a_callback_of_an_ended_context_runs_at_once() {
    let context = Context::root().child();
    context.cancel(Cause::Cancelled);
    let (callback, flag) = flag();
    let after = context.after(callback);
    assert!(ran(&flag));
    assert!(!after.stop());
}

#[test]
fn a_callback_that_was_stopped_does_not_run() {
    let context = Context::root().child();
    let (callback, flag) = flag();
    assert!(context.after(callback).stop());
    context.cancel(Cause::Cancelled);
    assert!(!ran(&flag));
}

/// Go's runs in a goroutine of its own; ours has run when `cancel` returns, so it must not block.
#[test]
fn callbacks_have_run_when_cancel_returns() {
    let context = Context::root().child();
    let on = Arc::new(Mutex::new(None));
    let seen = on.clone();
    let _after = context.after(move || *seen.lock().unwrap() = Some(thread::current().id()));
    context.cancel(Cause::Cancelled);
    assert_eq!(*on.lock().unwrap(), Some(thread::current().id()));
}
