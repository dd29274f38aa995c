//! What hedges share: how long attempts take, and what further ones may cost.
//!
//! A module of the hedge, whose insides it drives.

use std::sync::Arc;
use std::time::Duration;

use loom::thread;

use super::Options;
use super::core::Core;
use super::latency::{Latency, NEEDED, Rank};
use crate::model::{catches, holds};
use crate::resilience::retry::{Allow as _, Budget};
use crate::shim::Fault;
use crate::time::Instant;

fn now() -> Instant {
    Instant::from_bits(1)
}

fn rank() -> Rank {
    Rank { millionths: 950_000, least: 0 }
}

/// Two attempts end at once, as many as are needed: the delay is known then, and is that of both.
fn the_delay_is_that_of_all_that_are_counted() {
    assert_eq!(NEEDED, 2);
    let latency = Arc::new(Latency::new());
    let other = thread::spawn({
        let latency = latency.clone();
        move || latency.record(Duration::from_micros(7), rank)
    });
    let own = latency.record(Duration::from_micros(3), rank);
    let found = [own, other.join().unwrap()];
    assert_eq!(found.into_iter().flatten().count(), 1, "one of them finds it");
    assert_eq!(latency.delay(), Some(Duration::from_micros(7)));
}

/// Somebody looks for the delay while another attempt ends: it is never that of a sample which nobody took.
fn nobody_finds_a_delay_that_no_attempt_had() {
    let latency = Arc::new(Latency::new());
    latency.record(Duration::from_micros(3), rank);
    let other = thread::spawn({
        let latency = latency.clone();
        move || drop(latency.record(Duration::from_micros(7), rank))
    });
    let looked = latency.look(rank()).map(|delay| delay.as_micros());
    assert!(matches!(looked, None | Some(7)), "{looked:?}");
    other.join().unwrap();
    assert_eq!(latency.delay(), Some(Duration::from_micros(7)));
}

#[test]
fn hedge_delay() {
    holds("hedge_delay", the_delay_is_that_of_all_that_are_counted);
    catches(Fault::HedgeCountsBeforeItStores, the_delay_is_that_of_all_that_are_counted);
    holds("hedge_delay_looked_for", nobody_finds_a_delay_that_no_attempt_had);
}

/// Two calls want another attempt. There is room for two in the extra load, and for one in the shared budget.
fn what_is_paid_is_paid_from_both_or_from_neither() {
    let shared = Budget::tokens(1, 1, 1).unwrap();
    let options = Options::default().max_extra_load(1.0).budget(shared.clone());
    let core = Arc::new(Core::new("model", options, now()));
    for _ in 0..2 {
        core.load.deposit(now);
    }
    let other = thread::spawn({
        let core = core.clone();
        move || core.pay(now(), false)
    });
    let paid = usize::from(core.pay(now(), false)) + usize::from(other.join().unwrap());
    assert_eq!((paid, shared.left(now())), (1, Some(0.0)));
    assert!((core.load.left(now()) - 1.0).abs() < f64::EPSILON, "the other took nothing");
}

#[test]
fn hedge_pays() {
    holds("hedge_pays", what_is_paid_is_paid_from_both_or_from_neither);
    catches(Fault::HedgeKeepsWhatItPaid, what_is_paid_is_paid_from_both_or_from_neither);
}
