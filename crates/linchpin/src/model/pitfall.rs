//! The lost wake-up, the pitfall that only a model finds: a flag that looks and then leaves its waker must be caught.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Poll, Waker};

use loom::thread;

use super::{block_on, catches_variant, holds};
use crate::shim::atomic::{AtomicBool, Ordering};
use crate::shim::{Mutex, lock};

/// A flag that one task waits for.
#[derive(Default)]
struct Flag {
    up: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl Flag {
    fn raise(&self) {
        self.up.store(true, Ordering::Release);
        let waker = lock(&self.waker).take();
        waker.into_iter().for_each(Waker::wake);
    }

    async fn wait(&self, hastily: bool) {
        poll_fn(|cx| {
            let looks = || self.up.load(Ordering::Acquire);
            let seen = hastily && looks();
            *lock(&self.waker) = Some(cx.waker().clone());
            if seen || (!hastily && looks()) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

fn raised_while_it_is_waited_for(hastily: bool) {
    let flag = Arc::new(Flag::default());
    let raiser = thread::spawn({
        let flag = flag.clone();
        move || flag.raise()
    });
    block_on(flag.wait(hastily));
    raiser.join().unwrap();
}

#[test]
fn pitfall_lost_wakeup() {
    holds("pitfall_lost_wakeup", || raised_while_it_is_waited_for(false));
    catches_variant("FlagLooksBeforeItRegisters", || raised_while_it_is_waited_for(true));
}
