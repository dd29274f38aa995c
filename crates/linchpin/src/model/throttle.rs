//! The throttle: every request is counted once whoever carries the count over meanwhile, no call under way is lost, and of
//! those who find that nobody has passed for long one passes.
//!
//! A module of the throttle, whose insides it drives. Its word holds three calls here, and two slots are the grace.

use std::sync::Arc;
use std::time::Duration;

use loom::thread;

use super::machine::{Core, Ticket};
use super::meters::Meters;
use super::options::Options;
use crate::model::{catches, holds};
use crate::resilience::Outcome::{self, Failure, Ignored, Success};
use crate::shim::Fault;
use crate::time::Instant;

const SECOND: Duration = Duration::from_secs(1);

/// In half seconds, of which each is a slot.
fn at(halves: u32) -> Instant {
    Instant::from_bits(1) + SECOND + halves * (SECOND / 2)
}

fn throttle(options: Options) -> Arc<Core> {
    Arc::new(Core::new("model", Meters::new("model"), options.random(|| 0.0), at(0)))
}

fn admit(core: &Core, halves: u32) -> Ticket {
    core.admit(at(halves)).expect("nobody is refused")
}

fn end(core: &Arc<Core>, ticket: Ticket, outcome: Outcome, halves: u32) {
    core.end(ticket, outcome, at(halves));
}

/// Two calls end at once, and one of them finds that the slot is over.
fn every_request_is_counted() {
    let core = throttle(Options::default());
    let (mine, other) = (admit(&core, 0), admit(&core, 0));
    let other = thread::spawn({
        let core = core.clone();
        move || end(&core, other, Failure, 0)
    });
    end(&core, mine, Success, 1);
    other.join().unwrap();
    let numbers = core.numbers(at(1));
    assert_eq!((numbers.requests, numbers.accepted), (2, 1), "lost, or counted twice");
    assert_eq!(numbers.under_way, 0, "none is under way");
}

/// The same where there is room for one more in the word.
fn every_request_is_counted_where_there_is_no_room() {
    let core = throttle(Options::default().no_pending());
    for _ in 0..2 {
        end(&core, admit(&core, 0), Success, 0);
    }
    let other = thread::spawn({
        let core = core.clone();
        move || end(&core, admit(&core, 0), Failure, 0)
    });
    end(&core, admit(&core, 0), Success, 0);
    other.join().unwrap();
    let numbers = core.numbers(at(0));
    assert_eq!((numbers.requests, numbers.accepted), (4, 3), "lost, or counted twice");
}

/// A call goes while it becomes overdue.
fn no_call_under_way_is_lost() {
    let core = throttle(Options::default());
    let ticket = admit(&core, 0);
    let other = thread::spawn({
        let core = core.clone();
        move || end(&core, ticket, Ignored, 0)
    });
    drop(core.numbers(at(1)));
    drop(core.numbers(at(2)));
    other.join().unwrap();
    // Whoever was late may have been taken off another slot: in the end all are even.
    let numbers = core.numbers(at(4));
    assert_eq!((numbers.requests, numbers.overdue, numbers.under_way), (0, 0, 0));
}

/// Two come after a silence, and would be refused.
fn one_is_the_probe() {
    let core = throttle(Options::default().min_requests(1).no_pending());
    end(&core, admit(&core, 0), Failure, 0);
    let other = thread::spawn({
        let core = core.clone();
        move || core.admit(at(2)).is_ok()
    });
    let mine = core.admit(at(2)).is_ok();
    assert_ne!(mine, other.join().unwrap(), "one, and no other");
    assert_eq!(core.numbers(at(2)).requests, 2, "a refusal is a request");
}

#[test]
fn throttle_counts() {
    holds("throttle_counts", every_request_is_counted);
    holds("throttle_counts_in_turns", every_request_is_counted_where_there_is_no_room);
    catches(Fault::ThrottleTurnsUnseen, every_request_is_counted);
    catches(Fault::ThrottleStoresUnseen, every_request_is_counted);
}

#[test]
fn throttle_pending() {
    holds("throttle_pending", no_call_under_way_is_lost);
}

#[test]
fn throttle_probes() {
    holds("throttle_probes", one_is_the_probe);
    catches(Fault::ThrottleLooksBeforeItProbes, one_is_the_probe);
}
