//! The limiter: no more pass than its numbers allow, nobody is judged by a mix of two settings, a penalty is not given
//! back, and there are no more keys than there is room for.
//!
//! A module of the limiter, whose insides it drives.

use std::sync::Arc;

use loom::thread;

use super::keys::{Keys, Place};
use super::meters::KeyMeters;
use super::pace::Pace;
use super::paced::Paced;
use crate::model::{catches, holds};
use crate::shim::Fault;

const NOW: u64 = 1_000;

fn paced(interval: u64, limit: u32) -> Arc<Paced> {
    Arc::new(Paced::new(Pace::new(interval, limit, false)))
}

fn passes(paced: &Paced) -> bool {
    paced.pass(NOW, 1).is_ok() || paced.take(NOW, 1, 0).is_ok()
}

/// Three come at once, and there is room for two.
fn as_many_pass_as_may() {
    let paced = paced(100, 2);
    let visit = || {
        let paced = paced.clone();
        thread::spawn(move || passes(&paced))
    };
    let (one, two) = (visit(), visit());
    let three = passes(&paced);
    let passed = [one.join().unwrap(), two.join().unwrap(), three];
    assert_eq!(passed.iter().filter(|passed| **passed).count(), 2);
}

/// One comes while the numbers change from few and long to many and short.
fn numbers_are_of_one_setting() {
    let paced = paced(100, 2);
    let operator = thread::spawn({
        let paced = paced.clone();
        move || paced.reconfigure(Pace::new(10, 7, false), NOW)
    });
    let (_, pace, _) = paced.read();
    assert!([(100, 200, 2), (10, 70, 7)].contains(&(pace.interval, pace.allowance, pace.limit)));
    operator.join().unwrap();
}

/// Both units of a burst are taken, one of them while the unit becomes ten times as short: what is owed is in new units,
/// or the one that came late in one of its own.
fn what_is_owed_is_carried_over() {
    let paced = paced(100, 2);
    assert!(passes(&paced));
    let operator = thread::spawn({
        let paced = paced.clone();
        move || paced.reconfigure(Pace::new(10, 2, false), NOW)
    });
    assert!(passes(&paced));
    operator.join().unwrap();
    let (_, _, word) = paced.read();
    assert_eq!(word, NOW + 20);
}

/// A turn is given and comes back while a penalty is given, which stays.
fn a_penalty_stays() {
    let paced = paced(100, 1);
    assert!(passes(&paced));
    let operator = thread::spawn({
        let paced = paced.clone();
        move || paced.penalize(NOW + 150)
    });
    let turn = paced.take(NOW, 1, u64::MAX).unwrap();
    paced.undo(&turn.ticket);
    operator.join().unwrap();
    let (_, _, word) = paced.read();
    assert!(word >= NOW + 150, "the penalty is given back");
}

/// A turn comes back while another comes: it has either the same time or the next.
fn what_comes_back_is_given_once() {
    let paced = paced(100, 1);
    let turn = paced.take(NOW, 1, 0).unwrap();
    let other = thread::spawn({
        let paced = paced.clone();
        move || paced.take(NOW, 1, u64::MAX).unwrap().at
    });
    let came_back = paced.undo(&turn.ticket);
    let at = other.join().unwrap();
    let (_, _, word) = paced.read();
    assert_eq!((at, word), if came_back { (NOW, NOW + 100) } else { (NOW + 100, NOW + 200) });
}

/// Two keys of different shards come at once, and there is room for one.
fn keys_are_bounded() {
    let keys: Arc<Keys<u8, Pace>> = Arc::new(Keys::new(Pace::new(100, 2, false), 1, 2));
    let visit = |key: u8| {
        let keys = keys.clone();
        move || keys.take(&key, (NOW, 1, 0), &KeyMeters::new("model")).unwrap().1
    };
    let other = thread::spawn(visit(1));
    let (mine, theirs) = (visit(4)(), other.join().unwrap());
    assert_eq!(keys.len(), 1);
    assert_ne!(mine == Place::Own, theirs == Place::Own);
}

#[test]
fn limiter_passes() {
    holds("limiter_passes", as_many_pass_as_may);
    catches(Fault::LimiterStoresUnseen, as_many_pass_as_may);
}

#[test]
fn limiter_numbers() {
    holds("limiter_numbers", numbers_are_of_one_setting);
    catches(Fault::LimiterTrustsAMix, numbers_are_of_one_setting);
}

#[test]
fn limiter_carries_over() {
    holds("limiter_carries_over", what_is_owed_is_carried_over);
}

#[test]
fn limiter_penalties() {
    holds("limiter_penalties", a_penalty_stays);
    catches(Fault::LimiterUndoesWhatIsOld, a_penalty_stays);
}

#[test]
fn limiter_undoes() {
    holds("limiter_undoes", what_comes_back_is_given_once);
}

#[test]
fn limiter_keys() {
    holds("limiter_keys", keys_are_bounded);
    catches(Fault::LimiterLooksBeforeItCounts, keys_are_bounded);
}
