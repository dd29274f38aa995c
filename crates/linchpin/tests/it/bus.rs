//! The bus: who sees what, in which order, what a slow subscriber costs, and what is left of one who goes.

mod edges;
mod line;
mod parity;
mod random;
mod watermill;

use std::task::Poll;
use std::time::Duration;

use futures_util::FutureExt as _;
use linchpin::Context;
use linchpin::sync::bus::{
    Bus, Options, Policy, RecvError, Subscriber, Subscription, Topic, TryRecvError,
};
use linchpin::sync::channel::TrySendError;
use linchpin_testing::steps::poll_by_hand;

pub(crate) const SECOND: Duration = Duration::from_secs(1);

pub(crate) fn topic<T>(bus: &Bus<T>) -> Topic<T> {
    bus.topic("topic").unwrap()
}

pub(crate) fn subscribe<T>(bus: &Bus<T>, buffer: usize, policy: Policy) -> Subscriber<T> {
    let subscription = Subscription::default().name("test").buffer(buffer).policy(policy);
    bus.subscribe("topic", subscription).unwrap()
}

/// All that is there.
pub(crate) fn drain<T: Copy>(subscriber: &mut Subscriber<T>) -> Vec<T> {
    std::iter::from_fn(|| subscriber.try_recv().ok().map(|message| *message)).collect()
}

#[tokio::test]
async fn every_subscriber_sees_every_message_in_order_from_when_it_came() {
    let (ctx, bus) = (Context::root(), Bus::new());
    let topic = topic(&bus);
    topic.publish(&ctx, 0).await.unwrap();
    let mut first = subscribe(&bus, 512, Policy::DropOldest);
    for n in 1..=200 {
        topic.publish(&ctx, n).await.unwrap();
    }
    let mut second = subscribe(&bus, 512, Policy::Wait);
    for n in 201..=400 {
        topic.try_publish(n).unwrap();
    }
    assert_eq!(drain(&mut first), (1..=400).collect::<Vec<_>>());
    assert_eq!(drain(&mut second), (201..=400).collect::<Vec<_>>());
    assert_eq!((topic.published(), topic.subscribers()), (401, 2));
    assert_eq!(first.try_recv().unwrap_err(), TryRecvError::Empty);
}

#[test]
fn who_loses_the_oldest_has_the_last_and_is_told_how_many_it_missed() {
    let bus = Bus::new();
    let (topic, mut slow) = (topic(&bus), subscribe(&bus, 3, Policy::DropOldest));
    let mut quick = subscribe(&bus, 1, Policy::DropOldest);
    for n in 0..300 {
        topic.try_publish(n).unwrap();
        assert_eq!(*quick.try_recv().unwrap(), n);
    }
    let numbers = slow.numbers();
    assert_eq!((numbers.delivered, numbers.dropped, numbers.lag, numbers.buffer), (0, 297, 3, 3));
    let message = slow.try_recv().unwrap();
    assert_eq!((*message, message.missed()), (297, 297));
    assert_eq!(slow.try_recv().unwrap().missed(), 0);
    assert_eq!(drain(&mut slow), [299]);
    let numbers = slow.numbers();
    assert_eq!((numbers.delivered, numbers.dropped, numbers.lag), (3, 297, 0));
    assert_eq!((quick.numbers().delivered, quick.numbers().dropped), (300, 0));
}

#[test]
fn who_loses_the_newest_has_the_first_and_goes_on_when_it_has_room() {
    let bus = Bus::new();
    let (topic, mut slow) = (topic(&bus), subscribe(&bus, 2, Policy::DropNewest));
    for n in 0..5 {
        topic.try_publish(n).unwrap();
    }
    assert_eq!((slow.numbers().lag, slow.numbers().dropped), (2, 3));
    assert_eq!(*slow.try_recv().unwrap(), 0);
    for n in 5..200 {
        topic.try_publish(n).unwrap();
    }
    assert_eq!(*slow.try_recv().unwrap(), 1);
    let message = slow.try_recv().unwrap();
    assert_eq!((*message, message.missed()), (5, 3));
    assert_eq!(slow.try_recv().unwrap_err(), TryRecvError::Empty);
    topic.try_publish(200).unwrap();
    let message = slow.try_recv().unwrap();
    assert_eq!((*message, message.missed()), (200, 194));
    let numbers = slow.numbers();
    assert_eq!((numbers.delivered, numbers.dropped, numbers.lag), (4, 197, 0));
}

#[test]
fn who_is_disconnected_reads_what_it_had_and_then_that_it_was() {
    let bus = Bus::new();
    let (topic, mut slow) = (topic(&bus), subscribe(&bus, 2, Policy::Disconnect));
    let mut quick = subscribe(&bus, 512, Policy::Disconnect);
    for n in 0..300 {
        topic.try_publish(n).unwrap();
    }
    assert_eq!(slow.numbers().lag, 2);
    assert_eq!(drain(&mut slow), [0, 1]);
    assert_eq!(slow.try_recv().unwrap_err(), TryRecvError::Disconnected);
    let received = slow.recv(&Context::root()).now_or_never().unwrap();
    assert!(matches!(received, Err(RecvError::Disconnected)));
    assert_eq!(drain(&mut quick).len(), 300);
}

#[test]
fn who_must_be_waited_for_holds_publishers_up_until_it_reads() {
    let (ctx, bus) = (Context::root(), Bus::new());
    let (topic, mut slow) = (topic(&bus), subscribe(&bus, 2, Policy::Wait));
    topic.try_publish(0).unwrap();
    topic.try_publish(1).unwrap();
    assert_eq!(topic.try_publish(2), Err(TrySendError::Full(2)));
    let mut publish = poll_by_hand(topic.publish(&ctx, 2));
    assert!(publish.poll().is_pending());
    assert_eq!(topic.waiting(), 1);
    assert_eq!(*slow.try_recv().unwrap(), 0);
    assert!(publish.wakes() > 0);
    assert!(matches!(publish.poll(), Poll::Ready(Ok(()))));
    drop(publish);
    assert_eq!((topic.waiting(), drain(&mut slow)), (0, vec![1, 2]));
    assert_eq!(slow.numbers().dropped, 0);
}

#[test]
fn an_empty_subscriber_parks_and_is_woken_by_what_comes() {
    let (ctx, bus) = (Context::root(), Bus::new());
    let topic = topic(&bus);
    let mut subscribers = [(); 3].map(|()| subscribe(&bus, 4, Policy::DropOldest));
    let mut waits: Vec<_> =
        subscribers.iter_mut().map(|subscriber| poll_by_hand(subscriber.recv(&ctx))).collect();
    assert!(waits.iter_mut().all(|wait| wait.poll().is_pending()));
    topic.try_publish(7).unwrap();
    for wait in &mut waits {
        assert!(wait.wakes() > 0);
        assert!(matches!(wait.poll(), Poll::Ready(Ok(message)) if *message == 7));
    }
}

#[test]
fn a_pattern_sees_all_its_topics_in_one_order_and_says_which() {
    let bus = Bus::new();
    let eu = bus.topic("orders.eu").unwrap();
    let mut all = bus.subscribe("orders.*", Subscription::default().buffer(256)).unwrap();
    let mut every = bus.subscribe("**", Subscription::default().buffer(256)).unwrap();
    let us = bus.topic("orders.us").unwrap();
    let other = bus.topic("bills.us").unwrap();
    let mut alone = bus.subscribe("orders.eu", Subscription::default().buffer(256)).unwrap();
    for n in 0..60 {
        eu.try_publish(3 * n).unwrap();
        us.try_publish(3 * n + 1).unwrap();
        other.try_publish(3 * n + 2).unwrap();
    }
    for n in 0..60 {
        let message = all.try_recv().unwrap();
        assert_eq!((message.topic(), *message), ("orders.eu", 3 * n));
        let message = all.try_recv().unwrap();
        assert_eq!((message.topic(), *message), ("orders.us", 3 * n + 1));
        let message = alone.try_recv().unwrap();
        assert_eq!((message.topic(), *message), ("orders.eu", 3 * n));
    }
    assert_eq!(drain(&mut every), (0..180).collect::<Vec<_>>());
    drop(all);
    us.try_publish(1).unwrap();
    assert_eq!(drain(&mut every), [1]);
}

#[test]
fn a_message_is_published_to_all_that_match_or_to_none() {
    let bus = Bus::new();
    let topic = topic(&bus);
    let mut own = subscribe(&bus, 4, Policy::DropOldest);
    let full = Subscription::default().buffer(1).policy(Policy::Wait);
    let (mut one, mut other) =
        (bus.subscribe("*", full.clone()).unwrap(), bus.subscribe("**", full).unwrap());
    topic.try_publish(0).unwrap();
    assert_eq!(*one.try_recv().unwrap(), 0);
    // `**` is full, so nobody sees it.
    assert_eq!(topic.try_publish(1), Err(TrySendError::Full(1)));
    assert_eq!((drain(&mut own), drain(&mut one)), (vec![0], vec![]));
    assert_eq!(*other.try_recv().unwrap(), 0);
    topic.try_publish(2).unwrap();
    assert_eq!((drain(&mut own), drain(&mut one), drain(&mut other)), (vec![2], vec![2], vec![2]));
}

#[test]
fn the_last_messages_are_seen_by_who_comes_later_if_it_wants_them() {
    let bus = Bus::with(Options::default().replay(3));
    let topic = topic(&bus);
    for n in 0..200 {
        topic.try_publish(n).unwrap();
    }
    let late = |replay, buffer| {
        let subscription = Subscription::default().buffer(buffer).replay(replay);
        drain(&mut bus.subscribe("topic", subscription).unwrap())
    };
    assert_eq!(late(0, 8), Vec::<i32>::new());
    assert_eq!(late(2, 8), [198, 199]);
    assert_eq!(late(9, 8), [197, 198, 199]);
    assert_eq!(late(3, 1), [199], "no more than there is room for");
    drop(topic);
    assert_eq!(late(1, 8), [199], "what is kept stays");
}

#[test]
fn a_pattern_sees_the_last_messages_of_all_its_topics_in_their_order() {
    let bus = Bus::with(Options::default().replay(4));
    let topics = ["a.x", "a.y", "b.x"].map(|name| bus.topic(name).unwrap());
    for n in 0..30 {
        topics[n % 3].try_publish(n).unwrap();
    }
    for _again in 0..2 {
        let replayed = Subscription::default().replay(4);
        let mut late = bus.subscribe("a.*", replayed.clone()).unwrap();
        assert_eq!(drain(&mut late), [24, 25, 27, 28]);
        let mut later = bus.subscribe("a.*", replayed).unwrap();
        assert_eq!(drain(&mut later), [24, 25, 27, 28]);
    }
}

#[test]
fn a_batch_is_what_is_there() {
    let (ctx, bus) = (Context::root(), Bus::new());
    let (topic, mut subscriber) = (topic(&bus), subscribe(&bus, 512, Policy::Wait));
    (0..300).for_each(|n| topic.try_publish(n).unwrap());
    let mut seen = Vec::new();
    while seen.len() < 300 {
        let batch = subscriber.recv_many(&ctx, 50).now_or_never().unwrap().unwrap();
        assert!((1..=50).contains(&batch.len()));
        seen.extend(batch.map(|message| *message));
    }
    assert_eq!(seen, (0..300).collect::<Vec<_>>());
    assert!(subscriber.recv_many(&ctx, 50).now_or_never().is_none());
    topic.try_publish(300).unwrap();
    assert_eq!(subscriber.recv_many(&ctx, 0).now_or_never().unwrap().unwrap().len(), 1);
    assert_eq!((subscriber.numbers().delivered, subscriber.numbers().lag), (301, 0));
}

#[test]
fn a_batch_ends_where_something_was_missed() {
    let (ctx, bus) = (Context::root(), Bus::new());
    let (topic, mut subscriber) = (topic(&bus), subscribe(&bus, 2, Policy::DropNewest));
    (0..4).for_each(|n| topic.try_publish(n).unwrap());
    let many = |subscriber: &mut Subscriber<i32>| {
        let batch = subscriber.recv_many(&ctx, 50).now_or_never().unwrap().unwrap();
        batch.map(|message| (*message, message.missed())).collect::<Vec<_>>()
    };
    assert_eq!(many(&mut subscriber), [(0, 0), (1, 0)]);
    (4..6).for_each(|n| topic.try_publish(n).unwrap());
    assert_eq!(many(&mut subscriber), [(4, 2), (5, 0)]);
}

#[test]
fn the_numbers_of_all_are_listed() {
    let bus = Bus::new();
    let topic = topic(&bus);
    let _slow = subscribe(&bus, 2, Policy::DropOldest);
    let _all = bus.subscribe("**", Subscription::default().name("all")).unwrap();
    (0..3).for_each(|n| topic.try_publish(n).unwrap());
    let listed = bus.topics();
    let names: Vec<_> = listed.iter().map(|listed| (&*listed.name, listed.published)).collect();
    assert_eq!(names, [("topic", 3), ("**", 3)]);
    let (name, policy, numbers) = listed[0].subscribers[0];
    assert_eq!((name, policy), ("test", Policy::DropOldest));
    assert_eq!((numbers.delivered, numbers.dropped, numbers.lag), (0, 1, 2));
    assert_eq!(listed[1].subscribers[0].2.lag, 3);
    let shown = format!("{topic:?}");
    assert_eq!(shown, "Topic { name: \"topic\", published: 3, subscribers: 1, .. }");
}
