//! The size: it grows and shrinks while permits are held and waited for, and permits may stay away.

use std::task::Poll;

use futures_util::FutureExt as _;
use linchpin::Context;
use linchpin::sync::semaphore::Semaphore;

use super::{granted, refused, semaphore, waiter};

#[test]
fn a_semaphore_that_grows_serves_those_who_wait_at_once() {
    let semaphore = semaphore(1);
    let _held = semaphore.try_acquire(1).unwrap();
    let (mut first, mut second) = (waiter(&semaphore, 1), waiter(&semaphore, 1));
    semaphore.resize(2).unwrap();
    let first = granted(&mut first);
    assert_eq!(second.wakes(), 0);
    semaphore.resize(9).unwrap();
    drop(granted(&mut second));
    assert_eq!((semaphore.limit(), semaphore.available()), (9, 7));
    drop(first);
    assert_eq!(semaphore.available(), 8);
}

#[test]
fn a_semaphore_that_shrinks_withdraws_what_comes_back_until_it_is_paid() {
    let semaphore = semaphore(10);
    let mut held = semaphore.try_acquire(8).unwrap();
    semaphore.resize(4).unwrap();
    assert_eq!((semaphore.limit(), semaphore.available()), (4, 0));
    let refusal = semaphore.try_acquire(1).unwrap_err();
    assert_eq!(refusal.to_string(), "semaphore `test` refused: full (8 of 4)");
    let mut waiter = waiter(&semaphore, 1);
    drop(held.split(4));
    assert_eq!((semaphore.available(), waiter.wakes()), (0, 0));
    drop(held.split(1));
    drop(granted(&mut waiter));
    assert_eq!((semaphore.available(), held.permits()), (1, 3));
    drop(held);
    assert_eq!(semaphore.available(), 4);
    assert!(semaphore.try_acquire(4).is_ok());
}

#[test]
fn what_is_owed_is_forgiven_when_it_grows_again() {
    let semaphore = semaphore(10);
    let held = semaphore.try_acquire(10).unwrap();
    semaphore.resize(2).unwrap();
    semaphore.resize(7).unwrap();
    assert_eq!(semaphore.available(), 0);
    semaphore.resize(11).unwrap();
    assert_eq!(semaphore.available(), 1);
    drop(held);
    assert_eq!((semaphore.available(), semaphore.limit()), (11, 11));
}

#[test]
fn more_than_there_are_is_refused_with_the_numbers_now_and_when_it_shrinks() {
    let semaphore = semaphore(8);
    let text = "semaphore `test` refused: more than there are (9 of 8)";
    let result = semaphore.acquire(&Context::root(), 9).now_or_never().unwrap();
    assert_eq!(refused(result).to_string(), text);
    assert_eq!(semaphore.try_acquire(9).unwrap_err().to_string(), text);

    let _held = semaphore.try_acquire(2).unwrap();
    let (mut large, mut small) = (waiter(&semaphore, 7), waiter(&semaphore, 3));
    semaphore.resize(6).unwrap();
    let Poll::Ready(result) = large.poll() else { panic!("it is refused") };
    assert_eq!(
        refused(result).to_string(),
        "semaphore `test` refused: more than there are (7 of 6)"
    );
    drop(granted(&mut small));
    assert_eq!(semaphore.waiting(), 0);
}

#[test]
fn forgotten_permits_make_it_smaller() {
    let semaphore = semaphore(5);
    let held = semaphore.try_acquire(3).unwrap();
    let mut large = waiter(&semaphore, 4);
    held.forget();
    assert_eq!((semaphore.limit(), semaphore.available(), semaphore.waiting()), (2, 2, 0));
    let Poll::Ready(result) = large.poll() else { panic!("it can never be") };
    assert_eq!(refused(result).reason, "more than there are");
    semaphore.try_acquire(2).unwrap().forget();
    assert_eq!((semaphore.limit(), semaphore.available()), (0, 0));
    assert!(semaphore.try_acquire(1).is_err());
    semaphore.resize(1).unwrap();
    assert!(semaphore.try_acquire(1).is_ok());
}

#[test]
fn forgotten_permits_count_as_come_back_while_some_are_owed() {
    let semaphore = semaphore(10);
    let mut held = semaphore.try_acquire(10).unwrap();
    semaphore.resize(4).unwrap();
    held.split(8).unwrap().forget();
    assert_eq!((semaphore.limit(), semaphore.available(), held.permits()), (2, 0, 2));
    drop(held);
    assert_eq!(semaphore.available(), 2);
}

/// On several threads, one of which resizes: in the end there are as many as it said last.
#[test]
fn sizes_that_change_under_load_add_up() {
    let semaphore = semaphore(3);
    let work = |semaphore: &Semaphore| {
        for round in 0..2_000_usize {
            if let Ok(permit) = semaphore.try_acquire(1 + round % 3) {
                std::hint::black_box(&permit);
            }
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(|| work(&semaphore));
        scope.spawn(|| work(&semaphore));
        for limit in (1..6).cycle().take(500) {
            semaphore.resize(limit).unwrap();
        }
        semaphore.resize(4).unwrap();
    });
    assert_eq!((semaphore.limit(), semaphore.available()), (4, 4));
}
