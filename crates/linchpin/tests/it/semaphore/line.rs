//! The line: its order, priorities, who may pass, how long it gets.

use std::task::Poll;

use futures_util::FutureExt as _;
use linchpin::Context;
use linchpin::resilience::Failed;
use linchpin::sync::semaphore::{Options, Permit, Semaphore};
use linchpin::task::pool::Priority;
use linchpin_testing::steps::{Poller, poll_by_hand};

use super::{granted, refused, semaphore, waiter};
use crate::bell::Bell;

fn urgent(
    semaphore: &Semaphore,
    priority: Priority,
    permits: usize,
) -> Poller<impl Future<Output = Result<Permit, Failed>> + use<>> {
    let semaphore = semaphore.clone();
    let mut waiter = poll_by_hand(async move {
        semaphore.at(priority).acquire_owned(&Context::root(), permits).await
    });
    assert!(waiter.poll().is_pending());
    waiter
}

fn overtaking(permits: usize, times: usize) -> Semaphore {
    Semaphore::new(permits, Options::default().name("test").overtaking(times)).unwrap()
}

#[test]
fn who_came_first_is_served_first_whatever_it_asks_for() {
    let semaphore = semaphore(3);
    let held = semaphore.try_acquire(2).unwrap();
    let (mut large, mut small) = (waiter(&semaphore, 3), waiter(&semaphore, 1));
    assert_eq!((semaphore.available(), semaphore.waiting()), (1, 2));
    let refusal = semaphore.try_acquire(1).unwrap_err();
    assert_eq!(refusal.to_string(), "semaphore `test` refused: others wait (2 of 3)");
    drop(held);
    let large = granted(&mut large);
    assert_eq!(small.wakes(), 0);
    drop(large);
    drop(granted(&mut small));
}

#[test]
fn a_waiter_that_leaves_lets_those_behind_it_have_what_is_free() {
    let semaphore = semaphore(3);
    let _held = semaphore.try_acquire(1).unwrap();
    let (large, mut small) = (waiter(&semaphore, 3), waiter(&semaphore, 2));
    drop(large);
    drop(granted(&mut small));
    assert!(semaphore.try_acquire(2).is_ok(), "nobody waits any more");
}

#[test]
fn what_was_granted_to_a_waiter_that_left_goes_to_the_next() {
    let semaphore = semaphore(1);
    let held = semaphore.try_acquire(1).unwrap();
    let (first, mut second) = (waiter(&semaphore, 1), waiter(&semaphore, 1));
    drop(held);
    assert_eq!((first.wakes(), second.wakes()), (1, 0));
    drop(first);
    drop(granted(&mut second));
    assert_eq!((semaphore.available(), semaphore.waiting()), (1, 0));
}

#[test]
fn one_who_leaves_from_the_middle_or_the_end_disturbs_nobody() {
    let semaphore = semaphore(1);
    let held = semaphore.try_acquire(1).unwrap();
    let mut waiters: Vec<_> = (0..5).map(|_| waiter(&semaphore, 1)).collect();
    drop(waiters.remove(4));
    drop(waiters.remove(2));
    waiters.push(waiter(&semaphore, 1));
    drop(held);
    for waiter in &mut waiters {
        drop(granted(waiter));
    }
    assert_eq!((semaphore.available(), semaphore.waiting()), (1, 0));
}

#[test]
fn the_more_urgent_go_first_and_the_others_are_not_forgotten() {
    let semaphore = semaphore(1);
    let held = semaphore.try_acquire(1).unwrap();
    let mut low = urgent(&semaphore, Priority::Low, 1);
    let mut normal = waiter(&semaphore, 1);
    let mut high: Vec<_> = (0..40).map(|_| urgent(&semaphore, Priority::High, 1)).collect();
    drop(held);
    let mut order = Vec::new();
    while !high.is_empty() || order.len() < 42 {
        if high.first().is_some_and(|first| first.wakes() > 0) {
            drop(granted(&mut high.remove(0)));
            order.push("high");
        } else if normal.wakes() > 0 && !order.contains(&"normal") {
            drop(granted(&mut normal));
            order.push("normal");
        } else {
            drop(granted(&mut low));
            order.push("low");
        }
    }
    let at = |name| order.iter().position(|entry| *entry == name);
    assert_eq!((at("normal"), at("low")), (Some(16), Some(17)));
}

#[test]
fn an_urgent_one_that_does_not_fit_holds_up_the_others_until_it_leaves() {
    let semaphore = semaphore(4);
    let _held = semaphore.try_acquire(2).unwrap();
    let high = urgent(&semaphore, Priority::High, 3);
    let mut normal = waiter(&semaphore, 2);
    drop(high);
    drop(granted(&mut normal));
}

#[test]
fn so_many_smaller_ones_pass_a_large_one_as_the_options_say() {
    let semaphore = overtaking(4, 2);
    let held = semaphore.try_acquire_owned(3).unwrap();
    let mut large = waiter(&semaphore, 4);
    let pass = |semaphore: &Semaphore| semaphore.acquire_owned(&Context::root(), 1).now_or_never();
    drop(pass(&semaphore).expect("it passes").unwrap());
    assert!(semaphore.try_acquire(1).is_err(), "to try is to go before nobody");
    drop(pass(&semaphore).expect("it passes").unwrap());
    assert!(pass(&semaphore).is_none(), "two have passed");
    let mut small = waiter(&semaphore, 1);
    drop(held);
    drop(granted(&mut large));
    drop(granted(&mut small));
}

#[test]
fn no_further_behind_is_looked_for_one_that_passes_than_may_pass() {
    let semaphore = overtaking(4, 2);
    let held = semaphore.try_acquire_owned(4).unwrap();
    let mut larges: Vec<_> = (0..3).map(|_| waiter(&semaphore, 4)).collect();
    let mut small = waiter(&semaphore, 1);
    let mut held = held;
    drop(held.split(1));
    assert_eq!(small.wakes(), 0, "three are before it");
    drop(larges.pop());
    drop(granted(&mut small));
    drop(held);
    for large in &mut larges {
        drop(granted(large));
    }
}

#[test]
fn a_line_that_is_full_refuses_the_next() {
    let semaphore = Semaphore::new(1, Options::default().name("test").max_waiting(1)).unwrap();
    let held = semaphore.try_acquire(1).unwrap();
    let mut first = waiter(&semaphore, 1);
    let result = semaphore.acquire(&Context::root(), 1).now_or_never().unwrap();
    assert_eq!(refused(result).to_string(), "semaphore `test` refused: full (1 of 1)");
    assert_eq!(semaphore.waiting(), 1);
    drop(held);
    drop(granted(&mut first));

    let none = Semaphore::new(1, Options::default().max_waiting(0)).unwrap();
    let held = none.acquire(&Context::root(), 1).now_or_never().unwrap().unwrap();
    let result = none.acquire(&Context::root(), 1).now_or_never().unwrap();
    assert_eq!(refused(result).reason, "full");
    drop(held);
    assert!(none.try_acquire(1).is_ok());
}

#[test]
fn a_wait_that_moves_to_another_task_is_woken_there() {
    let semaphore = semaphore(1);
    let held = semaphore.try_acquire(1).unwrap();
    let ctx = Context::root();
    let mut wait = Box::pin(semaphore.acquire(&ctx, 1));
    let polls = [(); 2].map(|()| {
        let woken = Bell::new(false);
        let waker = woken.waker();
        let polled = wait.as_mut().poll(&mut std::task::Context::from_waker(&waker));
        assert!(matches!(polled, Poll::Pending));
        woken
    });
    drop(held);
    let rung = polls.each_ref().map(|bell| bell.has_rung());
    assert_eq!(rung, [false, true]);
}
