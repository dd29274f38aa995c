//! Area `floor`: what the machine, the standard library and tokio charge for the smallest things.
//!
//! A primitive with one read-modify-write cannot cost less than the row `fetch-add`. To add a row,
//! add an entry to [`operations`].

use std::fs::File;
use std::hint::black_box;
use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use linchpin::error::ResultExt as _;
use linchpin::time::Instant;
use linchpin::{Kind, Result, task};
use rustix::time::{ClockId, clock_gettime};
use tokio::sync::oneshot;

use crate::area::Report;
use crate::harness::Operation;
use crate::row::Role::{Floor, Ours};
use crate::row::Row;
use crate::stats::{Summary, Times};

/// Every row that the harness measures.
pub fn operations() -> Vec<Operation> {
    let mut all = vec![
        Operation::new("atomic-load")
            .sync(Floor, "relaxed", with(AtomicU64::new(1), |it| it.load(Relaxed)))
            .sync(Floor, "acquire", with(AtomicU64::new(1), |it| it.load(Acquire))),
        Operation::new("fetch-add").sync(Floor, "AtomicU64", counter()),
        Operation::new("fetch-add-t2").threads(2, Floor, "AtomicU64", counter()),
        Operation::new("fetch-add-t8").threads(8, Floor, "AtomicU64", counter()),
        Operation::new("compare-exchange").sync(
            Floor,
            "AtomicU64",
            with(AtomicU64::new(1), |it| it.compare_exchange(1, 1, AcqRel, Acquire)),
        ),
        Operation::new("two-rmw").sync(
            Floor,
            "AtomicU64",
            with(AtomicU64::new(0), |it| it.fetch_add(1, AcqRel) + it.fetch_sub(1, AcqRel)),
        ),
        Operation::new("mutex").sync(
            Floor,
            "std Mutex",
            with(Mutex::new(0_u64), |it| it.lock().map(|mut value| *value += 1).is_ok()),
        ),
        Operation::new("arc-clone").sync(Floor, "std Arc", with(Arc::new(1_u64), Arc::clone)),
        Operation::new("clock")
            .sync(Floor, "std Instant", std_now)
            .sync(Floor, "coarse", || clock_gettime(ClockId::MonotonicCoarse))
            .sync(Floor, "processor's counter", {
                let clock = quanta::Clock::new();
                move || clock.raw()
            })
            .sync(Ours, "linchpin Instant", Instant::now),
    ];
    all.extend(in_a_runtime());
    all
}

fn in_a_runtime() -> [Operation; 5] {
    [
        Operation::new("spawn-join-ct")
            .ct(Floor, "tokio", tokio_tasks)
            .ct(Ours, "linchpin task", tasks)
            .recorded("Go", 372.0),
        Operation::new("spawn-join-mt").mt(Floor, "tokio", tokio_tasks).mt(
            Ours,
            "linchpin task",
            tasks,
        ),
        Operation::new("timeout-ready-ct").ct(Floor, "tokio", |operations| async move {
            let hour = Duration::from_hours(1);
            for _ in 0..operations {
                let ready = std::future::ready(black_box(1));
                drop(black_box(tokio::time::timeout(black_box(hour), ready).await));
            }
        }),
        Operation::new("oneshot-ct").ct(Floor, "tokio", |operations| async move {
            for number in 0..operations {
                let (sender, receiver) = oneshot::channel();
                black_box(sender.send(number).is_ok());
                drop(black_box(receiver.await));
            }
        }),
        Operation::new("async-mutex-ct").ct(Floor, "tokio", |operations| async move {
            let mutex = tokio::sync::Mutex::new(0_u64);
            for _ in 0..operations {
                *black_box(&mutex).lock().await += 1;
            }
        }),
    ]
}

/// An operation on something that the optimiser knows nothing about.
fn with<S, T>(state: S, once: impl Fn(&S) -> T) -> impl Fn() -> T {
    move || once(black_box(&state))
}

fn counter() -> impl Fn() -> u64 + Sync {
    with(AtomicU64::new(0), |it| it.fetch_add(1, AcqRel))
}

#[expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the clock that ours is compared with"
)]
fn std_now() -> impl Copy {
    std::time::Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "the spawn that ours is compared with")]
async fn tokio_tasks(operations: u64) {
    for number in 0..operations {
        drop(black_box(tokio::spawn(async move { black_box(number) }).await));
    }
}

async fn tasks(operations: u64) {
    for number in 0..operations {
        black_box(task::spawn("bench-nothing", async move { black_box(number) }).join().await);
    }
}

// ===== the disk =====

/// An append of a page and its `fsync` in the target folder, as percentiles of rounds.
///
/// # Errors
///
/// If the disk refuses.
pub fn disk(short: bool) -> Result<Report> {
    let (rounds, syncs) = if short { (3, 20) } else { (10, 100) };
    eprintln!("measuring fsync");
    let (mut typical, mut worst) = (Vec::new(), Vec::new());
    let file = tempfile::Builder::new()
        .prefix("bench-fsync-")
        .tempfile_in(Path::new("target"))
        .kind(Kind::Unavailable)
        .context("make a file in the target folder")?;
    for _ in 0..rounds {
        let round = appends(file.as_file(), syncs).kind(Kind::Unavailable).context("fsync")?;
        typical.push(round.millis(0.5));
        worst.push(round.millis(0.99));
    }
    let row = |operation: &str, rounds: &[f64]| {
        let subject = ("4 KiB append", Floor);
        Row::new("floor", operation, subject, "ms", Summary::of_rounds(rounds))
    };
    let rows = vec![row("fsync-p50", &typical), row("fsync-p99", &worst)];
    Ok(Report { rows, verdict: None })
}

/// How long each of so many appends took.
fn appends(mut file: &File, count: usize) -> std::io::Result<Times> {
    let mut times = Times::default();
    for _ in 0..count {
        let began = Instant::now();
        file.write_all(&[7; 4096])?;
        file.sync_all()?;
        times.record(began.elapsed());
    }
    Ok(times)
}
