//! What is told outside of a lock, in the order in which it happened under it.

use std::any::Any;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use crate::error::catch;
use crate::shim::{Mutex, lock};

/// Events that were decided under a lock and wait to be told. One thread tells at a time, whoever comes meanwhile leaves
/// its events to it: so listeners see them in their order, and by then the state may have moved on.
#[derive(Debug)]
pub(super) struct News<T> {
    waiting: VecDeque<T>,
    telling: bool,
}

impl<T> Default for News<T> {
    fn default() -> Self {
        Self { waiting: VecDeque::new(), telling: false }
    }
}

impl<T> News<T> {
    /// To be called under the lock.
    pub(super) fn push(&mut self, event: T) {
        self.waiting.push_back(event);
    }

    /// Tells what waits, outside of the lock. A listener that panics is logged and costs its event only.
    pub(super) fn tell<S>(
        state: &Mutex<S>,
        news: impl Fn(&mut S) -> &mut Self,
        mut listener: impl FnMut(T),
    ) {
        let mut next = {
            let mut state = lock(state);
            let news = news(&mut state);
            if news.telling || news.waiting.is_empty() {
                return;
            }
            news.telling = true;
            news.waiting.pop_front()
        };
        while let Some(event) = next {
            told(|| listener(event));
            let mut state = lock(state);
            let news = news(&mut state);
            next = news.waiting.pop_front();
            news.telling = next.is_some();
        }
    }
}

/// Tells listeners of what needs no order. One that panics is logged and costs its event only.
pub(super) fn told(tell: impl FnOnce()) {
    if let Err(error) = catch(tell) {
        // The subscriber may be what panics.
        drop(catch(|| tracing::error!(error = %error.report(), "a listener panicked")));
    }
}

/// The same at no cost where nobody panics: for what is told at each call.
#[inline]
pub(super) fn told_often(tell: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(tell)) {
        tell_of(payload);
    }
}

#[cold]
fn tell_of(payload: Box<dyn Any + Send>) {
    told(|| resume_unwind(payload));
}
