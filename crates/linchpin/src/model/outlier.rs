//! The balancer: no call is lost while a sweep begins to count anew, no peak is forgotten, and of two targets that fail at
//! once one stays.
//!
//! A module of the balancer, whose insides it drives.

use std::sync::Arc;
use std::time::Duration;

use loom::thread;

use super::core::Core;
use super::meters::Meters;
use super::options::Options;
use super::target::Entry;
use crate::model::{catches, holds};
use crate::resilience::Outcome::{Failure, Success};
use crate::shim::Fault;
use crate::time::Instant;

const SECOND: Duration = Duration::from_secs(1);

fn at(seconds: u32) -> Instant {
    Instant::from_bits(1) + (seconds + 1) * SECOND
}

fn entry() -> Arc<Entry<u8>> {
    Arc::new(Entry::new(1, "one".into(), 1, at(0)))
}

/// A call ends while a sweep takes what there is: it is in that sweep or in the next, and not under way any more.
fn no_call_is_lost() {
    let entry = entry();
    assert!(entry.begin());
    let other = thread::spawn({
        let entry = entry.clone();
        move || entry.end(true, Success, 5)
    });
    let (first, _) = entry.sweep();
    other.join().unwrap();
    let (second, _) = entry.sweep();
    assert_eq!((first + second, entry.under_way()), (1, 0));
}

/// Two calls end at once, and one of them took long.
fn no_peak_is_forgotten() {
    let entry = entry();
    let other = thread::spawn({
        let entry = entry.clone();
        move || entry.cost.observe(1_000, false, at(1), 1e9)
    });
    entry.cost.observe(10, false, at(1), 1e9);
    other.join().unwrap();
    let cost = entry.cost.at(at(1), 1e9);
    // The shorter one may be seen a second after nothing, and draws it down then: within the same moment it does not.
    assert!((cost - 1_000.0).abs() < 1.0, "{cost}");
}

/// Each of two targets fails once, which is too often.
fn one_stays() {
    let options = Options::default().consecutive_failures(1).random(|| 0.0);
    let core = Arc::new(Core::new("model", Meters::new("model"), options, at(0)));
    let come = ["a", "b"].map(|name| (name, name.into()));
    core.replace(come.into(), |one, other| one == other, at(0), true);
    let fails = |u: f64| {
        let core = core.clone();
        let ticket = core.pick(at(1), u, None).expect("there are two");
        move || core.end(&ticket, Failure, at(1))
    };
    // The second goes where nobody is.
    let (one, two) = (fails(0.0), fails(0.0));
    let other = thread::spawn(two);
    one();
    other.join().unwrap();
    let numbers = core.numbers(at(1));
    assert_eq!((numbers.ejected, numbers.under_way), (1, 0), "one of two stays");
}

#[test]
fn outlier_counts() {
    holds("outlier_counts", no_call_is_lost);
    catches(Fault::OutlierSweepsUnseen, no_call_is_lost);
}

#[test]
fn outlier_peaks() {
    holds("outlier_peaks", no_peak_is_forgotten);
    catches(Fault::OutlierForgetsAPeak, no_peak_is_forgotten);
}

#[test]
fn outlier_ejects() {
    holds("outlier_ejects", one_stays);
    catches(Fault::OutlierEjectsAll, one_stays);
}
