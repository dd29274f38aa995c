//! Rows `group-*`: many small tasks that are joined, per task.
//!
//! Ours also lists each task, keeps its span, carries a context and knows who failed first; the peers do none of it.
//! Go's figures were recorded in November 2026 on a machine like the one this was written on, not in this run.

use std::hint::black_box;

use futures_util::stream::{self, StreamExt as _};
use linchpin::task::{Group, Scope};
use linchpin::{Context, Error};
use tokio::task::{JoinHandle, JoinSet};

use crate::harness::{Operation, tokio_spawn};
use crate::row::Role::{Ours, Peer};

/// A crowd: so many tasks a group.
const CROWD: u64 = 100_000;
/// What a batch fans out to.
const BATCH: u64 = 1_000;
/// What a request fans out to.
const FEW: u64 = 8;
const LIMIT: usize = 64;
const LINCHPIN: &str = "linchpin";
const HANDLES: &str = "tokio, spawn and a Vec of handles";
const JOIN_SET: &str = "tokio JoinSet";
const BUFFERED: &str = "buffer_unordered over spawn";

/// Every row of groups.
pub fn operations() -> Vec<Operation> {
    let ct = |operation: Operation, size| {
        operation
            .ct(Ours, LINCHPIN, move |tasks| in_groups(size, tasks, grouped))
            .ct(Peer, HANDLES, move |tasks| in_groups(size, tasks, handles))
            .ct(Peer, JOIN_SET, move |tasks| in_groups(size, tasks, join_set))
    };
    let mt = |operation: Operation, size| {
        operation
            .mt(Ours, LINCHPIN, move |tasks| in_groups(size, tasks, grouped))
            .mt(Peer, HANDLES, move |tasks| in_groups(size, tasks, handles))
            .mt(Peer, JOIN_SET, move |tasks| in_groups(size, tasks, join_set))
    };
    let crowd = |name| Operation::new(name).at_once(CROWD);
    vec![
        ct(crowd("group-noop-ct"), CROWD).recorded("Go errgroup, one thread", 255.0),
        mt(crowd("group-noop-mt"), CROWD).recorded("Go errgroup", 571.0).recorded("Go conc", 487.0),
        ct(Operation::new("group-batch-ct"), BATCH),
        mt(Operation::new("group-batch-mt"), BATCH),
        ct(Operation::new("group-few-ct"), FEW),
        crowd("group-limit-ct").ct(Ours, LINCHPIN, |tasks| in_groups(CROWD, tasks, limited)).ct(
            Peer,
            BUFFERED,
            |tasks| in_groups(CROWD, tasks, buffered),
        ),
        crowd("group-limit-mt")
            .mt(Ours, LINCHPIN, |tasks| in_groups(CROWD, tasks, limited))
            .mt(Peer, BUFFERED, |tasks| in_groups(CROWD, tasks, buffered))
            .recorded("Go conc pool", 569.0),
        Operation::new("scope-few-ct")
            .ct(Ours, LINCHPIN, |tasks| in_groups(FEW, tasks, scoped))
            .ct(Peer, "futures join_all", |tasks| in_groups(FEW, tasks, join_all)),
    ]
}

async fn in_groups<F: Future<Output = ()>>(size: u64, tasks: u64, group: fn(u64) -> F) {
    let mut left = tasks;
    while left > 0 {
        let now = left.min(size);
        group(now).await;
        left -= now;
    }
}

#[expect(clippy::unused_async, reason = "what is spawned must be a future")]
async fn work() -> Result<u64, Error> {
    Ok(black_box(1))
}

async fn grouped(tasks: u64) {
    let mut group = Group::new(&Context::root());
    for _ in 0..tasks {
        group.spawn("noop", |_| work());
    }
    drop(black_box(group.join().await));
}

async fn limited(tasks: u64) {
    let mut group = Group::new(&Context::root()).limit(LIMIT);
    for _ in 0..tasks {
        group.spawn("noop", |_| work());
    }
    drop(black_box(group.join().await));
}

async fn scoped(tasks: u64) {
    let mut scope = Scope::new(&Context::root());
    for _ in 0..tasks {
        scope.spawn("noop", |_| work());
    }
    drop(black_box(scope.join().await));
}

async fn join_all(tasks: u64) {
    black_box(futures_util::future::join_all((0..tasks).map(|_| work())).await);
}

async fn handles(tasks: u64) {
    let handles: Vec<_> = (0..tasks).map(|_| spawn()).collect();
    let mut results = Vec::with_capacity(handles.len());
    for handle in handles {
        results.push(handle.await);
    }
    black_box(results);
}

async fn join_set(tasks: u64) {
    let mut set = JoinSet::new();
    for _ in 0..tasks {
        set.spawn(work());
    }
    black_box(set.join_all().await);
}

async fn buffered(tasks: u64) {
    let spawned = stream::iter(0..tasks).map(|_| spawn()).buffer_unordered(LIMIT);
    black_box(spawned.collect::<Vec<_>>().await);
}

fn spawn() -> JoinHandle<Result<u64, Error>> {
    tokio_spawn(work())
}
