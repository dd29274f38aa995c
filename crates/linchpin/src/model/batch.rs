//! Batcher: no item is forgotten by the worker, one that is taken back is in no batch, and an answer is had.

use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

use loom::thread;

use super::{Woken, catches, holds};
use crate::shim::Fault;
use crate::sync::batch::{Limits, Look, Queue, Slot};
use crate::time::Instant;

type Items = Queue<u32, ()>;

fn queue() -> Arc<Items> {
    queue_of(8)
}

fn queue_of(items: usize) -> Arc<Items> {
    let limits = Limits { items, bytes: usize::MAX, delay: Duration::ZERO };
    Arc::new(Queue::new(limits))
}

/// What the worker gets, and whether it waits.
fn look(queue: &Items, waker: &Waker) -> (usize, bool) {
    match queue.look(|| unreachable!("nobody waits for others"), waker) {
        Look::Batch(entries) => (entries.len(), false),
        Look::Wait(due) => {
            assert!(due.is_none_or(|due: Instant| due > Instant::now()));
            (0, true)
        }
        Look::Over => panic!("nobody has closed it"),
    }
}

/// Two submitters come while the worker looks and waits: it is woken for what it has not seen.
fn no_item_is_forgotten() {
    let (queue, woken) = (queue(), Arc::new(Woken::default()));
    let submitters = [1, 2].map(|item| {
        let queue = queue.clone();
        thread::spawn(move || assert!(queue.push(item, 1, None).is_ok()))
    });
    let waker = Waker::from(woken.clone());
    let (mut seen, waits) = look(&queue, &waker);
    for submitter in submitters {
        submitter.join().unwrap();
    }
    if waits {
        assert!(woken.times() > 0, "a wake-up was lost");
    }
    while queue.len() > 0 {
        seen += look(&queue, &waker).0;
    }
    assert_eq!(seen, 2);
}

/// One takes its item back while the worker takes a batch, and another lies behind it: each is had by one.
fn an_item_is_taken_back_or_run() {
    let queue = queue_of(1);
    let [Ok(number), Ok(_)] = [1, 2].map(|item| queue.push(item, 1, None)) else {
        panic!("it is open")
    };
    let leaver = thread::spawn({
        let queue = queue.clone();
        move || queue.take_back(number).map(|entry| entry.item)
    });
    let ran = match queue.look(|| unreachable!("nobody waits for others"), Waker::noop()) {
        Look::Batch(entries) => entries[0].item,
        Look::Wait(_) | Look::Over => panic!("there is one"),
    };
    let back = leaver.join().unwrap();
    assert_eq!((back, queue.len()), if ran == 1 { (None, 1) } else { (Some(1), 0) });
}

/// It is closed while one comes: the item is refused, or the worker gets it before the end.
fn a_close_loses_no_item() {
    let queue = queue();
    let submitter = thread::spawn({
        let queue = queue.clone();
        move || usize::from(queue.push(1, 1, None).is_ok())
    });
    queue.close();
    let mut ran = 0;
    loop {
        match queue.look(|| unreachable!("it is closed"), Waker::noop()) {
            Look::Batch(entries) => ran += entries.len(),
            Look::Over => break,
            Look::Wait(_) => panic!("it is closed"),
        }
    }
    assert_eq!(submitter.join().unwrap(), ran);
}

/// A submitter looks for its answer with another waker while it is left: it has it, or is woken.
fn an_answer_is_had() {
    let slot = Arc::new(Slot::new(Waker::noop().clone()));
    let answerer = thread::spawn({
        let slot = slot.clone();
        move || slot.answer(Ok(7))
    });
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(woken.clone());
    let first = slot.poll(&waker);
    answerer.join().unwrap();
    if first.is_pending() {
        assert!(woken.times() > 0, "a wake-up was lost");
        assert!(matches!(slot.poll(&waker), Poll::Ready(Ok(7))));
    }
}

#[test]
fn batch_wakes() {
    holds("batch_wakes", no_item_is_forgotten);
    catches(Fault::BatchLooksBeforeItWaits, no_item_is_forgotten);
}

#[test]
fn batch_back() {
    holds("batch_back", an_item_is_taken_back_or_run);
    catches(Fault::BatchTakesBackWhatLiesThere, an_item_is_taken_back_or_run);
}

#[test]
fn batch_close() {
    holds("batch_close", a_close_loses_no_item);
    catches(Fault::BatchEntersAClosedQueue, a_close_loses_no_item);
}

#[test]
fn batch_answer() {
    holds("batch_answer", an_answer_is_had);
    catches(Fault::BatchLooksBeforeItRegisters, an_answer_is_had);
}
