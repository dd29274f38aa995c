//! Single flight: who waits is woken; no flight is both joined and cancelled, nor shared by more than may; what was begun
//! before a `forget` is never given to who comes after it; and a flight has the rules of one moment.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Poll, Waker};
use std::time::Duration;

use loom::sync::atomic::AtomicUsize as LoomAtomicUsize;
use loom::thread;

use super::{Woken, catches, holds};
use crate::shim::Fault;
use crate::sync::singleflight::{Flights, Found, Joined, Record, Rules, TableEntered, Waiter};

/// Somebody comes to wait as the flight lands: it finds the outcome, or is woken for it.
fn who_waits_is_woken() {
    let record = Arc::new(Record::new());
    let lander = thread::spawn({
        let record = record.clone();
        move || record.land(1)
    });
    assert_eq!(record.join(8), Joined::Yes);
    let (woken, mut waiter) = (Arc::new(Woken::default()), Waiter::Other(None));
    let waker = Waker::from(woken.clone());
    let found = record.poll(&mut waiter, &waker);
    lander.join().unwrap();
    if found.is_pending() {
        assert_eq!(woken.times(), 1, "a wake-up was lost");
        assert_eq!(record.poll(&mut waiter, &waker), Poll::Ready(Found::Landed));
    }
    assert_eq!(record.outcome(), Some(&1));
}

/// The same where the flight becomes stale: who shares is told, and the leader waits on.
fn who_shares_is_told_that_it_is_stale() {
    let record = Arc::new(Record::<u8>::new());
    assert_eq!(record.join(8), Joined::Yes);
    let teller = thread::spawn({
        let record = record.clone();
        move || record.invalidate()
    });
    let (woken, mut waiter) = (Arc::new(Woken::default()), Waiter::Other(None));
    let waker = Waker::from(woken.clone());
    let found = record.poll(&mut waiter, &waker);
    teller.join().unwrap();
    if found.is_pending() {
        assert_eq!(woken.times(), 1, "a wake-up was lost");
        assert_eq!(record.poll(&mut waiter, &waker), Poll::Ready(Found::Stale));
    }
    assert_eq!(record.poll(&mut Waiter::Leader, &waker), Poll::Pending);
}

/// The leader leaves as another comes: the flight is joined, or it is cancelled, and never both.
fn no_flight_is_both_joined_and_cancelled() {
    let record = Arc::new(Record::<u8>::new());
    let leader = thread::spawn({
        let record = record.clone();
        move || record.quit(&Waiter::Leader)
    });
    let joined = record.join(8);
    let cancelled = leader.join().unwrap();
    assert_eq!(joined == Joined::Over, cancelled);
    if joined == Joined::Yes {
        assert!(record.quit(&Waiter::Other(None)), "the last cancels it");
    }
}

/// Two leave at once: one of them is the last.
fn one_is_the_last_to_leave() {
    let record = Arc::new(Record::<u8>::new());
    assert_eq!(record.join(8), Joined::Yes);
    let other = thread::spawn({
        let record = record.clone();
        move || record.quit(&Waiter::Leader)
    });
    let last = record.quit(&Waiter::Other(None));
    assert!(last != other.join().unwrap());
}

/// What a key stands for changes while somebody fetches it. Whoever forgets it then and asks gets the new.
fn who_comes_after_a_forget_gets_nothing_older() {
    let flights = Arc::new(Flights::<u8, usize>::new(1, 8));
    let source = Arc::new(LoomAtomicUsize::new(1));
    let fetcher = thread::spawn({
        let (flights, source) = (flights.clone(), source.clone());
        move || {
            let TableEntered::Leads { place, .. } = flights.enter(7, &mut Some(1)) else { return };
            let value = source.load(Ordering::Relaxed);
            if let Some(record) = flights.remove(place) {
                record.land(value);
            }
        }
    });
    source.store(2, Ordering::Relaxed);
    flights.close(7, |key| *key == 1);
    let entered = flights.enter(7, &mut Some(1));
    fetcher.join().unwrap();
    match entered {
        // The fetcher may have come later and share it.
        TableEntered::Leads { place, .. } => drop(flights.remove(place)),
        TableEntered::Joins(record) => assert_eq!(record.outcome(), Some(&2), "it is the old one"),
    }
    assert_eq!(flights.numbers().running, 0);
}

/// The leader of a flight leaves as another comes, who gets what the flight comes to, or leads the next. Nothing of either
/// is left.
fn who_comes_as_the_leader_leaves_has_a_flight_that_lands() {
    let flights = Arc::new(Flights::<u8, Option<u8>>::new(1, 8));
    let TableEntered::Leads { place, .. } = flights.enter(7, &mut Some(1)) else { unreachable!() };
    let record = flights.record(place);
    let leader = thread::spawn({
        let flights = flights.clone();
        move || {
            // The last to leave cancels the work, which is gone then; else it goes on to its end.
            let outcome = if record.quit(&Waiter::Leader) { None } else { Some(1) };
            flights.remove(place).expect("it ends once").land(outcome);
        }
    });
    let entered = flights.enter(7, &mut Some(1));
    leader.join().unwrap();
    match entered {
        TableEntered::Joins(record) => assert_eq!(record.outcome(), Some(&Some(1)), "it is gone"),
        TableEntered::Leads { place: next, .. } => {
            assert!(next != place && flights.remove(next).is_none(), "nobody shares it");
        }
    }
    assert_eq!(flights.numbers().running, 0);
}

/// Two come where one more may wait: one is inside at a time, and who leaves gives its place back.
fn no_more_share_a_flight_than_may() {
    let record = Arc::new(Record::<u8>::new());
    let inside = Arc::new(LoomAtomicUsize::new(0));
    let comes = |record: Arc<Record<u8>>, inside: Arc<LoomAtomicUsize>| {
        if record.join(1) == Joined::Yes {
            assert_eq!(inside.fetch_add(1, Ordering::Relaxed), 0, "there is room for one");
            inside.fetch_sub(1, Ordering::Relaxed);
            assert!(!record.quit(&Waiter::Other(None)), "the leader waits still");
        }
    };
    let other = thread::spawn({
        let (record, inside) = (record.clone(), inside.clone());
        move || comes(record, inside)
    });
    comes(record.clone(), inside);
    other.join().unwrap();
    assert_eq!((record.join(1), record.join(1)), (Joined::Yes, Joined::Full));
}

/// Other rules come as a flight begins: it goes on by itself and has a limit, or neither.
fn a_flight_has_the_rules_of_one_moment() {
    let plain = Rules { max_waiting: 8, max_age: None, max_flight: None, detach: false };
    let alone = Rules { max_flight: Some(Duration::from_secs(1)), detach: true, ..plain };
    for (before, after) in [(alone, plain), (plain, alone)] {
        let flights = Arc::new(Flights::<u8, u8>::with(1, before));
        let other = thread::spawn({
            let flights = flights.clone();
            move || flights.set(after)
        });
        let entered = flights.enter(7, &mut Some(1));
        other.join().unwrap();
        let TableEntered::Leads { place, limit } = entered else { unreachable!() };
        let goes_on = !flights.record(place).quit(&Waiter::Leader);
        assert_eq!(goes_on, limit.is_some());
    }
}

#[test]
fn flight_wakes() {
    holds("flight_wakes", who_waits_is_woken);
    catches(Fault::FlightLooksBeforeItWaits, who_waits_is_woken);
}

#[test]
fn flight_stale() {
    holds("flight_stale", who_shares_is_told_that_it_is_stale);
    catches(Fault::FlightLooksBeforeItWaits, who_shares_is_told_that_it_is_stale);
}

#[test]
fn flight_cancels() {
    holds("flight_cancels", no_flight_is_both_joined_and_cancelled);
    holds("flight_cancels_once", one_is_the_last_to_leave);
    catches(Fault::FlightTakesWhoComesTooLate, no_flight_is_both_joined_and_cancelled);
    holds("flight_is_left", who_comes_as_the_leader_leaves_has_a_flight_that_lands);
    let left = who_comes_as_the_leader_leaves_has_a_flight_that_lands;
    catches(Fault::FlightTakesWhoComesTooLate, left);
}

#[test]
fn flight_bounds() {
    holds("flight_bounds", no_more_share_a_flight_than_may);
    catches(Fault::FlightLooksBeforeItJoins, no_more_share_a_flight_than_may);
}

#[test]
fn flight_rules() {
    holds("flight_rules", a_flight_has_the_rules_of_one_moment);
    catches(Fault::FlightMixesItsRules, a_flight_has_the_rules_of_one_moment);
}

#[test]
fn flight_forgets() {
    holds("flight_forgets", who_comes_after_a_forget_gets_nothing_older);
    catches(Fault::FlightStaysOpen, who_comes_after_a_forget_gets_nothing_older);
}
