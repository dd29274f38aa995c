//! The bus: what is read was written, what is published while a subscriber parks wakes it, room that it makes while a
//! publisher comes to wait for it is told, and a close forgets nobody.

use std::sync::Arc;
use std::task::Waker;

use loom::thread;

use super::{Woken, catches, holds};
use crate::shim::Fault;
use crate::sync::bus::{Bus, Policy, Subscriber, Subscription, TryRecvError};
use crate::sync::waiters::{Over, Place, Wait};

/// A wait that was polled once.
fn begin<P: Place>(place: P) -> (Wait<P>, Arc<Woken>, Option<Over>) {
    let (woken, mut wait) = (Arc::new(Woken::default()), Wait::at(place));
    let first = match wait.poll_over(&Waker::from(woken.clone())) {
        std::task::Poll::Ready(over) => Some(over),
        std::task::Poll::Pending => None,
    };
    (wait, woken, first)
}

fn subscribe(bus: &Bus<u8>, buffer: usize, policy: Policy) -> Subscriber<u8> {
    bus.subscribe("a", Subscription::default().buffer(buffer).policy(policy)).unwrap()
}

fn all(subscriber: &mut Subscriber<u8>) -> Vec<u8> {
    std::iter::from_fn(|| subscriber.try_recv().ok().map(|message| *message)).collect()
}

/// A message comes while a subscriber that found nothing parks.
fn what_comes_while_one_parks_wakes_it() {
    let bus = Bus::new();
    let (topic, mut subscriber) = (bus.topic("a").unwrap(), subscribe(&bus, 2, Policy::DropOldest));
    let publisher = thread::spawn(move || topic.try_publish(7).unwrap());
    let seen = all(&mut subscriber);
    if seen.is_empty() {
        let (wait, woken, first) = begin(subscriber.parking());
        publisher.join().unwrap();
        assert!(first.is_some() || woken.times() == 1, "a wake-up was lost");
        drop(wait);
        assert_eq!(all(&mut subscriber), [7]);
    } else {
        publisher.join().unwrap();
        assert_eq!(seen, [7]);
    }
}

/// The same where messages go the short way by then, on which nobody looks for those who are parked.
fn who_parks_ends_the_short_way() {
    let bus = Bus::new();
    let (topic, mut subscriber) = (bus.topic("a").unwrap(), subscribe(&bus, 8, Policy::DropOldest));
    topic.try_publish(1).unwrap();
    assert_eq!(all(&mut subscriber), [1]);
    let publisher = thread::spawn(move || topic.try_publish(2).unwrap());
    let (wait, woken, first) = begin(subscriber.parking());
    publisher.join().unwrap();
    assert!(first.is_some() || woken.times() == 1, "a wake-up was lost");
    drop(wait);
    assert_eq!(all(&mut subscriber), [2]);
}

/// A message is written where a subscriber reads without the lock.
fn what_is_read_in_place_is_written() {
    let bus = Bus::new();
    let (topic, mut subscriber) = (bus.topic("a").unwrap(), subscribe(&bus, 4, Policy::DropNewest));
    topic.try_publish(1).unwrap();
    let mut seen = all(&mut subscriber);
    let reader = thread::spawn(move || {
        seen.extend(all(&mut subscriber));
        (subscriber, seen)
    });
    topic.try_publish(2).unwrap();
    topic.try_publish(3).unwrap();
    let (mut subscriber, mut seen) = reader.join().unwrap();
    seen.extend(all(&mut subscriber));
    assert_eq!(seen, [1, 2, 3]);
}

/// A subscriber that is full reads while a publisher comes to wait for room.
fn room_that_is_made_is_told() {
    let bus = Bus::new();
    let (topic, mut subscriber) = (bus.topic("a").unwrap(), subscribe(&bus, 1, Policy::Wait));
    topic.try_publish(1).unwrap();
    let reader = thread::spawn(move || {
        assert_eq!(*subscriber.try_recv().unwrap(), 1);
        subscriber
    });
    if topic.try_publish(2).is_err() {
        let (wait, woken, first) = begin(topic.room());
        let subscriber = reader.join().unwrap();
        assert!(first.is_some() || woken.times() == 1, "a wake-up was lost");
        drop(wait);
        topic.try_publish(2).unwrap();
        drop(subscriber);
    } else {
        assert_eq!(all(&mut reader.join().unwrap()), [2]);
    }
}

/// The last who can publish publishes and goes, while a subscriber reads until it is told that nothing more comes.
fn a_close_comes_after_all_messages() {
    let bus = Bus::new();
    let (topic, mut subscriber) = (bus.topic("a").unwrap(), subscribe(&bus, 8, Policy::DropNewest));
    drop(bus);
    let publisher = thread::spawn(move || {
        topic.try_publish(1).unwrap();
        drop(topic);
    });
    let mut seen = all(&mut subscriber);
    let ended = subscriber.try_recv().map(|message| *message);
    if ended == Err(TryRecvError::Closed) {
        assert_eq!(seen, [1], "closed before the last message");
    }
    seen.extend(ended.ok());
    publisher.join().unwrap();
    seen.extend(all(&mut subscriber));
    assert_eq!(seen, [1]);
    assert_eq!(subscriber.try_recv().map(|message| *message), Err(TryRecvError::Closed));
}

/// Two publish while one that loses the oldest reads: what it sees and what it misses are all that there was, in order.
fn what_is_not_seen_is_counted() {
    let bus = Bus::new();
    let (topic, mut subscriber) = (bus.topic("a").unwrap(), subscribe(&bus, 1, Policy::DropOldest));
    let other = topic.clone();
    let publishers = [(topic, 1), (other, 2)]
        .map(|(topic, n)| thread::spawn(move || topic.try_publish(n).unwrap()));
    let mut seen = 0;
    let mut look = |subscriber: &mut Subscriber<u8>| {
        while let Ok(message) = subscriber.try_recv() {
            seen += 1 + message.missed();
        }
    };
    look(&mut subscriber);
    publishers.map(|publisher| publisher.join().unwrap());
    look(&mut subscriber);
    assert_eq!(seen, 2);
    assert_eq!(subscriber.numbers().dropped + subscriber.numbers().delivered, 2);
}

#[test]
fn bus_parks() {
    holds("bus_parks", what_comes_while_one_parks_wakes_it);
    catches(Fault::BusLooksBeforeItParks, what_comes_while_one_parks_wakes_it);
}

#[test]
fn bus_parks_on_the_short_way() {
    holds("bus_parks_on_the_short_way", who_parks_ends_the_short_way);
    catches(Fault::BusStaysPlain, who_parks_ends_the_short_way);
}

#[test]
fn bus_reads() {
    holds("bus_reads", what_is_read_in_place_is_written);
    catches(Fault::BusHandsNothingOn, what_is_read_in_place_is_written);
}

#[test]
fn bus_waits() {
    holds("bus_waits", room_that_is_made_is_told);
    catches(Fault::BusAdvancesUnseen, room_that_is_made_is_told);
}

#[test]
fn bus_closes() {
    holds("bus_closes", a_close_comes_after_all_messages);
}

#[test]
fn bus_drops() {
    holds("bus_drops", what_is_not_seen_is_counted);
}
