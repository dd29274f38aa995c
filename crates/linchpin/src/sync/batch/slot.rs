//! Where the answer to one item is left, and where its submitter waits for it.

use std::sync::Arc;
use std::task::{Poll, Waker};

use crate::error::Error;
use crate::resilience::Failed;
use crate::shim::atomic::AtomicBool;
use crate::shim::atomic::Ordering::Relaxed;
use crate::shim::{Fault, Mutex, lock, planted};
use crate::task::wake;

/// What became of an item.
pub(crate) type Answer<R> = Result<R, Failed<Error>>;

pub(crate) struct Slot<R> {
    state: Mutex<State<R>>,
    /// No answer is wanted any more: a look without the lock, at what never changes back.
    over: AtomicBool,
}

/// Those of a batch, in the order of its items: one for each that somebody waits for. Empty if nobody waits for any.
pub(super) type Slots<R> = [Option<Arc<Slot<R>>>];

enum State<R> {
    Waits(Waker),
    Answered(Answer<R>),
    /// It was answered, or nobody wants to know.
    Over,
}

impl<R> Slot<R> {
    /// One whose submitter waits with `waker`.
    pub(crate) fn new(waker: Waker) -> Self {
        Self { state: Mutex::new(State::Waits(waker)), over: AtomicBool::new(false) }
    }

    /// Leaves an answer. What is too late, or unwanted, is dropped, outside of the lock.
    pub(crate) fn answer(&self, answer: Answer<R>) {
        let mut state = lock(&self.state);
        if !matches!(*state, State::Waits(_)) {
            return;
        }
        let before = std::mem::replace(&mut *state, State::Answered(answer));
        self.over.store(true, Relaxed);
        drop(state);
        if let State::Waits(waker) = before {
            wake("batcher", [waker]);
        }
    }

    /// The same with an answer that is made only if one is wanted.
    pub(super) fn settle(&self, answer: impl FnOnce() -> Answer<R>) {
        if !self.over.load(Relaxed) {
            self.answer(answer());
        }
    }

    pub(crate) fn poll(&self, waker: &Waker) -> Poll<Answer<R>> {
        if planted(Fault::BatchLooksBeforeItRegisters)
            && matches!(*lock(&self.state), State::Waits(_))
        {
            let before = std::mem::replace(&mut *lock(&self.state), State::Waits(waker.clone()));
            drop(before);
            return Poll::Pending;
        }
        let mut state = lock(&self.state);
        match &mut *state {
            State::Waits(left) if left.will_wake(waker) => Poll::Pending,
            State::Waits(left) => {
                let before = std::mem::replace(left, waker.clone());
                drop(state);
                drop(before);
                Poll::Pending
            }
            State::Answered(_) | State::Over => match std::mem::replace(&mut *state, State::Over) {
                State::Answered(answer) => Poll::Ready(answer),
                State::Waits(_) | State::Over => Poll::Pending,
            },
        }
    }

    /// Its submitter goes.
    pub(crate) fn leave(&self) {
        let before = std::mem::replace(&mut *lock(&self.state), State::Over);
        self.over.store(true, Relaxed);
        drop(before);
    }
}
