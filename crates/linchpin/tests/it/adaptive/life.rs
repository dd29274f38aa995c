//! What a call says of the limit, dropped calls, other options, and how it looks.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use futures_util::FutureExt as _;
use linchpin::context::Cause;
use linchpin::error::Error;
use linchpin::resilience::Outcome::Success;
use linchpin::resilience::adaptive::{Algorithm, Options, Permit};
use linchpin::resilience::timeout::Timeout;
use linchpin::resilience::{ByFailed, ByKind, ByResult, Classify, Failed, FailedKind, Outcome};
use linchpin::time::Instant;
use linchpin::{Context, Kind};
use linchpin_testing::steps::drop_at_each;

use super::{MS, SECOND, adaptive, aimd, enter, fixed};

fn record(inside: Vec<Permit<'_>>) {
    for permit in inside {
        permit.record(Success);
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_limit_refuses_with_its_numbers() {
    let limit = adaptive(fixed(1));
    let ctx = Context::root();
    let inside = limit.admit(Instant::now()).unwrap();
    let failed = limit.call(&ctx, async || Ok::<_, ()>(1)).await.unwrap_err();
    let FailedKind::Refused(refusal) = failed.kind() else { panic!("{failed:?}") };
    assert_eq!((refusal.policy, refusal.instance), ("adaptive", "test"));
    assert_eq!((refusal.kind, refusal.retryable), (Kind::ResourceExhausted, false));
    assert_eq!(refusal.retry_after, None);
    let text = "adaptive `test` refused: as many are under way as it bears (1 of 1)";
    assert_eq!(refusal.to_string(), text);
    drop(inside);
    assert_eq!(limit.call(&ctx, async || Ok::<_, ()>(1)).await.unwrap(), 1);
}

/// What is left of a limit of 20 after one call: 21 if it was well, 18 if it was dropped, else 20.
async fn after<T, E, C: Classify<T, E>>(
    ctx: &Context,
    classify: C,
    work: impl Future<Output = Result<T, E>>,
) -> u32 {
    let limit = adaptive(aimd());
    let others = enter(&limit, 10);
    drop(limit.classified(classify).call(ctx, || work).await);
    drop(others);
    limit.numbers().limit
}

#[tokio::test(start_paused = true)]
async fn what_is_well_what_is_too_much_and_what_says_nothing() {
    let root = Context::root();
    assert_eq!(after(&root, ByResult, async { Ok::<_, ()>(1) }).await, 21);
    assert_eq!(after(&root, ByResult, async { Err::<u8, _>(()) }).await, 20, "a plain failure");

    for (kind, expected) in [
        (Kind::DeadlineExceeded, 18),
        (Kind::ResourceExhausted, 18),
        (Kind::Unavailable, 18),
        (Kind::Internal, 20),
        (Kind::Cancelled, 20),
        (Kind::NotFound, 21),
    ] {
        let answer = async { Err::<u8, _>(Error::new(kind, "an answer")) };
        assert_eq!(after(&root, ByKind, answer).await, expected, "{kind:?}");
    }
    // A refusal on this side, whatever its kind.
    let full = adaptive(fixed(1));
    let inside = full.admit(Instant::now()).unwrap();
    let refused = Error::from(full.admit(Instant::now()).map(drop).unwrap_err());
    assert_eq!(after(&root, ByKind, async { Err::<u8, _>(refused) }).await, 20);
    drop(inside);

    // A time limit inside of it, and a deadline outside.
    let timeout = Timeout::new("test", SECOND).unwrap();
    let hangs = || std::future::pending::<Result<u8, Error>>();
    let limited = timeout.call(&root, hangs);
    assert_eq!(after(&root, ByFailed(ByKind), limited).await, 18);
    let soon = root.with_timeout(SECOND);
    assert_eq!(after(&soon, ByKind, hangs()).await, 18);
    let soon = root.with_timeout(SECOND);
    let inner = async {
        soon.run(hangs())
            .await
            .map_err(Failed::<Error>::from)?
            .map_err(|error| FailedKind::Callee(error).into())
    };
    assert_eq!(after(&root, ByFailed(ByKind), inner).await, 18);
    let failed = async {
        Err::<u8, Failed<Error>>(FailedKind::Callee(Error::new(Kind::Unavailable, "full")).into())
    };
    assert_eq!(after(&root, ByFailed(ByKind), failed).await, 18);

    let gone = root.child();
    let cancel = async {
        tokio::time::sleep(SECOND).await;
        gone.cancel(Cause::Shutdown);
    };
    let (left, ()) = tokio::join!(after(&gone, ByKind, hangs()), cancel);
    assert_eq!(left, 20, "the caller's doing");
}

#[tokio::test(start_paused = true)]
async fn what_is_too_much_is_the_classifiers_word() {
    struct Full;
    impl Classify<u16, ()> for Full {
        fn classify(&self, _: Result<&u16, &()>) -> Outcome {
            Success
        }
        fn overloaded(&self, result: Result<&u16, &()>) -> bool {
            result == Ok(&503)
        }
    }
    let root = Context::root();
    assert_eq!(after(&root, Full, async { Ok(503) }).await, 18);
    assert_eq!(after(&root, Full, async { Ok(200) }).await, 21);
    let by_failed = async { Ok::<_, Failed<()>>(503) };
    assert_eq!(after(&root, ByFailed(Full), by_failed).await, 18, "through the words of others");
}

#[tokio::test(start_paused = true)]
async fn a_classifier_that_panics_is_the_callers_and_takes_no_place() {
    let limit = adaptive(fixed(1));
    let picky = limit.classified(|_: Result<&u8, &()>| -> Outcome { panic!("picky") });
    let ctx = Context::root();
    let call = picky.call(&ctx, async || Ok(1));
    assert!(AssertUnwindSafe(call).catch_unwind().await.map(drop).is_err());
    assert_eq!((limit.numbers().inflight, limit.numbers().pending), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_call_is_dropped_at_each_step_and_leaves_its_place() {
    drop_at_each(
        async || (adaptive(fixed(1)), Context::root().child()),
        async |(limit, ctx)| {
            let work = || async {
                tokio::time::sleep(MS).await;
                tokio::task::yield_now().await;
                Ok::<_, ()>(())
            };
            limit.call(ctx, work).await.unwrap();
        },
        async |(limit, _)| {
            assert_eq!(limit.numbers().inflight, 0);
            drop(enter(limit, 1));
        },
    )
    .await;
}

#[test]
fn a_permit_that_is_dropped_by_a_panic_gives_its_place_back() {
    let limit = adaptive(fixed(1));
    let raised = catch_unwind(AssertUnwindSafe(|| {
        let _permit = limit.admit(Instant::now()).unwrap();
        panic!("boom");
    }));
    assert!(raised.is_err());
    assert_eq!(limit.numbers().inflight, 0);
}

#[tokio::test(start_paused = true)]
async fn a_permit_that_owns_a_handle_outlives_the_limit() {
    let limit = adaptive(aimd());
    let permit = limit.admit_owned(Instant::now()).unwrap();
    let other = limit.clone();
    drop(limit);
    linchpin::task::spawn("ends it", async move { permit.record(Success) }).join().await;
    assert_eq!((other.numbers().inflight, other.numbers().samples), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn other_options_keep_the_limit_and_what_was_learnt() {
    let limit = adaptive(Options::default());
    let learn = async |calls| {
        let inside = enter(&limit, calls);
        tokio::time::advance(10 * MS).await;
        record(inside);
        tokio::time::advance(SECOND).await;
    };
    for _ in 0..8 {
        learn(20).await;
    }
    let before = limit.numbers();
    assert!(before.limit > 23, "{before:?}");
    limit.reconfigure(Options::default().tolerance(2.0).max(24)).unwrap();
    let after = limit.numbers();
    assert_eq!((after.limit, after.unloaded), (before.limit.min(24), before.unloaded));
    assert!(limit.reconfigure(Options::default().min(0)).is_err());
    assert_eq!(limit.numbers(), after, "nothing changes by a mistake");
    limit.reconfigure(Options::default().max(12)).unwrap();
    assert_eq!(limit.numbers().limit, 12, "within its new bounds");

    // Another algorithm knows nothing, and begins where the limit stands.
    limit.reconfigure(Options::default().algorithm(Algorithm::Vegas)).unwrap();
    assert_eq!((limit.numbers().limit, limit.numbers().unloaded), (12, None));
    enter(&limit, 1).remove(0).record(Success);
    tokio::time::advance(MS).await;
    let samples = limit.numbers().samples;
    let one = limit.admit(Instant::now()).unwrap();
    tokio::time::advance(5 * MS).await;
    one.record(Success);
    let numbers = limit.numbers();
    assert_eq!((numbers.samples, numbers.unloaded), (samples + 1, Some(5 * MS)), "at once");
    limit.reconfigure(Options::default()).unwrap();
    let one = limit.admit(Instant::now()).unwrap();
    tokio::time::advance(5 * MS).await;
    one.record(Success);
    assert_eq!(limit.numbers().pending, 1, "by windows again");
    assert_eq!(limit.numbers().samples, samples + 1);
}

#[tokio::test(start_paused = true)]
async fn an_adaptive_limit_can_be_looked_at() {
    let limit = adaptive(Options::default().algorithm(Algorithm::Vegas));
    for rtt in [10, 20] {
        let permit = limit.admit(Instant::now()).unwrap();
        tokio::time::advance(rtt * MS).await;
        permit.record(Success);
    }
    let text = "adaptive `test`: open, limit 20, in_flight 0, rtt 0.02, unloaded 0.01, queue 10, samples 2";
    assert_eq!(limit.snapshot().to_string(), text);
    assert_eq!(limit.name(), "test");
    assert!(format!("{limit:?}").contains("limit: 20"));
    let inside = enter(&limit, 20);
    assert_eq!(limit.snapshot().state, "full");
    assert!(format!("{:?}", inside[0]).contains("inflight: 1"));
}

#[tokio::test(start_paused = true)]
async fn a_service_under_a_flood_works_at_its_pace() {
    let limit = adaptive(Options::default());
    let began = Instant::now();
    let mut longest = Duration::ZERO;
    while began.elapsed() < 60 * SECOND {
        // More come than can be let in; sixteen of them work at a time, and the others wait.
        let inside: Vec<_> = (0..1_000).map_while(|_| limit.admit(Instant::now()).ok()).collect();
        let takes = (10 * MS).mul_f64((inside.len() as f64 / 16.0).max(1.0));
        tokio::time::advance(takes).await;
        longest = longest.max(takes);
        record(inside);
    }
    let numbers = limit.numbers();
    assert!((16..=48).contains(&numbers.limit), "{numbers:?}");
    assert!(longest < 30 * MS, "and not the 625 ms that all of them would take: {longest:?}");
}
