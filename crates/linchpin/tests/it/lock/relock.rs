//! A thread that takes what it holds.

use std::sync::mpsc;
use std::thread;

use linchpin::sync::lock::{Collector, Report};
use linchpin::sync::{Mutex, RwLock};

use super::{mistakes, only, panic_of};

/// The lines of the two holds, if `report` is about one lock taken twice.
fn lines(report: &Report) -> [u32; 2] {
    let Report::Relock(order) = report else { panic!("{report}") };
    assert_eq!(order.held.number, order.then.number);
    [order.held.site.line(), order.then.site.line()]
}

#[test]
fn taking_a_lock_twice_panics_with_both_lines_in_place_of_hanging() {
    let told = Collector::new();
    let lock = Mutex::named("twice", 0);
    let first = line!() + 1;
    let guard = lock.lock();
    let text = panic_of(|| lock.lock());
    assert_eq!(lines(&only(&told)), [first, first + 1]);
    assert!(text.starts_with("a thread waits for itself\n  "), "{text}");
    assert!(text.contains(" takes `twice`, which it holds at "), "{text}");
    // The first hold is as it was, and what comes after it is not poisoned by it.
    drop(guard);
    assert_eq!(*lock.lock(), 0);
}

#[test]
fn an_rwlock_waits_for_itself_in_three_ways() {
    let lock = RwLock::new(());
    let told = Collector::new();
    let read = lock.read();
    let text = panic_of(|| lock.write());
    assert!(text.starts_with("a thread waits for itself") && text.contains("to read at"), "{text}");
    drop(read);
    let write = lock.write();
    for text in [panic_of(|| lock.read()), panic_of(|| lock.write())] {
        assert!(text.starts_with("a thread waits for itself"), "{text}");
    }
    drop(write);
    assert_eq!(mistakes(&told).len(), 3);
}

#[test]
fn a_second_read_is_told_since_a_writer_may_come_between() {
    let lock = RwLock::named("read twice", 7);
    let told = Collector::new();
    let first = lock.read();
    let second = lock.read();
    assert_eq!((*first, *second), (7, 7));
    drop(first);
    let text = only(&told).to_string();
    assert!(text.starts_with("a thread hangs if a writer comes between\n  "), "{text}");
    assert!(text.contains(" reads `read twice`, which it holds to read at "), "{text}");
    drop(second);
    drop(lock.read());
    assert!(mistakes(&told).is_empty());
}

#[test]
fn a_try_of_what_the_thread_holds_is_an_answer() {
    let (mutex, rwlock) = (Mutex::new(()), RwLock::new(()));
    let told = Collector::new();
    let (_guard, _read) = (mutex.lock(), rwlock.read());
    assert!(mutex.try_lock().is_none() && rwlock.try_write().is_none());
    assert!(rwlock.try_read().is_some());
    assert!(mistakes(&told).is_empty());
}

#[test]
fn what_another_thread_holds_is_waited_for() {
    let lock = Mutex::new(0);
    let (tell, told) = mpsc::channel();
    thread::scope(|scope| {
        let guard = lock.lock();
        scope.spawn(|| {
            tell.send(()).unwrap();
            *lock.lock() += 1;
        });
        told.recv().unwrap();
        drop(guard);
    });
    assert_eq!(lock.into_inner(), 1);
}

#[test]
fn a_lock_whose_guard_was_leaked_is_held_for_ever() {
    let told = Collector::new();
    let lock = Mutex::new(());
    std::mem::forget(lock.lock());
    let text = panic_of(|| lock.lock());
    assert!(text.starts_with("a thread waits for itself"), "{text}");
    only(&told);
    // A later lock in the same place is another one.
    drop(lock);
    let lock = Mutex::new(());
    drop(lock.lock());
    assert!(mistakes(&told).is_empty());
}
