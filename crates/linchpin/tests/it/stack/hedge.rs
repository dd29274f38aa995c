//! A hedge in a stack: each attempt goes through the policies, and the one that loses says nothing.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use linchpin::Context;
use linchpin::resilience::breaker;
use linchpin::resilience::fallback::{self, Fallback};
use linchpin::resilience::hedge::{self, Hedge};
use linchpin::resilience::retry::StopReason;
use linchpin::resilience::stack::Builder;
use linchpin::resilience::{ByFailed, ByResult, Failed, FailedKind};
use linchpin::time::Instant;
use tower_layer::Layer as _;
use tower_service::Service;

use super::{MS, SECOND, at_once, client};
use crate::callee::{callee, is_ready};

fn hedged() -> hedge::Options {
    hedge::Options::default().idempotent().delay(100 * MS).max_extra_load(1.0)
}

fn stack() -> Builder {
    client().hedge(hedged()).breaker(breaker::Options::default()).bulkhead(2).timeout(SECOND)
}

async fn takes(time: Duration, result: Result<u32, &'static str>) -> Result<u32, &'static str> {
    tokio::time::sleep(time).await;
    result
}

#[tokio::test(start_paused = true)]
async fn a_second_attempt_is_sent_and_the_loser_says_nothing() {
    let stack = stack().build().unwrap();
    let (start, sent) = (Instant::now(), RefCell::new(Vec::new()));
    let root = Context::root();
    let answer = stack.call(&root, |attempt| {
        sent.borrow_mut().push((attempt.number(), start.elapsed()));
        takes(if attempt.number() == 1 { 10 * SECOND } else { 50 * MS }, Ok(attempt.number()))
    });
    assert_eq!(answer.await.unwrap(), 2);
    assert_eq!(start.elapsed(), 150 * MS);
    assert_eq!(sent.take(), [(1, Duration::ZERO), (2, 100 * MS)]);
    let numbers = stack.breaker().unwrap().numbers();
    assert_eq!((numbers.calls, numbers.failures), (1, 0), "the one that lost is ignored");
    assert_eq!(stack.bulkhead().unwrap().free(), 2);
    assert_eq!(stack.hedge().unwrap().numbers().won, 1);
}

#[tokio::test(start_paused = true)]
async fn each_attempt_has_its_own_time_and_all_share_the_deadline() {
    let stack = stack().deadline(5 * SECOND).build().unwrap();
    let start = Instant::now();
    let root = Context::root();
    let failed = stack.call(&root, |_| takes(10 * SECOND, Ok(1))).await.unwrap_err();
    assert!(matches!(failed.kind(), FailedKind::TimedOut), "{failed:?}");
    assert_eq!(start.elapsed(), 1_100 * MS, "the second began a tenth of a second later");
    assert_eq!((failed.attempts(), failed.others().len()), (2, 1));
    assert_eq!(failed.stop_reason(), Some(StopReason::Attempts));
    assert_eq!(stack.breaker().unwrap().numbers().failures, 2);

    let stack = client().hedge(hedged()).deadline(500 * MS).build().unwrap();
    let start = Instant::now();
    let failed = stack.call(&root, |_| takes(10 * SECOND, Ok(1))).await.unwrap_err();
    assert!(matches!(failed.kind(), FailedKind::Ended(_)), "{failed:?}");
    assert_eq!(start.elapsed(), 500 * MS);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_brings_no_second_attempt() {
    let stack = stack().build().unwrap();
    stack.breaker().unwrap().force_open();
    let root = Context::root();
    let failed = stack.call(&root, |_| takes(SECOND, Ok(1))).await.unwrap_err();
    assert!(matches!(failed.kind(), FailedKind::Refused(refusal) if refusal.policy == "breaker"));
    assert_eq!(failed.attempts(), 1);
}

#[test]
fn what_makes_no_sense_with_a_hedge_is_refused() {
    for (builder, word) in [
        (client().hedge(hedged()).retry(at_once()), "attempts multiply"),
        (client().hedge(hedge::Options::default()), "not marked idempotent"),
        (client().hedge(hedged().delay(SECOND)).timeout(SECOND), "is never sent"),
        (linchpin::resilience::stack::Stack::server("test").hedge(hedged()), "whoever calls"),
    ] {
        let why = builder.build().unwrap_err().to_string();
        assert!(why.contains(word), "{word}: {why}");
    }
    let shared = Hedge::new("search", hedged()).unwrap();
    let shown = client().hedge(shared).build().unwrap().to_string();
    let line = "hedge      up to 2 attempts, the next after 100ms (shared, `search`)";
    assert!(shown.contains(line), "{shown}");
}

#[tokio::test]
async fn a_hedged_call_can_go_to_another_thread() {
    fn goes<T: Send>(value: T) -> T {
        value
    }
    let (stack, ctx) = (stack().build().unwrap(), Context::root());
    let call = goes(stack.call(&ctx, |_| async { Ok::<_, ()>(1) }));
    assert_eq!(call.await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_layer_hedges_too() {
    let stack = stack().build().unwrap();
    let seen = Arc::new(AtomicU32::new(1));
    // It takes long the first time.
    let callee = callee(move |request: u32| {
        let number = seen.fetch_add(1, Ordering::Relaxed);
        let result = if request == 9 { Err("no") } else { Ok(request * 10 + number) };
        takes(if number == 1 { 10 * SECOND } else { 50 * MS }, result)
    });
    let mut service = stack.layer().layer(callee.clone());
    assert!(is_ready(&mut service));
    let start = Instant::now();
    assert_eq!(service.call(4).await.unwrap(), 42);
    assert_eq!(start.elapsed(), 150 * MS);
    assert_eq!(callee.calls(), 2);
    assert_eq!(stack.breaker().unwrap().numbers().calls, 1);
    assert!(is_ready(&mut service));
    let failed: Failed<&str> = service.call(9).await.unwrap_err();
    assert!(matches!(failed.kind(), FailedKind::Callee("no")), "flat: {failed:?}");
}

#[tokio::test(start_paused = true)]
async fn o5_a_fallback_is_asked_once_after_all_attempts() {
    let stack = client().retry(at_once()).breaker(breaker::Options::default()).build().unwrap();
    let prices = Fallback::new("prices", fallback::Options::default()).unwrap();
    let prices = prices.classified(ByFailed(ByResult));
    let (asked, stood_in) = (RefCell::new(0), RefCell::new(0));
    let root = Context::root();
    let work = || {
        stack.call(&root, |_| {
            *asked.borrow_mut() += 1;
            async { Err::<u32, _>("no") }
        })
    };
    let served = prices
        .call(&root, work, |_| {
            *stood_in.borrow_mut() += 1;
            async { Ok(7) }
        })
        .await
        .unwrap();
    assert!(served.degraded().is_some());
    assert_eq!((*served, asked.take(), stood_in.take()), (7, 3, 1));
}
