//! The cases R1 to R6 and R10 to R12 of the specification, a row each, under virtual time.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use linchpin::Context;
use linchpin::context::Cause;
use linchpin::resilience::breaker::{self, Breaker};
use linchpin::resilience::retry::{Options, StopReason};
use linchpin::resilience::{Again, ByFailed, Classify, FailedKind, Outcome};
use linchpin::time::Instant;

use super::{MS, SECOND, at_once, exact, retry};

/// What a callee answers: a status, and what it asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<Duration>,
}

pub(crate) const fn answer(status: u16) -> Answer {
    Answer { status, retry_after: None }
}

/// Reads statuses; 0 is a connection that was refused.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ByStatus;

impl Classify<Answer, Answer> for ByStatus {
    fn classify(&self, result: Result<&Answer, &Answer>) -> Outcome {
        let (Ok(answer) | Err(answer)) = result;
        if matches!(answer.status, 0 | 500..) { Outcome::Failure } else { Outcome::Success }
    }

    fn again(&self, result: Result<&Answer, &Answer>) -> Again {
        let (Ok(answer) | Err(answer)) = result;
        match answer.status {
            0 => Again::Undone,
            429 => Again::Throttled,
            501 => Again::Never,
            599 => Again::PushedBack,
            408 | 500.. => Again::IfHarmless,
            _ => Again::Never,
        }
    }

    fn retry_after(&self, result: Result<&Answer, &Answer>) -> Option<Duration> {
        let (Ok(answer) | Err(answer)) = result;
        answer.retry_after
    }
}

struct Case {
    name: &'static str,
    options: Options,
    deadline: Option<u64>,
    /// How long an attempt takes, and what it comes to; the last one for ever.
    attempts: &'static [(u64, u16)],
    retry_after: Option<u64>,
    /// When attempts begin.
    begun: &'static [u64],
    /// When it returns.
    returns: u64,
    stopped: Option<StopReason>,
}

/// Everything fails at once, and there are three attempts.
fn case(name: &'static str, begun: &'static [u64], stopped: StopReason) -> Case {
    Case {
        name,
        options: exact(),
        deadline: None,
        attempts: &[(0, 503)],
        retry_after: None,
        begun,
        returns: *begun.last().unwrap(),
        stopped: Some(stopped),
    }
}

fn unmarked() -> Options {
    let base = Options::default().random(|| 0.5).budget(super::Budget::unlimited());
    base.backoff(exact_schedule())
}

fn exact_schedule() -> super::Schedule {
    super::Schedule::constant(100 * MS).unwrap()
}

fn cases() -> Vec<Case> {
    use StopReason::{Attempts, Deadline, Final, Pushback, Unsafe};
    vec![
        Case {
            options: exact().max_attempts(7),
            ..case("R1: seven attempts", &[0, 100, 300, 700, 1500, 2500, 3500], Attempts)
        },
        case("the default is three attempts", &[0, 100, 300], Attempts),
        Case {
            deadline: Some(1000),
            attempts: &[(900, 503)],
            options: exact().backoff(super::Schedule::constant(200 * MS).unwrap()),
            returns: 900,
            ..case("R4: the delay does not fit", &[0], Deadline)
        },
        Case {
            deadline: Some(1000),
            attempts: &[(900, 503)],
            returns: 900,
            ..case("R4: the attempt after it does not", &[0], Deadline)
        },
        Case {
            deadline: Some(1000),
            attempts: &[(900, 503), (1, 200)],
            options: exact().backoff(super::Schedule::constant(99 * MS).unwrap()),
            returns: 1000,
            stopped: None,
            ..case("R4: it does by a millisecond", &[0, 999], Deadline)
        },
        Case {
            retry_after: Some(2000),
            attempts: &[(0, 503), (0, 200)],
            stopped: None,
            ..case("R5: asked for 2 s", &[0, 2250], Attempts)
        },
        Case { retry_after: Some(61_000), ..case("R5: asked for too long", &[0], Pushback) },
        Case {
            retry_after: Some(0),
            attempts: &[(0, 503), (0, 200)],
            stopped: None,
            ..case("R5: asked for nothing", &[0, 100], Attempts)
        },
        Case {
            retry_after: Some(40),
            attempts: &[(0, 503), (0, 200)],
            stopped: None,
            ..case("asked for less than the backoff", &[0, 100], Attempts)
        },
        Case {
            retry_after: Some(2000),
            deadline: Some(2000),
            ..case("asked for more than is left", &[0], Deadline)
        },
        Case { attempts: &[(0, 599)], ..case("asked never to come again", &[0], Pushback) },
        Case { options: unmarked(), ..case("R6: unmarked", &[0], Unsafe) },
        Case {
            options: unmarked(),
            attempts: &[(0, 0), (0, 200)],
            stopped: None,
            ..case("R6: unmarked, but never connected", &[0, 100], Unsafe)
        },
        Case {
            options: unmarked(),
            attempts: &[(0, 429), (0, 200)],
            stopped: None,
            ..case("unmarked, but throttled: from half of 1 s on", &[0, 500], Unsafe)
        },
        Case { attempts: &[(0, 501)], ..case("not implemented stays so", &[0], Final) },
        Case { options: exact().max_attempts(1), ..case("one attempt", &[0], Attempts) },
        Case {
            options: exact().no_max_attempts(),
            deadline: Some(1600),
            ..case("no bound but the deadline", &[0, 100, 300, 700, 1500], Deadline)
        },
    ]
}

#[tokio::test(start_paused = true)]
async fn the_cases_of_the_specification_hold() {
    for Case { name, options, deadline, attempts, retry_after, begun, returns, stopped } in cases()
    {
        let start = Instant::now();
        let ctx = match deadline {
            Some(at) => Context::root().with_timeout(at as u32 * MS).disarm(),
            None => Context::root(),
        };
        let seen = RefCell::new(Vec::new());
        let result = retry(options)
            .classified(ByStatus)
            .call(&ctx, |attempt| {
                let at = (attempt.number() as usize).min(attempts.len()) - 1;
                let (takes, status) = attempts[at];
                seen.borrow_mut().push(start.elapsed().as_millis() as u64);
                async move {
                    tokio::time::sleep(takes as u32 * MS).await;
                    let retry_after = retry_after.map(Duration::from_millis);
                    let answer = Answer { status, retry_after };
                    if status == 200 { Ok(answer) } else { Err(answer) }
                }
            })
            .await;
        assert_eq!(seen.take(), begun, "{name}: attempts");
        assert_eq!(start.elapsed().as_millis() as u64, returns, "{name}: end");
        let reason = result.as_ref().err().and_then(linchpin::resilience::Failed::stop_reason);
        assert_eq!(reason, stopped, "{name}");
        if let Err(failed) = result {
            assert_eq!(failed.attempts() as usize, begun.len(), "{name}");
            assert_eq!(failed.retry_after(), retry_after.map(Duration::from_millis), "{name}");
            assert!(matches!(failed.kind(), FailedKind::Callee(_)), "{name}: the last error");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn r10_a_cancel_while_it_rests_is_heard_at_once() {
    let budget = super::Budget::tokens(10, 5, 5).unwrap();
    let retry = retry(exact().budget(budget.clone()));
    let ctx = Context::root().child();
    let start = Instant::now();
    let mut calls = 0;
    let call = retry.call(&ctx, |_| {
        calls += 1;
        async { Err::<(), _>("sick") }
    });
    let cancel = async {
        tokio::time::sleep(30 * MS).await;
        ctx.cancel(Cause::Shutdown);
    };
    let (result, ()) = tokio::join!(call, cancel);
    let failed = result.unwrap_err();
    assert!(matches!(failed.kind(), FailedKind::Ended(_)));
    assert_eq!((start.elapsed(), calls), (30 * MS, 1));
    assert_eq!((failed.attempts(), failed.stop_reason()), (2, Some(StopReason::Cancelled)));
    let left = linchpin::resilience::retry::Allow::left(&budget, Instant::now());
    assert_eq!(left, Some(1.0), "what was paid stays paid");
}

fn open_breaker() -> Breaker {
    let breaker = Breaker::new("test", breaker::Options::default()).unwrap();
    breaker.force_open();
    breaker
}

#[tokio::test(start_paused = true)]
async fn r11_an_open_breaker_ends_the_retrying() {
    let breaker = open_breaker();
    let mut attempts = 0;
    let ctx = Context::root();
    let failed = retry(exact())
        .classified(ByFailed::<linchpin::resilience::ByResult>::default())
        .call(&ctx, |_| {
            attempts += 1;
            breaker.call(&ctx, || async { panic!("never called") })
        })
        .await
        .map(|()| 0)
        .map_err(linchpin::resilience::Failed::<linchpin::resilience::Failed<()>>::flatten)
        .unwrap_err();
    assert_eq!(attempts, 1);
    assert!(matches!(failed.kind(), FailedKind::Refused(refusal) if refusal.policy == "breaker"));
    assert_eq!((failed.attempts(), failed.stop_reason()), (1, Some(StopReason::CircuitOpen)));
}

#[tokio::test(start_paused = true)]
async fn a_breaker_that_opens_meanwhile_leaves_the_callees_own_error() {
    let options = breaker::Options::default().count_window(2).min_calls(2);
    let breaker = Breaker::new("test", options).unwrap();
    let (calls, ctx) = (Cell::new(0), Context::root());
    let failed = retry(at_once().max_attempts(10))
        .classified(ByFailed::<linchpin::resilience::ByResult>::default())
        .call(&ctx, |_| {
            breaker.call(&ctx, || {
                calls.set(calls.get() + 1);
                let error = calls.get();
                async move { Err::<(), _>(error) }
            })
        })
        .await
        .unwrap_err()
        .flatten();
    assert!(matches!(failed.kind(), FailedKind::Callee(2)), "{failed:?}");
    assert_eq!((failed.attempts(), failed.stop_reason()), (3, Some(StopReason::CircuitOpen)));
}

#[tokio::test(start_paused = true)]
async fn r12_a_last_answer_that_is_no_error_is_given_as_it_is() {
    for as_error in [false, true] {
        let options = if as_error { exact().exhausted_as_error() } else { exact() };
        let mut calls = 0;
        let result = retry(options)
            .classified(ByStatus)
            .call(&Context::root(), |_| {
                calls += 1;
                async { Ok(answer(500)) }
            })
            .await;
        assert_eq!(calls, 3);
        match result {
            Ok(last) => assert!(!as_error && last == answer(500)),
            Err(failed) => {
                assert!(as_error && matches!(failed.kind(), FailedKind::Exhausted));
                assert_eq!(failed.stop_reason(), Some(StopReason::Attempts));
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn after_an_obeyed_hint_the_backoff_begins_anew() {
    let start = Instant::now();
    let begun = RefCell::new(Vec::new());
    let asked = [None, None, Some(5 * SECOND), None, None];
    let result = retry(exact().max_attempts(6))
        .classified(ByStatus)
        .call(&Context::root(), |attempt| {
            begun.borrow_mut().push(start.elapsed().as_millis());
            let retry_after = asked.get(attempt.number() as usize - 1).copied().flatten();
            async move { Err::<Answer, _>(Answer { status: 503, retry_after }) }
        })
        .await;
    assert!(result.is_err());
    // 5 s, and half of a quarter of them besides.
    assert_eq!(begun.take(), [0, 100, 300, 5925, 6025, 6225]);
}
