//! A throttle in use: calls and permits, what counts as taken on, other options while it runs, panics.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use linchpin::resilience::Outcome::{self, Failure, Ignored, Success};
use linchpin::resilience::throttle::{Numbers, Throttle};
use linchpin::resilience::{ByFailed, ByKind, ByResult, Classify, Failed, FailedKind, Refusal};
use linchpin::time::Instant;
use linchpin::{Context, Error, Kind};
use linchpin_testing::steps::drop_at_each;

use super::{LUCK, SECOND, assert_about, call, chance, draws, scripted, throttle, with};

fn counted(throttle: &Throttle) -> (u64, u64) {
    let Numbers { requests, accepted, .. } = throttle.numbers();
    (requests, accepted)
}

#[tokio::test(start_paused = true)]
async fn a_refusal_explains_itself_and_the_callee_was_not_asked() {
    let throttle = with(scripted(), 100, 20);
    draws(0.0);
    let refused = throttle.call(&Context::root(), || async { unreachable!("never asked") }).await;
    let failed: Failed<()> = Result::<(), _>::unwrap_err(refused);
    let FailedKind::Refused(refusal) = failed.into_kind() else { panic!("no refusal") };
    assert_eq!((refusal.policy, refusal.instance), ("throttle", "test"));
    assert_eq!((refusal.retry_after, refusal.retryable), (None, false));
    let text =
        "throttle `test` refused: the callee takes on too few of the calls (20 of 100)".to_owned();
    assert_eq!(refusal.to_string(), text);
    assert_eq!(Error::from(refusal).kind(), Kind::Unavailable);
    assert_eq!(counted(&throttle), (101, 20), "what is refused is a request");
    let sync = throttle.call_sync(|| Ok::<_, ()>(1));
    assert!(matches!(sync.unwrap_err().kind(), FailedKind::Refused(_)));
}

#[tokio::test(start_paused = true)]
async fn what_ends_a_call_is_what_it_counts_as() {
    let throttle = throttle(scripted());
    let root = Context::root();
    throttle.call(&root, || async { Ok::<_, ()>(1) }).await.unwrap();
    assert_eq!(counted(&throttle), (1, 1));
    throttle.call(&root, || async { Err::<(), _>("sick") }).await.unwrap_err();
    assert_eq!(counted(&throttle), (2, 1));
    // A deadline cuts a callee that did not answer.
    let late = root.with_timeout(SECOND);
    throttle.call(&late, std::future::pending::<Result<(), ()>>).await.unwrap_err();
    assert_eq!(counted(&throttle), (3, 1));
    // The caller goes away.
    let gone = root.child();
    let mut call = Box::pin(throttle.call(&gone, std::future::pending::<Result<(), ()>>));
    assert!((&mut call).now_or_never().is_none());
    assert_eq!(throttle.numbers().under_way, 1);
    gone.cancel("gone");
    call.await.unwrap_err();
    drop(throttle.admit(Instant::now()).unwrap());
    throttle.admit(Instant::now()).unwrap().record(Ignored);
    assert_eq!((counted(&throttle), throttle.numbers().under_way), ((3, 1), 0));
}

#[test]
fn an_answer_is_a_call_that_was_taken_on_and_a_429_is_none() {
    fn load<T>(result: Result<T, Kind>) -> Outcome {
        ByKind.load(result.map_err(|kind| Error::new(kind, "it")).as_ref())
    }
    for (kind, expected) in [
        (Kind::NotFound, Success),
        (Kind::Internal, Success),
        (Kind::Unknown, Success),
        (Kind::ResourceExhausted, Failure),
        (Kind::Unavailable, Failure),
        (Kind::DeadlineExceeded, Failure),
        (Kind::Cancelled, Ignored),
    ] {
        assert_eq!(load(Err::<(), _>(kind)), expected, "{kind:?}");
    }
    assert_eq!(load(Ok(1)), Success);
    // A refusal of an inner policy is none of the callee's.
    let throttle = with(scripted(), 100, 0);
    draws(0.0);
    let refusal: Refusal = throttle.admit(Instant::now()).map(drop).unwrap_err();
    let refused: Result<(), Error> = Err(refusal.clone().into());
    assert_eq!(ByKind.load(refused.as_ref()), Ignored);
    // The words of inner policies.
    let inner = ByFailed::<ByResult>::default();
    for (failed, expected) in [
        (Failed::from(FailedKind::Callee("sick")), Failure),
        (FailedKind::TimedOut.into(), Failure),
        (refusal.into(), Ignored),
    ] {
        assert_eq!(inner.load(Err::<&(), _>(&failed)), expected, "{failed:?}");
    }
    // By default what the classifier says, be it a closure.
    let classify = |result: Result<&u16, &()>| match result {
        Ok(503) => Failure,
        _ => Success,
    };
    let busy = super::throttle(scripted()).classified(classify);
    assert_eq!(busy.call_sync(|| Ok(503)).unwrap(), 503, "the response passes as it is");
    assert_eq!(busy.numbers().accepted, 0);
}

#[tokio::test(start_paused = true)]
async fn a_call_is_dropped_at_each_step() {
    drop_at_each(
        async || (throttle(scripted()), String::from("order")),
        async |(throttle, order)| {
            let ctx = Context::root();
            let work = || async {
                tokio::time::sleep(SECOND).await;
                Ok::<_, ()>(order.len())
            };
            throttle.call(&ctx, work).await
        },
        async |(throttle, _)| {
            let numbers = throttle.numbers();
            assert!(numbers.requests <= 1 && numbers.under_way == 0);
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_wait_on_this_side_does_not_make_a_call_late() {
    let throttle = throttle(scripted());
    let mut queued = throttle.admit(Instant::now()).unwrap();
    let hung = throttle.admit(Instant::now()).unwrap();
    tokio::time::advance(900 * Duration::from_millis(1)).await;
    queued.begin(Instant::now());
    tokio::time::advance(900 * Duration::from_millis(1)).await;
    let numbers = throttle.numbers();
    assert_eq!((numbers.overdue, numbers.under_way), (1, 2));
    drop(hung);
    queued.record(Success);
    let numbers = throttle.numbers();
    assert_eq!((numbers.overdue, numbers.under_way, numbers.requests), (0, 0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_permit_may_go_to_another_task_and_outlive_the_handle() {
    let throttle = throttle(scripted());
    let other = throttle.clone();
    let permit = throttle.admit_owned(Instant::now()).unwrap();
    drop(throttle);
    linchpin::task::spawn("elsewhere", async move { permit.record(Success) }).join().await;
    assert_eq!(counted(&other), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn other_options_keep_what_was_counted() {
    let throttle = with(scripted(), 100, 80);
    let held = throttle.admit(Instant::now()).unwrap();
    assert_about(chance(&throttle), 0.0);
    throttle.reconfigure(scripted().multiplier(1.0 / 0.95)).unwrap();
    assert_about(chance(&throttle), 0.1563);
    assert!(throttle.reconfigure(scripted().multiplier(0.0)).is_err());
    assert_about(chance(&throttle), 0.1563);
    // A longer window keeps what there is, a shorter one forgets what is too old for it.
    throttle.reconfigure(scripted().window(600 * SECOND)).unwrap();
    assert_eq!(counted(&throttle), (100, 80));
    throttle.reconfigure(scripted()).unwrap();
    tokio::time::advance(60 * SECOND).await;
    assert_eq!(counted(&throttle), (101, 80), "one is overdue");
    throttle.reconfigure(scripted().window(12 * SECOND)).unwrap();
    assert_eq!(counted(&throttle), (1, 0));
    // Whoever is under way is counted on, with pending calls counted and not.
    throttle.reconfigure(scripted().no_pending()).unwrap();
    let uncounted = throttle.admit(Instant::now()).unwrap();
    assert_eq!(throttle.numbers().under_way, 1);
    throttle.reconfigure(scripted()).unwrap();
    uncounted.record(Success);
    drop(held);
    let numbers = throttle.numbers();
    assert_eq!((numbers.under_way, numbers.overdue, numbers.requests), (0, 0, 1));
}

#[tokio::test(start_paused = true)]
async fn it_is_shown_to_people() {
    let throttle = with(scripted(), 4, 3);
    let held = throttle.admit(Instant::now()).unwrap();
    let shown = throttle.snapshot().to_string();
    assert_eq!(
        shown,
        "throttle `test`: passing, chance 0, requests 4, accepted 3, overdue 0, under_way 1"
    );
    drop(held);
    assert!(
        with(scripted(), 100, 0).snapshot().to_string().starts_with("throttle `test`: throttl")
    );
    assert!(format!("{throttle:?}").contains("accepted: 3"));
}

#[tokio::test(start_paused = true)]
async fn a_permit_that_is_dropped_while_a_panic_unwinds_was_not_accepted() {
    let throttle = throttle(scripted());
    let panics = || {
        let _permit = throttle.admit(Instant::now()).unwrap();
        panic!("boom");
    };
    assert!(catch_unwind(AssertUnwindSafe(panics)).is_err());
    assert_eq!((counted(&throttle), throttle.numbers().under_way), ((1, 0), 0));
}

#[tokio::test(start_paused = true)]
async fn a_classifier_that_panics_is_a_request_that_was_not_accepted() {
    let throttle = throttle(scripted());
    let bad = throttle.classified(|_: Result<&u8, &()>| -> Outcome { panic!("no words") });
    let raised = catch_unwind(AssertUnwindSafe(|| bad.call_sync(|| Ok(1)).map(drop)));
    assert!(raised.is_err());
    assert_eq!((counted(&throttle), throttle.numbers().under_way), ((1, 0), 0));
}

#[tokio::test(start_paused = true)]
async fn a_chance_that_panics_leaves_the_throttle_as_it_was() {
    let options = scripted().random(|| panic!("no luck"));
    let throttle = Arc::new(super::throttle(options));
    for _ in 0..10 {
        assert!(call(&throttle, Failure), "no chance is asked for");
    }
    let asked = catch_unwind(AssertUnwindSafe(|| drop(throttle.admit(Instant::now()))));
    assert!(asked.is_err());
    assert_eq!((counted(&throttle), throttle.numbers().under_way), ((10, 0), 0));
    draws(LUCK);
}
