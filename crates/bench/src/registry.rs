//! Area `registry`: what it costs that every task is listed, and watched, beside tokio's bare tasks.

use std::future::pending;
use std::hint::black_box;
use std::time::Duration;

use linchpin::task;
use linchpin::task::watch::{Options, Watch};
use linchpin::time::Instant;
use tokio::runtime::{Builder, Runtime};
use tokio::task::yield_now;

use crate::harness::{Operation, build, tokio_spawn};
use crate::row::Role::{Ours, Peer};

const LINCHPIN: &str = "linchpin";
const TOKIO: &str = "tokio";
/// As many connections as a large service holds.
const CROWD: usize = 100_000;

/// Every row that the harness measures.
pub fn operations() -> Vec<Operation> {
    vec![
        Operation::new("registry-spawn-ct").ct(Ours, LINCHPIN, spawned).ct(Peer, TOKIO, bare),
        Operation::new("registry-spawn-mt").mt(Ours, LINCHPIN, spawned).mt(Peer, TOKIO, bare),
        Operation::new("registry-spawn-among-100k")
            .timed(Ours, LINCHPIN, among(|| task::spawn("idle", pending::<()>()), spawned))
            .timed(Peer, TOKIO, among(|| tokio_spawn(pending::<()>()), bare)),
        Operation::new("registry-poll")
            .timed(Ours, LINCHPIN, polled(false, |polls| task::spawn("polled", polls).join()))
            .timed(
                Ours,
                "linchpin, watched",
                polled(true, |polls| task::spawn("polled", polls).join()),
            )
            .timed(Peer, TOKIO, polled(false, |polls| async { drop(tokio_spawn(polls).await) })),
        Operation::new("registry-count").sync(Ours, LINCHPIN, task::count),
    ]
}

async fn spawned(operations: u64) {
    for _ in 0..operations {
        black_box(task::spawn("brief", async { black_box(1) }).join().await);
    }
}

async fn bare(operations: u64) {
    for _ in 0..operations {
        drop(black_box(tokio_spawn(async { black_box(1) }).await));
    }
}

/// `batch` while a hundred thousand idle tasks live.
fn among<T: 'static, F: Future<Output = ()>>(
    idle: fn() -> T,
    batch: fn(u64) -> F,
) -> impl FnMut(u64) -> Duration {
    let runtime = runtime();
    let mut crowd: Vec<T> = Vec::new();
    move |operations| {
        runtime.block_on(async {
            while crowd.len() < CROWD {
                crowd.push(idle());
                // So that they are polled once, a few at a time.
                yield_now().await;
            }
            let began = Instant::now();
            batch(operations).await;
            began.elapsed()
        })
    }
}

/// One task that is polled again and again.
fn polled<F: Future<Output = ()>>(
    watched: bool,
    spawn: fn(std::pin::Pin<Box<dyn Future<Output = ()> + Send>>) -> F,
) -> impl FnMut(u64) -> Duration {
    let runtime = runtime();
    move |operations| {
        let watch = watched.then(|| Watch::start(Options::default()));
        runtime.block_on(async {
            let polls = async move {
                for _ in 0..operations {
                    yield_now().await;
                }
            };
            let began = Instant::now();
            spawn(Box::pin(polls)).await;
            let took = began.elapsed();
            drop(watch);
            took
        })
    }
}

fn runtime() -> Runtime {
    build(&mut Builder::new_current_thread())
}
