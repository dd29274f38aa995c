//! The breaker: every outcome is counted once and judged by what belongs to it, it opens once, nothing from before it
//! changed counts afterwards, and a refusal tells the numbers of one state.
//!
//! A module of the breaker, whose insides it drives. A chunk of its window holds two calls here.

use std::sync::Arc;
use std::time::Duration;

use loom::thread;

use super::locked::Standing;
use super::machine::{Core, Recorded, Ticket};
use super::meters::Meters;
use super::options::Options;
use super::state::State;
use crate::model::{catches, holds};
use crate::resilience::Outcome::{self, Failure, Success};
use crate::shim::{Fault, lock};
use crate::time::Instant;

const SECOND: Duration = Duration::from_secs(1);

fn at(seconds: u32) -> Instant {
    Instant::from_bits(1) + (seconds + 1) * SECOND
}

fn breaker(options: Options) -> Arc<Core> {
    let meters = Arc::new(Meters::new("model"));
    Arc::new(Core::new("model", None, meters, options.random(|| 0.5), at(0)))
}

fn window(calls: u32) -> Options {
    Options::default().count_window(calls).min_calls(1).failure_ratio(1.0)
}

fn admit(core: &Core) -> Ticket {
    core.admit(at(0)).expect("it is closed")
}

fn record(core: &Core, ticket: &Ticket, outcome: Outcome) -> Recorded {
    core.record(ticket, outcome, None, at(0))
}

fn call(core: &Core, outcome: Outcome) {
    record(core, &admit(core), outcome);
}

fn reset(core: &Core) {
    core.force(&mut lock(&core.state), Standing::Closed, at(0));
}

/// Two calls end at once, and one of them finds that the bucket of time is over.
fn every_outcome_is_counted() {
    let core = breaker(Options::default().time_window(10 * SECOND));
    let other = thread::spawn({
        let (core, ticket) = (core.clone(), admit(&core));
        move || core.record(&ticket, Failure, None, at(0))
    });
    core.record(&admit(&core), Success, None, at(1));
    other.join().unwrap();
    let numbers = core.numbers(at(1));
    assert_eq!((numbers.calls, numbers.failures), (2, 1), "an outcome is lost, or counted twice");
    let totals = core.share(at(1)).expect("it counts by time").totals;
    assert_eq!((totals.calls, totals.failures), (2, 1), "what a fleet is told");
}

/// A call ends while an operator closes the breaker anew: what it was counted in is in the totals.
fn totals_are_of_all_that_counted() {
    let core = breaker(Options::default().time_window(10 * SECOND));
    let other = thread::spawn({
        let (core, ticket) = (core.clone(), admit(&core));
        move || record(&core, &ticket, Failure)
    });
    reset(&core);
    let counted = other.join().unwrap() == Recorded::Counted;
    let totals = core.share(at(0)).expect("it counts by time").totals;
    assert_eq!(totals.failures, u64::from(counted));
}

/// The same by count, where one of them fills a chunk.
fn every_outcome_is_counted_by_count() {
    let core = breaker(window(5));
    call(&core, Success);
    let other = thread::spawn({
        let core = core.clone();
        move || call(&core, Failure)
    });
    call(&core, Success);
    other.join().unwrap();
    let numbers = core.numbers(at(0));
    assert_eq!((numbers.calls, numbers.failures), (3, 1), "an outcome is lost, or counted twice");
}

/// A window that is full of successes forgets those in the word for the next, while a failure comes.
fn a_full_window_takes_one_for_one() {
    let core = breaker(window(2));
    for _ in 0..4 {
        call(&core, Success);
    }
    let other = thread::spawn({
        let core = core.clone();
        move || core.end(admit(&core), Failure, None, at(0))
    });
    core.end(admit(&core), Success, None, at(0));
    other.join().unwrap();
    let numbers = core.numbers(at(0));
    assert_eq!((numbers.calls, numbers.failures), (2, 1));
}

/// One carries a full chunk of failures over while another call fails, which is one too many.
fn who_counts_sees_what_was_carried_over() {
    let core = breaker(window(5).min_calls(3));
    call(&core, Failure);
    call(&core, Failure);
    let last = thread::spawn({
        let (core, ticket) = (core.clone(), admit(&core));
        move || record(&core, &ticket, Failure)
    });
    core.turn(&mut lock(&core.state), None);
    last.join().unwrap();
    let numbers = core.numbers(at(0));
    assert_eq!((numbers.state, numbers.generation), (State::Open, 1), "judged by too little");
}

/// A call that is one too many ends while an operator closes the breaker anew.
fn what_was_too_much_before_opens_nothing_after() {
    let core = breaker(window(2));
    let ticket = admit(&core);
    let operator = thread::spawn({
        let core = core.clone();
        move || reset(&core)
    });
    record(&core, &ticket, Failure);
    operator.join().unwrap();
    assert_eq!(core.numbers(at(0)).state, State::Closed);
}

/// The same with a call that would only be counted.
fn what_began_before_is_not_counted_after() {
    let core = breaker(window(4).min_calls(4));
    let ticket = admit(&core);
    let operator = thread::spawn({
        let core = core.clone();
        move || reset(&core)
    });
    record(&core, &ticket, Failure);
    operator.join().unwrap();
    assert_eq!(core.numbers(at(0)).calls, 0);
}

fn opened(probes: u32) -> Arc<Core> {
    let core = breaker(window(1).probes(probes));
    call(&core, Failure);
    core
}

/// The one probe is let through while another comes a little too early, who hears what was true at one moment.
///
/// The first takes the lock at once: loom takes what a thread reads itself for the last that was read, and would not
/// look what else could come before.
fn a_refusal_tells_the_numbers_of_one_state() {
    let core = opened(1);
    let early = thread::spawn({
        let core = core.clone();
        move || core.admit(at(4)).expect_err("too early, or all probes are under way")
    });
    {
        let mut state = lock(&core.state);
        core.advance(&mut state, at(5));
        core.admit_locked(&mut state, at(5)).expect("the only probe");
    }
    let no = early.join().unwrap();
    assert!([None, Some(SECOND)].contains(&no.retry_after), "{no:?}");
}

/// Two come for the one probe at once; it goes away, and the next is let through.
fn a_probe_is_given_once_and_comes_back() {
    let core = opened(1);
    let other = thread::spawn({
        let core = core.clone();
        move || core.admit(at(5))
    });
    let mine = core.admit(at(5));
    let theirs = other.join().unwrap();
    let probe = match (mine, theirs) {
        (Ok(probe), Err(_)) | (Err(_), Ok(probe)) => probe,
        both => panic!("{both:?}"),
    };
    let leaver = thread::spawn({
        let core = core.clone();
        move || core.record(&probe, Outcome::Ignored, None, at(5))
    });
    drop(core.admit(at(5)));
    leaver.join().unwrap();
    let numbers = core.numbers(at(5));
    assert_eq!(numbers.state, State::HalfOpen);
    assert!(numbers.probes == 1 || core.admit(at(5)).is_ok(), "the permit is lost");
}

#[test]
fn breaker_counts() {
    holds("breaker_counts", every_outcome_is_counted);
    holds("breaker_counts_by_count", every_outcome_is_counted_by_count);
    holds("breaker_counts_one_for_one", a_full_window_takes_one_for_one);
    catches(Fault::BreakerTurnsUnseen, every_outcome_is_counted);
}

#[test]
fn breaker_totals() {
    holds("breaker_totals", totals_are_of_all_that_counted);
    catches(Fault::BreakerLooksBeforeItTotals, totals_are_of_all_that_counted);
}

#[test]
fn breaker_carries_over() {
    holds("breaker_carries_over", who_counts_sees_what_was_carried_over);
    catches(Fault::BreakerPublishesUnseen, who_counts_sees_what_was_carried_over);
}

#[test]
fn breaker_opens() {
    holds("breaker_opens", what_was_too_much_before_opens_nothing_after);
    catches(Fault::BreakerOpensTwice, what_was_too_much_before_opens_nothing_after);
}

#[test]
fn breaker_forgets() {
    holds("breaker_forgets", what_began_before_is_not_counted_after);
    catches(Fault::BreakerCountsWhatIsStale, what_began_before_is_not_counted_after);
}

#[test]
fn breaker_refuses() {
    holds("breaker_refuses", a_refusal_tells_the_numbers_of_one_state);
    catches(Fault::BreakerTrustsAFrame, a_refusal_tells_the_numbers_of_one_state);
}

#[test]
fn breaker_probes() {
    holds("breaker_probes", a_probe_is_given_once_and_comes_back);
}
