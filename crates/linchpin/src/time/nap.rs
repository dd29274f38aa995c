//! A timer of the runtime that is set again and again.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::task::coop;
use tokio::time::{Sleep, sleep_until};

use super::Instant;

/// Waits for one moment after another with one allocation, made at the first that lies ahead.
///
/// It needs no runtime until it really waits, and then belongs to that one. The runtime's timer stays where it is while
/// the moment is only put off, and is moved when it rings: whoever puts a moment off at every message pays for one
/// wake-up too many in a while, and not for a move at each.
#[derive(Default)]
pub(crate) struct Nap {
    sleep: Option<Pin<Box<Sleep>>>,
    /// When the sleep rings, unless it has: at the moment that is waited for or before it.
    rings: Option<Instant>,
    /// The moment that is waited for, since it lay ahead.
    ahead: Option<Instant>,
}

impl Nap {
    /// Ready with the time once `at` has come. Another moment than at the last poll sets it anew.
    ///
    /// It counts against the budget that tokio gives a task for one turn, so that a loop over moments that have all
    /// passed lets others run.
    pub(crate) fn poll(&mut self, at: Instant, cx: &mut Context<'_>) -> Poll<Instant> {
        if self.ahead != Some(at) {
            let now = Instant::now();
            if at <= now {
                ready!(coop::poll_proceed(cx)).made_progress();
                return Poll::Ready(now);
            }
            if self.rings.is_none_or(|rings| rings > at) {
                self.set(at, now);
            }
            self.ahead = Some(at);
        }
        loop {
            let sleep = self.sleep.as_mut().expect("set for a moment");
            ready!(sleep.as_mut().poll(cx));
            let (rang, now) = (self.rings.take(), Instant::now());
            // By the clock of the runtime it is time, whatever ours says: they are two.
            if rang == Some(at) || at <= now {
                self.ahead = None;
                return Poll::Ready(now.max(at));
            }
            self.set(at, now);
        }
    }

    fn set(&mut self, at: Instant, now: Instant) {
        let moment = at.into_tokio_at(now);
        match &mut self.sleep {
            Some(sleep) => sleep.as_mut().reset(moment),
            None => self.sleep = Some(Box::pin(sleep_until(moment))),
        }
        self.rings = Some(at);
    }
}

impl fmt::Debug for Nap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nap").field("ahead", &self.ahead).finish_non_exhaustive()
    }
}
