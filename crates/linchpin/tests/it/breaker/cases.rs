//! The cases C1 to C12 of the specification, a row each, under virtual time.

use std::collections::HashMap;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use linchpin::resilience::Outcome::{Failure, Ignored, Success};
use linchpin::resilience::breaker::{Breaker, Options, Permit, State};
use linchpin::resilience::{Outcome, Refusal};
use linchpin::time::Instant;

use super::{SECOND, breaker, exact, opened};

use Step::{
    At, Begin, Call, Drops, Ends, ForceOpen, Is, MetricsOnly, Refused, Reset, Times, Window,
};

/// What happens, or what is to be seen.
#[derive(Clone, Debug)]
enum Step {
    /// The clock stands so many milliseconds after the beginning.
    At(u64),
    /// A call begins and ends.
    Call(Outcome),
    /// A call of that name begins.
    Begin(&'static str),
    Ends(&'static str, Outcome),
    Drops(&'static str),
    /// A call is refused, and told to come back after so many milliseconds.
    Refused(Option<u64>),
    /// Steps, so many times.
    Times(u32, Vec<Step>),
    ForceOpen,
    MetricsOnly,
    Reset,
    Is(State),
    /// So many calls are in the window, and so many failures.
    Window(u64, u64),
}

struct Case {
    name: &'static str,
    breaker: fn() -> Breaker,
    steps: Vec<Step>,
}

fn case(name: &'static str, breaker: fn() -> Breaker, steps: impl Into<Vec<Step>>) -> Case {
    Case { name, breaker, steps: steps.into() }
}

fn ten() -> Options {
    exact().count_window(10).min_calls(5)
}

fn by_time() -> Options {
    exact().time_window(10 * SECOND).min_calls(5)
}

/// Opened at the beginning by two failures, so it is open for 5 s.
fn open() -> Breaker {
    opened(exact().count_window(2).min_calls(2))
}

const CLOSED: State = State::Closed;
const HALF_OPEN: State = State::HalfOpen;
const OPEN: State = State::Open;

fn f() -> Step {
    Call(Failure)
}

fn s() -> Step {
    Call(Success)
}

fn ignored() -> Step {
    Call(Ignored)
}

fn cases() -> Vec<Case> {
    [windows(), probes(), dropped_probes(), others()].into_iter().flatten().collect()
}

fn windows() -> Vec<Case> {
    vec![
        case(
            "C1: the share is judged from the fifth call on",
            || breaker(ten()),
            [f(), f(), s(), s(), Is(CLOSED), Window(4, 2), f(), Is(OPEN)],
        ),
        case(
            "C2: ignored calls are none",
            || breaker(ten()),
            [Times(4, vec![f()]), Times(10, vec![ignored()]), Is(CLOSED), Window(4, 4)],
        ),
        case(
            "C3: a bucket is gone with its time",
            || breaker(by_time()),
            [At(500), Times(4, vec![f()]), At(10_200), f(), Is(CLOSED), Window(1, 1)],
        ),
        case(
            "C3: and not before",
            || breaker(by_time()),
            [At(500), Times(4, vec![f()]), At(9_900), f(), Is(OPEN)],
        ),
    ]
}

fn probes() -> Vec<Case> {
    let probe_and_fail = |at, next_open_s: u64| {
        // Two failures of three probes are enough.
        let refused = Refused(Some(next_open_s * 1000));
        vec![At(at), Begin("a"), Begin("b"), Ends("a", Failure), Ends("b", Failure), refused]
    };
    vec![
        case(
            "C4: it is open until its time is over",
            open,
            [At(4_999), Refused(Some(1)), At(5_000), Begin("probe"), Is(HALF_OPEN)],
        ),
        case(
            "C5: so many probes, and closed as soon as it is certain",
            open,
            [
                At(5_000),
                Begin("a"),
                Begin("b"),
                Begin("c"),
                Refused(None),
                Refused(None),
                Ends("a", Success),
                Is(HALF_OPEN),
                Ends("b", Success),
                Is(CLOSED),
            ],
        ),
        case(
            "C5: or open again, each time for longer",
            open,
            [
                vec![At(5_000), Begin("a"), Begin("b"), Begin("c"), Ends("a", Failure)],
                vec![Ends("b", Success), Is(HALF_OPEN), Ends("c", Failure), Is(OPEN)],
                vec![Refused(Some(10_000))],
                probe_and_fail(15_000, 20),
                probe_and_fail(35_000, 40),
                probe_and_fail(75_000, 60),
                probe_and_fail(135_000, 60),
            ]
            .concat(),
        ),
    ]
}

fn dropped_probes() -> Vec<Case> {
    vec![
        case(
            "C6: a probe that is dropped gives its permit back",
            open,
            [
                At(5_000),
                Begin("a"),
                Begin("b"),
                Begin("c"),
                Refused(None),
                Drops("b"),
                Window(0, 0),
                Begin("d"),
                Refused(None),
            ],
        ),
        case(
            "C6: probes that are ignored keep nobody out",
            open,
            [At(5_000), Times(100, vec![ignored()]), Is(HALF_OPEN), Begin("a")],
        ),
        case(
            "C6: a probe that hangs opens it, at the time it has hung for too long",
            open,
            [At(5_000), Begin("a"), At(34_999), Is(HALF_OPEN), At(37_000), Refused(Some(8_000))],
        ),
        case(
            "C6: silence is no hanging",
            open,
            [At(5_000), s(), At(105_000), Is(HALF_OPEN), Begin("a")],
        ),
    ]
}

fn others() -> Vec<Case> {
    vec![
        case(
            "C7: a call that began before it opened decides nothing",
            || breaker(exact().count_window(2).min_calls(2)),
            [
                Begin("old"),
                At(1_000),
                f(),
                f(),
                Is(OPEN),
                At(6_000),
                Is(HALF_OPEN),
                At(6_500),
                Ends("old", Failure),
                Is(HALF_OPEN),
                Window(0, 0),
            ],
        ),
        case(
            "C9: slow is strictly longer",
            || breaker(ten().slow_calls(SECOND, 0.8)),
            [
                vec![At(0), Begin("1000 ms"), At(1_000), Ends("1000 ms", Success), At(10_000)],
                vec![Begin("a"), Begin("b"), Begin("c"), Begin("d"), At(11_001)],
                vec![Ends("a", Success), Ends("b", Success), Ends("c", Success), Is(CLOSED)],
                vec![Ends("d", Success), Is(OPEN)],
            ]
            .concat(),
        ),
        case(
            "C10: calls that hang open it before they end",
            || breaker(ten().slow_calls(SECOND, 0.8).count_pending()),
            [
                vec![Begin("a"), Begin("b"), Begin("c"), Begin("d"), Begin("e")],
                vec![At(1_000), Begin("still fine"), Drops("still fine")],
                vec![At(1_001), Refused(Some(5_000)), Is(OPEN)],
            ]
            .concat(),
        ),
        case(
            "C11: held open until an operator says otherwise",
            || breaker(ten()),
            [
                f(),
                ForceOpen,
                Refused(None),
                At(365 * 24 * 3_600_000),
                Refused(None),
                Is(State::ForcedOpen),
                Reset,
                Is(CLOSED),
                Window(0, 0),
                s(),
            ],
        ),
        case(
            "C11: only metrics",
            || breaker(ten()),
            [MetricsOnly, Times(100, vec![f()]), Is(State::MetricsOnly), Window(10, 10)],
        ),
    ]
}

struct World<'a> {
    breaker: &'a Breaker,
    began: Instant,
    calls: HashMap<&'static str, Permit<'a>>,
}

impl World<'_> {
    fn refused(&self) -> Refusal {
        self.breaker.admit(Instant::now()).map(drop).expect_err("a refusal")
    }

    async fn play(&mut self, steps: &[Step]) {
        for step in steps {
            match step.clone() {
                At(millis) => {
                    let at = self.began + Duration::from_millis(millis);
                    tokio::time::advance(at - Instant::now()).await;
                }
                Call(outcome) => {
                    let permit = self.breaker.admit(Instant::now()).expect("it is let through");
                    permit.record(outcome);
                }
                Begin(name) => {
                    let permit = self.breaker.admit(Instant::now()).expect(name);
                    self.calls.insert(name, permit);
                }
                Ends(name, outcome) => self.calls.remove(name).expect(name).record(outcome),
                Drops(name) => drop(self.calls.remove(name).expect(name)),
                Refused(after) => {
                    assert_eq!(self.refused().retry_after, after.map(Duration::from_millis));
                }
                Times(times, steps) => {
                    for _ in 0..times {
                        Box::pin(self.play(&steps)).await;
                    }
                }
                ForceOpen => self.breaker.force_open(),
                MetricsOnly => self.breaker.metrics_only(),
                Reset => self.breaker.reset(),
                Is(state) => assert_eq!(self.breaker.state(), state),
                Window(calls, failures) => {
                    let numbers = self.breaker.numbers();
                    assert_eq!((numbers.calls, numbers.failures), (calls, failures));
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_cases_of_the_specification() {
    for Case { name, breaker, steps } in cases() {
        println!("{name}");
        let breaker = breaker();
        let began = Instant::now();
        World { breaker: &breaker, began, calls: HashMap::new() }.play(&steps).await;
    }
}

#[tokio::test(start_paused = true)]
async fn c8_calls_that_fail_while_it_is_open_change_nothing() {
    let breaker = breaker(exact().count_window(60).min_calls(10));
    let late: Vec<_> = (0..50).map(|_| breaker.admit(Instant::now()).unwrap()).collect();
    let first: Vec<_> = (0..10).map(|_| breaker.admit(Instant::now()).unwrap()).collect();
    for permit in first {
        permit.record(Failure);
    }
    let opened = breaker.numbers();
    assert_eq!(opened.state, OPEN);
    tokio::time::advance(SECOND).await;
    for permit in late {
        permit.record(Failure);
    }
    let after = breaker.numbers();
    assert_eq!((after.generation, after.since), (opened.generation, opened.since));
    assert_eq!(after.retry_after, Some(4 * SECOND));
}

#[test]
fn c12_of_a_thousand_threads_three_are_probes() {
    // With the clock of a thread outside of a runtime, which is that of the system.
    let breaker = opened(exact().count_window(1).min_calls(1).open_for(Duration::from_millis(1)));
    let due = Instant::now() + SECOND;
    let (ready, inner) = (Barrier::new(1_000), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..1_000 {
            let run = || {
                ready.wait();
                let permit = breaker.admit(due);
                inner.fetch_add(usize::from(permit.is_ok()), Ordering::Relaxed);
                // No probe ends before all have asked.
                ready.wait();
                drop(permit);
            };
            thread::Builder::new().stack_size(64 * 1024).spawn_scoped(scope, run).unwrap();
        }
    });
    assert_eq!(inner.load(Ordering::Relaxed), 3);
}
