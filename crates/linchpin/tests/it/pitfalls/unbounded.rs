//! Unbounded channel: who sends is faster than who receives, and the difference is memory, until there is none.

use linchpin::Context;
use linchpin::sync::channel::{self, Overflow, TrySendError};
use linchpin_testing::steps::poll_by_hand;
use tokio::sync::mpsc;

use crate::tidy_words::words;

/// How much more comes than goes.
const BURST: usize = 100_000;

#[test]
fn a_channel_without_a_bound_takes_all_and_the_tidy_test_refuses_it() {
    // The program that fails: nobody receives for a while, and nothing tells the sender.
    let (readings, inbox) = mpsc::unbounded_channel();
    for reading in 0..BURST {
        readings.send(reading).unwrap();
    }
    assert_eq!(inbox.len(), BURST);

    // The tool: the word does not come in.
    assert_eq!(
        words("let (tx, rx) = tokio::sync::mpsc::unbounded_channel();"),
        ["mpsc", "unbounded"]
    );
}

#[tokio::test]
async fn a_channel_with_a_bound_makes_the_sender_wait_refuses_or_loses_what_you_say() {
    let ctx = Context::root();
    // Mended: the sender waits, and so does whoever sends to it.
    let (jobs, mut inbox) = channel::bounded(8).unwrap();
    for job in 0..8 {
        jobs.try_send(job).unwrap();
    }
    let mut waiting = poll_by_hand(jobs.send(&ctx, 8));
    assert!(waiting.poll().is_pending());
    // Or it is told at once, and can say no to its own caller.
    assert!(matches!(jobs.try_send(9), Err(TrySendError::Full(9))));
    assert_eq!(inbox.recv(&ctx).await.unwrap(), 0);
    assert!(waiting.poll().is_ready());
    assert_eq!(inbox.len(), 8);

    // Or what is old is worth nothing, and is counted.
    let (readings, mut gauge) = channel::lossy(8, Overflow::DropOldest).unwrap();
    for reading in 0..BURST {
        assert!(readings.send(reading).is_ok());
    }
    assert_eq!((readings.lost(), gauge.try_recv()), ((BURST - 8) as u64, Ok(BURST - 8)));
}
