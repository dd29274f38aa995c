//! The cases F1 to F7 of the specification, and the table of what stands in for what.

use std::cell::Cell;
use std::error::Error as _;
use std::time::Duration;

use linchpin::context::Cause;
use linchpin::resilience::breaker::{self, Breaker};
use linchpin::resilience::fallback::{Options, Reason};
use linchpin::resilience::limiter::{self, Limiter, Rate};
use linchpin::resilience::retry::{self, Budget, Retry, Schedule};
use linchpin::resilience::timeout::Timeout;
use linchpin::resilience::{ByFailed, ByKind, Classify, Failed, FailedKind};
use linchpin::time::Instant;
use linchpin::{Context, Error, Kind};

use super::{MS, SECOND, fallback};
use crate::retry::cases::{Answer, ByStatus, answer};

/// What a callee does: it takes so long, and has this status; below 300, and where `as_answer`, that is no error.
async fn callee(takes: u64, status: u16, as_answer: bool) -> Result<Answer, Answer> {
    if takes > 0 {
        tokio::time::sleep(Duration::from_millis(takes)).await;
    }
    if as_answer || status < 300 { Ok(answer(status)) } else { Err(answer(status)) }
}

#[tokio::test(start_paused = true)]
async fn the_cases_of_the_specification_hold() {
    use Reason::{Deadline, Failed as Sick};
    let base = Options::default;
    // The options, the deadline, the callee, when it returns, and what: a status, and why it is not the answer.
    for (name, options, deadline, (takes, status, as_answer), at, expected) in [
        ("F1: a failure", base(), None, (10, 503, false), 10, Ok((299, Some(Sick)))),
        ("F1: an answer that is none", base(), None, (10, 503, true), 10, Ok((299, Some(Sick)))),
        ("F2: a success", base(), None, (10, 200, true), 10, Ok((200, None))),
        ("F6: no such thing", base(), None, (10, 404, false), 10, Err(Some(404))),
        ("F6: the same as an answer", base(), None, (10, 404, true), 10, Ok((404, None))),
        ("F7: cut by the deadline", base(), Some(50), (99, 200, true), 50, Err(None)),
        ("F7: the deadline is gone", base(), Some(0), (0, 503, false), 0, Err(None)),
        (
            "F7: with grace",
            base().grace(9 * MS),
            Some(50),
            (99, 200, true),
            50,
            Ok((299, Some(Deadline))),
        ),
        (
            "F7: gone, with grace",
            base().grace(9 * MS),
            Some(0),
            (0, 503, false),
            0,
            Ok((299, Some(Deadline))),
        ),
    ] {
        let start = Instant::now();
        let ctx = match deadline {
            Some(at) => Context::root().with_timeout(at * MS).disarm(),
            None => Context::root(),
        };
        let fallback = fallback(options).classified(ByStatus);
        let asked = Cell::new(0);
        let result = fallback
            .call(
                &ctx,
                || callee(takes, status, as_answer),
                |lost| {
                    asked.set(asked.get() + 1);
                    assert_eq!(lost.degraded().fallback, "test");
                    let seen = lost.error().or(lost.answer()).map(|answer| answer.status);
                    let expected = (lost.reason() != Deadline).then_some(status);
                    assert_eq!(seen, expected, "{name}: it is told what was lost");
                    async { Ok(answer(299)) }
                },
            )
            .await;
        assert_eq!(start.elapsed().as_millis(), at, "{name}");
        let got = match &result {
            Ok(served) => Ok((served.status, served.degraded().map(|degraded| degraded.reason))),
            Err(failed) => Err(match failed.kind() {
                FailedKind::Callee(answer) => Some(answer.status),
                FailedKind::Ended(ended) => {
                    assert!(matches!(ended.cause(), Cause::Deadline), "{name}");
                    None
                }
                other => panic!("{name}: {other:?}"),
            }),
        };
        assert_eq!(got, expected, "{name}");
        let is_degraded = matches!(expected, Ok((_, Some(_))));
        assert_eq!(asked.get(), u64::from(is_degraded), "{name}");
        assert_eq!(fallback.numbers().used, u64::from(is_degraded), "{name}: one event");
    }
}

#[tokio::test(start_paused = true)]
async fn f3_a_cancel_asks_nobody() {
    for grace in [Duration::ZERO, SECOND] {
        let fallback = fallback(Options::default().grace(grace));
        let ctx = Context::root().child();
        let start = Instant::now();
        let never = |_: linchpin::resilience::fallback::Lost<'_, (), ()>| -> std::future::Ready<_> {
            panic!("cancelled")
        };
        let call = fallback.call(&ctx, std::future::pending::<Result<(), ()>>, never);
        let cancel = async {
            tokio::time::sleep(50 * MS).await;
            ctx.cancel("gone");
        };
        let (result, ()) = tokio::join!(call, cancel);
        assert!(matches!(result.unwrap_err().kind(), FailedKind::Ended(_)));
        assert_eq!(start.elapsed(), 50 * MS);
        // One that fails by itself as it is cancelled, too.
        let failed = fallback.call(&ctx, || async { Err(()) }, never).await.unwrap_err();
        assert!(matches!(failed.kind(), FailedKind::Ended(_)));
        let ctx = Context::root().child();
        let fails = || async {
            ctx.cancel("at that moment");
            Err(())
        };
        let failed = fallback.call(&ctx, fails, never).await.unwrap_err();
        assert!(matches!(failed.kind(), FailedKind::Callee(())));
    }
}

#[tokio::test(start_paused = true)]
async fn f4_a_fallback_that_fails_gives_its_error_with_the_first_as_its_source() {
    let fallback = fallback(Options::default());
    let error = |text| std::io::Error::other(text);
    let failed = fallback
        .call(
            &Context::root(),
            || async move { Err::<(), _>(error("no answer")) },
            |_| async move { Err(error("no cache")) },
        )
        .await
        .unwrap_err();
    assert!(matches!(failed.kind(), FailedKind::Callee(own) if own.to_string() == "no cache"));
    assert_eq!(failed.source().unwrap().to_string(), "no answer");
    assert_eq!(failed.instead_of().unwrap().to_string(), "no answer");
    assert_eq!(
        Error::new(Kind::Internal, failed).report().to_string(),
        "no cache\n  caused by: no answer"
    );
    assert_eq!((fallback.numbers().used, fallback.numbers().failed), (0, 1));
    // Of a policy inside, flat.
    let outer: Failed<Failed<&str>> = fallback
        .classified(ByFailed::<linchpin::resilience::ByResult>::default())
        .call(
            &Context::root(),
            || async { Err::<(), _>(FailedKind::Callee("first").into()) },
            |_| async { Err(FailedKind::Callee("second").into()) },
        )
        .await
        .unwrap_err();
    let flat = outer.flatten();
    assert!(matches!(flat.kind(), FailedKind::Callee("second")));
    assert!(matches!(flat.instead_of().unwrap().kind(), FailedKind::Callee("first")));
    assert!(format!("{flat:?}").contains("InsteadOf"));
}

#[tokio::test(start_paused = true)]
async fn a_fallback_that_the_deadline_cuts_has_ended_and_grace_ends_too() {
    let ctx = Context::root().with_timeout(SECOND);
    let start = Instant::now();
    let hangs = |_: linchpin::resilience::fallback::Lost<'_, (), ()>| std::future::pending();
    let failed =
        fallback(Options::default()).call(&ctx, || async { Err(()) }, hangs).await.unwrap_err();
    assert!(matches!(failed.kind(), FailedKind::Ended(_)));
    assert!(matches!(failed.instead_of().unwrap().kind(), FailedKind::Callee(())));
    assert_eq!(start.elapsed(), SECOND);
    let graceful = fallback(Options::default().grace(2 * SECOND));
    let failed = graceful.call(
        &ctx,
        || async { Err::<(), _>(()) },
        |lost| {
            let ctx = lost.context().clone();
            async move {
                assert_eq!(ctx.remaining(), Some(2 * SECOND));
                std::future::pending().await
            }
        },
    );
    assert!(matches!(failed.await.unwrap_err().kind(), FailedKind::Ended(_)));
    assert_eq!(start.elapsed(), 3 * SECOND);
    let late = graceful.call(&ctx, || async { Err(()) }, hangs).await.unwrap_err();
    assert!(late.instead_of().is_none(), "grace is over, and nobody was asked");
}

#[tokio::test(start_paused = true)]
async fn f5_with_a_retry_inside_it_is_asked_once_after_all_attempts() {
    let options = retry::Options::default().idempotent().budget(Budget::unlimited());
    let retry = Retry::new("test", options.backoff(Schedule::constant(MS).unwrap())).unwrap();
    let fallback = fallback(Options::default())
        .classified(ByFailed::<linchpin::resilience::ByResult>::default());
    let (ctx, attempts, asked) = (Context::root(), Cell::new(0), Cell::new(0));
    let served = fallback
        .call(
            &ctx,
            || {
                retry.call(&ctx, |_| {
                    attempts.set(attempts.get() + 1);
                    async { Err("sick") }
                })
            },
            |lost| {
                asked.set(asked.get() + 1);
                assert_eq!(lost.error().unwrap().attempts(), 3);
                async { Ok(7) }
            },
        )
        .await
        .unwrap();
    assert_eq!((served.into_inner(), attempts.get(), asked.get()), (7, 3, 1));
}

fn kinds(kind: Kind) -> Option<Reason> {
    Classify::<(), Error>::degraded(&ByKind, Err(&Error::new(kind, "sick")))
}

#[test]
fn the_kind_of_an_error_says_whether_something_stands_in() {
    for kind in
        [Kind::Unavailable, Kind::Internal, Kind::Unknown, Kind::Unimplemented, Kind::DataLoss]
    {
        assert_eq!(kinds(kind), Some(Reason::Failed), "{kind:?}");
    }
    assert_eq!(kinds(Kind::DeadlineExceeded), Some(Reason::TimedOut));
    for kind in [
        Kind::NotFound,
        Kind::InvalidArgument,
        Kind::PermissionDenied,
        Kind::Unauthenticated,
        Kind::AlreadyExists,
        Kind::FailedPrecondition,
        Kind::Aborted,
        Kind::ResourceExhausted,
        Kind::Cancelled,
    ] {
        assert_eq!(kinds(kind), None, "{kind:?}");
    }
    let ended = Error::from(linchpin::context::Ended::from(Cause::Deadline));
    assert_eq!(Classify::<(), Error>::degraded(&ByKind, Err(&ended)), None, "nobody waits");
    let bug = linchpin::error::catch(|| panic!("a bug")).map(|()| 0).unwrap_err();
    assert_eq!(Classify::<(), Error>::degraded(&ByKind, Err(&bug)), None, "no outage");
    assert_eq!(Classify::<(), Error>::degraded(&ByKind, Ok(&())), None);
}

#[tokio::test(start_paused = true)]
async fn what_policies_inside_say_is_stood_in_for_but_for_a_limiter_and_the_end_of_the_context() {
    let ctx = Context::root();
    let breaker = Breaker::new("test", breaker::Options::default()).unwrap();
    breaker.force_open();
    let open = breaker.call(&ctx, || async { Ok::<_, Error>(()) }).await.unwrap_err();
    let limiter = Limiter::new("test", Rate::per_second(1), limiter::Options::default()).unwrap();
    let over = loop {
        if let Err(failed) = limiter.call(&ctx, || async { Ok::<_, Error>(()) }).await {
            break failed;
        }
    };
    let timeout = Timeout::new("test", SECOND).unwrap();
    let hangs = timeout.call(&ctx, std::future::pending::<Result<(), Error>>);
    let slow = hangs.await.unwrap_err();
    let ended: Failed<Error> = linchpin::context::Ended::from(Cause::Deadline).into();
    let bug = linchpin::error::catch(|| panic!("a bug")).map(|()| 0).unwrap_err();
    let by = ByFailed(ByKind);
    for (failed, expected) in [
        (open, Some(Reason::CircuitOpen)),
        (over, None),
        (slow, Some(Reason::TimedOut)),
        (ended, None),
        (FailedKind::Exhausted.into(), Some(Reason::Failed)),
        (FailedKind::Panicked(bug).into(), None),
        (FailedKind::Callee(Error::new(Kind::Unavailable, "down")).into(), Some(Reason::Failed)),
        (FailedKind::Callee(Error::new(Kind::NotFound, "none")).into(), None),
    ] {
        assert_eq!(
            Classify::<(), Failed<Error>>::degraded(&by, Err(&failed)),
            expected,
            "{failed:?}"
        );
        // The same once it is the toolkit's error.
        if expected != Some(Reason::Failed) || !matches!(failed.kind(), FailedKind::Exhausted) {
            let error = Error::from(failed);
            let again = Classify::<(), Error>::degraded(&ByKind, Err(&error));
            assert_eq!(again, expected, "{error:?}");
        }
    }
    assert_eq!(Reason::of_policy("bulkhead"), Some(Reason::Refused));
}
