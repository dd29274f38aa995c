//! A belt between tasks: nothing is lost, nobody sleeps for ever, the bound and the order hold.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use loom::thread;

use super::{block_on, catches, holds};
use crate::shim::Fault;
use crate::task::{Belt, Load};

/// Everything until the end, taken in batches of up to `want`.
async fn drain(belt: &Belt<u8>, who: usize, want: usize) -> Vec<u8> {
    let (mut all, mut batch, mut credit) = (Vec::new(), VecDeque::new(), 0);
    while poll_fn(|cx| belt.poll_take(who, cx, |_| want, &mut credit, &mut batch)).await.is_some() {
        all.extend(batch.drain(..));
    }
    all
}

async fn give(belt: &Belt<u8>, items: impl IntoIterator<Item = u8>) {
    give_as(belt, 0, items).await;
}

async fn give_as(belt: &Belt<u8>, who: usize, items: impl IntoIterator<Item = u8>) {
    for item in items {
        let reserved = poll_fn(|cx| belt.poll_reserve(who, cx, 1)).await;
        belt.put(reserved, &mut VecDeque::from([item]));
    }
    belt.finish();
}

/// A producer with room for one, and a consumer: loom fails if either is never woken.
fn each_side_wakes_the_other() {
    let belt = Arc::new(Belt::new(1));
    let producer = {
        let belt = belt.clone();
        thread::spawn(move || block_on(give(&belt, [1, 2])))
    };
    assert_eq!(block_on(drain(&belt, 0, 1)), [1, 2]);
    producer.join().unwrap();
}

/// Two consumers share what one producer gives: each item goes to one of them, and both learn of the end.
fn consumers_share() {
    let belt = Arc::new(Belt::new(2));
    let other = {
        let belt = belt.clone();
        thread::spawn(move || block_on(drain(&belt, 1, 1)))
    };
    let producer = {
        let belt = belt.clone();
        thread::spawn(move || block_on(give(&belt, [1, 2])))
    };
    let mut all = block_on(drain(&belt, 0, 1));
    all.extend(other.join().unwrap());
    producer.join().unwrap();
    all.sort_unstable();
    assert_eq!(all, [1, 2]);
}

/// Two workers take batches of what one producer gives, and hand them on over a belt with room for one.
fn workers_hand_batches_on() {
    let (input, output) = (Arc::new(Belt::new(2)), Arc::new(Belt::new(1)));
    output.set_producers(2, false);
    input.put(input.reserve(2), &mut VecDeque::from([1, 2]));
    input.finish();
    let other = {
        let (input, output) = (input.clone(), output.clone());
        thread::spawn(move || {
            let batch = block_on(drain(&input, 1, 2));
            block_on(give_as(&output, 1, batch));
        })
    };
    let first = {
        let output = output.clone();
        thread::spawn(move || {
            let batch = block_on(drain(&input, 0, 1));
            block_on(give_as(&output, 0, batch));
        })
    };
    let mut all = block_on(drain(&output, 0, 2));
    first.join().unwrap();
    other.join().unwrap();
    all.sort_unstable();
    assert_eq!(all, [1, 2]);
}

/// Two producers hold numbers in turn, one leaves one of its own out; with room for one, they come out in order.
fn numbers_leave_in_order() {
    let belt = Arc::new(Belt::new(1));
    belt.set_producers(2, true);
    let give = |belt: Arc<Belt<u8>>, who: usize, numbers: [(u64, bool); 2]| async move {
        for (number, is_there) in numbers {
            let mut slot = if is_there { Load::Item(number as u8) } else { Load::Nothing };
            poll_fn(|cx| belt.poll_put(who, cx, number, &mut slot)).await;
        }
        belt.finish();
    };
    let other = {
        let belt = belt.clone();
        thread::spawn(move || block_on(give(belt, 1, [(1, true), (2, true)])))
    };
    let first = {
        let belt = belt.clone();
        thread::spawn(move || block_on(give(belt, 0, [(0, false), (3, true)])))
    };
    assert_eq!(block_on(drain(&belt, 0, 1)), [1, 2, 3]);
    first.join().unwrap();
    other.join().unwrap();
}

/// A consumer that looks once, and is dropped, takes the wake-up of another away from nobody.
fn a_taker_that_goes_hands_its_wake_up_on() {
    let belt = Arc::new(Belt::new(2));
    let stays = {
        let belt = belt.clone();
        thread::spawn(move || block_on(drain(&belt, 1, 1)))
    };
    let goes = {
        let belt = belt.clone();
        thread::spawn(move || {
            let (mut batch, mut credit) = (VecDeque::new(), 0);
            let once = poll_fn(|cx| {
                Poll::Ready(belt.poll_take(0, cx, |_| 1, &mut credit, &mut batch).is_ready())
            });
            block_on(once);
            belt.leave(0);
            batch.into_iter().collect::<Vec<u8>>()
        })
    };
    block_on(give(&belt, [1]));
    let mut all = goes.join().unwrap();
    all.extend(stays.join().unwrap());
    assert_eq!(all, [1]);
}

/// The consumer takes one and goes: its producer ends all the same, and nothing is kept of what it still gives.
fn who_gives_to_nobody_does_not_wait() {
    let belt = Arc::new(Belt::new(1));
    let producer = {
        let belt = belt.clone();
        thread::spawn(move || block_on(give(&belt, [1, 2, 3])))
    };
    let (mut batch, mut credit) = (VecDeque::new(), 0);
    block_on(poll_fn(|cx| belt.poll_take(0, cx, |_| 1, &mut credit, &mut batch)));
    belt.abandon();
    producer.join().unwrap();
    assert_eq!((batch, belt.traffic().queued), (VecDeque::from([1]), 0));
}

#[test]
fn belt_abandoned() {
    holds("belt_abandoned", who_gives_to_nobody_does_not_wait);
    catches(Fault::BeltWakesBeforeItIsAbandoned, who_gives_to_nobody_does_not_wait);
}

#[test]
fn belt_wakes() {
    holds("belt_wakes", each_side_wakes_the_other);
    catches(Fault::BeltLooksBeforeItWaits, each_side_wakes_the_other);
}

#[test]
fn belt_shared() {
    holds("belt_shared", consumers_share);
}

#[test]
fn belt_batches() {
    holds("belt_batches", workers_hand_batches_on);
}

#[test]
fn belt_ordered() {
    holds("belt_ordered", numbers_leave_in_order);
}

#[test]
fn belt_left() {
    holds("belt_left", a_taker_that_goes_hands_its_wake_up_on);
}
