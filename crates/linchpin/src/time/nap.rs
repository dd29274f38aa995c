//! A timer of the runtime that is set again and again.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::task::coop;
use tokio::time::{Sleep, sleep_until};

use super::Instant;

/// Waits for one moment after another with one allocation, made at the first that lies ahead.
///
/// It needs no runtime until it really waits, and then belongs to that one.
#[derive(Default)]
pub(crate) struct Nap {
    sleep: Option<Pin<Box<Sleep>>>,
    set_for: Option<Instant>,
}

impl Nap {
    /// Ready with the time once `at` has come. Another moment than at the last poll sets it anew.
    ///
    /// It counts against the budget that tokio gives a task for one turn, so that a loop over moments that have all
    /// passed lets others run.
    pub(crate) fn poll(&mut self, at: Instant, cx: &mut Context<'_>) -> Poll<Instant> {
        if self.set_for != Some(at) {
            let now = Instant::now();
            if at <= now {
                ready!(coop::poll_proceed(cx)).made_progress();
                return Poll::Ready(now);
            }
            let moment = at.into_tokio_at(now);
            match &mut self.sleep {
                Some(sleep) => sleep.as_mut().reset(moment),
                None => self.sleep = Some(Box::pin(sleep_until(moment))),
            }
            self.set_for = Some(at);
        }
        let sleep = self.sleep.as_mut().expect("set for a moment");
        ready!(sleep.as_mut().poll(cx));
        self.set_for = None;
        // By the clock of the runtime it is time, whatever ours says: they are two.
        Poll::Ready(Instant::now().max(at))
    }
}

impl fmt::Debug for Nap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nap").field("set_for", &self.set_for).finish_non_exhaustive()
    }
}
