//! Rows `batcher*`: a million items and more through one consumer that takes them in batches, per item.
//!
//! What is measured is the way of an item from the producers to the work, on two workers of a runtime. Ours refuses when
//! its context has ended, and has a panic policy; in `batcher-answered` each item has an answer, which tokio's channel
//! does with a oneshot. That wait of ours ends with the caller's context, too, and so does one of the two peers' there.

use std::hint::black_box;
use std::sync::Arc;

use linchpin::Context;
use linchpin::sync::batch::{Batch, Batcher, Options};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::harness::{Operation, tokio_spawn};
use crate::row::Role::{Ours, Peer};

const BATCH: usize = 1_024;
const CAPACITY: usize = 8_192;

/// Every row of batchers.
pub fn operations() -> Vec<Operation> {
    vec![pushed("batcher", 1), pushed("batcher-p4", 4), answered("batcher-answered", 64)]
}

fn pushed(name: &'static str, producers: u64) -> Operation {
    Operation::new(name)
        .mt(Ours, "linchpin, push", move |operations| async move {
            let ctx = Context::root().child();
            let batcher = Arc::new(summing(&ctx));
            let tasks: Vec<_> = (0..producers)
                .map(|_| {
                    let (ctx, batcher) = (ctx.clone(), batcher.clone());
                    tokio_spawn(async move {
                        for item in 0..operations.div_ceil(producers) {
                            batcher.push(&ctx, item).await.expect("it is open");
                        }
                    })
                })
                .collect();
            for task in tasks {
                task.await.expect("it does not panic");
            }
            batcher.close(&ctx).await.expect("nobody ends it");
        })
        .mt(Peer, "tokio mpsc, recv_many", move |operations| async move {
            let (send, mut receive) = mpsc::channel::<u64>(CAPACITY);
            let consumer = tokio_spawn(async move {
                let (mut sum, mut batch) = (0, Vec::with_capacity(BATCH));
                while receive.recv_many(&mut batch, BATCH).await > 0 {
                    sum += batch.drain(..).sum::<u64>();
                }
                black_box(sum);
            });
            let tasks: Vec<_> = (0..producers)
                .map(|_| {
                    let send = send.clone();
                    tokio_spawn(async move {
                        for item in 0..operations.div_ceil(producers) {
                            send.send(item).await.expect("it is open");
                        }
                    })
                })
                .collect();
            drop(send);
            for task in tasks {
                task.await.expect("it does not panic");
            }
            consumer.await.expect("it does not panic");
        })
}

fn summing(ctx: &Context) -> Batcher<u64> {
    let options = Options::default().max_items(BATCH).capacity(CAPACITY);
    let work = |_, batch: Batch<u64>| async move {
        black_box(batch.items().sum::<u64>());
        Ok(())
    };
    Batcher::new(ctx, options, work).expect("good options")
}

fn answered(name: &'static str, submitters: u64) -> Operation {
    Operation::new(name)
        .mt(Ours, "linchpin, submit under a root", move |operations| {
            submitted(operations, submitters, Context::root())
        })
        .mt(Ours, "linchpin, submit under a context that may end", move |operations| {
            submitted(operations, submitters, Context::root().child().disarm())
        })
        .mt(Peer, "tokio mpsc with a oneshot each", move |operations| {
            by_hand(operations, submitters, None)
        })
        .mt(Peer, "the same under a CancellationToken", move |operations| {
            by_hand(operations, submitters, Some(CancellationToken::new()))
        })
}

async fn submitted(operations: u64, submitters: u64, ctx: Context) {
    let work = |_, batch: Batch<u64, u64>| async move {
        batch.answer(|item| item + 1);
        Ok(())
    };
    let options = Options::default().max_items(BATCH).capacity(CAPACITY);
    let batcher = Arc::new(Batcher::answering(&ctx, options, work).expect("good options"));
    let tasks: Vec<_> = (0..submitters)
        .map(|_| {
            let (ctx, batcher) = (ctx.clone(), batcher.clone());
            tokio_spawn(async move {
                for item in 0..operations.div_ceil(submitters) {
                    black_box(batcher.submit(&ctx, item).await.expect("it is open"));
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("it does not panic");
    }
    batcher.close(&ctx).await.expect("nobody ends it");
}

/// An answer for each item over a channel, and a wait for it that ends with the token, if there is one.
async fn by_hand(operations: u64, submitters: u64, token: Option<CancellationToken>) {
    let (send, mut receive) = mpsc::channel::<(u64, oneshot::Sender<u64>)>(CAPACITY);
    let consumer = tokio_spawn(async move {
        let mut batch = Vec::with_capacity(BATCH);
        while receive.recv_many(&mut batch, BATCH).await > 0 {
            for (item, reply) in batch.drain(..) {
                reply.send(item + 1).expect("it waits");
            }
        }
    });
    let tasks: Vec<_> = (0..submitters)
        .map(|_| {
            let (send, token) = (send.clone(), token.clone());
            tokio_spawn(async move {
                for item in 0..operations.div_ceil(submitters) {
                    let (reply, answer) = oneshot::channel();
                    send.send((item, reply)).await.expect("it is open");
                    let answer = match &token {
                        Some(token) => {
                            token.run_until_cancelled(answer).await.expect("nobody ends it")
                        }
                        None => answer.await,
                    };
                    black_box(answer.expect("it is answered"));
                }
            })
        })
        .collect();
    drop(send);
    for task in tasks {
        task.await.expect("it does not panic");
    }
    consumer.await.expect("it does not panic");
}
