//! Work that may be abandoned: it is counted while it goes on without its caller, and never taken back before.
//!
//! A module of the timeout, whose insides it drives.

use loom::thread;

use super::core::Abandoned;
use super::flight;
use crate::model::{catches, holds};
use crate::shim::{Fault, atomic::Ordering};

/// The caller leaves while the work ends, and somebody looks.
fn the_books_are_even_in_the_end() {
    let counted = Abandoned::new();
    let (caller, worker) = flight::begin(&counted);
    let work = thread::spawn(move || drop(worker));
    let looked = thread::spawn({
        let counted = counted.clone();
        move || counted.under_way.load(Ordering::Relaxed)
    });
    drop(caller);
    assert!(looked.join().unwrap() <= 1, "nothing is taken back before it is counted");
    work.join().unwrap();
    assert_eq!(counted.under_way.load(Ordering::Relaxed), 0);
}

#[test]
fn timeout_abandons() {
    holds("timeout_abandons", the_books_are_even_in_the_end);
    catches(Fault::TimeoutLeavesBeforeItCounts, the_books_are_even_in_the_end);
}
