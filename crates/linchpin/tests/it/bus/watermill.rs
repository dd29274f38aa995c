//! The cases of watermill's suite for every bus (`pubsub/tests`) and of the internals of its in-process one, in our words.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::FutureExt as _;
use linchpin::Context;
use linchpin::sync::bus::{Bus, Options, Policy, RecvError, Subscriber, Subscription};
use linchpin::sync::channel::SendError;
use linchpin::task::{self, Task};

use super::{SECOND, drain, subscribe, topic};

/// A bus that keeps so many, and a subscriber that wants to see them all.
fn kept(messages: usize) -> (Bus<usize>, impl Fn() -> Subscriber<usize>) {
    let bus = Bus::with(Options::default().replay(messages));
    let own = bus.clone();
    let late = move || {
        let all = Subscription::default().buffer(messages).replay(messages).policy(Policy::Wait);
        own.subscribe("topic", all).unwrap()
    };
    (bus, late)
}

/// So many tasks which share that many messages among them.
fn publishers(tasks: usize, messages: usize, bus: &Bus<usize>) -> Vec<Task<()>> {
    let next = Arc::new(AtomicUsize::new(0));
    let publisher = |_| {
        let (topic, next) = (topic(bus), next.clone());
        task::spawn("publisher", async move {
            let ctx = Context::root().with_timeout(60 * SECOND);
            loop {
                let message = next.fetch_add(1, Ordering::Relaxed);
                if message >= messages {
                    return;
                }
                topic.publish(&ctx, message).await.unwrap();
            }
        })
    };
    (0..tasks).map(publisher).collect()
}

/// `TestPublishSubscribe_race_condition_on_subscribe`, `TestPublishSubscribe_do_not_block_without_ack_required`: whoever
/// comes while others publish sees what was before and what comes after, each once.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_subscribes_while_many_publish_sees_each_message_once() {
    const MESSAGES: usize = 500;
    let (bus, late) = kept(MESSAGES);
    let publishers = publishers(10, MESSAGES, &bus);
    let subscribers: Vec<_> = (0..50)
        .map(|_| {
            let mut reads = late();
            task::spawn("subscriber", async move {
                let ctx = Context::root().with_timeout(60 * SECOND);
                let mut seen = Vec::new();
                while seen.len() < MESSAGES {
                    seen.push(*reads.recv(&ctx).await.unwrap());
                }
                assert!(reads.try_recv().is_err(), "one more than there are");
                seen
            })
        })
        .collect();
    for publisher in publishers {
        publisher.join().await;
    }
    let mut orders = BTreeSet::new();
    for subscriber in subscribers {
        let seen = subscriber.join().await;
        assert_eq!(seen.iter().copied().collect::<BTreeSet<_>>().len(), MESSAGES);
        orders.insert(seen);
    }
    assert_eq!(orders.len(), 1, "all see them in one order");
}

/// `TestPublisherClose`: twenty publish at once, go, and nothing of it is lost for who comes then.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_twenty_published_before_they_went_is_all_there() {
    const MESSAGES: usize = 10_000;
    let (bus, late) = kept(MESSAGES);
    for publisher in publishers(20, MESSAGES, &bus) {
        publisher.join().await;
    }
    let mut seen = drain(&mut late());
    seen.sort_unstable();
    assert!(seen.into_iter().eq(0..MESSAGES));
}

/// `TestPublish_concurrent_close`, `TestPublish_race_condition_when_closing`: they are refused and have their message again.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn publishing_while_the_bus_closes_ends_with_a_refusal() {
    for round in 0..20 {
        let bus = Bus::with(Options::default().replay(8));
        // One that holds them up now and then, and one that does not.
        let slow = (round % 2 == 0).then(|| subscribe(&bus, 1, Policy::Wait));
        let publishers = [(); 20].map(|()| {
            let topic = topic(&bus);
            task::spawn("publisher", async move {
                let ctx = Context::root().with_timeout(60 * SECOND);
                for message in 0_u64.. {
                    if let Err(refused) = topic.publish(&ctx, message).await {
                        assert!(matches!(refused, SendError::Closed(back) if back == message));
                        return;
                    }
                    tokio::task::yield_now().await;
                }
            })
        });
        tokio::task::yield_now().await;
        bus.close();
        for publisher in publishers {
            publisher.join().await;
        }
        drop(slow);
    }
}

/// `TestTopic`.
#[test]
fn a_subscriber_of_one_topic_sees_nothing_of_another() {
    let bus = Bus::new();
    let names = ["one", "two"];
    let mut subscribers = names.map(|name| bus.subscribe(name, Subscription::default()).unwrap());
    for name in names {
        bus.topic(name).unwrap().try_publish(name).unwrap();
    }
    for (name, reads) in names.iter().zip(&mut subscribers) {
        assert_eq!(drain(reads), [*name]);
    }
}

/// `TestSubscribeCtx`: who goes because its context has ended takes nothing with it.
#[test]
fn who_goes_with_its_context_leaves_everything_to_the_next() {
    let (bus, late) = kept(20);
    let topic = topic(&bus);
    (0..20).for_each(|n| topic.try_publish(n).unwrap());
    let (ctx, mut goes) = (Context::root().child(), late());
    ctx.cancel("over");
    assert!(matches!(goes.recv(&ctx).now_or_never().unwrap(), Err(RecvError::Ended(_))));
    drop(goes);
    assert_eq!(topic.subscribers(), 0);
    assert!(drain(&mut late()).into_iter().eq(0..20));
}

/// `TestNewSubscriberReceivesOldMessages`: each who comes sees all that was before, and those who were there what is new.
#[test]
fn each_who_comes_sees_all_that_was_before_it() {
    let (bus, late) = kept(8);
    let topic = topic(&bus);
    let mut subscribers: Vec<(Subscriber<usize>, Vec<usize>)> = Vec::new();
    topic.try_publish(0).unwrap();
    for round in 1..4 {
        topic.try_publish(round).unwrap();
        subscribers.push((late(), Vec::new()));
        for (reads, seen) in &mut subscribers {
            seen.extend(drain(reads));
            assert!(seen.iter().copied().eq(0..=round));
        }
    }
}

/// `TestPublish_clean_lock_data`, `TestSubscribe_clean_subscriber_data`.
#[test]
fn a_hundred_topics_that_were_used_leave_nothing() {
    let bus = Bus::new();
    let stays = bus.subscribe("topic.0", Subscription::default()).unwrap();
    for n in 0..100 {
        let name = format!("topic.{n}");
        bus.topic(&name).unwrap().try_publish(n).unwrap();
        drop(bus.subscribe(&name, Subscription::default()).unwrap());
    }
    assert_eq!(bus.topics().len(), 1);
    drop(stays);
    bus.close();
    assert!(bus.topics().is_empty());
}
