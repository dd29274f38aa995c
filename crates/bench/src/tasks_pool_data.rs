//! Rows `pool-data-*`: a million items through two workers that all do the same, per item.
//!
//! Where every job is of one kind it is an item and the pool a stage of a pipeline: nothing is boxed, and items move in
//! batches. Ours also counts, names, contains panics, stops at the first error, and hands the results on to a sink.
//! Go's figure was recorded in November 2026 on a machine like the one this was written on, not in this run.

use std::hint::black_box;

use crossfire::mpmc;
use futures_util::stream;
use linchpin::task::pipeline::{Options, Pipeline};

use crate::harness::{Operation, tokio_spawn};
use crate::row::Role::{Ours, Peer};
use crate::tasks_pipeline::run;

const CAPACITY: usize = 1_024;
const WORKERS: usize = 2;
const CROSSFIRE: &str = "crossfire mpmc by hand, results added up";

/// Both rows.
pub fn operations() -> Vec<Operation> {
    vec![
        Operation::new("pool-data-ct")
            .ct(Ours, "linchpin, a pipeline of one stage", ours)
            .ct(Peer, CROSSFIRE, crossfire)
            .recorded("Go, goroutines on a channel", 50.0),
        Operation::new("pool-data-mt")
            .mt(Ours, "linchpin, a pipeline of one stage", ours)
            .mt(Peer, CROSSFIRE, crossfire)
            .recorded("Go, goroutines on a channel", 50.0),
    ]
}

fn job(n: u64) -> u64 {
    black_box(n) + 1
}

async fn ours(operations: u64) {
    let options = Options::default().width(WORKERS).buffer(CAPACITY);
    let pipeline = Pipeline::from(stream::iter(0..operations)).map("job", options, |n| Ok(job(n)));
    run(pipeline).await;
}

async fn crossfire(operations: u64) {
    let (send, jobs) = mpmc::bounded_async::<u64>(CAPACITY);
    let workers: Vec<_> = (0..WORKERS)
        .map(|_| {
            let jobs = jobs.clone();
            tokio_spawn(async move {
                let mut sum = 0;
                while let Ok(n) = jobs.recv().await {
                    sum += job(n);
                }
                sum
            })
        })
        .collect();
    drop(jobs);
    for n in 0..operations {
        send.send(n).await.expect("the workers are there");
    }
    drop(send);
    let mut sum = 0;
    for worker in workers {
        sum += worker.await.expect("it returns");
    }
    black_box(sum);
}
