//! What becomes of a call that is dropped, panics, or is looked at.

use std::cell::{Cell, RefCell};
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::atomic::Ordering;

use futures_util::FutureExt as _;
use linchpin::resilience::FailedKind;
use linchpin::resilience::hedge::{Hedge, Numbers};
use linchpin::resilience::retry::{Allow as _, Budget, StopReason, Tried};
use linchpin::time::Instant;
use linchpin::{Context, task};
use linchpin_testing::steps::drop_at_each;
use tracing::Level;

use super::{MS, ROOT, SECOND, ample, hedge};
use crate::panic::logged_from;
use crate::paused;
use crate::recorder::{Meters, panicking};

#[tokio::test(start_paused = true)]
async fn a_call_is_dropped_at_each_step_with_all_its_attempts() {
    let report = drop_at_each(
        async || {
            let budget = Budget::concurrent(0.0, 3).unwrap();
            let hedge = hedge(ample().delay(MS).budget(budget.clone()));
            (hedge, budget, Context::root().child(), Rc::default())
        },
        async |(hedge, _, ctx, inside): &(Hedge, Budget, _, Rc<Cell<i32>>)| {
            let result = hedge.call(ctx, |attempt| {
                let inside = inside.clone();
                async move {
                    inside.set(inside.get() + 1);
                    let _inside = Guard(inside);
                    tokio::time::sleep(MS * if attempt.number() == 4 { 2 } else { 30 }).await;
                    Ok::<_, ()>(())
                }
            });
            result.await.unwrap();
        },
        async |(_, budget, _, inside)| {
            assert_eq!(budget.left(Instant::now()), Some(3.0), "no attempt is under way");
            assert_eq!(inside.get(), 0, "the work is gone");
        },
    )
    .await;
    assert!(report.steps > 3, "{report:?}");
}

struct Guard(Rc<Cell<i32>>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_an_attempt_is_the_callers_and_the_others_are_gone() {
    for late in [false, true] {
        let budget = Budget::concurrent(0.0, 3).unwrap();
        let hedge = hedge(ample().budget(budget.clone()));
        let inside = Rc::new(Cell::new(0));
        let ctx = Context::root();
        let call = hedge.call(&ctx, |attempt| {
            inside.set(inside.get() + 1);
            let guard = Guard(inside.clone());
            assert!(late || !attempt.is_retry(), "in the closure");
            async move {
                let _guard = guard;
                tokio::time::sleep(SECOND).await;
                assert!(!attempt.is_retry(), "in its future");
                std::future::pending::<Result<(), ()>>().await
            }
        });
        let raised = AssertUnwindSafe(call).catch_unwind().await.map(drop).unwrap_err();
        assert_eq!(
            task::panic_text(&*raised),
            if late { "in its future" } else { "in the closure" }
        );
        assert_eq!((hedge.numbers().panicked, inside.get()), (1, 0));
        assert_eq!(budget.left(Instant::now()), Some(3.0), "its place is free again");
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_the_classifier_of_a_hedge_is_the_callers() {
    let hedge = hedge(ample()).classified(|_: Result<&(), &()>| panic!("no word for it"));
    let ctx = Context::root();
    let call = hedge.call(&ctx, |_| async { Err(()) });
    let raised = AssertUnwindSafe(call).catch_unwind().await.map(drop).unwrap_err();
    assert_eq!(task::panic_text(&*raised), "no word for it");
    assert_eq!(hedge.numbers().panicked, 1);
}

/// Panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("boom");
    }
}

#[test]
fn an_attempt_that_lost_and_panics_when_it_is_dropped_costs_the_winner_nothing() {
    let meters = Meters::default();
    let lines = logged_from(Level::ERROR, || {
        metrics::with_local_recorder(&meters, || {
            let hedge = hedge(ample());
            let ctx = Context::root();
            let call = hedge.call(&ctx, |attempt| async move {
                let bomb = (attempt.number() != 3).then(|| Bomb);
                tokio::time::sleep(if attempt.number() == 3 { MS } else { 9 * SECOND }).await;
                std::mem::forget(bomb);
                Ok::<_, ()>(attempt.number())
            });
            assert_eq!(paused::block_on(call).unwrap(), 3);
        });
    });
    assert_eq!(lines.len(), 2, "each of the two: {lines:?}");
    assert!(lines[0].contains("an attempt that lost panicked when it was dropped"), "{lines:?}");
    let shown = meters.shown("linchpin_task_");
    assert!(shown.contains(&"panics_total{owner=test} 2".to_owned()), "{shown:?}");
}

#[tokio::test(start_paused = true)]
async fn a_cancel_drops_all_attempts_and_counts_no_failure() {
    let hedge = hedge(ample());
    let ctx = Context::root().child();
    let start = Instant::now();
    let call = hedge.call(&ctx, |_| std::future::pending::<Result<(), ()>>());
    let cancel = async {
        tokio::time::sleep(700 * MS).await;
        ctx.cancel("gone");
    };
    let (result, ()) = tokio::join!(call, cancel);
    let failed = result.unwrap_err();
    assert!(matches!(failed.kind(), FailedKind::Ended(_)));
    assert_eq!((failed.attempts(), failed.stop_reason()), (2, Some(StopReason::Cancelled)));
    assert_eq!((start.elapsed(), hedge.numbers().failed), (700 * MS, 0));
}

#[tokio::test(start_paused = true)]
async fn an_attempt_goes_where_none_has_gone() {
    let (hosts, tried) = (["a", "b", "c"], Tried::default());
    let hedge = hedge(ample().max_attempts(5));
    let begun = RefCell::new(Vec::new());
    let ctx = Context::root().with_value(tried.clone());
    let call = hedge.call(&ctx, |attempt| {
        // As a balancer further down does.
        let tried = attempt.call().get::<Tried<&str>>().unwrap();
        let host = tried.pick(hosts).unwrap();
        begun.borrow_mut().push(host);
        async move { Err::<(), _>(host) }
    });
    assert!(matches!(call.await.unwrap_err().kind(), FailedKind::Callee("a")));
    assert_eq!(
        begun.take(),
        ["a", "b", "c", "a", "b"],
        "then the one that was tried the longest ago"
    );
    assert_eq!(tried.list().len(), 5);
    assert!(tried.contains(&"c") && !tried.add("c") && tried.add("d"));
    assert_eq!(Tried::<u8>::default().pick([]), None);
    assert_eq!(format!("{:?}", Tried::<u8>::default()), "[]");
}

#[test]
fn hosts_that_panic_when_they_are_compared_leave_the_list_whole() {
    #[derive(Clone, Debug)]
    struct Host(u8);
    impl PartialEq for Host {
        fn eq(&self, other: &Self) -> bool {
            assert!(self.0 != 2 && other.0 != 2, "not this one");
            self.0 == other.0
        }
    }
    let tried = Tried::default();
    assert!(tried.add(Host(1)));
    assert!(linchpin::error::catch(|| tried.pick([Host(1), Host(2)])).is_err());
    assert!(linchpin::error::catch(|| tried.add(Host(2))).is_err());
    assert_eq!((tried.list().len(), tried.pick([Host(1), Host(3)]).unwrap().0), (1, 3));
}

#[tokio::test(start_paused = true)]
async fn what_a_hedge_did_is_in_its_numbers_and_metrics() {
    let meters = Meters::default();
    let hedge = metrics::with_local_recorder(&meters, || hedge(ample().max_attempts(2)));
    let ctx = Context::root();
    hedge.call(&ctx, |_| async { Ok::<_, ()>(()) }).await.unwrap();
    let second = hedge.call(&ctx, |attempt| async move {
        tokio::time::sleep(if attempt.is_retry() { 9 * MS } else { 9 * SECOND }).await;
        Ok::<_, ()>(())
    });
    second.await.unwrap();
    assert!(hedge.clone().call(&ctx, |_| async { Err::<(), _>(()) }).await.is_err());
    let Numbers { calls, sent, won, lost, failed, panicked, .. } = hedge.numbers();
    assert_eq!((calls, sent, won, lost, failed, panicked), (3, 2, 1, 1, 1, 0));
    assert_eq!(
        meters.shown("linchpin_hedge_"),
        [
            "calls_total{hedge=test,outcome=failure,hedged=yes} 1",
            "calls_total{hedge=test,outcome=success,hedged=no} 1",
            "calls_total{hedge=test,outcome=success,hedged=yes} 1",
            "lost_total{hedge=test} 1",
            "sent_total{hedge=test,why=failed} 1",
            "sent_total{hedge=test,why=slow} 1",
            "stopped_total{hedge=test,reason=attempts} 1",
            "won_total{hedge=test} 1",
        ]
    );
    let shown = hedge.snapshot().to_string();
    assert!(shown.starts_with("hedge `test`: ready, extra_load 0.66"), "{shown}");
    assert!(shown.ends_with("delay 0.5"), "{shown}");
    assert!(format!("{hedge:?}").starts_with("Hedge { name: \"test\""));
}

#[test]
fn another_attempt_and_who_won_are_lines() {
    let raced = || {
        let hedge = hedge(ample());
        let ctx = Context::root();
        let call = hedge.call(&ctx, |attempt| async move {
            tokio::time::sleep(if attempt.is_retry() { MS } else { SECOND }).await;
            Ok::<_, ()>(())
        });
        paused::block_on(call).unwrap();
    };
    let lines = logged_from(Level::DEBUG, raced);
    let [sent, won] = &*lines else { panic!("{lines:?}") };
    for part in ["another attempt is sent", "hedge=\"test\"", "attempt=2", "why=\"slow\""] {
        assert!(sent.contains(part), "{part}: {sent}");
    }
    for part in ["an attempt won", "attempt=2", "attempts=2", "lost=1"] {
        assert!(won.contains(part), "{part}: {won}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_recorder_that_panics_costs_no_hedge_its_answer() {
    let (recorder, panics) = panicking();
    let hedge = metrics::with_local_recorder(&recorder, || hedge(ample()));
    let call = hedge.call(&ROOT, |attempt| async move {
        tokio::time::sleep(if attempt.is_retry() { MS } else { SECOND }).await;
        Ok::<_, ()>(attempt.number())
    });
    assert_eq!(call.await.unwrap(), 2);
    assert_eq!((hedge.numbers().sent, hedge.numbers().won), (1, 1));
    assert!(panics.load(Ordering::Relaxed) > 1);
}

/// On several threads: no more is sent than the extra load has room for, and nothing is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_threads_send_no_more_than_there_is_room_for() {
    let hedge =
        hedge(ample().delay(std::time::Duration::ZERO).max_attempts(2).max_extra_load(0.25));
    let callers = (0..8).map(|_| {
        let hedge = hedge.clone();
        task::spawn("caller", async move {
            for _ in 0..500 {
                let ctx = Context::root();
                let call = hedge.call(&ctx, |_| async {
                    tokio::task::yield_now().await;
                    Ok::<_, ()>(())
                });
                call.await.unwrap();
            }
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.join().await;
    }
    let numbers = hedge.numbers();
    assert_eq!((numbers.calls, numbers.sent + numbers.out_of_budget), (4000, 4000));
    assert_eq!(numbers.sent, 1000);
}
