//! Rows `event*`, `wait-group`, `barrier*`, `watched*`: to wait until something is so, beside tokio's means.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use linchpin::Context;
use linchpin::sync::event::{Barrier, Event, WaitGroup};
use linchpin::sync::watched::Watched;
use tokio::sync::{Notify, watch};
use tokio_util::task::TaskTracker;

use crate::harness::{Operation, tokio_spawn};
use crate::row::Role::{Ours, Peer};

const LINCHPIN: &str = "linchpin";
const TOKIO: &str = "tokio";
/// Tasks that wait.
const CROWD: u64 = 64;

/// Tasks that wait, again and again, each time let through together.
macro_rules! crowd {
    ($made:expr, |$waits:ident| $wait:expr, |$opens:ident| $open:expr) => {
        |operations: u64| async move {
            let $opens = $made;
            let (rounds, waiting) = (operations.div_ceil(CROWD), Arc::new(AtomicU64::new(0)));
            let tasks: Vec<_> = (0..CROWD)
                .map(|_| {
                    let ($waits, waiting) = ($opens.clone(), waiting.clone());
                    tokio_spawn(async move {
                        for _ in 0..rounds {
                            waiting.fetch_add(1, Ordering::Relaxed);
                            $wait;
                        }
                    })
                })
                .collect();
            for round in 1..=rounds {
                // On one thread who says that it waits has begun to when somebody else runs.
                while waiting.load(Ordering::Relaxed) < round * CROWD {
                    tokio::task::yield_now().await;
                }
                $open;
            }
            for task in tasks {
                task.await.expect("it does not panic");
            }
        }
    };
}

/// Every row of events and their like.
pub fn operations() -> Vec<Operation> {
    let mut operations = events();
    operations.push(wait_group());
    operations.extend([barrier("barrier-ct", false), barrier("barrier-mt", true)]);
    operations.extend(watched());
    operations
}

fn events() -> Vec<Operation> {
    vec![
        // What has happened already, and is waited for.
        Operation::new("event")
            .ct(Ours, LINCHPIN, |operations| async move {
                let (ctx, event) = (Context::root().child(), Event::new());
                event.set();
                for _ in 0..operations {
                    drop(black_box(event.wait(&ctx).await));
                }
            })
            .ct(Peer, "tokio watch, wait_for", |operations| async move {
                let mut is_set = watch::Sender::new(true).subscribe();
                for _ in 0..operations {
                    black_box(is_set.wait_for(|is_set| *is_set).await.is_ok());
                }
            })
            .ct(Peer, "tokio Notify, rung each time", |operations| async move {
                let bell = Notify::new();
                for _ in 0..operations {
                    bell.notify_one();
                    bell.notified().await;
                }
            }),
        // One thing lets all through: per task that waited.
        Operation::new("event-wake")
            .ct(
                Ours,
                LINCHPIN,
                crowd!(Event::new(), |event| drop(event.wait(&Context::root()).await), |event| {
                    event.set();
                    event.reset();
                }),
            )
            .ct(
                Peer,
                "tokio Notify",
                crowd!(Arc::new(Notify::new()), |bell| bell.notified().await, |bell| bell
                    .notify_waiters()),
            )
            .ct(
                Peer,
                "event-listener",
                crowd!(
                    Arc::new(event_listener::Event::<()>::new()),
                    |event| event.listen().await,
                    |event| event.notify(usize::MAX)
                ),
            ),
    ]
}

fn wait_group() -> Operation {
    Operation::new("wait-group")
        .sync(Ours, LINCHPIN, {
            let group = WaitGroup::new();
            move || group.begin()
        })
        .sync(Peer, "tokio-util TaskTracker, a token", {
            let tracker = TaskTracker::new();
            move || tracker.token()
        })
        .sync(Peer, "crossbeam WaitGroup, a clone", {
            let group = crossbeam_utils::sync::WaitGroup::new();
            move || group.clone()
        })
}

fn watched() -> Vec<Operation> {
    vec![
        // To look while nothing has changed.
        Operation::new("watched")
            .sync(Ours, LINCHPIN, {
                let watched = Watched::new(7_u64);
                let mut viewer = watched.viewer();
                move || {
                    let _keep = &watched;
                    **viewer.get()
                }
            })
            .sync(Peer, "tokio watch, borrow", {
                let sender = watch::Sender::new(7_u64);
                let mut receiver = sender.subscribe();
                move || {
                    let _keep = &sender;
                    *receiver.borrow_and_update()
                }
            }),
        // One change, seen by eight that wait: per viewer.
        Operation::new("watched-wake")
            .ct(Ours, LINCHPIN, |operations| async move {
                let watched = Watched::new(0);
                let rounds = operations.div_ceil(8);
                let tasks: Vec<_> = (0..8)
                    .map(|_| {
                        let mut viewer = watched.viewer();
                        tokio_spawn(async move {
                            drop(viewer.wait_for(&Context::root(), |value| *value == rounds).await);
                        })
                    })
                    .collect();
                for value in 1..=rounds {
                    tokio::task::yield_now().await;
                    watched.set(value);
                }
                for task in tasks {
                    task.await.expect("it does not panic");
                }
            })
            .ct(Peer, "tokio watch", |operations| async move {
                let sender = watch::Sender::new(0);
                let rounds = operations.div_ceil(8);
                let tasks: Vec<_> = (0..8)
                    .map(|_| {
                        let mut receiver = sender.subscribe();
                        tokio_spawn(async move {
                            black_box(receiver.wait_for(|value| *value == rounds).await.is_ok());
                        })
                    })
                    .collect();
                for value in 1..=rounds {
                    tokio::task::yield_now().await;
                    sender.send_replace(value);
                }
                for task in tasks {
                    task.await.expect("it does not panic");
                }
            }),
    ]
}

/// Eight tasks that go on together: per wait.
fn barrier(name: &'static str, mt: bool) -> Operation {
    const PARTIES: u64 = 8;
    macro_rules! batch {
        ($made:expr, |$own:ident| $wait:expr) => {
            |operations: u64| async move {
                let shared = $made;
                let tasks: Vec<_> = (0..PARTIES)
                    .map(|_| {
                        let $own = shared.clone();
                        tokio_spawn(async move {
                            for _ in 0..operations.div_ceil(PARTIES) {
                                $wait;
                            }
                        })
                    })
                    .collect();
                for task in tasks {
                    task.await.expect("it does not panic");
                }
            }
        };
    }
    let ours = batch!(Barrier::new(PARTIES as usize).expect("parties"), |barrier| {
        barrier.wait(&Context::root()).await.expect("it does not end")
    });
    let tokio = batch!(Arc::new(tokio::sync::Barrier::new(PARTIES as usize)), |barrier| {
        barrier.wait().await
    });
    let operation = Operation::new(name);
    if mt {
        operation.mt(Ours, LINCHPIN, ours).mt(Peer, TOKIO, tokio)
    } else {
        operation.ct(Ours, LINCHPIN, ours).ct(Peer, TOKIO, tokio)
    }
}
