//! Rows `pool-*`: many jobs through a bounded number of workers, each with a result that is fetched, per job.
//!
//! Ours also carries a context, keeps the span, counts, times each job's wait and run, and survives a panic; the peers
//! do none of it, but for tokio's tasks, which survive one. Go's program is built and run where `go` is installed.

mod go;

use std::future::{self, Ready};
use std::hint::black_box;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use linchpin::Context;
use linchpin::task::pool::{BlockingPool, Options, Pool};
use linchpin::time::Instant;
use tokio::runtime::Builder;
use tokio::sync::Semaphore;
use tokio::task::yield_now;

use self::go::Go;
use crate::harness::{Operation, build, tokio_spawn};
use crate::row::Role::{Ours, Peer};

const LINCHPIN: &str = "linchpin";
const SEMAPHORE: &str = "tokio, spawn with a permit a job";
/// Jobs that run at once.
const LIVE: usize = 64;
/// Results are fetched after so many jobs, so that no subject is about the memory of a million.
const BATCH: u64 = 1_000;

/// Every row of pools.
pub fn operations() -> Vec<Operation> {
    let go = Go::build();
    let ct = |name, work: Jobs| {
        let operation = Operation::new(name);
        match work {
            Jobs::Yield => operation.ct(Ours, LINCHPIN, |jobs| ours(jobs, yields)).ct(
                Peer,
                SEMAPHORE,
                |jobs| permits(jobs, yields),
            ),
            Jobs::Ready => {
                operation
                    .ct(Ours, LINCHPIN, |jobs| ours(jobs, ready))
                    .ct(Peer, SEMAPHORE, |jobs| permits(jobs, ready))
            }
        }
    };
    let mt = |name, work: Jobs| {
        let operation = Operation::new(name);
        match work {
            Jobs::Yield => operation.mt(Ours, LINCHPIN, |jobs| ours(jobs, yields)).mt(
                Peer,
                SEMAPHORE,
                |jobs| permits(jobs, yields),
            ),
            Jobs::Ready => {
                operation
                    .mt(Ours, LINCHPIN, |jobs| ours(jobs, ready))
                    .mt(Peer, SEMAPHORE, |jobs| permits(jobs, ready))
            }
        }
    };
    vec![
        go.beside(ct("pool-async-ct", Jobs::Yield), Jobs::Yield, 1),
        go.beside(mt("pool-async-mt", Jobs::Yield), Jobs::Yield, 2),
        go.beside(ct("pool-ready-ct", Jobs::Ready), Jobs::Ready, 1),
        go.beside(mt("pool-ready-mt", Jobs::Ready), Jobs::Ready, 2),
        Operation::new("pool-closure").timed(Ours, "linchpin, blocking", blocking()).timed(
            Peer,
            "threads on a std channel, a channel a result",
            threads(),
        ),
        Operation::new("pool-try-submit").timed(Ours, LINCHPIN, try_submit()),
    ]
}

/// What a job does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Jobs {
    /// Lets the others run once, so that sixty-four are half done at any time.
    Yield,
    /// Nothing: all that is measured is the pool.
    Ready,
}

async fn yields(job: u64) -> u64 {
    yield_now().await;
    black_box(job)
}

fn ready(job: u64) -> Ready<u64> {
    future::ready(black_box(job))
}

async fn ours<F>(jobs: u64, work: fn(u64) -> F)
where
    F: Future<Output = u64> + Send + 'static,
{
    let (ctx, pool) = (Context::root().child(), pool());
    let mut handles = Vec::with_capacity(BATCH as usize);
    for job in 0..jobs {
        let submitted = pool.submit(&ctx, move |_| async move { Ok(work(job).await) });
        handles.push(submitted.await.expect("it waits for a place"));
        if handles.len() as u64 == BATCH || job + 1 == jobs {
            for handle in handles.drain(..) {
                black_box(handle.join().await.expect("it returns"));
            }
        }
    }
}

async fn permits<F>(jobs: u64, work: fn(u64) -> F)
where
    F: Future<Output = u64> + Send + 'static,
{
    let permits = Arc::new(Semaphore::new(LIVE));
    let mut handles = Vec::with_capacity(BATCH as usize);
    for job in 0..jobs {
        let permit = permits.clone().acquire_owned().await.expect("it is never closed");
        handles.push(tokio_spawn(async move {
            let result = work(job).await;
            drop(permit);
            result
        }));
        if handles.len() as u64 == BATCH || job + 1 == jobs {
            for handle in handles.drain(..) {
                black_box(handle.await.expect("it returns"));
            }
        }
    }
}

/// What a submission costs by itself: the jobs run afterwards, which is not timed.
fn try_submit() -> impl FnMut(u64) -> Duration {
    let runtime = build(&mut Builder::new_current_thread());
    move |jobs| {
        let (ctx, pool) = (Context::root().child(), pool());
        let (mut left, mut took) = (jobs, Duration::ZERO);
        while left > 0 {
            let batch = left.min(BATCH);
            left -= batch;
            took += runtime.block_on(async {
                let began = Instant::now();
                for job in 0..batch {
                    drop(black_box(pool.try_submit(&ctx, move |_| async move { Ok(ready(job)) })));
                }
                let took = began.elapsed();
                while pool.stats().queued + pool.stats().running > 0 {
                    yield_now().await;
                }
                took
            });
        }
        took
    }
}

/// Two threads on which closures run.
fn blocking() -> impl FnMut(u64) -> Duration {
    let pool: BlockingPool =
        Pool::blocking(2, Options::default()).expect("a machine at rest has two threads to give");
    let runtime = build(&mut Builder::new_current_thread());
    move |jobs| {
        let began = Instant::now();
        runtime.block_on(async {
            let ctx = Context::root();
            let mut handles = Vec::with_capacity(BATCH as usize);
            for job in 0..jobs {
                let submitted = pool.submit(&ctx, move |_| Ok(black_box(job)));
                handles.push(submitted.await.expect("it waits for a place"));
                if handles.len() as u64 == BATCH || job + 1 == jobs {
                    for handle in handles.drain(..) {
                        black_box(handle.join().await.expect("it returns"));
                    }
                }
            }
        });
        began.elapsed()
    }
}

/// The same by hand.
fn threads() -> impl FnMut(u64) -> Duration {
    type Job = Box<dyn FnOnce() + Send>;
    let (submit, jobs) = mpsc::sync_channel::<Job>(1_024);
    let jobs = Arc::new(std::sync::Mutex::new(jobs));
    for _ in 0..2 {
        let jobs = Arc::clone(&jobs);
        thread::spawn(move || {
            loop {
                let job = jobs.lock().expect("no job panics").recv();
                let Ok(job) = job else { return };
                job();
            }
        });
    }
    move |jobs| {
        let began = Instant::now();
        let mut results = Vec::with_capacity(BATCH as usize);
        for job in 0..jobs {
            let (tell, result) = mpsc::sync_channel(1);
            let work: Job = Box::new(move || {
                tell.send(black_box(job)).ok();
            });
            submit.send(work).expect("the threads live");
            results.push(result);
            if results.len() as u64 == BATCH || job + 1 == jobs {
                for result in results.drain(..) {
                    black_box(result.recv().expect("it returns"));
                }
            }
        }
        began.elapsed()
    }
}

fn pool() -> Pool {
    Pool::new(LIVE, Options::default()).expect("sixty-four are some")
}
