//! Rows of area `tasks`: a pipeline of three stages beside the same on tokio's channels, written by hand.
//!
//! Each stage adds one, each queue holds 1,024. The hand-written ones have no error policy, no numbers, no names and
//! nothing that stops the rest when one stage fails; ours has all of it in these rows.

use std::hint::black_box;

use futures_util::stream;
use linchpin::Context;
use linchpin::task::pipeline::{Options, Pipeline};
use tokio::sync::mpsc;

use crate::harness::{Operation, tokio_spawn};
use crate::row::Role::{Ours, Peer};

const CAPACITY: usize = 1_024;
/// As many items as a hand-written batch moves at once.
const BATCH: usize = 256;

/// Every row that the harness measures.
pub fn operations() -> Vec<Operation> {
    const COMPUTES: &str = "linchpin, stages that compute";
    const WAITS: &str = "linchpin, stages that may wait";
    const ITEMS: &str = "tokio mpsc by hand, by item";
    const BATCHES: &str = "tokio mpsc by hand, recv_many";
    const VECS: &str = "tokio mpsc by hand, of Vecs of 256";
    vec![
        Operation::new("pipeline-mt")
            .mt(Ours, COMPUTES, computed)
            .mt(Ours, WAITS, awaited)
            .mt(Peer, ITEMS, by_item)
            .mt(Peer, BATCHES, by_batch)
            .mt(Peer, VECS, in_vecs),
        Operation::new("pipeline-ct")
            .ct(Ours, COMPUTES, computed)
            .ct(Ours, WAITS, awaited)
            .ct(Peer, ITEMS, by_item)
            .ct(Peer, BATCHES, by_batch)
            .ct(Peer, VECS, in_vecs),
    ]
}

fn step(n: u64) -> u64 {
    black_box(n) + 1
}

fn options() -> Options<u64> {
    Options::default().buffer(CAPACITY)
}

async fn computed(operations: u64) {
    let pipeline = Pipeline::from(stream::iter(0..operations))
        .map("one", options(), |n| Ok(step(n)))
        .map("two", options(), |n| Ok(step(n)))
        .map("three", options(), |n| Ok(step(n)));
    run(pipeline).await;
}

async fn awaited(operations: u64) {
    let pipeline = Pipeline::from(stream::iter(0..operations))
        .stage("one", options(), |_, n| async move { Ok(step(n)) })
        .stage("two", options(), |_, n| async move { Ok(step(n)) })
        .stage("three", options(), |_, n| async move { Ok(step(n)) });
    run(pipeline).await;
}

/// Adds up what comes out.
pub(crate) async fn run<S: futures_util::Stream>(pipeline: Pipeline<S, u64>) {
    let mut sum = 0;
    let sink = |n| {
        sum += n;
        std::future::ready(Ok(()))
    };
    pipeline.for_each(&Context::root(), sink).await.expect("nothing fails");
    black_box(sum);
}

fn source(operations: u64) -> mpsc::Receiver<u64> {
    let (send, from) = mpsc::channel(CAPACITY);
    tokio_spawn(async move {
        for n in 0..operations {
            send.send(n).await.expect("the next stage is there");
        }
    });
    from
}

async fn by_item(operations: u64) {
    let mut from = source(operations);
    for _ in 0..3 {
        let (send, to) = mpsc::channel(CAPACITY);
        let mut source = std::mem::replace(&mut from, to);
        tokio_spawn(async move {
            while let Some(n) = source.recv().await {
                send.send(step(n)).await.expect("the next stage is there");
            }
        });
    }
    let mut sum = 0;
    while let Some(n) = from.recv().await {
        sum += n;
    }
    black_box(sum);
}

async fn by_batch(operations: u64) {
    let mut from = source(operations);
    for _ in 0..3 {
        let (send, to) = mpsc::channel(CAPACITY);
        let mut source = std::mem::replace(&mut from, to);
        tokio_spawn(async move {
            let mut batch = Vec::with_capacity(BATCH);
            while source.recv_many(&mut batch, BATCH).await > 0 {
                let room = send.reserve_many(batch.len()).await.expect("the next stage is there");
                for (n, place) in batch.drain(..).zip(room) {
                    place.send(step(n));
                }
            }
        });
    }
    let (mut sum, mut batch) = (0, Vec::with_capacity(BATCH));
    while from.recv_many(&mut batch, BATCH).await > 0 {
        sum += batch.drain(..).sum::<u64>();
    }
    black_box(sum);
}

async fn in_vecs(operations: u64) {
    let (send, mut from) = mpsc::channel(CAPACITY / BATCH);
    tokio_spawn(async move {
        let mut next = 0;
        while next < operations {
            let batch: Vec<u64> = (next..operations.min(next + BATCH as u64)).collect();
            next += batch.len() as u64;
            send.send(batch).await.expect("the next stage is there");
        }
    });
    for _ in 0..3 {
        let (send, to) = mpsc::channel(CAPACITY / BATCH);
        let mut source = std::mem::replace(&mut from, to);
        tokio_spawn(async move {
            while let Some(mut batch) = source.recv().await {
                for n in &mut batch {
                    *n = step(*n);
                }
                send.send(batch).await.expect("the next stage is there");
            }
        });
    }
    let mut sum = 0;
    while let Some(batch) = from.recv().await {
        sum += batch.iter().sum::<u64>();
    }
    black_box(sum);
}
