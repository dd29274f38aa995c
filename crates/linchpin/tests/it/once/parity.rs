//! What Go's own tests of `sync.Once`, `OnceFunc`, `OnceValue` and `OnceValues` ask for.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{panic, thread};

use linchpin::sync::once::{Lazy, Once};

#[test]
fn ten_threads_that_come_at_once_make_it_once() {
    let (once, made) = (Once::new(), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..10 {
            scope.spawn(|| {
                once.get_or_init(|| made.fetch_add(1, Ordering::SeqCst));
                assert_eq!(made.load(Ordering::SeqCst), 1);
            });
        }
    });
}

#[test]
fn after_a_panic_the_next_call_makes_it() {
    let once = Once::new();
    let attempt = || once.get_or_init(|| panic!("failed"));
    let payload = panic::catch_unwind(panic::AssertUnwindSafe(attempt)).unwrap_err();
    assert_eq!(payload.downcast_ref(), Some(&"failed"));
    assert_eq!(once.get_or_init(|| 1), &1);
}

#[test]
fn a_lazy_pair_is_computed_once() {
    let calls = AtomicUsize::new(0);
    let lazy = Lazy::new(|| (calls.fetch_add(1, Ordering::SeqCst), 2));
    assert_eq!((*lazy, *lazy), ((0, 2), (0, 2)));
}

#[test]
fn a_value_and_an_error_are_computed_once_if_it_is_a_value() {
    let calls = AtomicUsize::new(0);
    let lazy = Lazy::new(|| match calls.fetch_add(1, Ordering::SeqCst) {
        0 => Err("first"),
        n => Ok(n),
    });
    assert_eq!((lazy.try_get(), lazy.try_get(), lazy.try_get()), (Err("first"), Ok(&1), Ok(&1)));
}

#[test]
fn what_the_work_held_goes_with_it_and_the_value_with_the_cell() {
    let held = Arc::new(());
    let once = Once::new();
    let work = {
        let held = held.clone();
        move || (*held, Arc::new(()))
    };
    let value = once.get_or_init(work).1.clone();
    assert_eq!((Arc::strong_count(&held), Arc::strong_count(&value)), (1, 2));
    drop(once);
    assert_eq!(Arc::strong_count(&value), 1);
}
