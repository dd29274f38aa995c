//! The budgets of retries: what there is for one is given to one, and no call is forgotten.
//!
//! A module of the retry, whose insides it drives.

use std::sync::Arc;
use std::time::Duration;

use loom::thread;

use super::budget::{Allow as _, Budget, Event, Ratio};
use crate::model::{catches, holds};
use crate::shim::Fault;
use crate::time::Instant;

fn now() -> Instant {
    Instant::from_bits(1)
}

/// Two calls bring what one retry costs, and two threads want it.
fn what_is_there_for_one_is_given_to_one() {
    let ratio = Arc::new(Ratio::new(0.5, 0, Duration::from_secs(10), now()));
    for _ in 0..2 {
        ratio.deposit(now);
    }
    let other = thread::spawn({
        let ratio = ratio.clone();
        move || ratio.withdraw(now())
    });
    let taken = usize::from(ratio.withdraw(now())) + usize::from(other.join().unwrap());
    assert_eq!(taken, 1);
}

/// A call comes while another's retry takes in what waits.
fn every_call_is_counted() {
    let ratio = Arc::new(Ratio::new(1.0, 0, Duration::from_secs(10), now()));
    ratio.deposit(now);
    let other = thread::spawn({
        let ratio = ratio.clone();
        move || ratio.deposit(now)
    });
    assert!(ratio.withdraw(now()));
    other.join().unwrap();
    assert!(ratio.withdraw(now()), "the call that came meanwhile");
    assert!(!ratio.withdraw(now()));
}

#[test]
fn retry_budget_ratio() {
    holds("retry_budget_ratio", what_is_there_for_one_is_given_to_one);
    catches(Fault::BudgetLooksBeforeItTakes, what_is_there_for_one_is_given_to_one);
    holds("retry_budget_calls", every_call_is_counted);
    catches(Fault::BudgetForgetsWhoComesMeanwhile, every_call_is_counted);
}

/// Two threads want the last retry of a bucket, while a success fills it by less than that.
fn a_bucket_is_emptied_once() {
    let budget = Budget::tokens(3, 2, 2).unwrap();
    let want = |budget: Budget| move || budget.withdraw(now(), false);
    let other = thread::spawn(want(budget.clone()));
    let success = thread::spawn({
        let budget = budget.clone();
        move || budget.tell(Event::Succeeded(None))
    });
    let taken = usize::from(want(budget.clone())()) + usize::from(other.join().unwrap());
    success.join().unwrap();
    // The success comes in between, or finds the bucket full.
    assert!(taken == 1 || (taken == 2 && !budget.withdraw(now(), false)), "{taken}");
    assert!(budget.left(now()).unwrap() <= 1.0);
}

/// Two of four calls want the one retry that may be under way.
fn a_share_of_the_calls_is_not_exceeded() {
    let budget = Budget::concurrent(0.25, 0).unwrap();
    for _ in 0..4 {
        budget.tell(Event::CallBegan);
    }
    let other = thread::spawn({
        let budget = budget.clone();
        move || budget.withdraw(now(), false)
    });
    let taken = usize::from(budget.withdraw(now(), false)) + usize::from(other.join().unwrap());
    assert_eq!(taken, 1);
    budget.tell(Event::RetryEnded);
    assert!(budget.withdraw(now(), false), "its place is free again");
}

#[test]
fn retry_budget_words() {
    holds("retry_budget_bucket", a_bucket_is_emptied_once);
    holds("retry_budget_concurrent", a_share_of_the_calls_is_not_exceeded);
    catches(Fault::BudgetStoresUnseen, a_share_of_the_calls_is_not_exceeded);
}
