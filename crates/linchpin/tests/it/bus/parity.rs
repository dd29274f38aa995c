//! The cases of watermill's in-process bus (`pubsub/gochannel`) and of tokio's `broadcast`, in our words.

use futures_util::FutureExt as _;
use linchpin::Context;
use linchpin::sync::bus::{Bus, Options, Policy, RecvError, Subscription, TryRecvError};
use linchpin::task;

use super::{SECOND, drain, subscribe, topic};

/// `TestPublishSubscribe_persistent`: who subscribes later sees what was published before.
#[test]
fn what_is_kept_is_seen_by_who_subscribes_later() {
    let bus = Bus::with(Options::default().replay(100));
    let topic = topic(&bus);
    (0..100).for_each(|n| topic.try_publish(n).unwrap());
    let subscription = Subscription::default().buffer(100).replay(100);
    let mut late = bus.subscribe("topic", subscription).unwrap();
    (100..110).for_each(|n| topic.try_publish(n).unwrap());
    assert_eq!(drain(&mut late).last(), Some(&109));
}

/// What `TestPublishSubscribe_not_persistent` leaves open: who was not there does not see it.
#[test]
fn what_is_not_kept_is_gone_for_who_subscribes_later() {
    let bus = Bus::new();
    let topic = topic(&bus);
    topic.try_publish(1).unwrap();
    let mut late = subscribe(&bus, 8, Policy::DropOldest);
    assert_eq!(late.try_recv().unwrap_err(), TryRecvError::Empty);
}

/// `TestPublishSubscribe_block_until_ack`: there the publisher waits for the acknowledgement; here, with room for one and
/// `Wait`, until the message before it is received.
#[test]
fn a_publisher_waits_until_the_message_before_was_received() {
    let bus = Bus::new();
    let (topic, mut reads) = (topic(&bus), subscribe(&bus, 1, Policy::Wait));
    topic.try_publish(1).unwrap();
    assert!(topic.try_publish(2).is_err());
    reads.try_recv().unwrap();
    topic.try_publish(2).unwrap();
}

/// `TestSubscribe_race_condition_when_closing`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subscribing_while_the_bus_closes_ends_one_way_or_the_other() {
    for _ in 0..200 {
        let bus = Bus::<u8>::new();
        let other = bus.clone();
        let subscribes = task::spawn("subscribes", async move {
            let ctx = Context::root().with_timeout(60 * SECOND);
            let mut reads = subscribe(&other, 1, Policy::Wait);
            drop(other);
            assert!(matches!(reads.recv(&ctx).await, Err(RecvError::Closed)));
        });
        bus.close();
        subscribes.join().await;
    }
}

/// What watermill has no case for: the one whom publishers wait for goes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn publishing_while_a_subscriber_goes_holds_nobody_up() {
    let (ctx, bus) = (Context::root().with_timeout(60 * SECOND), Bus::new());
    let topic = topic(&bus);
    for n in 0..500 {
        let reads = subscribe(&bus, 1, Policy::Wait);
        let goes = task::spawn("goes", async move {
            tokio::task::yield_now().await;
            drop(reads);
        });
        topic.publish(&ctx, n).await.unwrap();
        topic.publish(&ctx, n).await.unwrap();
        goes.join().await;
    }
    assert_eq!(topic.subscribers(), 0);
}

/// `TestPublishSubscribe_do_not_block_other_subscribers`, broadcast's `lagging_rx`.
#[test]
fn a_slow_subscriber_holds_up_no_other() {
    let bus = Bus::new();
    let topic = topic(&bus);
    let (mut slow, mut quick) =
        (subscribe(&bus, 1, Policy::DropNewest), subscribe(&bus, 1, Policy::DropNewest));
    for n in 0..100 {
        topic.try_publish(n).unwrap();
        assert_eq!(*quick.try_recv().unwrap(), n);
    }
    assert_eq!(drain(&mut slow), [0]);
}

/// Broadcast's `send_recv_bounded`, `send_two_recv`, `send_recv_slot_reuse`.
#[test]
fn sent_and_received_in_turn_by_two_through_many_rounds() {
    let bus = Bus::new();
    let topic = topic(&bus);
    let mut both = [(); 2].map(|()| subscribe(&bus, 2, Policy::Wait));
    for n in 0..500 {
        topic.try_publish("hello").unwrap();
        topic.try_publish("world").unwrap();
        for reads in &mut both {
            assert_eq!(
                (*reads.try_recv().unwrap(), *reads.try_recv().unwrap()),
                ("hello", "world")
            );
            assert!(reads.try_recv().is_err(), "round {n}");
        }
    }
}

/// Broadcast's `dropping_tx_notifies_rx`, `dropping_sender_does_not_overwrite`, `lagging_receiver_recovers_after_wrap_closed`.
#[test]
fn a_subscriber_behind_a_closed_bus_reads_what_is_in_its_buffer() {
    let bus = Bus::new();
    let (topic, mut reads) = (topic(&bus), subscribe(&bus, 2, Policy::DropOldest));
    for word in ["one", "two", "three"] {
        topic.try_publish(word).unwrap();
    }
    drop((bus, topic));
    let message = reads.try_recv().unwrap();
    assert_eq!((*message, message.missed()), ("two", 1));
    assert_eq!(drain(&mut reads), ["three"]);
    let closed = reads.recv(&Context::root()).now_or_never().unwrap();
    assert!(matches!(closed, Err(RecvError::Closed)));
}

/// Broadcast's `single_capacity_recvs_when_polled`, `unconsumed_messages_are_dropped`.
#[test]
fn what_was_not_received_is_dropped_with_the_subscriber() {
    let (probe, bus) = (std::sync::Arc::new(()), Bus::new());
    let (topic, reads) = (topic(&bus), subscribe(&bus, 8, Policy::DropOldest));
    topic.try_publish(probe.clone()).unwrap();
    assert_eq!(std::sync::Arc::strong_count(&probe), 2);
    drop(reads);
    assert_eq!(std::sync::Arc::strong_count(&probe), 1);
}
