//! Publishers in line: first come, first served, and whoever leaves holds nobody up.

use std::task::Poll;

use linchpin::Context;
use linchpin::sync::bus::{Bus, Policy, Subscription};
use linchpin::sync::channel::{SendError, TrySendError};
use linchpin::task;
use linchpin_testing::steps::{self, poll_by_hand};

use super::{SECOND, drain, subscribe, topic};

#[test]
fn publishers_are_served_in_the_order_in_which_they_came() {
    let (ctx, bus) = (Context::root(), Bus::new());
    let (topic, mut reads) = (topic(&bus), subscribe(&bus, 1, Policy::Wait));
    topic.try_publish(0).unwrap();
    let mut line: Vec<_> = (1..=4).map(|n| poll_by_hand(topic.publish(&ctx, n))).collect();
    assert!(line.iter_mut().all(|publish| publish.poll().is_pending()));
    for n in 0..4 {
        assert_eq!(*reads.try_recv().unwrap(), n);
        // Who comes now waits, though there is room: it is due to the first in line.
        assert_eq!(topic.try_publish(99), Err(TrySendError::Full(99)));
        for publish in line.iter_mut().skip(1) {
            assert!(publish.poll().is_pending());
        }
        assert!(matches!(line.remove(0).poll(), Poll::Ready(Ok(()))));
        // The next has the turn now, and comes for it.
        if let Some(next) = line.first_mut() {
            assert!(next.poll().is_pending());
        }
    }
    assert_eq!(drain(&mut reads), [4]);
    assert_eq!(topic.waiting(), 0);
    topic.try_publish(5).unwrap();
}

#[test]
fn one_who_leaves_the_line_gives_its_turn_to_the_next_and_nobody_sees_its_message() {
    let (ctx, bus) = (Context::root(), Bus::new());
    let (topic, mut reads) = (topic(&bus), subscribe(&bus, 1, Policy::Wait));
    topic.try_publish(0).unwrap();
    let mut first = poll_by_hand(topic.publish(&ctx, 1));
    let mut second = poll_by_hand(topic.publish(&ctx, 2));
    assert!(first.poll().is_pending() && second.poll().is_pending());
    drop(first);
    assert!(second.wakes() > 0 && second.poll().is_pending());
    assert_eq!(*reads.try_recv().unwrap(), 0);
    assert!(second.poll().is_ready());
    assert_eq!(drain(&mut reads), [2]);
}

#[test]
fn a_subscriber_who_goes_lets_those_on_who_wait_for_it() {
    let (ctx, bus) = (Context::root(), Bus::new());
    let (topic, slow) = (topic(&bus), subscribe(&bus, 1, Policy::Wait));
    let mut pattern = bus.subscribe("**", Subscription::default()).unwrap();
    topic.try_publish(0).unwrap();
    let mut publish = poll_by_hand(topic.publish(&ctx, 1));
    assert!(publish.poll().is_pending());
    drop(slow);
    assert!(publish.wakes() > 0 && publish.poll().is_ready());
    assert_eq!(drain(&mut pattern), [0, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_publisher_that_waits_may_be_dropped_anywhere() {
    type World = (Bus<u32>, task::Task<Vec<u32>>);
    let world = async || {
        let bus = Bus::new();
        let mut reads = subscribe(&bus, 1, Policy::Wait);
        let reader = task::spawn("reader", async move {
            let mut seen = Vec::new();
            for _ in 0..8 {
                tokio::time::sleep(SECOND).await;
                let ctx = Context::root().with_timeout(SECOND / 2);
                seen.extend(reads.recv(&ctx).await.map(|message| *message));
            }
            seen
        });
        (bus, reader)
    };
    for timeout in [20 * SECOND, 2 * SECOND] {
        let work = async |(bus, _): &World| {
            let (ctx, topic) = (Context::root().with_timeout(timeout), topic(bus));
            for n in 0..4 {
                if let Err(SendError::Ended(back, _)) = topic.publish(&ctx, n).await {
                    assert_eq!(back, n);
                }
            }
        };
        let left = async |(bus, reader): &World| {
            while !reader.is_finished() {
                tokio::time::sleep(SECOND).await;
            }
            assert!(bus.topics().iter().all(|listed| listed.waiting == 0));
        };
        assert!(steps::drop_at_each(world, work, left).await.steps > 1);
    }
}
