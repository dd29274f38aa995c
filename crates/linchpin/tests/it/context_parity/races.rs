//! Ends that race: with each other, with a child that is made, with who looks.

use std::collections::VecDeque;
use std::thread;

use linchpin::Context;
use linchpin::context::Cause;

use super::{cause, is_done, wait};

/// How many times a race is run; each run takes microseconds.
const RACES: usize = 200;

#[test]
fn a_tree_that_is_cancelled_everywhere_at_once_ends_everywhere() {
    let mut tree = vec![Context::root().child()];
    let mut next = VecDeque::from([0]);
    while tree.len() < 100 {
        let parent = next.pop_front().unwrap();
        for _ in 0..4 {
            next.push_back(tree.len());
            tree.push(tree[parent].child());
        }
    }
    let contexts: Vec<Context> = tree.iter().map(|child| Context::clone(child)).collect();
    thread::scope(|scope| {
        for child in &tree {
            scope.spawn(|| child.cancel(Cause::Cancelled));
        }
        for context in &contexts {
            assert!(matches!(wait(context), Cause::Cancelled));
        }
    });
}

#[test]
fn a_child_can_be_ended_by_who_waits_for_its_parent() {
    let parent = Context::root().child();
    let child = parent.child();
    let (waited_for, ended) = (Context::clone(&parent), Context::clone(&child));
    let waiter = thread::spawn(move || {
        wait(&waited_for);
        child.cancel("by the waiter");
    });
    parent.cancel("by the owner");
    assert_eq!(wait(&ended).to_string(), "by the owner");
    waiter.join().unwrap();
}

#[test]
fn a_child_of_an_ended_parent_is_born_ended_with_its_cause() {
    let parent = Context::root().child();
    parent.cancel("Because!");
    let child = parent.child();
    assert!(is_done(&child));
    assert_eq!(cause(&child).as_deref(), Some("Because!"));
}

#[test]
fn a_child_made_while_its_parent_ends_ends_with_its_cause() {
    for _ in 0..RACES {
        let parent = Context::root().child();
        thread::scope(|scope| {
            scope.spawn(|| parent.cancel("Because!"));
            let child = parent.child();
            assert_eq!(wait(&child).to_string(), "Because!");
            assert_eq!(cause(&child).as_deref(), Some("Because!"));
        });
    }
}

#[test]
fn the_cause_can_be_polled_while_it_is_set() {
    for _ in 0..RACES {
        let context = Context::root().child();
        thread::scope(|scope| {
            scope.spawn(|| context.cancel("the cause"));
            let seen = loop {
                match context.cause() {
                    Some(cause) => break cause,
                    None => thread::yield_now(),
                }
            };
            assert_eq!(seen.to_string(), "the cause");
        });
    }
}

#[test]
fn who_sees_the_end_need_not_wait_for_it() {
    for _ in 0..RACES {
        let context = Context::root().child();
        thread::scope(|scope| {
            scope.spawn(|| context.cancel(Cause::Cancelled));
            while !context.is_cancelled() {
                thread::yield_now();
            }
            assert!(is_done(&context));
        });
    }
}
