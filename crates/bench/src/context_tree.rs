//! Rows of the area `context` about trees: what an end costs each of those below it, and what each of them weighs.

use std::hint::black_box;
use std::time::Duration;

use linchpin::time::Instant;
use linchpin::{Context, Result};
use tokio::runtime::{Builder, Runtime};
use tokio::task::yield_now;
use tokio_util::sync::CancellationToken;

use crate::area::Report;
use crate::harness::{Operation, build, tokio_spawn};
use crate::memory;
use crate::row::Role::{Ours, Peer};
use crate::row::Row;
use crate::stats::Summary;

const CHILDREN: u64 = 1_000;
const WEIGHED: u32 = 1_000_000;
const CONTEXT: &str = "linchpin";
const TOKEN: &str = "tokio-util";

/// Rows about a parent of a thousand children, per child.
pub fn operations() -> Vec<Operation> {
    let wake = |name, build: fn() -> Runtime| {
        Operation::new(name).timed(Ours, CONTEXT, woken(build(), contexts)).timed(
            Peer,
            TOKEN,
            woken(build(), tokens),
        )
    };
    vec![
        Operation::new("context-cancel")
            .timed(Ours, CONTEXT, |children| {
                in_families(children, |size| {
                    let parent = Context::root().child();
                    let family: Vec<_> = (0..size).map(|_| parent.child()).collect();
                    let began = Instant::now();
                    parent.cancel("all");
                    for child in &family {
                        black_box(child.is_cancelled());
                    }
                    began.elapsed()
                })
            })
            .timed(Peer, TOKEN, |children| {
                in_families(children, |size| {
                    let parent = CancellationToken::new();
                    let family: Vec<_> = (0..size).map(|_| parent.child_token()).collect();
                    let began = Instant::now();
                    parent.cancel();
                    for child in &family {
                        black_box(child.is_cancelled());
                    }
                    began.elapsed()
                })
            })
            .recorded("Go, the cancel alone", 60.0),
        wake("context-wake-ct", || build(&mut Builder::new_current_thread())).recorded("Go", 351.0),
        wake("context-wake-mt", || build(Builder::new_multi_thread().worker_threads(2)))
            .recorded("Go", 480.0),
    ]
}

/// What a child weighs, by the growth of the process.
///
/// # Errors
///
/// Where there is no `/proc`.
pub fn bytes() -> Result<Report> {
    let weigh = |subject, role, work: &mut dyn FnMut()| -> Result<Row> {
        let before = memory::resident(std::process::id())?;
        work();
        let grown = memory::resident(std::process::id())?.saturating_sub(before);
        let each = Summary::of_one(grown as f64 / f64::from(WEIGHED));
        Ok(Row::new("context", "context-bytes", (subject, role), "bytes", each))
    };
    // Both stay until both are weighed, or one would lie in what the other left.
    let (parent, token) = (Context::root().child(), CancellationToken::new());
    let (mut contexts, mut tokens) = (Vec::new(), Vec::new());
    let rows = vec![
        weigh(CONTEXT, Ours, &mut || contexts.extend((0..WEIGHED).map(|_| parent.child())))?,
        weigh(TOKEN, Peer, &mut || tokens.extend((0..WEIGHED).map(|_| token.child_token())))?,
    ];
    Ok(Report { rows, verdict: None })
}

fn in_families(children: u64, family: impl Fn(u64) -> Duration) -> Duration {
    let mut left = children;
    let mut took = Duration::ZERO;
    while left > 0 {
        let size = left.min(CHILDREN);
        took += family(size);
        left -= size;
    }
    took
}

/// From the cancel until each of the tasks that waited has ended.
fn woken<F: Future<Output = Duration>>(
    runtime: Runtime,
    family: fn(u64) -> F,
) -> impl FnMut(u64) -> Duration {
    move |children| in_families(children, |size| runtime.block_on(family(size)))
}

async fn contexts(size: u64) -> Duration {
    let parent = Context::root().child();
    let waiting = (0..size).map(|_| {
        let child = parent.child();
        tokio_spawn(async move { drop(child.cancelled().await) })
    });
    let waiting: Vec<_> = waiting.collect();
    all_wait().await;
    let began = Instant::now();
    parent.cancel("all");
    for task in waiting {
        drop(task.await);
    }
    began.elapsed()
}

async fn tokens(size: u64) -> Duration {
    let parent = CancellationToken::new();
    let waiting = (0..size).map(|_| {
        let child = parent.child_token();
        tokio_spawn(async move { child.cancelled().await })
    });
    let waiting: Vec<_> = waiting.collect();
    all_wait().await;
    let began = Instant::now();
    parent.cancel();
    for task in waiting {
        drop(task.await);
    }
    began.elapsed()
}

/// Gives each task that was spawned its first turns.
async fn all_wait() {
    for _ in 0..CHILDREN {
        yield_now().await;
    }
}
