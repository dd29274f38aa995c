//! The cases T1, T2, T4 and T5 of the specification, a row each, under virtual time.

use std::cell::RefCell;
use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use futures_util::FutureExt as _;
use linchpin::Context;
use linchpin::context::{Cause, Ended};
use linchpin::resilience::retry::{self, Retry, Schedule, StopReason};
use linchpin::resilience::{ByFailed, ByResult, Failed, FailedKind};
use linchpin::time::Instant;
use linchpin_testing::steps::drop_at_each;
use tracing::Level;

use super::{MS, SECOND, timeout};
use crate::panic::logged_from;
use crate::paused;

#[derive(Debug, Eq, PartialEq)]
enum End {
    Value,
    Error,
    TimedOut,
    Deadline,
    Cancelled,
}

fn end(result: &Result<(), Failed<()>>) -> End {
    let is_deadline = |ended: &Ended| matches!(ended.cause(), Cause::Deadline);
    match result.as_ref().map_err(Failed::kind) {
        Ok(()) => End::Value,
        Err(FailedKind::Callee(())) => End::Error,
        Err(FailedKind::TimedOut) => End::TimedOut,
        Err(FailedKind::Ended(ended)) if is_deadline(ended) => End::Deadline,
        Err(FailedKind::Ended(_)) => End::Cancelled,
        Err(other) => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn the_cases_of_the_specification_hold() {
    let (value, error) = (Ok(()), Err(()));
    for (name, deadline, takes, answer, at, expected) in [
        ("T1: in time", None, 999, value, 999, End::Value),
        ("T1: a result at the very moment", None, 1_000, value, 1_000, End::Value),
        ("T1: too late", None, 1_001, value, 1_000, End::TimedOut),
        ("T1: an error at the very moment", None, 1_000, error, 1_000, End::TimedOut),
        ("an error in time", None, 999, error, 999, End::Error),
        ("at once", None, 0, error, 0, End::Error),
        ("T4: no time at all", Some(0), 0, value, 0, End::Deadline),
        ("the deadline is nearer", Some(500), 5_000, value, 500, End::Deadline),
        ("the deadline at the same moment", Some(1_000), 5_000, value, 1_000, End::Deadline),
        ("the deadline is farther", Some(1_001), 5_000, value, 1_000, End::TimedOut),
        ("a result at the deadline", Some(500), 500, value, 500, End::Value),
        ("an error at the deadline", Some(500), 500, error, 500, End::Deadline),
    ] {
        let begun = Instant::now();
        let ctx = match deadline {
            Some(at) => Context::root().with_timeout(at * MS).disarm(),
            None => Context::root(),
        };
        let timeout = timeout(SECOND);
        let work = || async move {
            if takes > 0 {
                tokio::time::sleep(takes * MS).await;
            }
            answer
        };
        let result = timeout.call(&ctx, work).await;
        assert_eq!((end(&result), begun.elapsed()), (expected, at * MS), "{name}");
        let is_timeout = end(&result) == End::TimedOut;
        assert_eq!(timeout.numbers().fired, u64::from(is_timeout), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn t2_each_attempt_has_its_limit_and_all_have_a_deadline() {
    let options =
        retry::Options::default().idempotent().backoff(Schedule::constant(Duration::ZERO).unwrap());
    let retry = Retry::new("test", options).unwrap();
    let timeout = timeout(2 * SECOND);
    let ctx = Context::root().with_timeout(3 * SECOND);
    let (start, begun) = (Instant::now(), RefCell::new(Vec::new()));
    let result = retry
        .classified(ByFailed::<ByResult>::default())
        .call(&ctx, |_| {
            begun.borrow_mut().push(start.elapsed().as_millis());
            timeout.call(&ctx, std::future::pending::<Result<(), ()>>)
        })
        .await;
    let failed = result.unwrap_err();
    assert_eq!((begun.take(), start.elapsed()), (vec![0, 2_000], 3 * SECOND));
    assert_eq!((failed.attempts(), failed.stop_reason()), (2, Some(StopReason::Deadline)));
    assert_eq!(end(&Err(failed.flatten())), End::Deadline);
}

#[tokio::test(start_paused = true)]
async fn t5_a_call_that_is_dropped_or_cancelled_has_not_timed_out() {
    let timeout = timeout(SECOND);
    let ctx = Context::root().child();
    let mut call = Box::pin(timeout.call(&ctx, std::future::pending::<Result<(), ()>>));
    assert!((&mut call).now_or_never().is_none());
    tokio::time::advance(100 * MS).await;
    drop(call);
    let call = timeout.call(&ctx, std::future::pending::<Result<(), ()>>);
    let cancel = async {
        tokio::time::sleep(100 * MS).await;
        ctx.cancel("gone");
    };
    let (result, ()) = tokio::join!(call, cancel);
    assert_eq!(end(&result), End::Cancelled);
    assert_eq!(timeout.numbers(), linchpin::resilience::timeout::Numbers::default());
}

#[tokio::test(start_paused = true)]
async fn what_is_done_at_once_needs_no_runtime_and_no_timer() {
    // Outside of a runtime, in a thread of its own: a timer would panic.
    let done = std::thread::spawn(|| {
        let timeout = timeout(SECOND);
        timeout.call(&Context::root(), || async { Ok::<_, ()>(7) }).now_or_never()
    });
    assert_eq!(done.join().unwrap().unwrap().unwrap(), 7);
}

#[tokio::test(start_paused = true)]
async fn the_time_counts_from_when_the_work_has_to_wait() {
    let timeout = timeout(SECOND);
    let begun = Instant::now();
    let ctx = Context::root();
    let mut call = Box::pin(timeout.call(&ctx, std::future::pending::<Result<(), ()>>));
    tokio::time::advance(SECOND).await;
    assert!((&mut call).now_or_never().is_none(), "polled for the first time");
    assert_eq!(end(&call.await), End::TimedOut);
    assert_eq!(begun.elapsed(), 2 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn the_work_is_gone_when_the_call_has_timed_out() {
    let (keep, gone) = std::sync::mpsc::channel::<()>();
    let timeout = timeout(SECOND);
    let ctx = Context::root();
    let mut call = Box::pin(timeout.call(&ctx, || async move {
        let _keep = keep;
        poll_fn(|_| Poll::<Result<(), ()>>::Pending).await
    }));
    assert_eq!(end(&(&mut call).await), End::TimedOut);
    assert_eq!(gone.try_recv(), Err(std::sync::mpsc::TryRecvError::Disconnected));
    drop(call);
}

#[tokio::test(start_paused = true)]
async fn a_call_is_dropped_at_each_step() {
    drop_at_each(
        async || (timeout(SECOND), Context::root().child()),
        async |(timeout, ctx)| {
            let work = || async {
                tokio::time::sleep(MS).await;
                tokio::task::yield_now().await;
                Ok::<_, ()>(())
            };
            timeout.call(ctx, work).await.unwrap();
            timeout.wait(ctx, |_| work()).await.unwrap();
        },
        async |(timeout, _)| assert_eq!(timeout.numbers().fired, 0),
    )
    .await;
}

#[test]
fn a_timeout_is_a_line_that_says_which() {
    let late = || {
        let ctx = Context::root();
        let hung =
            async { timeout(SECOND).call(&ctx, std::future::pending::<Result<(), ()>>).await };
        assert!(paused::block_on(hung).is_err());
    };
    let lines = logged_from(Level::DEBUG, late);
    let [line] = &*lines else { panic!("{lines:?}") };
    for part in ["timed out", "timeout=\"test\"", "scope=\"attempt\"", "limit=1s", "elapsed=1s"] {
        assert!(line.contains(part), "{part}: {line}");
    }
}
