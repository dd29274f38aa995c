//! Chaos in use: who is on the list, marks, what is said, other options while it runs, panics.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use futures_util::FutureExt as _;
use linchpin::resilience::chaos::{Chaos, Injected, Kind as Injection, Numbers, Options, Rate};
use linchpin::resilience::{ByKind, Classify, FailedKind, Outcome};
use linchpin::{Context, Error, Kind};
use linchpin_testing::steps::drop_at_each;

use super::{Callee, MINUTE, SECOND, chaos, draws, faults, scripted};
use crate::panic::logged;
use crate::paused;
use crate::recorder::Meters;

/// Who calls.
#[derive(Clone, Copy, PartialEq)]
enum Tenant {
    Real,
    Test,
}

#[tokio::test(start_paused = true)]
async fn nothing_is_injected_that_nobody_has_switched_on_or_that_is_not_on_the_list() {
    let is_test = |ctx: &Context| ctx.get::<Tenant>() == Some(&Tenant::Test);
    let chaos = Chaos::new("test", is_test, faults(1.0)).unwrap();
    let (callee, root) = (Callee::default(), Context::root());
    let (real, test) = (root.with_value(Tenant::Real), root.with_value(Tenant::Test));
    assert!(!chaos.is_enabled());
    assert!(callee.asked_in(&chaos, &test).await, "it is off at first");
    chaos.enable(MINUTE).unwrap();
    assert!(callee.asked_in(&chaos, &real).await && callee.asked_in(&chaos, &root).await);
    assert!(!callee.asked_in(&chaos, &test).await);
    chaos.disable();
    assert!(callee.asked_in(&chaos, &test).await);
    let off = Chaos::<u8, Error>::off();
    off.enable(MINUTE).unwrap();
    assert!(!off.is_enabled() && callee.asked(&off).await);
    assert_eq!(off.numbers(), Numbers::default());
    assert_eq!(off.snapshot().state, "off");
}

#[tokio::test(start_paused = true)]
async fn what_is_injected_has_a_mark_and_counts_as_a_real_one() {
    let chaos = chaos::<u8>(faults(1.0));
    let failed = chaos.call(&Context::root(), || async { Ok(7) }).await.unwrap_err();
    let FailedKind::Callee(error) = failed.into_kind() else { panic!("not as the callee's") };
    let mark = error.find::<Injected>().expect("a mark");
    assert_eq!((mark.chaos, mark.kind), ("test", Injection::Fault));
    assert!(error.report().to_string().contains("x-chaos: fault by `test`"));
    assert_eq!(ByKind.classify(Err::<&(), _>(&error)), Outcome::Failure);
    // In the error of somebody else.
    let options = Options::default().fault(1.0, io::Error::other).outcome(1.0, |_| 9_u8);
    let other = Chaos::new("other", |_| true, options).unwrap();
    other.enable(MINUTE).unwrap();
    let failed = other.call(&Context::root(), || async { Ok(7) }).await.unwrap_err();
    let FailedKind::Callee(error) = failed.kind() else { panic!("not as the callee's") };
    assert_eq!(error.get_ref().unwrap().downcast_ref::<Injected>().unwrap().chaos, "other");
}

#[tokio::test(start_paused = true)]
async fn what_is_cut_was_done_and_does_not_come_back_whole() {
    let reset = |_, mark| Err(Error::new(Kind::Unavailable, mark).context("connection reset"));
    let chaos = chaos::<u8>(scripted().cut(0.5, reset));
    let callee = Callee::default();
    draws(0.4999);
    let failed = chaos.call(&Context::root(), || callee.answer()).await.unwrap_err();
    let FailedKind::Callee(error) = failed.into_kind() else { panic!("not as the callee's") };
    assert_eq!(error.find::<Injected>().unwrap().kind, Injection::Cut);
    assert_eq!((callee.times(), chaos.numbers().cuts), (1, 1), "it was asked, and has answered");
    draws(0.5);
    assert_eq!(chaos.call(&Context::root(), || callee.answer()).await.unwrap(), 7);
    draws(0.0);
    let root = Context::root();
    let sick = chaos.call(&root, || async { Err(Error::new(Kind::NotFound, "none")) });
    let FailedKind::Callee(error) = sick.await.unwrap_err().into_kind() else { panic!() };
    assert_eq!((error.kind(), chaos.numbers().cuts), (Kind::NotFound, 1), "an error is whole");
    // Half of the answer, where the other half was to come.
    chaos.reconfigure(scripted().cut(1.0, |answer, _| Ok(answer / 2))).unwrap();
    assert_eq!(chaos.call(&Context::root(), || callee.answer()).await.unwrap(), 3);
    assert!(chaos.reconfigure(scripted().cut(1.1, |answer, _| Ok(answer))).is_err());
    chaos.disable();
    assert_eq!(chaos.call(&Context::root(), || callee.answer()).await.unwrap(), 7);
}

#[tokio::test(start_paused = true)]
async fn a_rate_may_differ_from_call_to_call() {
    let rate = Rate::by(|ctx| if ctx.get::<Tenant>().is_some() { 1.0 } else { 0.0 });
    let (chaos, callee) = (chaos(scripted().fault_of(rate, Kind::Unavailable)), Callee::default());
    assert!(callee.asked(&chaos).await);
    assert!(!callee.asked_in(&chaos, &Context::root().with_value(Tenant::Test)).await);
}

#[tokio::test(start_paused = true)]
async fn other_options_are_those_of_the_next_call() {
    let (chaos, callee) = (chaos(faults(1.0)), Callee::default());
    assert!(!callee.asked(&chaos).await);
    chaos.reconfigure(scripted()).unwrap();
    assert!(callee.asked(&chaos).await);
    assert!(chaos.reconfigure(faults(2.0)).is_err());
    chaos.reconfigure(faults(1.0).max_per_min(1)).unwrap();
    assert!(callee.asked(&chaos).await, "one was injected within the minute");
}

#[tokio::test(start_paused = true)]
async fn a_call_is_dropped_at_each_step() {
    drop_at_each(
        async || (chaos(scripted().latency(1.0, SECOND)), Context::root().child()),
        async |(chaos, ctx)| {
            let work = || async {
                tokio::task::yield_now().await;
                Ok::<_, Error>(7_u8)
            };
            chaos.call(ctx, work).await.unwrap();
            chaos.attempt(ctx, 1, work).await.unwrap();
        },
        async |(chaos, _)| assert!(chaos.is_enabled() || chaos.numbers().latencies <= 2),
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn every_injection_is_counted_and_shown() {
    let meters = Meters::default();
    let options = faults(1.0).max_per_min(2);
    let chaos =
        metrics::with_local_recorder(&meters, || Chaos::new("search", |_| true, options).unwrap());
    let callee = Callee::default();
    chaos.enable(MINUTE).unwrap();
    chaos.enable(MINUTE).unwrap();
    assert!(!callee.asked(&chaos).await && !callee.asked(&chaos).await);
    assert!(callee.asked(&chaos).await);
    assert_eq!(
        meters.shown("linchpin_chaos_"),
        [
            "capped_total{chaos=search} 1",
            "enabled{chaos=search} 1",
            "injected_total{chaos=search,kind=fault} 2",
        ]
    );
    let shown = chaos.snapshot().to_string();
    assert!(
        shown.starts_with("chaos `search`: on, enabled_for 60, faults 2, latencies 0"),
        "{shown}"
    );
    assert!(format!("{chaos:?}").contains("faults: 2"));
    drop(chaos);
    assert!(meters.shown("linchpin_chaos_").iter().all(|row| !row.starts_with("enabled{")));
}

#[test]
fn each_injection_is_a_line_with_the_mark() {
    let lines = logged(|| {
        paused::block_on(async {
            let (chaos, callee) = (chaos(faults(1.0)), Callee::default());
            assert!(!callee.asked(&chaos).await);
            tokio::time::advance(MINUTE).await;
            assert!(callee.asked(&chaos).await);
        });
    });
    let [on, injected, off] = &*lines else { panic!("{lines:?}") };
    assert!(on.contains("WARN") && on.contains("chaos is on"), "{on}");
    for part in ["INFO", "injected", "chaos=\"test\"", "x-chaos=\"fault\""] {
        assert!(injected.contains(part), "{part}: {injected}");
    }
    assert!(off.contains("chaos is off"), "{off}");
}

#[tokio::test(start_paused = true)]
async fn what_the_options_call_may_panic_and_costs_its_call_only() {
    fn bad() -> bool {
        panic!("boom")
    }
    draws(0.0);
    let options = || scripted::<u8>();
    let all: [(&str, Options<u8, Error>); 6] = [
        ("a rate", options().fault_of(Rate::by(|_| f64::from(u8::from(bad()))), Kind::Internal)),
        (
            "an error",
            options().fault(1.0, |mark| {
                Error::new(if bad() { Kind::Internal } else { Kind::Unknown }, mark)
            }),
        ),
        ("an answer", options().outcome(1.0, |_| u8::from(bad()))),
        ("a cut", options().cut(1.0, |_, _| Ok(u8::from(bad())))),
        ("a behaviour", options().behaviour(1.0, |_| assert!(bad()))),
        ("an id", faults(0.0).seed(1, |_| bad().then_some(1))),
    ];
    let (callee, root) = (Callee::default(), Context::root());
    for (name, options) in all {
        let chaos = chaos(options);
        let call = AssertUnwindSafe(chaos.call(&root, || callee.answer())).catch_unwind();
        assert!(call.await.is_err(), "{name}");
        chaos.disable();
        assert!(callee.asked(&chaos).await, "{name}");
    }
    let listed = Chaos::new("test", |_| bad(), faults::<u8>(1.0)).unwrap();
    assert!(callee.asked(&listed).await, "nobody is asked while it is off");
    listed.enable(MINUTE).unwrap();
    let call = listed.call(&root, || callee.answer());
    assert!(catch_unwind(AssertUnwindSafe(|| call.now_or_never().map(drop))).is_err());
}
