//! The panic policy for wakers: one that panics is the business of whoever is polled with it, and of nobody who wakes.

use std::pin::pin;
use std::task::{Context as Poller, Poll};

use linchpin::Context;
use linchpin::sync::channel::{self, Overflow};
use linchpin::sync::event::Event;
use linchpin::sync::lanes::{self, Lanes};
use linchpin::sync::select::Set;
use linchpin::task::pipeline::{Options as Stage, Pipeline};
use linchpin::task::pool::{Options, Pool};

use crate::bell::Bell;

#[tokio::test]
async fn a_waker_of_a_receiver_that_panics_is_no_fault_of_who_sends() {
    let (tx, mut rx) = channel::lossy(1, Overflow::DropOldest).unwrap();
    let bell = Bell::new(true);
    let ctx = Context::root();
    let mut receive = Box::pin(rx.recv(&ctx));
    assert!(receive.as_mut().poll(&mut Poller::from_waker(&bell.waker())).is_pending());
    assert!(tx.send(7).is_ok());
    assert!(bell.has_rung());
    assert_eq!(receive.await.unwrap(), 7);
}

#[tokio::test]
async fn a_waker_of_who_joins_a_job_that_panics_is_no_fault_of_the_worker() {
    let (ctx, pool) = (Context::root(), Pool::new(1, Options::default()).unwrap());
    let bell = Bell::new(true);
    let mut joined = pin!(pool.submit(&ctx, |_| async { Ok(7) }).await.unwrap().join());
    assert!(joined.as_mut().poll(&mut Poller::from_waker(&bell.waker())).is_pending());
    while !bell.has_rung() {
        tokio::task::yield_now().await;
    }
    assert_eq!(joined.await.unwrap(), 7);
    let next = pool.submit(&ctx, |_| async { Ok(8) }).await.unwrap();
    assert_eq!(next.join().await.unwrap(), 8);
    assert_eq!(pool.stats().panicked, 0);
}

#[tokio::test]
async fn a_waker_of_who_waits_for_a_place_that_panics_keeps_nobody_from_one() {
    let ctx = Context::root();
    let pool = Pool::new(1, Options::default().queue(0)).unwrap();
    let event = Event::new();
    let wait = event.clone();
    let first = pool.submit(&ctx, move |ctx| async move { Ok(wait.wait(&ctx).await?) });
    let first = first.await.unwrap();
    let bells = [true, false].map(Bell::new);
    let mut waits = bells.clone().map(|_| Box::pin(pool.submit(&ctx, |_| async { Ok(()) })));
    for (wait, bell) in waits.iter_mut().zip(&bells) {
        assert!(wait.as_mut().poll(&mut Poller::from_waker(&bell.waker())).is_pending());
    }
    event.set();
    first.join().await.unwrap();
    for wait in waits {
        wait.await.unwrap().join().await.unwrap();
    }
    assert!(bells[0].has_rung());
}

#[tokio::test]
async fn a_waker_of_a_pipelines_sink_that_panics_is_no_fault_of_its_stages() {
    let ctx = Context::root();
    let bell = Bell::new(true);
    let pipeline = Pipeline::from(futures_util::stream::iter(0..3)).stage(
        "double",
        Stage::default(),
        |_, n| async move { Ok(n * 2) },
    );
    let mut collected = pin!(pipeline.collect(&ctx));
    assert!(collected.as_mut().poll(&mut Poller::from_waker(&bell.waker())).is_pending());
    while !bell.has_rung() {
        tokio::task::yield_now().await;
    }
    assert_eq!(collected.await.unwrap(), [0, 2, 4]);
}

#[test]
fn a_waker_of_who_waits_for_lanes_that_panics_is_no_fault_of_who_puts() {
    let ctx = Context::root();
    let lanes = Lanes::<u8, u8, u8>::new(2, lanes::Options::default()).unwrap();
    let bells = [true, false].map(Bell::new);
    let mut waits = bells.clone().map(|_| Box::pin(lanes.next(&ctx)));
    for (wait, bell) in waits.iter_mut().zip(&bells) {
        assert!(wait.as_mut().poll(&mut Poller::from_waker(&bell.waker())).is_pending());
    }
    lanes.lane(1, 1).offer(1).unwrap().put(7);
    assert!(bells.iter().all(|bell| bell.has_rung()));
    assert_eq!(lanes.try_next().as_deref(), Some(&7));
}

#[test]
fn a_waker_of_a_set_that_panics_is_no_fault_of_who_wakes_one_of_its_futures() {
    let (ctx, event) = (Context::root(), Event::new());
    let bell = Bell::new(true);
    let mut set = Set::new();
    set.insert("key", Box::pin(event.wait(&ctx)));
    let waker = bell.waker();
    let mut poller = Poller::from_waker(&waker);
    assert!(pin!(set.next(&ctx)).poll(&mut poller).is_pending());
    event.set();
    assert!(bell.has_rung());
    assert!(matches!(
        pin!(set.next(&ctx)).poll(&mut poller),
        Poll::Ready(Ok(Some(("key", Ok(())))))
    ));
}
