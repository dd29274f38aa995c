//! The protocol: whose turn it is to make the value, and who waits for that.
//!
//! One at a time has the turn. Who gives it up without a value hands it to the first in line, who is called; who is
//! called and goes away hands it on. Who has made the value calls all. To look and to get in line is one step under the
//! lock, so nobody is forgotten. Wakers are cloned, called and dropped when it is free.

use std::collections::BTreeMap;
use std::mem;
use std::task::{Poll, Waker};
use std::thread::{self, ThreadId};

use crate::shim::{Fault, Mutex, lock, planted};
use crate::task::wake;

/// What all who come for a value share.
pub(crate) struct Turns(Mutex<State>);

struct State {
    turn: Turn,
    /// The thread that makes the value without ever giving way, while it does.
    thread: Option<ThreadId>,
    /// The number of the next to come.
    next: u64,
    /// Who waits, in the order in which they came.
    line: BTreeMap<u64, Waker>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Turn {
    Free,
    Taken,
    /// Given to one who waited and has not come yet.
    Given(u64),
    /// The value is there.
    Over,
}

/// What one who comes finds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Found {
    /// It is one's turn.
    Mine,
    /// The value is there.
    Over,
}

impl Turns {
    #[cfg(not(linchpin_loom))]
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(State::new(Turn::Free)))
    }

    #[cfg(linchpin_loom)]
    pub(crate) fn new() -> Self {
        Self(Mutex::new(State::new(Turn::Free)))
    }

    /// For a value that is there from the beginning.
    pub(super) fn over() -> Self {
        Self(Mutex::new(State::new(Turn::Over)))
    }

    /// Takes the turn, unless somebody has it; `None` then.
    pub(crate) fn try_take(&self) -> Option<Found> {
        lock(&self.0).take()
    }

    /// Comes for the turn or the value. `key` is one's place in line while it is pending.
    pub(crate) fn poll(&self, key: &mut Option<u64>, waker: &Waker) -> Poll<Found> {
        if let Some(found) = self.look(key) {
            return Poll::Ready(found);
        }
        let waker = waker.clone();
        // Dropped when the lock is free.
        let before;
        let mut state = lock(&self.0);
        if !planted(Fault::OnceLooksBeforeItWaits)
            && let Some(found) = state.look(key)
        {
            return Poll::Ready(found);
        }
        let place = *key.get_or_insert(state.next);
        state.next += u64::from(place == state.next);
        before = state.line.insert(place, waker);
        drop(state);
        drop(before);
        Poll::Pending
    }

    /// Comes no more. A turn that was given is handed on.
    pub(crate) fn leave(&self, key: u64) {
        let mut state = lock(&self.0);
        let left = state.line.remove(&key);
        let next = match state.turn {
            Turn::Given(to) if to == key && !planted(Fault::OnceForgetsWhoLeft) => state.hand_on(),
            _ => None,
        };
        drop(state);
        drop(left);
        wake("once", next);
    }

    /// Gives the turn up without a value: the first in line has it.
    pub(crate) fn give_up(&self) {
        let next = lock(&self.0).hand_on();
        wake("once", next);
    }

    /// The value is there, for all who wait.
    pub(crate) fn finish(&self) {
        let mut state = lock(&self.0);
        state.turn = Turn::Over;
        state.thread = None;
        let line = mem::take(&mut state.line);
        drop(state);
        wake("once", line.into_values());
    }

    /// The value is gone again. Nobody waits.
    pub(super) fn again(&mut self) {
        lock(&self.0).turn = Turn::Free;
    }

    /// Notes that this thread does nothing else before it has made the value.
    pub(super) fn blocks(&self) {
        lock(&self.0).thread = Some(thread::current().id());
    }

    /// Whether it is this thread that makes the value, and would wait for itself.
    pub(super) fn waits_for_itself(&self) -> bool {
        lock(&self.0).thread == Some(thread::current().id())
    }

    fn look(&self, key: &mut Option<u64>) -> Option<Found> {
        lock(&self.0).look(key)
    }
}

impl State {
    const fn new(turn: Turn) -> Self {
        Self { turn, thread: None, next: 0, line: BTreeMap::new() }
    }

    fn take(&mut self) -> Option<Found> {
        match self.turn {
            Turn::Over => Some(Found::Over),
            Turn::Free => {
                self.turn = Turn::Taken;
                Some(Found::Mine)
            }
            Turn::Taken | Turn::Given(_) => None,
        }
    }

    /// The same for one who may be in line, and is not afterwards if there is something for it.
    fn look(&mut self, key: &mut Option<u64>) -> Option<Found> {
        let found = match self.turn {
            Turn::Given(to) if *key == Some(to) => {
                self.turn = Turn::Taken;
                Some(Found::Mine)
            }
            _ => self.take(),
        };
        if found.is_some() {
            // It is in line no more: whoever gave it the turn or ended the line saw to that.
            *key = None;
        }
        found
    }

    fn hand_on(&mut self) -> Option<Waker> {
        self.thread = None;
        let (turn, next) = match self.line.pop_first() {
            Some((key, waker)) => (Turn::Given(key), Some(waker)),
            None => (Turn::Free, None),
        };
        self.turn = turn;
        next
    }
}
