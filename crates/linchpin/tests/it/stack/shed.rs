//! A shedder in front of a server's other policies.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;
use linchpin::resilience::adaptive;
use linchpin::resilience::bulkhead;
use linchpin::resilience::limiter::{self, Rate};
use linchpin::resilience::shed::{Level, Load, Options, Shedder};
use linchpin::resilience::stack::{Builder, Stack};
use linchpin::resilience::{Failed, FailedKind, Outcome, Priority, Refusal};
use linchpin::{Context, Kind, task};
use linchpin_testing::steps::drop_at_each;
use tower_layer::Layer as _;

use super::layer::{ByNumber, call, callee};
use super::{MS, SECOND};
use crate::shed::options;

fn server() -> Builder {
    Stack::server("test")
}

/// Sheds what is critical, too, from a fifth of the processors on.
fn early(load: &Load) -> Options {
    options(load).window(Priority::Critical, 0.1, 0.2)
}

async fn refusal(stack: &Stack, ctx: &Context) -> Option<Refusal> {
    let failed = stack.call(ctx, |_| async { Ok::<_, &str>(1) }).await.err()?;
    let FailedKind::Refused(refusal) = failed.into_kind() else { panic!("nothing else fails") };
    Some(refusal)
}

fn inflight(stack: &Stack) -> u32 {
    stack.shedder().unwrap().numbers().inflight
}

#[tokio::test(start_paused = true)]
async fn what_is_shed_costs_nothing_inside() {
    let load = Load::given();
    let quota = (Rate::new(1, 3_600 * SECOND), limiter::Options::default().burst(9));
    let builder = server().bulkhead(2).limiter(quota).adaptive(adaptive::Options::default());
    let stack = builder.shed(early(&load)).build().unwrap();
    let root = Context::root();
    let left = || stack.limiter().unwrap().try_acquire(0).unwrap().remaining();
    let inside = || (inflight(&stack), stack.adaptive().unwrap().numbers().inflight);

    load.set(0.5);
    for _ in 0..5 {
        let refusal = refusal(&stack, &root).await.unwrap();
        assert_eq!((refusal.policy, refusal.instance), ("shed", "test"));
        assert_eq!(refusal.retry_after, Some(2 * SECOND));
    }
    assert_eq!((left(), inside(), stack.bulkhead().unwrap().free()), (9, (0, 0), 2));

    // Whom a policy inside refuses is not under way.
    load.set(0.0);
    let hang = || Box::pin(stack.call(&root, |_| std::future::pending::<Result<u8, ()>>()));
    let mut calls = [hang(), hang()];
    assert!(calls.iter_mut().all(|call| call.now_or_never().is_none()));
    assert_eq!(refusal(&stack, &root).await.unwrap().policy, "bulkhead");
    assert_eq!((left(), inside()), (7, (2, 2)));
    drop(calls);
    assert_eq!(inside(), (0, 0));
    assert_eq!(refusal(&stack, &root).await, None);
}

#[tokio::test(start_paused = true)]
async fn how_critical_a_call_is_stands_in_its_context() {
    let load = Load::given();
    let stack = server().shed(options(&load).by_priority()).build().unwrap();
    load.set(0.825);
    for (class, level, is_shed) in [
        (Priority::Sheddable, None, true),
        (Priority::SheddablePlus, Level::new(99), false),
        (Priority::SheddablePlus, Level::new(0), true),
        (Priority::Critical, None, false),
    ] {
        let ctx = Context::root().with_value(class);
        let ctx = level.map_or_else(|| ctx.clone(), |level| ctx.with_value(level));
        let refusal = refusal(&stack, &ctx).await;
        assert_eq!(refusal.is_some(), is_shed, "{class} {level:?}: {refusal:?}");
    }
}

/// Calls of it take 400 ms, as far as it knows.
async fn slow(stack: &Stack) {
    for _ in 0..20 {
        let work = |_| async {
            tokio::time::sleep(400 * MS).await;
            Ok::<_, ()>(1)
        };
        stack.call(&Context::root(), work).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn it_is_the_callers_deadline_that_can_be_too_near() {
    let shedder = Shedder::new("known", options(&Load::given()).in_time()).unwrap();
    let plain = server().shed(shedder.clone()).build().unwrap();
    slow(&plain).await;
    let hurried = Context::root().with_timeout(250 * MS);
    let late = refusal(&plain, &hurried).await.unwrap();
    assert_eq!((late.kind, late.instance, late.used), (Kind::DeadlineExceeded, "known", 250));
    // The stack's own is the same for all: who is refused by it would never be served again.
    let short = server().deadline(250 * MS).shed(shedder).build().unwrap();
    assert_eq!(refusal(&short, &Context::root()).await, None);
    // In a layer the request says it.
    let mut service = plain.layer_with(ByNumber).layer(callee(&[Ok(7)]));
    let failed = call(&mut service, 35).await.unwrap_err();
    assert!(matches!(failed.kind(), FailedKind::Refused(late) if late.used == 250), "{failed:?}");
    assert_eq!(call(&mut service, 25).await.unwrap(), 7);
    assert_eq!(inflight(&plain), 0);
}

#[tokio::test(start_paused = true)]
async fn who_waits_inside_is_under_way_and_the_wait_is_a_part_of_the_call() {
    let waits = (1, bulkhead::Options::default().max_queue(16).max_wait(SECOND));
    let stack = server().shed(options(&Load::given())).bulkhead(waits).build().unwrap();
    let root = Context::root();
    let mut first = Box::pin(stack.call(&root, |_| std::future::pending::<Result<u8, ()>>()));
    assert!((&mut first).now_or_never().is_none());
    let quick = || Box::pin(stack.call(&root, |_| async { Ok::<_, ()>(1) }));
    let mut line: Vec<_> = std::iter::repeat_with(quick).take(10).collect();
    assert!(line.iter_mut().all(|call| call.now_or_never().is_none()));
    assert_eq!(inflight(&stack), 11);
    tokio::time::advance(100 * MS).await;
    drop(first);
    for call in line {
        call.await.unwrap();
    }
    tokio::time::advance(100 * MS).await;
    let numbers = stack.shedder().unwrap().numbers();
    assert!((numbers.most - 10.0).abs() < 1e-9, "ten in a bucket, of 100 ms each: {numbers:?}");
    assert_eq!(numbers.inflight, 0);
}

#[tokio::test(start_paused = true)]
async fn only_successes_say_what_a_server_bears() {
    let picky = |result: Result<&u8, &u8>| match result {
        Ok(0) => Outcome::Success,
        _ => Outcome::Failure,
    };
    for (answer, bears) in [(Ok(0), 20.0), (Ok(1), 10.0), (Err(1), 10.0)] {
        let plain = server().shed(options(&Load::given())).build().unwrap();
        let stack = plain.classified(picky);
        let root = Context::root();
        let work = |_| async move {
            tokio::time::sleep(100 * MS).await;
            answer
        };
        let calls = futures_util::future::join_all((0..20).map(|_| stack.call(&root, work))).await;
        assert!(calls.iter().all(|result| result.is_ok() == answer.is_ok()));
        tokio::time::advance(100 * MS).await;
        let numbers = plain.shedder().unwrap().numbers();
        assert!((numbers.most - bears).abs() < 1e-9, "{answer:?}: {numbers:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_place_is_given_back_at_each_step_and_by_a_panic() {
    let waits = (1, bulkhead::Options::default().max_queue(4).max_wait(SECOND));
    let build = || server().shed(options(&Load::given())).bulkhead(waits).build().unwrap();
    drop_at_each(
        async || {
            let stack = build();
            let place = stack.bulkhead().unwrap().enter_owned(&Context::root()).await.unwrap();
            let leaves = task::spawn("leaves", async move {
                tokio::time::sleep(MS).await;
                drop(place);
            });
            (stack, Context::root().child(), leaves)
        },
        async |(stack, ctx, _)| {
            let work = |_| async {
                tokio::time::sleep(MS).await;
                Ok::<_, ()>(1)
            };
            stack.call(ctx, work).await.unwrap();
        },
        async |(stack, ..)| assert_eq!(inflight(stack), 0),
    )
    .await;
    for late in [false, true] {
        let (stack, root) = (build(), Context::root());
        let work = |_| {
            assert!(late, "in the closure");
            async { panic!("in its future") }
        };
        let mut call = Box::pin(AssertUnwindSafe(stack.call(&root, work)).catch_unwind());
        let raised: Result<Result<u8, Failed<()>>, _> = call.as_mut().await;
        assert!(raised.is_err());
        assert_eq!(inflight(&stack), 0, "while the future is still there");
        drop(call);
        assert_eq!((inflight(&stack), stack.bulkhead().unwrap().free()), (0, 1), "once");
    }
}

#[tokio::test(start_paused = true)]
async fn a_layer_sheds_before_the_service_is_called() {
    let load = Load::given();
    let stack = server().shed(early(&load)).bulkhead(1).build().unwrap();
    let mut service = stack.layer().layer(callee(&[Ok(7), Err(3), Ok(8)]));
    assert_eq!(call(&mut service, 1).await.unwrap(), 7);
    let failed = call(&mut service, 2).await.unwrap_err();
    assert!(matches!(failed.kind(), FailedKind::Callee(3)));
    load.set(0.5);
    let failed = call(&mut service, 3).await.unwrap_err();
    assert!(matches!(failed.kind(), FailedKind::Refused(refusal) if refusal.policy == "shed"));
    load.set(0.0);
    assert_eq!(call(&mut service, 4).await.unwrap(), 8, "it was not called in between");
    assert_eq!(inflight(&stack), 0);
}

#[tokio::test(start_paused = true)]
async fn a_server_prints_its_shedder_first() {
    let load = Load::given();
    let shared = Shedder::new("all", options(&load).threshold(0.8)).unwrap();
    let stack = Stack::server("api")
        .bulkhead(64)
        .limiter(Rate::per_second(100))
        .adaptive(adaptive::Options::default())
        .shed(shared)
        .deadline(30 * SECOND)
        .build()
        .unwrap();
    let expected = "\
server `api`
  deadline   30s
  shed       more than it bears, from 80 % of the processors on (shared, `all`)
  adaptive   by gradient, from 1 to 200
  limiter    100 in 1s, 100 at once
  bulkhead   64 places
  handler";
    assert_eq!(stack.to_string(), expected);
    let shown = |options: Options| Shedder::new("test", options).unwrap().to_string();
    let all = options(&load).window(Priority::Sheddable, 0.55, 0.7).in_time();
    let expected = "more than it bears, from 90 % of the processors on; by criticality, from 55 % on; \
                    what comes too late";
    assert_eq!(shown(all), expected);
}
