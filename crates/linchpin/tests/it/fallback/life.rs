//! What becomes of a call that is dropped, panics, is exercised, or is looked at.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;
use linchpin::resilience::FailedKind;
use linchpin::resilience::fallback::{Fallback, Lost, Numbers, Options, Reason};
use linchpin::time::Instant;
use linchpin::{Context, task};
use linchpin_testing::steps::drop_at_each;
use tracing::Level;

use super::{MS, SECOND, fallback};
use crate::panic::logged_from;
use crate::paused;
use crate::recorder::Meters;

async fn well() -> Result<u8, u8> {
    Ok(1)
}

async fn sick() -> Result<u8, u8> {
    Err(9)
}

#[tokio::test(start_paused = true)]
async fn a_call_is_dropped_at_each_step_of_both_ways() {
    let report = drop_at_each(
        async || (fallback(Options::default()), Context::root().child()),
        async |(fallback, ctx)| {
            let waits = |result| async move {
                tokio::time::sleep(MS).await;
                tokio::task::yield_now().await;
                result
            };
            let served = fallback.call(ctx, || waits(Err::<u8, u8>(9)), |_| waits(Ok(7))).await;
            assert_eq!(*served.unwrap(), 7);
            assert_eq!(*fallback.call_or(ctx, || waits(Err(9)), 7).await.unwrap(), 7);
        },
        async |(fallback, _)| assert_eq!(fallback.numbers().failed, 0),
    )
    .await;
    assert!(report.steps > 4, "{report:?}");
}

/// The body of a response may go to another thread, and not be shared by two.
#[tokio::test]
async fn a_call_may_move_between_threads_whose_answer_may_not_be_shared() {
    fn movable<F: Send>(call: F) -> F {
        call
    }
    let fallback = fallback(Options::default().exercise_rate(1.0));
    let ctx = Context::root();
    let body = async || Ok::<_, u8>(std::cell::Cell::new(1));
    let call = fallback.call(&ctx, body, |_| async { Ok(std::cell::Cell::new(2)) });
    assert_eq!(movable(call).await.unwrap().get(), 1);
    assert_eq!(fallback.numbers().exercised, 1);
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_the_work_or_of_what_stands_in_is_the_callers() {
    let fallback = fallback(Options::default());
    let ctx = Context::root();
    let call = fallback.call_or(&ctx, || async { panic!("work") }, 7);
    let raised = AssertUnwindSafe(call).catch_unwind().await;
    let raised = raised.map(|_: Result<_, linchpin::resilience::Failed<u8>>| ()).unwrap_err();
    assert_eq!(task::panic_text(&*raised), "work");
    for late in [false, true] {
        let call = fallback.call(&ctx, sick, |_| {
            assert!(late, "instead");
            async { panic!("instead, later") }
        });
        let raised = AssertUnwindSafe(call).catch_unwind().await.map(drop).unwrap_err();
        assert!(task::panic_text(&*raised).starts_with("instead"));
    }
    let mute = fallback.classified(|_: Result<&u8, &u8>| panic!("no word"));
    let call = mute.call_or(&ctx, well, 7);
    assert!(AssertUnwindSafe(call).catch_unwind().await.is_err());
    assert_eq!((fallback.numbers().used, fallback.numbers().failed), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn an_exercise_gives_the_answer_and_counts_what_it_came_to() {
    let ctx = Context::root();
    let never = fallback(Options::default());
    let unasked = |_: Lost<'_, u8, u8>| -> std::future::Ready<Result<u8, u8>> { panic!("asked") };
    assert_eq!(*never.call(&ctx, well, unasked).await.unwrap(), 1);
    // 0.5 is not below 0.5.
    let half = fallback(Options::default().exercise_rate(0.5).random(|| 0.5));
    assert_eq!(*half.call(&ctx, well, unasked).await.unwrap(), 1);
    assert_eq!((never.numbers().exercised, half.numbers().exercised), (0, 0));

    let always = fallback(Options::default().exercise_rate(1.0).random(|| 0.99));
    let start = Instant::now();
    for (name, fails) in [("succeeds", 0), ("fails", 1), ("fails", 2), ("panics", 3), ("panics", 4)]
    {
        let served = always.call(&ctx, well, |lost| {
            assert_eq!((lost.reason(), lost.answer()), (Reason::Exercise, Some(&1)));
            assert!(fails != 4, "in the closure");
            async move {
                tokio::time::sleep(SECOND).await;
                assert!(fails != 3, "in its future");
                if fails == 0 { Ok(7) } else { Err(9) }
            }
        });
        let served = served.await.unwrap();
        assert_eq!((served.degraded(), *served), (None, 1), "{name}");
    }
    assert_eq!(start.elapsed(), 4 * SECOND, "the caller waits for both");
    let Numbers { used, failed, exercised, exercises_failed, .. } = always.numbers();
    assert_eq!((used, failed, exercised, exercises_failed), (0, 0, 5, 4));
    // What is needed is not exercised, and an answer that is no success exercises nothing.
    assert_eq!(*always.call_or(&ctx, sick, 7).await.unwrap(), 7);
    assert_eq!((always.numbers().used, always.numbers().exercised), (1, 5));
    // The deadline cuts an exercise, and the answer is given all the same.
    let short = ctx.with_timeout(MS);
    let hangs = |_: Lost<'_, u8, u8>| std::future::pending();
    assert_eq!(*always.call(&short, well, hangs).await.unwrap(), 1);
    assert_eq!(always.numbers().exercised, 5);
}

#[test]
fn an_exercise_that_panics_is_logged() {
    let lines = logged_from(Level::ERROR, || {
        let always = fallback(Options::default().exercise_rate(1.0));
        let ctx = Context::root();
        let call = always.call(&ctx, well, |_| async { panic!("boom") });
        assert_eq!(*paused::block_on(call).unwrap(), 1);
    });
    let [line] = &*lines else { panic!("{lines:?}") };
    assert!(
        line.contains("an exercise of the fallback panicked") && line.contains("boom"),
        "{line}"
    );
}

#[tokio::test(start_paused = true)]
async fn what_was_served_tells_what_it_is() {
    let (fallback, ctx) = (fallback(Options::default()), Context::root());
    let answer = fallback.call_or(&ctx, well, 7).await.unwrap();
    let instead = fallback.call_or(&ctx, sick, 7).await.unwrap();
    assert_eq!((answer.into_answer(), answer.degraded()), (Ok(1), None));
    let degraded = instead.degraded().unwrap();
    assert_eq!(instead.into_answer(), Err((7, degraded)));
    assert_eq!(degraded.to_string(), "by fallback `test`: failed");
    let mark = |value: &mut u8, _| *value += 100;
    assert_eq!((answer.marked(mark), instead.marked(mark)), (1, 107));
    let mapped = instead.map(|value| value.to_string());
    assert_eq!((mapped.len(), mapped.degraded()), (1, Some(degraded)));
}

#[tokio::test(start_paused = true)]
async fn other_options_are_taken_while_it_runs() {
    let (fallback, ctx) = (fallback(Options::default()), Context::root().with_timeout(MS));
    tokio::time::advance(SECOND).await;
    assert!(fallback.call_or(&ctx, sick, 7).await.is_err());
    fallback.reconfigure(Options::default().grace(2 * SECOND)).unwrap();
    let served = fallback.call_or(&ctx, sick, 7).await.unwrap();
    assert_eq!(served.degraded().unwrap().reason, Reason::Deadline);
    assert!(fallback.reconfigure(Options::default().exercise_rate(9.0)).is_err());
    assert_eq!((fallback.numbers().calls, fallback.numbers().used), (2, 1));
}

#[test]
fn what_a_fallback_did_is_in_its_numbers_metrics_and_log() {
    let meters = Meters::default();
    let fallback = metrics::with_local_recorder(&meters, || fallback(Options::default()));
    let ctx = Context::root();
    let lines = logged_from(Level::DEBUG, || {
        paused::block_on(async {
            assert!(fallback.call_or(&ctx, well, 7).await.unwrap().degraded().is_none());
            assert!(fallback.call_or(&ctx, sick, 7).await.unwrap().degraded().is_some());
            assert!(fallback.clone().call(&ctx, sick, |_| async { Err(9) }).await.is_err());
        });
    });
    let [used, failed] = &*lines else { panic!("{lines:?}") };
    for part in
        ["DEBUG", "something stands in for the answer", "fallback=\"test\"", "reason=failed"]
    {
        assert!(used.contains(part), "{part}: {used}");
    }
    assert!(failed.contains("WARN") && failed.contains("the fallback failed"), "{failed}");
    assert_eq!(
        meters.shown("linchpin_fallback_"),
        [
            "calls_total{fallback=test} 3",
            "failed_total{fallback=test,reason=failed} 1",
            "used_total{fallback=test,reason=failed} 1",
        ]
    );
    let shown = fallback.snapshot().to_string();
    assert!(shown.starts_with("fallback `test`: ready, degraded 0.66"), "{shown}");
    assert!(format!("{fallback:?}").starts_with("Fallback { name: \"test\""));
    assert!(matches!(FailedKind::<u8>::TimedOut, FailedKind::TimedOut));
}

/// Made into a layer of another type: a handle is cheap.
#[test]
fn clones_share_the_numbers() {
    let one = fallback(Options::default());
    let other: Fallback = one.clone();
    paused::block_on(async {
        assert_eq!(*other.call_or(&Context::root(), sick, 7).await.unwrap(), 7);
    });
    assert_eq!((one.numbers().used, one.name()), (1, "test"));
}
