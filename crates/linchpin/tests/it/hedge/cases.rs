//! The cases H1 to H8 and H10 of the specification, a row each, under virtual time. H9 is in `delay`.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use linchpin::Context;
use linchpin::context::Cause;
use linchpin::resilience::breaker::{self, Breaker};
use linchpin::resilience::retry::{Allow, Budget, StopReason};
use linchpin::resilience::{ByFailed, ByResult, Failed, FailedKind};
use linchpin::time::Instant;

use super::rows::{Case, Does, cases, deadline_cases, other_cases};
use super::{MS, ROOT, SECOND, ample, hedge};
use crate::retry::cases::{Answer, ByStatus};

#[tokio::test(start_paused = true)]
async fn the_cases_of_the_specification_hold() {
    for Case { name, options, deadline, attempts, begun, ends, stopped, others } in
        cases().into_iter().chain(deadline_cases()).chain(other_cases())
    {
        let start = Instant::now();
        let ctx = match deadline {
            Some(at) => Context::root().with_timeout(at as u32 * MS).disarm(),
            None => Context::root(),
        };
        let (seen, alive) = (RefCell::new(Vec::new()), Cell::new(0));
        let hedge = hedge(options).classified(ByStatus);
        let result = hedge
            .call(&ctx, |attempt| {
                let Does { takes, status, asks } =
                    attempts[(attempt.number() as usize).min(attempts.len()) - 1];
                seen.borrow_mut().push(start.elapsed().as_millis() as u64);
                let inside = Inside::enter(&alive);
                async move {
                    let _inside = inside;
                    if takes > 0 {
                        tokio::time::sleep(Duration::from_millis(takes)).await;
                    }
                    let retry_after = asks.map(Duration::from_millis);
                    let answer = Answer { status, retry_after };
                    if status < 300 && status > 0 { Ok(answer) } else { Err(answer) }
                }
            })
            .await;
        assert_eq!(alive.get(), 0, "{name}: those that lost are gone before it returns");
        assert_eq!(seen.take(), begun, "{name}: attempts");
        assert_eq!(start.elapsed().as_millis() as u64, ends.0, "{name}: end");
        match result {
            Ok(answer) => assert_eq!((Some(answer.status), stopped), (ends.1, None), "{name}"),
            Err(failed) => {
                assert_eq!(failed.stop_reason(), stopped, "{name}");
                assert_eq!(failed.attempts() as usize, begun.len(), "{name}");
                assert_eq!(statuses(failed.others()), others, "{name}: the others");
                let status = match failed.kind() {
                    FailedKind::Callee(answer) => Some(answer.status),
                    FailedKind::Ended(ended) => {
                        assert!(matches!(ended.cause(), Cause::Deadline), "{name}");
                        None
                    }
                    other => panic!("{name}: {other:?}"),
                };
                assert_eq!(status, ends.1, "{name}");
            }
        }
    }
}

fn statuses(others: &[Failed<Answer>]) -> Vec<u16> {
    let status = |failed: &Failed<Answer>| match failed.kind() {
        FailedKind::Callee(answer) => answer.status,
        other => panic!("{other:?}"),
    };
    others.iter().map(status).collect()
}

/// Counts the attempts that are under way.
struct Inside<'a>(&'a Cell<u32>);

impl<'a> Inside<'a> {
    fn enter(alive: &'a Cell<u32>) -> Self {
        alive.set(alive.get() + 1);
        Self(alive)
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// A budget that has nothing, and counts who asks.
#[derive(Debug, Default)]
struct Nothing(std::sync::atomic::AtomicU32);

impl Allow for Nothing {
    fn withdraw(&self, _: Instant, _: bool) -> bool {
        self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        false
    }
}

#[tokio::test(start_paused = true)]
async fn h5_a_spent_budget_is_asked_once_and_kills_nobody() {
    let nothing = std::sync::Arc::new(Nothing::default());
    let hedge = hedge(ample().budget(Budget::custom(nothing.clone())));
    let begun = Instant::now();
    let call = hedge.call(&ROOT, |_| async {
        tokio::time::sleep(5 * SECOND).await;
        Ok::<_, ()>(7)
    });
    assert_eq!(call.await.unwrap(), 7);
    assert_eq!(begun.elapsed(), 5 * SECOND);
    assert_eq!(nothing.0.load(std::sync::atomic::Ordering::Relaxed), 1, "asked once");
    let numbers = hedge.numbers();
    assert_eq!((numbers.sent, numbers.out_of_budget), (0, 1));
    let shown = hedge.snapshot();
    let left = shown.numbers.iter().find(|(name, _)| *name == "left").unwrap().1;
    assert!(left >= 10.0, "nothing was taken from the extra load: {left}");
}

#[tokio::test(start_paused = true)]
async fn a_spent_budget_keeps_those_that_are_under_way() {
    let budget = Budget::tokens(1, 1, 1).unwrap();
    let hedge = hedge(ample().budget(budget));
    let begun = RefCell::new(Vec::new());
    let start = Instant::now();
    let answered = hedge.call(&ROOT, |attempt| {
        begun.borrow_mut().push(start.elapsed().as_millis());
        async move {
            tokio::time::sleep(if attempt.number() == 1 { 9 } else { 3 } * SECOND).await;
            Ok::<_, ()>(attempt.number())
        }
    });
    assert_eq!(answered.await.unwrap(), 2);
    assert_eq!((begun.take(), start.elapsed()), (vec![0, 500], 3500 * MS));
    assert_eq!(hedge.numbers().out_of_budget, 1);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_a_policy_refuses_triggers_nothing_and_ends_nothing() {
    let breaker = Breaker::new("test", breaker::Options::default()).unwrap();
    let start = Instant::now();
    let begun = RefCell::new(Vec::new());
    let ctx = Context::root();
    let hedge = hedge(ample()).classified(ByFailed::<ByResult>::default());
    let answered = hedge.call(&ctx, |attempt| {
        begun.borrow_mut().push(start.elapsed().as_millis());
        if attempt.is_retry() {
            breaker.force_open();
        }
        breaker.call(&ctx, move || async move {
            tokio::time::sleep(1700 * MS).await;
            Ok::<_, ()>(attempt.number())
        })
    });
    assert_eq!(answered.await.unwrap(), 1);
    assert_eq!(begun.take(), [0, 500, 1000, 1500], "none is sent for a refusal");
    assert_eq!(start.elapsed(), 1700 * MS);
}

#[tokio::test(start_paused = true)]
async fn with_none_under_way_a_refusal_ends_the_call_with_what_the_first_came_to() {
    let breaker = Breaker::new("test", breaker::Options::default()).unwrap();
    let hedge = hedge(ample()).classified(ByFailed::<ByResult>::default());
    let ctx = Context::root();
    for refused_from in [1, 2] {
        let start = Instant::now();
        let result = hedge.call(&ctx, |attempt| {
            if attempt.number() == refused_from {
                breaker.force_open();
            }
            breaker.call(&ctx, || async { Err::<(), _>("sick") })
        });
        let failed = result.await.unwrap_err();
        assert_eq!(failed.attempts(), refused_from);
        assert_eq!(failed.stop_reason(), Some(StopReason::CircuitOpen));
        assert_eq!(failed.others().len() as u32, refused_from - 1);
        let failed = failed.flatten();
        match refused_from {
            1 => assert!(matches!(failed.kind(), FailedKind::Refused(_)), "{failed:?}"),
            _ => {
                assert!(matches!(failed.kind(), FailedKind::Callee("sick")), "{failed:?}");
                assert!(matches!(failed.others()[0].kind(), FailedKind::Refused(_)));
            }
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
        breaker.reset();
    }
}

#[tokio::test(start_paused = true)]
async fn a_first_answer_that_counts_as_a_failure_is_given_as_it_is_when_all_fail() {
    let hedge = hedge(ample().max_attempts(2)).classified(ByStatus);
    let answer = |status| Answer { status, retry_after: None };
    let result = hedge
        .call(&Context::root(), |attempt| async move {
            if attempt.number() == 1 { Ok(answer(503)) } else { Err(answer(500)) }
        })
        .await;
    assert_eq!(result.unwrap(), answer(503));
    assert_eq!(hedge.numbers().failed, 1);
}
