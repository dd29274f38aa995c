//! Rows `semaphore*`: permits taken and given back, per acquisition.
//!
//! Ours asks a context first, is weighted and strictly first come first served; async-lock's is neither of the two and
//! knows no context. Go's figures were recorded on a machine like the one this was written on, not in this run.
//!
//! In `semaphore-cN-*` the tasks share the operations as they share the permit: each goes on until all are done. With an
//! equal part for each, one that is always let past the others would be done first, and leave a row without contention.

use std::future::poll_fn;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;

use linchpin::Context;
use linchpin::sync::semaphore::{Options, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::harness::{Operation, tokio_spawn};
use crate::row::Role::{Ours, Peer};

const LINCHPIN: &str = "linchpin";
const TOKIO: &str = "tokio";
const ASYNC_LOCK: &str = "async-lock (by ones, not fair)";
const GO: &str = "Go x/sync";
/// Permits where nobody has to wait.
const PLENTY: usize = 64;

/// Every row of semaphores.
pub fn operations() -> Vec<Operation> {
    vec![
        Operation::new("semaphore")
            .ct(Ours, LINCHPIN, |operations| async move {
                let (ctx, permits) = (Context::root().child(), ours(PLENTY));
                for _ in 0..operations {
                    drop(black_box(permits.acquire(&ctx, 1).await));
                }
            })
            .ct(Peer, TOKIO, |operations| async move {
                let permits = tokio::sync::Semaphore::new(PLENTY);
                for _ in 0..operations {
                    drop(black_box(permits.acquire().await));
                }
            })
            .ct(Peer, ASYNC_LOCK, |operations| async move {
                let permits = async_lock::Semaphore::new(PLENTY);
                for _ in 0..operations {
                    drop(black_box(permits.acquire().await));
                }
            })
            .recorded(GO, 25.4),
        Operation::new("semaphore-try")
            .sync(Ours, LINCHPIN, tried())
            .sync(Peer, TOKIO, tokio_tried())
            .sync(Peer, ASYNC_LOCK, async_lock_tried())
            .recorded(GO, 28.0),
        Operation::new("semaphore-try-t2")
            .threads(2, Ours, LINCHPIN, tried())
            .threads(2, Peer, TOKIO, tokio_tried())
            .threads(2, Peer, ASYNC_LOCK, async_lock_tried())
            .recorded(GO, 37.0),
        contended("semaphore-c2-ct", 2, false),
        contended("semaphore-c8-ct", 8, false),
        contended("semaphore-c2-mt", 2, true),
        contended("semaphore-c8-mt", 8, true),
    ]
}

fn tried() -> impl Fn() -> bool + Sync {
    let permits = ours(PLENTY);
    move || black_box(&permits).try_acquire(1).is_ok()
}

fn tokio_tried() -> impl Fn() -> bool + Sync {
    let permits = tokio::sync::Semaphore::new(PLENTY);
    move || black_box(&permits).try_acquire().is_ok()
}

fn async_lock_tried() -> impl Fn() -> bool + Sync {
    let permits = async_lock::Semaphore::new(PLENTY);
    move || black_box(&permits).try_acquire().is_some()
}

/// So many tasks share one permit and keep it while the others have a turn.
fn contended(name: &'static str, tasks: u64, mt: bool) -> Operation {
    macro_rules! batch {
        ($shared:expr, |$own:ident| $acquired:expr) => {
            move |operations: u64| async move {
                let shared = Arc::new($shared);
                let done = Arc::new(AtomicU64::new(0));
                let workers: Vec<_> = (0..tasks)
                    .map(|_| {
                        let ($own, done) = (Arc::clone(&shared), Arc::clone(&done));
                        tokio_spawn(async move {
                            while done.fetch_add(1, Ordering::Relaxed) < operations {
                                let permit = $acquired;
                                give_way().await;
                                drop(permit);
                            }
                        })
                    })
                    .collect();
                for worker in workers {
                    worker.await.expect("it does not panic");
                }
            }
        };
    }
    let never = "it is never closed";
    let ours_alone =
        batch!((ours(1), Context::root()), |own| { own.0.acquire(&own.1, 1).await.expect(never) });
    let tokio_alone =
        batch!(tokio::sync::Semaphore::new(1), |own| { own.acquire().await.expect(never) });
    let async_lock = batch!(async_lock::Semaphore::new(1), |own| own.acquire().await);
    let ours = batch!((ours(1), Context::root().child()), |own| {
        own.0.acquire(&own.1, 1).await.expect(never)
    });
    let tokio = batch!((tokio::sync::Semaphore::new(1), CancellationToken::new()), |own| {
        own.1.run_until_cancelled(own.0.acquire()).await.expect(never).expect(never)
    });
    let operation = Operation::new(name);
    if mt {
        operation
            .mt(Ours, "linchpin, under a root", ours_alone)
            .mt(Peer, TOKIO, tokio_alone)
            .mt(Peer, ASYNC_LOCK, async_lock)
            .mt(Ours, "linchpin, under a context that may end", ours)
            .mt(Peer, "tokio, under a token of tokio-util", tokio)
    } else {
        operation
            .ct(Ours, "linchpin, under a root", ours_alone)
            .ct(Peer, TOKIO, tokio_alone)
            .ct(Peer, ASYNC_LOCK, async_lock)
            .ct(Ours, "linchpin, under a context that may end", ours)
            .ct(Peer, "tokio, under a token of tokio-util", tokio)
    }
}

/// Lets the others have a turn. tokio's `yield_now` polls the driver before it wakes, which is three quarters of a turn and
/// none of a semaphore's.
async fn give_way() {
    let mut gave_way = false;
    poll_fn(|cx| {
        if gave_way {
            return Poll::Ready(());
        }
        gave_way = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

fn ours(permits: usize) -> Semaphore {
    Semaphore::new(permits, Options::default()).expect("it has permits")
}
