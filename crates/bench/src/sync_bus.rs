//! Rows `bus*`: a message published to so many subscribers and received by each, per delivery.
//!
//! `bus-N`: sixty-four messages are published, then each subscriber receives them one by one. `bus-N-each`: one message
//! is published, then each receives it. `bus-N-many`: as `bus-N`, received in batches by those who can. Nobody parks in
//! these; `bus-N-parked` has a task for each subscriber, which is woken for each message.
//!
//! Ours asks a context first, counts what is delivered and dropped, and lends the message where the others copy it.
//! "Loses the oldest" is what tokio's does; "waits" is what async-broadcast's and Go's do. A channel for each subscriber
//! is what a bus is made of by hand: one topic, its subscribers known, a copy of the message for each. An mpsc lets several
//! publish, as all of these do; an spsc does not, takes no atomic change at all, and is shown as the floor.

mod go;

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use linchpin::Context;
use linchpin::sync::bus::{Bus, Policy, Subscriber, Subscription, Topic};
use tokio::sync::{broadcast, mpsc};

use self::go::Go;
use crate::harness::{Operation, tokio_spawn};
use crate::row::Role::{Ours, Peer};

const OLDEST: &str = "linchpin, loses the oldest";
const WAITS: &str = "linchpin, waits";
const TOKIO: &str = "tokio broadcast";
const ASYNC_BROADCAST: &str = "async-broadcast (waits)";
const CROSSFIRE: &str = "crossfire mpsc, a channel for each";
const SPSC: &str = "crossfire spsc, a channel for each (one publisher)";
const MPSC: &str = "tokio mpsc, a channel for each";
/// Room for so many messages.
const ROOM: usize = 128;
const BURST: usize = 64;

/// Every row of the bus.
pub fn operations() -> Vec<Operation> {
    let go = Go::build();
    let one_by_one = |name, n, burst| go.beside(one_by_one(name, n, burst), n, burst);
    let parked = |name, n| go.beside(parked(name, n), n, 0);
    vec![
        one_by_one("bus-1", 1, BURST),
        one_by_one("bus-8", 8, BURST),
        one_by_one("bus-64", 64, BURST),
        one_by_one("bus-1-each", 1, 1),
        one_by_one("bus-8-each", 8, 1),
        one_by_one("bus-64-each", 64, 1),
        many("bus-1-many", 1),
        many("bus-8-many", 8),
        many("bus-64-many", 64),
        parked("bus-1-parked", 1),
        parked("bus-8-parked", 8),
        parked("bus-64-parked", 64),
    ]
}

fn bus(subscribers: usize, policy: Policy) -> (Topic<u64>, Vec<Subscriber<u64>>) {
    let bus = Bus::new();
    let subscription = Subscription::default().buffer(ROOM).policy(policy);
    let subscribe = |_| bus.subscribe("topic", subscription.clone()).expect("a good name");
    let subscribers = (0..subscribers).map(subscribe).collect();
    (bus.topic("topic").expect("a good name"), subscribers)
}

/// How many rounds of so many messages make so many deliveries.
fn rounds(deliveries: u64, subscribers: usize, burst: usize) -> u64 {
    deliveries.div_ceil((subscribers * burst) as u64)
}

fn one_by_one(name: &'static str, n: usize, burst: usize) -> Operation {
    macro_rules! batch {
        ($made:expr, |$tx:ident, $message:ident| $publish:expr, |$rx:ident| $recv:expr) => {
            move |deliveries: u64| async move {
                let ($tx, mut receivers) = $made;
                for round in 0..rounds(deliveries, n, burst) {
                    for $message in 0..burst as u64 {
                        let $message = $message ^ round;
                        $publish;
                    }
                    for $rx in &mut receivers {
                        for _ in 0..burst {
                            black_box($recv);
                        }
                    }
                }
            }
        };
    }
    let root = Context::root;
    Operation::new(name)
        .ct(
            Ours,
            OLDEST,
            batch!(
                bus(n, Policy::DropOldest),
                |tx, message| tx.try_publish(message).expect("room"),
                |rx| *rx.recv(&root()).await.expect("a message")
            ),
        )
        .ct(
            Ours,
            WAITS,
            batch!(
                bus(n, Policy::Wait),
                |tx, message| tx.publish(&root(), message).await.expect("room"),
                |rx| *rx.recv(&root()).await.expect("a message")
            ),
        )
        .ct(
            Peer,
            TOKIO,
            batch!(tokio_broadcast(n), |tx, message| tx.send(message).expect("receivers"), |rx| rx
                .recv()
                .await
                .expect("a message")),
        )
        .ct(
            Peer,
            ASYNC_BROADCAST,
            batch!(
                async_broadcasts(n),
                |tx, message| tx.broadcast_direct(message).await.expect("room"),
                |rx| rx.recv_direct().await.expect("a message")
            ),
        )
        .ct(
            Peer,
            CROSSFIRE,
            batch!(
                crossfires(n),
                |tx, message| for one in &tx {
                    one.send(message).await.expect("room");
                },
                |rx| rx.recv().await.expect("a message")
            ),
        )
        .ct(
            Peer,
            SPSC,
            batch!(
                single_crossfires(n),
                |tx, message| for one in &tx {
                    one.send(message).await.expect("room");
                },
                |rx| rx.recv().await.expect("a message")
            ),
        )
        .ct(
            Peer,
            MPSC,
            batch!(
                mpscs(n),
                |tx, message| for one in &tx {
                    one.send(message).await.expect("room");
                },
                |rx| rx.recv().await.expect("a message")
            ),
        )
}

fn many(name: &'static str, n: usize) -> Operation {
    Operation::new(name)
        .ct(Ours, OLDEST, move |deliveries| async move {
            let (topic, mut subscribers) = bus(n, Policy::DropOldest);
            let ctx = Context::root();
            for round in 0..rounds(deliveries, n, BURST) {
                for message in 0..BURST as u64 {
                    topic.try_publish(message ^ round).expect("room");
                }
                for subscriber in &mut subscribers {
                    let mut left = BURST;
                    while left > 0 {
                        let batch = subscriber.recv_many(&ctx, left).await.expect("messages");
                        left -= batch.len();
                        batch.for_each(|message| {
                            black_box(*message);
                        });
                    }
                }
            }
        })
        .ct(Peer, MPSC, move |deliveries| async move {
            let (senders, mut receivers) = mpscs(n);
            let mut batch = Vec::with_capacity(BURST);
            for round in 0..rounds(deliveries, n, BURST) {
                for message in 0..BURST as u64 {
                    for sender in &senders {
                        sender.send(message ^ round).await.expect("room");
                    }
                }
                for receiver in &mut receivers {
                    let mut left = BURST;
                    while left > 0 {
                        left -= receiver.recv_many(&mut batch, left).await;
                        batch.drain(..).for_each(|message| {
                            black_box(message);
                        });
                    }
                }
            }
        })
}

/// A task for each subscriber; the publisher lets them run after each message.
fn parked(name: &'static str, n: usize) -> Operation {
    macro_rules! batch {
        ($made:expr, |$tx:ident, $message:ident| $publish:expr, |$rx:ident| $recv:expr) => {
            move |deliveries: u64| async move {
                let ($tx, receivers) = $made;
                let (rounds, waiting) = (rounds(deliveries, n, 1), Arc::new(AtomicU64::new(0)));
                let tasks: Vec<_> = receivers
                    .into_iter()
                    .map(|receiver| {
                        let (mut receiver, waiting) = (receiver, waiting.clone());
                        tokio_spawn(async move {
                            let $rx = &mut receiver;
                            for _ in 0..rounds {
                                waiting.fetch_add(1, Ordering::Relaxed);
                                black_box($recv);
                            }
                        })
                    })
                    .collect();
                for $message in 1..=rounds {
                    // On one thread who says that it waits has begun to when somebody else runs.
                    while waiting.load(Ordering::Relaxed) < $message * n as u64 {
                        tokio::task::yield_now().await;
                    }
                    $publish;
                }
                for task in tasks {
                    task.await.expect("it does not panic");
                }
            }
        };
    }
    let root = Context::root;
    Operation::new(name)
        .ct(
            Ours,
            OLDEST,
            batch!(
                bus(n, Policy::DropOldest),
                |tx, message| tx.try_publish(message).expect("room"),
                |rx| *rx.recv(&root()).await.expect("a message")
            ),
        )
        .ct(
            Peer,
            TOKIO,
            batch!(tokio_broadcast(n), |tx, message| tx.send(message).expect("receivers"), |rx| rx
                .recv()
                .await
                .expect("a message")),
        )
        .ct(
            Peer,
            ASYNC_BROADCAST,
            batch!(
                async_broadcasts(n),
                |tx, message| tx.broadcast_direct(message).await.expect("room"),
                |rx| rx.recv_direct().await.expect("a message")
            ),
        )
        .ct(
            Peer,
            CROSSFIRE,
            batch!(
                crossfires(n),
                |tx, message| for one in &tx {
                    one.send(message).await.expect("room");
                },
                |rx| rx.recv().await.expect("a message")
            ),
        )
}

fn tokio_broadcast(n: usize) -> (broadcast::Sender<u64>, Vec<broadcast::Receiver<u64>>) {
    let sender = broadcast::Sender::new(ROOM);
    let receivers = (0..n).map(|_| sender.subscribe()).collect();
    (sender, receivers)
}

fn async_broadcasts(
    n: usize,
) -> (async_broadcast::Sender<u64>, Vec<async_broadcast::Receiver<u64>>) {
    let (sender, receiver) = async_broadcast::broadcast(ROOM);
    (sender, (0..n).map(|_| receiver.clone()).collect())
}

type Crossfire = crossfire::mpsc::Array<u64>;

fn crossfires(
    n: usize,
) -> (Vec<crossfire::MAsyncTx<Crossfire>>, Vec<crossfire::AsyncRx<Crossfire>>) {
    (0..n).map(|_| crossfire::mpsc::bounded_async(ROOM)).unzip()
}

type Single = crossfire::spsc::Array<u64>;

fn single_crossfires(
    n: usize,
) -> (Vec<crossfire::AsyncTx<Single>>, Vec<crossfire::AsyncRx<Single>>) {
    (0..n).map(|_| crossfire::spsc::bounded_async(ROOM)).unzip()
}

fn mpscs(n: usize) -> (Vec<mpsc::Sender<u64>>, Vec<mpsc::Receiver<u64>>) {
    (0..n).map(|_| mpsc::channel(ROOM)).unzip()
}
