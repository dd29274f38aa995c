//! Where the answer to one item is left, and where its submitter waits for it.

use std::task::{Poll, Waker};

use crate::error::Error;
use crate::resilience::Failed;
use crate::shim::{Mutex, lock};

/// What became of an item.
pub(super) type Answer<R> = Result<R, Failed<Error>>;

pub(crate) struct Slot<R>(Mutex<State<R>>);

enum State<R> {
    Waits(Option<Waker>),
    Answered(Answer<R>),
    /// It was answered, or nobody wants to know.
    Over,
}

impl<R> Slot<R> {
    pub(super) fn new() -> Self {
        Self(Mutex::new(State::Waits(None)))
    }

    /// Leaves an answer. What is too late, or unwanted, is dropped, outside of the lock.
    pub(super) fn answer(&self, answer: Answer<R>) {
        let mut state = lock(&self.0);
        if let State::Waits(waker) = &mut *state {
            let waker = waker.take();
            *state = State::Answered(answer);
            drop(state);
            waker.into_iter().for_each(Waker::wake);
        }
    }

    pub(super) fn poll(&self, waker: &Waker) -> Poll<Answer<R>> {
        let mut state = lock(&self.0);
        match &mut *state {
            State::Waits(left) => {
                let before = match left {
                    Some(left) if left.will_wake(waker) => None,
                    left => left.replace(waker.clone()),
                };
                drop(state);
                drop(before);
                Poll::Pending
            }
            State::Answered(_) => match std::mem::replace(&mut *state, State::Over) {
                State::Answered(answer) => Poll::Ready(answer),
                State::Waits(_) | State::Over => Poll::Pending,
            },
            State::Over => Poll::Pending,
        }
    }

    /// Its submitter goes.
    pub(super) fn leave(&self) {
        let before = std::mem::replace(&mut *lock(&self.0), State::Over);
        drop(before);
    }
}
