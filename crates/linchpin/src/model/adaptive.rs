//! The adaptive limit: nobody is let in beyond it or beyond a share, nobody who comes or goes is lost while it changes,
//! and every call is gathered once.
//!
//! A module of the adaptive limit, whose insides it drives.

use std::sync::Arc;
use std::time::Duration;

use loom::thread;

use super::core::Core;
use super::gate::{Gate, Of};
use super::options::Options;
use super::state::Ending;
use crate::model::{catches, holds};
use crate::shim::Fault;
use crate::time::Instant;

fn at(millis: u32) -> Instant {
    Instant::from_bits(1) + Duration::from_secs(1) + millis * Duration::from_millis(1)
}

/// Two come for the one place.
fn one_place_is_given_once() {
    let gate = Arc::new(Gate::new(1, &[]));
    let other = thread::spawn({
        let gate = gate.clone();
        move || gate.enter(Of::NONE).is_ok()
    });
    let mine = gate.enter(Of::NONE).is_ok();
    let theirs = other.join().unwrap();
    assert!(mine != theirs, "one of them, and not both");
    gate.leave(Of::NONE);
    assert_eq!(gate.look().inside, 0);
}

/// The limit goes down while one comes and another goes.
fn a_limit_that_changes_loses_nobody() {
    let gate = Arc::new(Gate::new(3, &[]));
    gate.enter(Of::NONE).expect("there is room");
    gate.enter(Of::NONE).expect("there is room");
    let comes = thread::spawn({
        let gate = gate.clone();
        move || gate.enter(Of::NONE).is_ok()
    });
    let goes = thread::spawn({
        let gate = gate.clone();
        move || gate.leave(Of::NONE)
    });
    gate.set_limit(1);
    let came = comes.join().unwrap();
    goes.join().unwrap();
    let seen = gate.look();
    assert_eq!((seen.limit, seen.inside), (1, 1 + u32::from(came)));
    assert!(gate.enter(Of::NONE).is_err(), "it holds from then on");
}

/// The limit is taken by others; two of one partition come for the one place that is guaranteed to them.
fn a_guarantee_is_given_once() {
    let gate = Arc::new(Gate::new(1, &[("live", 0.5)]));
    gate.enter(Of::NONE).expect("there is room");
    let live = gate.of("live").expect("it is there");
    let other = thread::spawn({
        let gate = gate.clone();
        move || gate.enter(live).is_ok()
    });
    let mine = gate.enter(live).is_ok();
    let theirs = other.join().unwrap();
    assert!(!(mine && theirs), "the guarantee is one place");
    assert!(mine || theirs, "and somebody has it");
    gate.leave(live);
    gate.leave(Of::NONE);
    let left: Vec<u64> = gate.parts().map(|(_, inside)| inside).collect();
    assert_eq!((gate.look().inside, left), (0, vec![0]));
}

/// Two calls end, and the first finds that the window is over.
fn every_call_is_gathered_once() {
    let options = Options::default().min_samples(1).window(Duration::from_millis(10));
    let core = Arc::new(Core::new("model", options, at(0)));
    let other = thread::spawn({
        let core = core.clone();
        move || core.end(Ending::Success, 1, at(0), at(1))
    });
    core.end(Ending::Success, 1, at(0), at(10));
    other.join().unwrap();
    assert_eq!(core.gathered(), 2, "a call is lost, or counted twice");
}

#[test]
fn adaptive_gate() {
    holds("adaptive_gate", one_place_is_given_once);
    catches(Fault::AdaptiveLooksBeforeItCounts, one_place_is_given_once);
}

#[test]
fn adaptive_limit_changes() {
    holds("adaptive_limit_changes", a_limit_that_changes_loses_nobody);
    catches(Fault::AdaptiveLimitsUnseen, a_limit_that_changes_loses_nobody);
}

#[test]
fn adaptive_partitions() {
    holds("adaptive_partitions", a_guarantee_is_given_once);
    catches(Fault::AdaptiveCountsAPartLater, a_guarantee_is_given_once);
}

#[test]
fn adaptive_gathers() {
    holds("adaptive_gathers", every_call_is_gathered_once);
    catches(Fault::SamplesAreTakenInTwoSteps, every_call_is_gathered_once);
}
