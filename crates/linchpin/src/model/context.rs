//! The context tree: an end is never missed, whoever comes first.

use loom::future::block_on;
use loom::thread;

use super::{catches, holds};
use crate::Context;
use crate::shim::Fault;

/// One thread waits on a grandchild while another ends its grandparent.
fn an_end_two_levels_up_reaches_a_waiter() {
    let parent = Context::root().child();
    let waiting = parent.child().disarm().child().disarm();
    let waiter = thread::spawn(move || {
        block_on(waiting.cancelled());
        assert!(waiting.is_cancelled());
    });
    parent.cancel("over");
    waiter.join().unwrap();
}

#[test]
fn context_wakes() {
    holds("context_wakes", an_end_two_levels_up_reaches_a_waiter);
    catches(Fault::ContextLooksBeforeItRegisters, an_end_two_levels_up_reaches_a_waiter);
}

#[test]
fn context_first_cause_stays() {
    holds("context_first_cause_stays", || {
        let owner = std::sync::Arc::new(Context::root().child());
        let other = owner.clone();
        let ender = thread::spawn(move || {
            other.cancel("one");
            other.cause().unwrap().to_string()
        });
        owner.cancel("two");
        let here = owner.cause().unwrap().to_string();
        assert_eq!(here, ender.join().unwrap());
    });
}
