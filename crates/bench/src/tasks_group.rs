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

/// So many tasks a group at most; a service's groups are smaller.
const GROUP: u64 = 100_000;
const LIMIT: usize = 64;
const LINCHPIN: &str = "linchpin";
const HANDLES: &str = "tokio, spawn and a Vec of handles";
const JOIN_SET: &str = "tokio JoinSet";
const BUFFERED: &str = "buffer_unordered over spawn";

/// Every row of groups.
pub fn operations() -> Vec<Operation> {
    vec![
        Operation::new("group-noop-ct")
            .ct(Ours, LINCHPIN, |tasks| in_groups(tasks, grouped))
            .ct(Peer, HANDLES, |tasks| in_groups(tasks, handles))
            .ct(Peer, JOIN_SET, |tasks| in_groups(tasks, join_set))
            .recorded("Go errgroup, one thread", 255.0),
        Operation::new("group-noop-mt")
            .mt(Ours, LINCHPIN, |tasks| in_groups(tasks, grouped))
            .mt(Peer, HANDLES, |tasks| in_groups(tasks, handles))
            .mt(Peer, JOIN_SET, |tasks| in_groups(tasks, join_set))
            .recorded("Go errgroup", 571.0)
            .recorded("Go conc", 487.0),
        Operation::new("group-limit-ct").ct(Ours, LINCHPIN, |tasks| in_groups(tasks, limited)).ct(
            Peer,
            BUFFERED,
            |tasks| in_groups(tasks, buffered),
        ),
        Operation::new("group-limit-mt")
            .mt(Ours, LINCHPIN, |tasks| in_groups(tasks, limited))
            .mt(Peer, BUFFERED, |tasks| in_groups(tasks, buffered))
            .recorded("Go conc pool", 569.0),
        Operation::new("group-eight-ct")
            .ct(Ours, LINCHPIN, |tasks| eights(tasks, grouped))
            .ct(Peer, HANDLES, |tasks| eights(tasks, handles))
            .ct(Peer, JOIN_SET, |tasks| eights(tasks, join_set)),
        Operation::new("scope-eight-ct").ct(Ours, LINCHPIN, |tasks| eights(tasks, scoped)).ct(
            Peer,
            "futures join_all",
            |tasks| eights(tasks, join_all),
        ),
    ]
}

async fn in_groups<F: Future<Output = ()>>(tasks: u64, group: fn(u64) -> F) {
    let mut left = tasks;
    while left > 0 {
        let now = left.min(GROUP);
        group(now).await;
        left -= now;
    }
}

/// Groups of eight: what a request fans out to.
async fn eights<F: Future<Output = ()>>(tasks: u64, group: fn(u64) -> F) {
    for _ in 0..tasks.div_ceil(8) {
        group(8).await;
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
