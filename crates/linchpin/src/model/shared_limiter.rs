//! The line to a store: of those who come while it is away one asks, and each switch happens once.

use std::sync::Arc;
use std::time::Duration;

use loom::thread;

use super::line::{Ask, Line};
use crate::model::{catches, holds};
use crate::shim::Fault;
use crate::time::Instant;

const EVERY: Duration = Duration::from_nanos(100);

fn at(nanos: u64) -> Instant {
    Instant::from_bits(nanos + 1)
}

fn is_probe(ask: Ask) -> bool {
    matches!(ask, Ask::Probe(_))
}

/// Two come when it is time to ask again.
fn one_asks() {
    let line = Arc::new(Line::new());
    let first = line.ask(at(0), EVERY);
    assert!(line.failed(first, at(0), EVERY));
    let other = thread::spawn({
        let line = line.clone();
        move || is_probe(line.ask(at(100), EVERY))
    });
    let one = is_probe(line.ask(at(100), EVERY));
    assert!(one ^ other.join().unwrap());
    assert!(is_probe(line.ask(at(200), EVERY)), "and again later");
}

/// Two were under way when the store went: it goes once. A third asks it meanwhile, if it is time.
fn it_goes_once() {
    let line = Arc::new(Line::new());
    let (one, two) = (line.ask(at(0), EVERY), line.ask(at(0), EVERY));
    let other = thread::spawn({
        let line = line.clone();
        move || {
            let went = line.failed(two, at(0), EVERY);
            let ask = line.ask(at(150), EVERY);
            (went, is_probe(ask) && line.answered(ask))
        }
    });
    let went = line.failed(one, at(0), EVERY);
    let (also, came_back) = other.join().unwrap();
    assert!(went ^ also);
    assert_eq!(line.is_away(), !came_back, "an old failure takes nothing away again");
    assert_eq!(line.switches(), 1);
}

#[test]
fn limiter_store_is_asked_by_one() {
    holds("shared_limiter_asks", one_asks);
    catches(Fault::LimiterAllAskAgain, one_asks);
}

#[test]
fn limiter_store_goes_once() {
    holds("shared_limiter_goes", it_goes_once);
    catches(Fault::LimiterSwitchesTwice, it_goes_once);
}
