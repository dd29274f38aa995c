//! Ends and other edges: closing, contexts, names, what user code may do.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use futures_util::FutureExt as _;
use linchpin::Context;
use linchpin::sync::bus::{Bus, Options, Policy, RecvError, Subscription, Topic, TryRecvError};
use linchpin::sync::channel::{SendError, TrySendError};
use linchpin::task;
use linchpin_testing::steps::{self, poll_by_hand};

use crate::bell::Bell;
use crate::panic::Bomb;

use super::{SECOND, drain, subscribe, topic};

#[test]
fn a_closed_bus_lets_what_is_there_be_read_and_nothing_in() {
    let (ctx, bus) = (Context::root(), Bus::new());
    let (topic, mut reads) = (topic(&bus), subscribe(&bus, 1, Policy::Wait));
    let mut parked = bus.subscribe("other", Subscription::default()).unwrap();
    let mut wait = poll_by_hand(parked.recv(&ctx));
    assert!(wait.poll().is_pending());
    topic.try_publish(1).unwrap();
    let mut publish = poll_by_hand(topic.publish(&ctx, 2));
    assert!(publish.poll().is_pending());
    bus.close();
    assert!(bus.is_closed());
    assert!(matches!(publish.poll(), Poll::Ready(Err(SendError::Closed(2)))));
    assert!(matches!(wait.poll(), Poll::Ready(Err(RecvError::Closed))));
    assert_eq!(topic.try_publish(3), Err(TrySendError::Closed(3)));
    assert_eq!(drain(&mut reads), [1]);
    assert_eq!(reads.try_recv().unwrap_err(), TryRecvError::Closed);
    let late = bus.subscribe("late", Subscription::default()).unwrap().try_recv().map(|_| ());
    assert_eq!(late.unwrap_err(), TryRecvError::Closed);
}

#[test]
fn the_last_who_can_publish_closes() {
    let bus = Bus::new();
    let mut reads = subscribe(&bus, 8, Policy::DropNewest);
    let topic = topic(&bus);
    let again = topic.clone();
    drop((bus, topic));
    again.try_publish(1).unwrap();
    drop(again);
    assert_eq!(drain(&mut reads), [1]);
    assert_eq!(reads.try_recv().unwrap_err(), TryRecvError::Closed);
}

#[test]
fn under_a_context_that_has_ended_nothing_is_published_or_received() {
    let (ctx, bus) = (Context::root().child(), Bus::new());
    let (topic, mut reads) = (topic(&bus), subscribe(&bus, 8, Policy::DropOldest));
    topic.try_publish(1).unwrap();
    ctx.cancel("over");
    let published = topic.publish(&ctx, 2).now_or_never().unwrap();
    assert!(matches!(published, Err(SendError::Ended(2, _))));
    assert!(matches!(reads.recv(&ctx).now_or_never().unwrap(), Err(RecvError::Ended(_))));
    assert_eq!(drain(&mut reads), [1]);
}

#[test]
fn bad_names_and_buffers_are_refused_with_the_reason() {
    let bus = Bus::<u8>::new();
    let why = |name: &str| bus.topic(name).unwrap_err().to_string();
    assert_eq!(why("a.*"), "bad options for Bus: `a.*` is a pattern, a topic is wanted");
    assert!(why("a..b").contains("an empty one"));
    let why = |name: &str, buffer| {
        bus.subscribe(name, Subscription::default().buffer(buffer)).unwrap_err().to_string()
    };
    assert!(why("a.b*", 1).contains("neither a word nor `*` nor `**`"));
    assert!(why("**.a", 1).contains("does not stand at the end"));
    assert!(why("a", 0).contains("no message at all"));
    assert!(bus.topics().is_empty(), "nothing is left of what was refused");
}

#[test]
fn topics_and_patterns_are_forgotten_with_the_last_who_uses_them() {
    let bus = Bus::<u8>::new();
    let (topic, clone) = (topic(&bus), topic(&bus).clone());
    let reads = subscribe(&bus, 1, Policy::DropOldest);
    let pattern = bus.subscribe("*", Subscription::default()).unwrap();
    assert_eq!(bus.topics().len(), 2);
    drop((topic, clone, pattern));
    assert_eq!(bus.topics().len(), 1);
    drop(reads);
    assert!(bus.topics().is_empty());
}

/// Counts how many there are.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[test]
fn what_nobody_will_read_is_not_kept_however_slow_somebody_is() {
    let (count, bus) = (Arc::new(AtomicUsize::new(0)), Bus::new());
    let topic = topic(&bus);
    topic.try_publish(Counted::new(&count)).unwrap();
    assert_eq!(count.load(Ordering::SeqCst), 0, "nobody was there");
    // None of them ever reads.
    let slow = [Policy::DropOldest, Policy::DropNewest, Policy::Disconnect]
        .map(|policy| subscribe(&bus, 10, policy));
    for _ in 0..10_000 {
        topic.try_publish(Counted::new(&count)).unwrap();
        assert!(count.load(Ordering::SeqCst) <= 10 + 10 + 4 * 64);
    }
    drop(slow);
    assert_eq!(count.load(Ordering::SeqCst), 0);
    let mut reads = subscribe(&bus, 10, Policy::DropNewest);
    for _ in 0..10_000 {
        topic.try_publish(Counted::new(&count)).unwrap();
        assert!(reads.try_recv().is_ok());
        assert!(count.load(Ordering::SeqCst) <= 2 * 64);
    }
}

#[test]
fn what_is_dropped_with_a_message_may_come_back_to_the_bus() {
    /// Publishes one more when it is dropped.
    struct Again(Option<Topic<Again>>);
    impl Drop for Again {
        fn drop(&mut self) {
            if let Some(topic) = self.0.take() {
                drop(topic.try_publish(Self(None)));
            }
        }
    }
    let bus = Bus::new();
    let (topic, mut reads) = (topic(&bus), subscribe(&bus, 8, Policy::DropOldest));
    for _ in 0..500 {
        topic.try_publish(Again(Some(topic.clone()))).unwrap();
        while reads.try_recv().is_ok() {}
    }
    drop(reads);
    topic.try_publish(Again(Some(topic.clone()))).unwrap();
    assert!(topic.published() > 1_000);
}

#[test]
fn a_waker_of_a_subscriber_that_panics_keeps_nobody_from_being_woken() {
    let (ctx, bus) = (Context::root(), Bus::new());
    let topic = topic(&bus);
    let mut subscribers = [(); 3].map(|()| subscribe(&bus, 4, Policy::DropOldest));
    let bells = [true, true, false].map(Bell::new);
    let mut waits: Vec<_> =
        subscribers.iter_mut().map(|subscriber| Box::pin(subscriber.recv(&ctx))).collect();
    for (wait, bell) in waits.iter_mut().zip(&bells) {
        let waker = bell.waker();
        assert!(wait.as_mut().poll(&mut std::task::Context::from_waker(&waker)).is_pending());
    }
    topic.try_publish(1).unwrap();
    assert!(bells.iter().all(|bell| bell.has_rung()));
}

#[tokio::test(start_paused = true)]
async fn a_wait_for_a_message_may_be_dropped_anywhere() {
    type World = (Bus<usize>, task::Task<()>, std::cell::Cell<usize>);
    let world = async || {
        let bus = Bus::with(Options::default().replay(8));
        let topic = topic(&bus);
        let publisher = task::spawn("publisher", async move {
            for n in 0..4 {
                tokio::time::sleep(SECOND).await;
                topic.publish(&Context::root(), n).await.unwrap();
            }
        });
        (bus, publisher, std::cell::Cell::new(0))
    };
    let work = async |(bus, _, seen): &World| {
        let ctx = Context::root().with_timeout(10 * SECOND);
        let mut reads = subscribe(bus, 8, Policy::Wait);
        for _ in 0..3 {
            assert_eq!(*reads.recv(&ctx).await.unwrap(), seen.get());
            seen.set(seen.get() + 1);
        }
        assert_eq!(reads.recv_many(&ctx, 9).await.unwrap().len(), 1);
        assert!(reads.recv(&ctx).await.is_err());
    };
    let left = async |(bus, publisher, _): &World| {
        while !publisher.is_finished() {
            tokio::time::sleep(SECOND).await;
        }
        let listed = bus.topics();
        assert!(listed.iter().all(|topic| topic.subscribers.is_empty() && topic.waiting == 0));
    };
    assert!(steps::drop_at_each(world, work, left).await.steps > 4);
}

/// Publishers and subscribers on several threads: each sees all of its topic, those of one publisher in order.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn on_several_threads_nothing_is_lost_or_seen_twice() {
    const EACH: usize = 2_000;
    let (bus, ctx) = (Bus::new(), Context::root().with_timeout(60 * SECOND));
    let subscribers: Vec<_> = ["topic", "topic", "*", "**"]
        .map(|name| {
            let subscription = Subscription::default().buffer(7).policy(Policy::Wait);
            let (mut reads, ctx) =
                (bus.subscribe(name, subscription).unwrap(), Context::clone(&ctx));
            task::spawn("subscriber", async move {
                let mut next = [0; 3];
                loop {
                    match reads.recv_many(&ctx, 5).await {
                        Ok(batch) => batch.for_each(|message| {
                            let (publisher, n): (usize, usize) = *message;
                            assert_eq!((n, message.missed()), (next[publisher], 0));
                            next[publisher] += 1;
                        }),
                        Err(RecvError::Closed) => return next,
                        Err(other) => panic!("{other}"),
                    }
                }
            })
        })
        .into_iter()
        .collect();
    let publishers: Vec<_> = (0..3)
        .map(|publisher| {
            let (topic, ctx) = (topic(&bus), Context::clone(&ctx));
            task::spawn("publisher", async move {
                for n in 0..EACH {
                    topic.publish(&ctx, (publisher, n)).await.unwrap();
                }
            })
        })
        .collect();
    for publisher in publishers {
        publisher.join().await;
    }
    drop(bus);
    for subscriber in subscribers {
        assert_eq!(subscriber.join().await, [EACH; 3]);
    }
}

#[test]
fn a_message_that_panics_when_it_is_dropped_leaves_the_bus_whole() {
    let bus = Bus::new();
    let (topic, mut reads) = (topic(&bus), subscribe(&bus, 4, Policy::DropOldest));
    for _ in 0..200 {
        topic.try_publish(Some(Bomb)).unwrap();
        assert!(reads.try_recv().unwrap().is_some());
    }
    for _ in 0..200 {
        topic.try_publish(Some(Bomb)).unwrap();
    }
    drop(reads);
    let published = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        drop(topic.try_publish(Some(Bomb)));
    }));
    assert!(published.is_err(), "nobody was there, so it is the publisher's own");
    let mut reads = subscribe(&bus, 4, Policy::Wait);
    topic.try_publish(None).unwrap();
    assert!(reads.try_recv().unwrap().is_none());
}
