//! Bulkhead: who gets in, who waits, who is turned away, and what a drop gives back.

use std::time::Duration;

use futures_util::FutureExt as _;
use linchpin::Context;
use linchpin::context::Cause;
use linchpin::resilience::FailedKind;
use linchpin::resilience::bulkhead::{Bulkhead, Options, Permit};
use linchpin::time::Instant;

fn door(running: usize, options: Options) -> Bulkhead {
    Bulkhead::new("test", running, options).unwrap()
}

fn enter(door: &Bulkhead) -> Permit {
    door.enter(&Context::root()).now_or_never().expect("a place is free").unwrap()
}

fn is_full(door: &Bulkhead) -> bool {
    match door.enter(&Context::root()).now_or_never() {
        Some(Err(failed)) => matches!(failed.kind(), FailedKind::Refused(_)),
        _ => false,
    }
}

#[test]
fn the_default_lets_nobody_wait() {
    let door = door(2, Options::default());
    let _inside = (enter(&door), enter(&door));
    assert!(is_full(&door));
    assert!(door.try_enter().is_err());
}

#[tokio::test]
async fn runs_then_queues_then_refuses() {
    let door = door(1, Options::default().max_queue(1));
    let inside = enter(&door);
    let ctx = Context::root();
    let mut waiter = Box::pin(door.enter(&ctx));
    assert!((&mut waiter).now_or_never().is_none());
    assert!(is_full(&door));
    drop(inside);
    assert!(door.try_enter().is_err(), "nobody overtakes the queue");
    let _second = waiter.await.unwrap();
    assert_eq!(door.free(), 0);
}

#[tokio::test]
async fn a_cancelled_waiter_leaves_the_queue() {
    let door = door(1, Options::default().max_queue(1));
    let _inside = enter(&door);
    let ctx = Context::root();
    let mut waiter = Box::pin(door.enter(&ctx));
    assert!((&mut waiter).now_or_never().is_none());
    drop(waiter);
    assert!(door.enter(&ctx).now_or_never().is_none(), "its place in the queue is free again");
}

#[tokio::test(start_paused = true)]
async fn the_longest_wait_refuses_and_the_deadline_ends() {
    let door = door(1, Options::default().max_queue(4).max_wait(Duration::from_millis(100)));
    let _inside = enter(&door);
    let began = Instant::now();
    let failed = door.enter(&Context::root()).await.unwrap_err();
    assert!(matches!(failed.kind(), FailedKind::Refused(_)));
    assert!(began.elapsed() >= Duration::from_millis(100));

    let ctx = Context::root().with_timeout(Duration::from_millis(30));
    let began = Instant::now();
    let failed = door.enter(&ctx).await.unwrap_err();
    assert!(
        matches!(failed.kind(), FailedKind::Ended(end) if matches!(end.cause(), Cause::Deadline))
    );
    assert!(began.elapsed() < Duration::from_millis(100));
}

#[tokio::test]
async fn a_panicking_call_gives_its_place_back() {
    let door = door(1, Options::default());
    let inside = door.clone();
    let call = linchpin::task::spawn("panicking", async move {
        let _place = inside.enter(&Context::root()).await;
        panic!("boom");
    });
    assert!(call.outcome().await.is_err());
    assert_eq!(door.free(), 1);
}

#[test]
fn no_place_at_all_is_a_mistake() {
    let fault = Bulkhead::new("db", 0, Options::default()).unwrap_err().to_string();
    assert_eq!(fault, "bad options for Bulkhead: `db` has no place at all; say at least 1");
    assert!(Bulkhead::new("db", usize::MAX, Options::default()).is_err());
}
