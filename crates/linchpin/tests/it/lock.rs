//! Locks that tell: mistakes are told before they strike, with the lines that made them, and nothing else is.
#![cfg(debug_assertions)]

mod order;
mod random;
mod relock;
mod telling;
mod time;
mod waits;

use std::panic::{AssertUnwindSafe, catch_unwind};

use linchpin::sync::lock::{Collector, Order, Report};
use linchpin::sync::{Mutex, RwLock};
use linchpin::task::panic_text;

/// The orders of a report that must be an inversion.
fn circle(report: &Report) -> &[Order] {
    let Report::Inversion(orders) = report else { panic!("{report}") };
    orders
}

/// What was told since, but for how long something took on a busy machine.
fn mistakes(told: &Collector) -> Vec<Report> {
    let mut reports = told.take();
    reports.retain(|report| !matches!(report, Report::LongHold { .. }));
    reports
}

/// The one mistake there must be.
fn only(told: &Collector) -> Report {
    let mut reports = mistakes(told);
    assert_eq!(reports.len(), 1, "{reports:#?}");
    reports.remove(0)
}

/// The text of the panic of `work`.
fn panic_of<T>(work: impl FnOnce() -> T) -> String {
    let caught = catch_unwind(AssertUnwindSafe(|| drop(work())));
    panic_text(&*caught.expect_err("a panic")).to_owned()
}

#[test]
fn a_lock_guards_its_value_and_gives_it_out() {
    let mut lock = Mutex::new(1);
    *lock.lock() += 1;
    *lock.get_mut() += 1;
    assert_eq!(*lock.try_lock().unwrap(), 3);
    assert_eq!(format!("{lock:?}"), "Mutex(3)");
    let guard = lock.lock();
    assert!(lock.try_lock().is_none());
    assert_eq!((format!("{guard:?}"), format!("{lock:?}")), ("3".into(), "Mutex(<locked>)".into()));
    drop(guard);
    assert_eq!(lock.into_inner(), 3);
    assert_eq!((Mutex::<u8>::default().into_inner(), Mutex::from("a").into_inner()), (0, "a"));

    let mut lock = RwLock::new(1);
    *lock.write() += 1;
    *lock.get_mut() += 1;
    assert_eq!(*lock.read(), 3);
    assert_eq!(*lock.try_read().unwrap(), 3);
    *lock.try_write().unwrap() += 1;
    assert_eq!(format!("{lock:?}"), "RwLock(4)");
    let guard = lock.write();
    assert!(lock.try_read().is_none() && lock.try_write().is_none());
    assert_eq!(
        (format!("{guard:?}"), format!("{lock:?}")),
        ("4".into(), "RwLock(<locked>)".into())
    );
    drop(guard);
    let guard = lock.read();
    assert!(lock.try_write().is_none());
    assert_eq!(format!("{guard:?}"), "4");
    drop(guard);
    assert_eq!(lock.into_inner(), 4);
    assert_eq!((RwLock::<u8>::default().into_inner(), RwLock::from("a").into_inner()), (0, "a"));
}

#[test]
fn a_value_without_a_size_can_be_locked() {
    let lock: &Mutex<[u8]> = &Mutex::new([1, 2]);
    lock.lock()[0] = 3;
    assert_eq!(*lock.lock(), [3, 2]);
    let lock: &RwLock<dyn Fn() -> u8 + Sync> = &RwLock::new(|| 7);
    assert_eq!(lock.read()(), 7);
}

#[test]
fn a_lock_whose_holder_panicked_is_taken_all_the_same() {
    let (mutex, rwlock) = (Mutex::new(0), RwLock::new(0));
    assert_eq!(
        panic_of(|| {
            let (mut first, mut second) = (mutex.lock(), rwlock.write());
            (*first, *second) = (1, 1);
            panic!("boom");
        }),
        "boom"
    );
    assert_eq!(*mutex.lock(), 1);
    assert_eq!(*mutex.try_lock().unwrap(), 1);
    assert_eq!(*rwlock.read(), 1);
    assert_eq!(*rwlock.try_read().unwrap(), 1);
    assert_eq!(*rwlock.try_write().unwrap(), 1);
    assert_eq!((mutex.into_inner(), rwlock.into_inner()), (1, 1));
}

#[test]
fn a_panic_while_a_locked_value_is_shown_leaves_the_lock_free() {
    struct Unspeakable;
    impl std::fmt::Debug for Unspeakable {
        fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            panic!("no words");
        }
    }
    let (mutex, rwlock) = (Mutex::new(Unspeakable), RwLock::new(Unspeakable));
    assert_eq!(panic_of(|| format!("{mutex:?}")), "no words");
    assert_eq!(panic_of(|| format!("{rwlock:?}")), "no words");
    assert!(mutex.try_lock().is_some() && rwlock.try_write().is_some());
}
