//! The shedder: who is judged is counted in the same step, and who goes is taken off once.
//!
//! A module of the shedder, whose insides it drives.

use std::sync::Arc;
use std::time::Duration;

use loom::thread;

use super::flight::Flight;
use super::recent::Recent;
use crate::model::{catches, holds};
use crate::shim::Fault;
use crate::time::Instant;

fn at(millis: u32) -> Instant {
    Instant::from_bits(1) + Duration::from_secs(1) + millis * Duration::from_millis(1)
}

/// Many were under way, and are gone but for one; two come while one more is let in.
fn one_is_let_in_up_to_the_most() {
    let flight = Arc::new(Flight::new());
    for _ in 0..100 {
        flight.enter();
    }
    for _ in 0..99 {
        flight.leave();
    }
    assert!(flight.look().average > 1.0 && flight.look().inside == 1);
    let other = thread::spawn({
        let flight = flight.clone();
        move || flight.enter_up_to(1.0).is_ok()
    });
    let mine = flight.enter_up_to(1.0).is_ok();
    let theirs = other.join().unwrap();
    assert!(mine != theirs, "the second finds two under way");
    assert_eq!(flight.look().inside, 2);
}

/// One goes while another comes and goes.
fn who_goes_is_counted_off() {
    let flight = Arc::new(Flight::new());
    flight.enter();
    let other = thread::spawn({
        let flight = flight.clone();
        move || {
            flight.enter();
            flight.leave();
        }
    });
    flight.leave();
    other.join().unwrap();
    assert_eq!(flight.look().inside, 0);
}

/// Two calls are done, and one of them finds that the bucket is over.
fn every_call_is_done_once() {
    let recent = Arc::new(Recent::new(at(0)));
    recent.passed(1_000_000, at(1));
    let other = thread::spawn({
        let recent = recent.clone();
        move || recent.passed(1_000_000, at(2))
    });
    recent.passed(1_000_000, at(100));
    other.join().unwrap();
    assert_eq!(recent.done(at(300)), 3, "a call is lost, or counted twice");
}

#[test]
fn shed_enters() {
    holds("shed_enters", one_is_let_in_up_to_the_most);
    catches(Fault::ShedLooksBeforeItCounts, one_is_let_in_up_to_the_most);
}

#[test]
fn shed_leaves() {
    holds("shed_leaves", who_goes_is_counted_off);
}

#[test]
fn shed_remembers() {
    holds("shed_remembers", every_call_is_done_once);
    catches(Fault::SamplesAreTakenInTwoSteps, every_call_is_done_once);
}
