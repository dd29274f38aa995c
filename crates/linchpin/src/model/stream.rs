//! A stream written as a loop, whose yielder another thread has: each item comes once, and nobody sleeps for ever.

use std::future::pending;

use futures_util::StreamExt as _;
use loom::thread;

use super::{block_on, catches, holds};
use crate::shim::Fault;
use crate::task::stream;

/// The giver waits until each item is taken, the reader until there is one.
fn reader_and_giver_wake_each_other() {
    let mut moved = None;
    let mut numbers = stream::from_fn(|yielder| {
        moved = Some(yielder);
        pending()
    });
    let mut yielder = moved.unwrap();
    let giver = thread::spawn(move || {
        block_on(async {
            yielder.give(1).await;
            yielder.give(2).await;
        });
    });
    assert_eq!(block_on(numbers.next()), Some(1));
    assert_eq!(block_on(numbers.next()), Some(2));
    giver.join().unwrap();
}

#[test]
fn stream_hand() {
    holds("stream_hand", reader_and_giver_wake_each_other);
    catches(Fault::StreamLooksBeforeItWaits, reader_and_giver_wake_each_other);
}
