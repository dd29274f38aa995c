//! Items on their way to the worker.
//!
//! One lock guards all of it, and no waker is called under it. The worker looks and leaves its waker under the same hold
//! of the lock, so that no wake-up is lost. It is woken when there is a first item, when a batch is full, and when all is
//! to be run or is over: not for each item.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use super::slot::Slot;
use crate::shim::{Fault, Mutex, lock, planted};
use crate::task::wake;
use crate::time::Instant;

pub(crate) struct Queue<T, R> {
    state: Mutex<State<T, R>>,
    limits: Limits,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) items: usize,
    pub(crate) bytes: usize,
    pub(crate) delay: Duration,
}

/// An item, and who waits for what becomes of it, if anybody.
pub(crate) struct Entry<T, R> {
    pub(crate) item: T,
    pub(super) slot: Option<Arc<Slot<R>>>,
    bytes: usize,
    /// Unless nobody waits for others.
    came: Option<Instant>,
    number: u64,
}

struct State<T, R> {
    /// In the order of their numbers.
    entries: VecDeque<Entry<T, R>>,
    bytes: usize,
    next: u64,
    closed: bool,
    /// What is there is to be run without waiting for more.
    flush: bool,
    worker: Option<Waker>,
}

/// What the worker finds.
pub(crate) enum Look<T, R> {
    Batch(VecDeque<Entry<T, R>>),
    /// Nothing, before that moment if there is one. It will be woken.
    Wait(Option<Instant>),
    /// Nothing, for ever.
    Over,
}

impl<T, R> Queue<T, R> {
    pub(crate) fn new(limits: Limits) -> Self {
        let state = State {
            entries: VecDeque::new(),
            bytes: 0,
            next: 0,
            closed: false,
            flush: false,
            worker: None,
        };
        Self { state: Mutex::new(state), limits }
    }

    /// Enters an item and says its number; it comes back if it is too late.
    pub(crate) fn push(&self, item: T, bytes: usize, slot: Option<Arc<Slot<R>>>) -> Result<u64, T> {
        let came = (!self.limits.delay.is_zero()).then(Instant::now);
        let mut state = lock(&self.state);
        if state.closed {
            return Err(item);
        }
        if planted(Fault::BatchEntersAClosedQueue) {
            drop(state);
            state = lock(&self.state);
        }
        let number = state.next;
        state.next += 1;
        state.bytes = state.bytes.saturating_add(bytes);
        state.entries.push_back(Entry { item, slot, bytes, came, number });
        let tells = state.entries.len() == 1 || self.is_full(&state);
        let worker = if tells { state.worker.take() } else { None };
        drop(state);
        wake("batcher", worker);
        Ok(number)
    }

    /// Takes an item back that is in no batch yet.
    pub(crate) fn take_back(&self, number: u64) -> Option<Entry<T, R>> {
        let mut state = lock(&self.state);
        let at = state.entries.binary_search_by_key(&number, |entry| entry.number).ok()?;
        if planted(Fault::BatchTakesBackWhatLiesThere) {
            drop(state);
            state = lock(&self.state);
        }
        let entry = state.entries.remove(at)?;
        state.bytes = state.bytes.saturating_sub(entry.bytes);
        Some(entry)
    }

    /// Takes a batch if it is time for one, and leaves `waker` if not.
    pub(crate) fn look(&self, now: impl FnOnce() -> Instant, waker: &Waker) -> Look<T, R> {
        if planted(Fault::BatchLooksBeforeItWaits) && lock(&self.state).entries.is_empty() {
            let before = lock(&self.state).worker.replace(waker.clone());
            drop(before);
            return Look::Wait(None);
        }
        let mut state = lock(&self.state);
        let due = match state.entries.front() {
            None if state.closed => return Look::Over,
            None => None,
            Some(oldest) => oldest.came.map(|came| came + self.limits.delay),
        };
        let is_ready = !state.entries.is_empty()
            && (state.closed
                || state.flush
                || self.is_full(&state)
                || due.is_none_or(|due| now() >= due));
        if is_ready {
            return Look::Batch(self.take(&mut state));
        }
        let before = match &state.worker {
            Some(left) if left.will_wake(waker) => None,
            _ => state.worker.replace(waker.clone()),
        };
        drop(state);
        drop(before);
        Look::Wait(due)
    }

    /// Has what is there run without waiting for more.
    pub(crate) fn flush(&self) {
        let mut state = lock(&self.state);
        state.flush = !state.entries.is_empty();
        let worker = state.worker.take();
        drop(state);
        wake("batcher", worker);
    }

    /// Takes no more items. What is there is run.
    pub(crate) fn close(&self) {
        let mut state = lock(&self.state);
        state.closed = true;
        let worker = state.worker.take();
        drop(state);
        wake("batcher", worker);
    }

    /// Takes no more items and gives up what is there.
    pub(crate) fn give_up(&self) -> VecDeque<Entry<T, R>> {
        let mut state = lock(&self.state);
        state.closed = true;
        state.bytes = 0;
        std::mem::take(&mut state.entries)
    }

    pub(crate) fn len(&self) -> usize {
        lock(&self.state).entries.len()
    }

    fn is_full(&self, state: &State<T, R>) -> bool {
        state.entries.len() >= self.limits.items || state.bytes >= self.limits.bytes
    }

    /// As many as make a batch, from the front: at least one.
    fn take(&self, state: &mut State<T, R>) -> VecDeque<Entry<T, R>> {
        if state.entries.len() <= self.limits.items && state.bytes <= self.limits.bytes {
            (state.bytes, state.flush) = (0, false);
            // The next batch will be much like this one.
            let next = VecDeque::with_capacity(state.entries.len());
            return std::mem::replace(&mut state.entries, next);
        }
        let mut bytes = 0_usize;
        let fitting = state.entries.iter().take(self.limits.items).take_while(|entry| {
            bytes = bytes.saturating_add(entry.bytes);
            bytes <= self.limits.bytes
        });
        let count = fitting.count().max(1);
        let batch: VecDeque<_> = state.entries.drain(..count).collect();
        let gone = batch.iter().fold(0_usize, |sum, entry| sum.saturating_add(entry.bytes));
        state.bytes = state.bytes.saturating_sub(gone);
        batch
    }
}
