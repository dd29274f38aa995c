//! Calls, dropped calls, other options, and how it looks.

use std::panic::{AssertUnwindSafe, catch_unwind};

use futures_util::FutureExt as _;
use linchpin::resilience::Outcome::{self, Failure, Ignored, Success};
use linchpin::resilience::retry::retry_after;
use linchpin::resilience::shed::{Load, Shedder};
use linchpin::resilience::{FailedKind, Priority};
use linchpin::time::Instant;
use linchpin::{Context, Kind};
use linchpin_testing::steps::drop_at_each;

use super::{MS, SECOND, admits, bears_ten, enter, flies, options, shedder};

#[tokio::test(start_paused = true)]
async fn a_call_that_is_shed_is_never_made() {
    let load = Load::given();
    let shedder = shedder(&load);
    bears_ten(&shedder).await;
    let flying = flies(&shedder, 12, 12);
    load.set(0.95);
    let ctx = Context::root();
    let never = || -> std::future::Ready<Result<u8, ()>> { panic!("it is not asked") };
    let failed = shedder.call(&ctx, never).await.unwrap_err();
    let FailedKind::Refused(refusal) = failed.kind() else { panic!("{failed:?}") };
    assert_eq!((refusal.policy, refusal.instance), ("shed", "test"));
    let text = "shed `test` refused: more is under way than it bears (12 of 5), try again in 2s";
    assert_eq!(refusal.to_string(), text);
    assert_eq!((shedder.numbers().shed, shedder.numbers().inflight), (1, 12));
    drop(flying);
    assert_eq!(shedder.call(&ctx, async || Ok::<_, ()>(1)).await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_client_waits_a_second_or_two() {
    for (random, seconds) in [(0.0, 1), (0.49, 1), (0.5, 2), (0.99, 2)] {
        let load = Load::given();
        let drawn: fn() -> f64 = match random {
            0.0 => || 0.0,
            0.49 => || 0.49,
            0.5 => || 0.5,
            _ => || 0.99,
        };
        let options = options(&load).window(Priority::Critical, 0.0, 0.1).random(drawn);
        let shedder = Shedder::new("test", options).unwrap();
        load.set(0.5);
        let refusal = shedder.admit(&Context::root(), Instant::now()).map(drop).unwrap_err();
        assert_eq!(refusal.retry_after, Some(seconds * SECOND), "{random}");
    }
}

#[tokio::test(start_paused = true)]
async fn only_successes_say_what_it_bears() {
    let shedder = shedder(&Load::given());
    for outcome in [Failure, Ignored] {
        for permit in enter(&shedder, 500) {
            permit.record(outcome);
        }
    }
    drop(enter(&shedder, 500));
    tokio::time::advance(100 * MS).await;
    assert!((shedder.numbers().most - 10.0).abs() < 1e-9, "nothing is known");
    let picky = shedder.classified(|_: Result<&u8, &()>| Outcome::Failure);
    assert_eq!(picky.call(&Context::root(), async || Ok(1)).await.unwrap(), 1);
    bears_ten(&shedder).await;
    assert!((shedder.numbers().most - 10.0).abs() < 1e-9);
}

#[tokio::test(start_paused = true)]
async fn more_calls_than_the_word_holds_are_all_done() {
    let shedder = shedder(&Load::given());
    let inside = enter(&shedder, 5_000);
    tokio::time::advance(10 * MS).await;
    for permit in inside {
        permit.record(Success);
    }
    tokio::time::advance(100 * MS).await;
    assert!((shedder.numbers().most - 500.0).abs() < 1e-9, "5000 * 10 * .01");
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_done_when_it_is_there_and_under_way_until_it_is_gone() {
    let shedder = shedder(&Load::given());
    let mut permit = shedder.admit(&Context::root(), Instant::now()).unwrap();
    tokio::time::advance(100 * MS).await;
    permit.answered(Instant::now(), Success);
    assert_eq!(shedder.numbers().inflight, 1);
    tokio::time::advance(SECOND).await;
    permit.answered(Instant::now(), Success);
    assert!((shedder.numbers().most - 1.0).abs() < 1e-9, "1 * 10 * .1, and only once");
    drop(permit);
    assert_eq!(shedder.numbers().inflight, 0);
}

#[tokio::test(start_paused = true)]
async fn a_shed_call_is_dropped_at_each_step() {
    drop_at_each(
        async || (shedder(&Load::given()), Context::root().child()),
        async |(shedder, ctx)| {
            let work = || async {
                tokio::time::sleep(MS).await;
                tokio::task::yield_now().await;
                Ok::<_, ()>(())
            };
            shedder.call(ctx, work).await.unwrap();
        },
        async |(shedder, _)| assert_eq!(shedder.numbers().inflight, 0),
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn panics_leave_a_shedder_whole() {
    let load = Load::given();
    let shedder = shedder(&load);
    let raised = catch_unwind(AssertUnwindSafe(|| {
        let _permit = shedder.admit(&Context::root(), Instant::now()).unwrap();
        panic!("boom");
    }));
    assert!(raised.is_err());
    let picky = shedder.classified(|_: Result<&u8, &()>| -> Outcome { panic!("picky") });
    let ctx = Context::root();
    let call = picky.call(&ctx, async || Ok(1));
    assert!(AssertUnwindSafe(call).catch_unwind().await.map(drop).is_err());
    // A chance that panics is the caller's.
    let options = options(&load).by_priority().random(|| panic!("no luck"));
    let unlucky = Shedder::new("test", options).unwrap();
    load.set(0.85);
    assert!(catch_unwind(AssertUnwindSafe(|| admits(&unlucky))).is_err());
    load.set(0.0);
    assert!(admits(&unlucky));
    assert_eq!((shedder.numbers().inflight, unlucky.numbers().inflight), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn other_options_hold_from_the_next_call_on_and_it_remembers() {
    let load = Load::given();
    let shedder = shedder(&load);
    bears_ten(&shedder).await;
    let flying = flies(&shedder, 12, 12);
    load.set(0.85);
    assert!(admits(&shedder));
    shedder.reconfigure(options(&load).threshold(0.8)).unwrap();
    assert!(!admits(&shedder), "12 of 10 * .75, by what was seen before");
    assert!(shedder.reconfigure(options(&load).threshold(0.0)).is_err());
    assert!(!admits(&shedder), "nothing changes by a mistake");
    tokio::time::advance(2 * SECOND).await;
    shedder.reconfigure(options(&load).window(Priority::Critical, 0.1, 0.2)).unwrap();
    let refusal = shedder.admit(&Context::root(), Instant::now()).map(drop).unwrap_err();
    assert_eq!(
        (refusal.kind, refusal.reason),
        (Kind::Unavailable, "the load is too high for what is critical")
    );
    drop(flying);
}

#[tokio::test(start_paused = true)]
async fn a_shedder_can_be_looked_at() {
    let load = Load::given();
    let shedder = shedder(&load);
    load.set(0.25);
    let inside = enter(&shedder, 2);
    let text =
        "shed `test`: ready, load 0.25, in_flight 2, average 0, most 10, shed_share 0, shed 0";
    assert_eq!(shedder.snapshot().to_string(), text);
    assert_eq!(shedder.name(), "test");
    assert!(format!("{shedder:?} {:?} {load:?}", inside[0]).contains("load: 0.25"));
}

#[test]
fn a_word_against_retries_is_understood() {
    for (text, expected) in
        [("no", true), (" No\t", true), ("yes", false), ("", false), ("none", false)]
    {
        assert_eq!(retry_after::forbidden(text), expected, "{text:?}");
    }
}
