//! Rows of area `tasks`: fan-out, fan-in and streams written as loops, beside what people take for them.

use std::hint::black_box;

use futures_util::future::{join_all, ready};
use futures_util::stream::{self, StreamExt as _};
use linchpin::task::fan::{self, FanOut};
use linchpin::task::stream::from_fn;
use linchpin::{Context, Result};
use tokio::sync::{broadcast, mpsc};

use crate::harness::{Operation, tokio_spawn};
use crate::row::Role::{Ours, Peer};

const BUFFER: usize = 1_024;
/// Futures that are gathered, streams that are merged.
const MANY: u64 = 8;
/// Readers of a broadcast.
const READERS: usize = 4;

/// Every row that the harness measures.
pub fn operations() -> Vec<Operation> {
    const LINCHPIN: &str = "linchpin";
    vec![
        // An operation is eight futures that are ready.
        Operation::new("fan-gather-8").ct(Ours, LINCHPIN, gathered).ct(
            Peer,
            "futures join_all",
            joined,
        ),
        // An operation is an item.
        Operation::new("fan-merge-8")
            .ct(Ours, LINCHPIN, |items| drained(fan::merge(sources(items))))
            .ct(Peer, "futures select_all", |items| drained(stream::select_all(sources(items)))),
        // An operation is an item that four readers see.
        Operation::new("fan-broadcast-4-mt")
            .mt(Ours, LINCHPIN, spread)
            .mt(Peer, "tokio broadcast, which loses items", lossy)
            .mt(Peer, "tokio mpsc by hand, one a reader", by_hand),
        Operation::new("stream-loop")
            .ct(Ours, LINCHPIN, |items| drained(Box::pin(looped(items))))
            .ct(Peer, "futures unfold", |items| drained(Box::pin(unfolded(items))))
            .ct(Peer, "tokio task and mpsc", channelled),
    ]
}

fn eight() -> impl Iterator<Item = std::future::Ready<Result<u64>>> {
    (0..MANY).map(|n| std::future::ready(Ok(black_box(n))))
}

async fn gathered(operations: u64) {
    let ctx = Context::root();
    for _ in 0..operations {
        black_box(fan::gather(&ctx, eight()).await);
    }
}

async fn joined(operations: u64) {
    for _ in 0..operations {
        black_box(join_all(eight()).await);
    }
}

fn sources(items: u64) -> Vec<impl stream::Stream<Item = u64> + Unpin> {
    (0..MANY).map(|n| stream::iter((n..items).step_by(MANY as usize))).collect()
}

async fn drained(mut items: impl stream::Stream<Item = u64> + Unpin) {
    let mut sum: u64 = 0;
    while let Some(item) = items.next().await {
        sum = sum.wrapping_add(item);
    }
    black_box(sum);
}

async fn spread(items: u64) {
    let source = FanOut::new("bench", stream::iter(0..items)).buffer(BUFFER);
    let readers = source.broadcast(READERS).expect("readers and a buffer");
    let tasks: Vec<_> = readers.into_iter().map(|reader| tokio_spawn(drained(reader))).collect();
    for task in tasks {
        task.await.expect("no panic");
    }
}

async fn lossy(items: u64) {
    let (send, first) = broadcast::channel(BUFFER);
    let receivers = (1..READERS).map(|_| send.subscribe()).chain([first]).collect::<Vec<_>>();
    let reading = |mut from: broadcast::Receiver<u64>| async move {
        let mut sum: u64 = 0;
        loop {
            match from.recv().await {
                Ok(item) => sum = sum.wrapping_add(item),
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => break,
            }
        }
        black_box(sum);
    };
    let tasks: Vec<_> = receivers.into_iter().map(|from| tokio_spawn(reading(from))).collect();
    for item in 0..items {
        send.send(item).expect("readers are there");
        tokio::task::coop::consume_budget().await;
    }
    drop(send);
    for task in tasks {
        task.await.expect("no panic");
    }
}

async fn by_hand(items: u64) {
    let (senders, receivers): (Vec<_>, Vec<_>) =
        (0..READERS).map(|_| mpsc::channel(BUFFER)).unzip();
    let reading = |mut from: mpsc::Receiver<u64>| async move {
        let mut sum: u64 = 0;
        while let Some(item) = from.recv().await {
            sum = sum.wrapping_add(item);
        }
        black_box(sum);
    };
    let tasks: Vec<_> = receivers.into_iter().map(|from| tokio_spawn(reading(from))).collect();
    for item in 0..items {
        for sender in &senders {
            sender.send(item).await.expect("readers are there");
        }
    }
    drop(senders);
    for task in tasks {
        task.await.expect("no panic");
    }
}

fn looped(items: u64) -> impl stream::Stream<Item = u64> {
    from_fn(move |mut given| async move {
        for item in 0..items {
            given.give(black_box(item)).await;
        }
    })
}

fn unfolded(items: u64) -> impl stream::Stream<Item = u64> {
    stream::unfold(0, move |item| ready((item < items).then(|| (black_box(item), item + 1))))
}

async fn channelled(items: u64) {
    let (send, mut from) = mpsc::channel(BUFFER);
    tokio_spawn(async move {
        for item in 0..items {
            if send.send(black_box(item)).await.is_err() {
                return;
            }
        }
    });
    let mut sum: u64 = 0;
    while let Some(item) = from.recv().await {
        sum = sum.wrapping_add(item);
    }
    black_box(sum);
}
