//! Batcher: no item is forgotten by the worker, and one that is taken back is in no batch.

use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use loom::thread;

use super::{Woken, catches, holds};
use crate::shim::Fault;
use crate::sync::batch::{Limits, Look, Queue};
use crate::time::Instant;

type Items = Queue<u32, ()>;

fn queue() -> Arc<Items> {
    let limits = Limits { items: 8, bytes: usize::MAX, delay: Duration::ZERO };
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

/// One takes its item back while the worker takes a batch: it is had by one of them.
fn an_item_is_taken_back_or_run() {
    let queue = queue();
    let Ok(number) = queue.push(1, 1, None) else { panic!("it is open") };
    let leaver = thread::spawn({
        let queue = queue.clone();
        move || usize::from(queue.take_back(number).is_some())
    });
    let (ran, _) = look(&queue, Waker::noop());
    assert_eq!(ran + leaver.join().unwrap(), 1);
}

/// It is closed while one comes: the item is refused, or the worker gets it before the end.
fn a_close_loses_no_item() {
    let queue = queue();
    let submitter = thread::spawn({
        let queue = queue.clone();
        move || usize::from(queue.push(1, 1, None).is_ok())
    });
    queue.close();
    let accepted = submitter.join().unwrap();
    let ran = match queue.look(|| unreachable!("it is closed"), Waker::noop()) {
        Look::Batch(entries) => entries.len(),
        Look::Over => 0,
        Look::Wait(_) => panic!("it is closed"),
    };
    assert_eq!(accepted, ran);
}

#[test]
fn batch_wakes() {
    holds("batch_wakes", no_item_is_forgotten);
    catches(Fault::BatchLooksBeforeItWaits, no_item_is_forgotten);
}

#[test]
fn batch_back() {
    holds("batch_back", an_item_is_taken_back_or_run);
}

#[test]
fn batch_close() {
    holds("batch_close", a_close_loses_no_item);
}
