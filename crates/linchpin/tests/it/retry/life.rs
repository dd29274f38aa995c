//! What becomes of a call that is dropped, panics, or is looked at.

use std::cell::Cell;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::FutureExt as _;
use linchpin::resilience::retry::{Allow as _, Budget, Options, Retry, StopReason};
use linchpin::resilience::{ByKind, Failed, FailedKind};
use linchpin::time::Instant;
use linchpin::{Context, Error, Kind, task};
use linchpin_testing::steps::drop_at_each;
use tracing::Level;

use super::{MS, SECOND, exact, retry};
use crate::panic::logged_from;
use crate::paused;
use crate::recorder::panicking;

#[tokio::test(start_paused = true)]
async fn a_call_is_dropped_at_each_step_of_its_attempts_and_rests() {
    drop_at_each(
        async || {
            let budget = Budget::concurrent(0.0, 1).unwrap();
            (retry(exact().budget(budget.clone())), budget, Context::root().child(), Rc::default())
        },
        async |(retry, _, ctx, inside): &(Retry, Budget, _, Rc<Cell<i32>>)| {
            let result = retry.call(ctx, |attempt| {
                let inside = inside.clone();
                async move {
                    inside.set(inside.get() + 1);
                    let _inside = Guard(inside);
                    tokio::time::sleep(MS).await;
                    if attempt.number() == 3 { Ok(()) } else { Err(()) }
                }
            });
            result.await.unwrap();
        },
        async |(_, budget, _, inside)| {
            assert_eq!(budget.left(Instant::now()), Some(1.0), "no retry is under way");
            assert_eq!(inside.get(), 0, "the work is gone");
        },
    )
    .await;
}

struct Guard(Rc<Cell<i32>>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_recorder_that_panics_costs_its_event_and_no_call() {
    let (recorder, panics) = panicking();
    let heard = || assert_ne!(panics.swap(0, Ordering::Relaxed), 0, "nobody was told");
    let retry = metrics::with_local_recorder(&recorder, || retry(exact()));
    let ctx = Context::root();
    assert_eq!(retry.call(&ctx, |_| async { Ok::<_, ()>(1) }).await.unwrap(), 1);
    heard();
    let failed = retry.call(&ctx, |_| async { Err::<(), _>(()) }).await.unwrap_err();
    assert_eq!(failed.attempts(), 3);
    heard();
    let call = retry.call(&ctx, |attempt| async move {
        assert!(attempt.is_retry(), "boom");
        Ok::<_, ()>(())
    });
    let raised = AssertUnwindSafe(call).catch_unwind().await.map(drop).unwrap_err();
    assert_eq!(task::panic_text(&*raised), "boom");
    heard();
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_the_work_is_the_callers_and_is_not_tried_again() {
    let budget = Budget::concurrent(0.0, 1).unwrap();
    let retry = retry(exact().budget(budget.clone()));
    let ctx = Context::root();
    let mut calls = 0;
    let call = retry.call(&ctx, |attempt| {
        calls += 1;
        async move {
            assert!(!attempt.is_retry(), "boom");
            Err::<(), _>(())
        }
    });
    let raised = AssertUnwindSafe(call).catch_unwind().await.map(drop).unwrap_err();
    assert_eq!((task::panic_text(&*raised), calls), ("boom", 2));
    assert_eq!((retry.numbers().panicked, budget.left(Instant::now())), (1, Some(1.0)));
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_the_classifier_is_the_callers() {
    let retry = retry(exact()).classified(|_: Result<&(), &()>| panic!("no word for it"));
    let ctx = Context::root();
    let call = retry.call(&ctx, |_| async { Err(()) });
    let raised = AssertUnwindSafe(call).catch_unwind().await.map(drop).unwrap_err();
    assert_eq!(task::panic_text(&*raised), "no word for it");
    assert_eq!(retry.numbers().panicked, 1);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_cuts_an_attempt_is_told_from_a_cancel() {
    let ctx = Context::root().with_timeout(SECOND);
    let begun = Instant::now();
    let hung = retry(exact()).call(&ctx, |_| std::future::pending::<Result<(), ()>>()).await;
    let failed = hung.unwrap_err();
    assert_eq!((failed.stop_reason(), begun.elapsed()), (Some(StopReason::Deadline), SECOND));
    assert!(matches!(failed.kind(), FailedKind::Ended(_)));
}

#[tokio::test(start_paused = true)]
async fn the_kind_of_an_error_says_whether_to_try_again() {
    for (kind, attempts) in [
        (Kind::Unavailable, 3),
        (Kind::DeadlineExceeded, 3),
        (Kind::Internal, 3),
        (Kind::Unknown, 3),
        (Kind::ResourceExhausted, 3),
        (Kind::Unimplemented, 1),
        (Kind::DataLoss, 1),
        (Kind::NotFound, 1),
        (Kind::InvalidArgument, 1),
        (Kind::Aborted, 1),
        (Kind::Cancelled, 1),
    ] {
        let retry = retry(exact()).classified(ByKind);
        let failed: Failed<Error> = retry
            .call(&Context::root(), |_| async move { Err::<(), _>(Error::new(kind, "sick")) })
            .await
            .unwrap_err();
        assert_eq!(failed.attempts(), attempts, "{kind:?}");
        assert_eq!(Error::from(failed).kind(), kind, "the last error as it is");
    }
}

#[tokio::test(start_paused = true)]
async fn an_attempt_knows_its_number_and_has_a_context_of_its_own() {
    let ctx = Context::root().with_timeout(10 * SECOND);
    let deadline = ctx.deadline();
    let result = retry(exact())
        .call(&ctx, |attempt| async move {
            assert_eq!(attempt.deadline(), deadline);
            let own = attempt.context();
            own.cancel("this attempt is over");
            assert!(attempt.call().check().is_ok());
            if attempt.is_retry() { Ok(attempt.number()) } else { Err(()) }
        })
        .await;
    assert_eq!(result.unwrap(), 2);
}

#[tokio::test(start_paused = true)]
async fn numbers_tell_what_became_of_calls() {
    let retry = retry(exact());
    let ctx = Context::root();
    let well = retry.call(&ctx, |a| async move { if a.number() == 2 { Ok(()) } else { Err(()) } });
    well.await.unwrap();
    assert!(retry.clone().call(&ctx, |_| async { Err::<(), _>(()) }).await.is_err());
    let numbers = retry.numbers();
    assert_eq!((numbers.retries, numbers.recovered, numbers.failed), (3, 1, 1));
    let shown = retry.snapshot().to_string();
    assert_eq!(
        shown,
        "retry `test`: ready, retries 3, recovered 1, failed 1, out_of_budget 0, panicked 0"
    );
}

#[test]
fn a_retry_and_its_end_are_lines_that_say_why() {
    let exhausted = || {
        let retry = retry(exact().max_attempts(2));
        let ctx = Context::root();
        drop(paused::block_on(retry.call(&ctx, |_| async { Err::<(), _>(()) })));
    };
    let lines = logged_from(Level::DEBUG, exhausted);
    let [again, end] = &*lines else { panic!("{lines:?}") };
    for part in ["an attempt failed", "retry=\"test\"", "attempt=1", "delay=100ms"] {
        assert!(again.contains(part), "{part}: {again}");
    }
    for part in ["gave up", "attempts=2", "reason=attempts"] {
        assert!(end.contains(part), "{part}: {end}");
    }
}

#[test]
fn a_failure_is_one_pointer_and_flattens() {
    assert_eq!(size_of::<Failed<[u64; 8]>>(), size_of::<usize>());
    let inner: Failed<&str> = FailedKind::Callee("sick").into();
    assert_eq!((inner.attempts(), inner.stop_reason(), inner.retry_after()), (0, None, None));
    let outer: Failed<Failed<&str>> = FailedKind::Callee(inner).into();
    assert!(matches!(outer.flatten().kind(), FailedKind::Callee("sick")));
    let timed: Failed<Failed<&str>> = FailedKind::TimedOut.into();
    assert!(matches!(timed.flatten().kind(), FailedKind::TimedOut));
}

#[tokio::test(start_paused = true)]
async fn the_default_waits_little_and_pays_from_a_budget_of_its_own() {
    let retry = Retry::new("test", Options::default().idempotent()).unwrap();
    let ctx = Context::root();
    let begun = Instant::now();
    let failed = retry.call(&ctx, |_| async { Err::<(), _>(()) }).await.unwrap_err();
    assert_eq!((failed.attempts(), failed.stop_reason()), (3, Some(StopReason::Attempts)));
    assert!(begun.elapsed() < Duration::from_millis(153), "{:?}", begun.elapsed());
    for _ in 0..20 {
        drop(retry.call(&ctx, |_| async { Err::<(), _>(()) }).await);
    }
    assert!(retry.numbers().out_of_budget > 0);
}
