//! A bounded queue between tasks that moves many items a lock and a wake-up.
//!
//! One lock guards all of it, and no waker is called under it. Whoever must wait looks and leaves its waker under the
//! same hold of the lock, so no wake-up is lost. Two things keep it fast: items move in batches, and a producer that
//! found no room is woken when half of it is free again, not at the first place.
//!
//! The bound is kept to the item: what a lone producer has announced, and what a lone consumer has taken and not begun,
//! counts as if it lay here.

mod state;

use std::collections::VecDeque;
use std::task::{Context as Poller, Poll};

pub(crate) use self::state::Load;
use self::state::{State, Wakes};

use crate::shim::{Fault, Mutex, lock, planted};
use crate::task;

/// The queue. Producers and consumers know themselves by a number that is unique on their side.
pub(crate) struct Belt<T>(Mutex<State<T>>);

/// What a belt has seen so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Traffic {
    /// Items that lie here now.
    pub(crate) queued: usize,
    /// Items that were put here.
    pub(crate) put: u64,
    /// Items that were taken and begun.
    pub(crate) begun: u64,
    /// How often a consumer found nothing.
    pub(crate) starved: u64,
    /// How often a producer found no room.
    pub(crate) blocked: u64,
}

// ===== impl Belt =====

impl<T> Belt<T> {
    /// A belt for `capacity` items, at least one, from one producer.
    pub(crate) fn new(capacity: usize) -> Self {
        Self(Mutex::new(State::new(capacity)))
    }

    /// Before its first use: another capacity.
    pub(crate) fn set_capacity(&self, capacity: usize) {
        lock(&self.0).capacity = capacity;
    }

    /// Before its first use: other producers. Several that keep an order use [`poll_put`](Self::poll_put).
    pub(crate) fn set_producers(&self, producers: usize, ordered: bool) {
        let mut state = lock(&self.0);
        (state.producers, state.ordered) = (producers, ordered);
    }

    /// As many items as one taker or giver should move at once, so that the other side has work meanwhile.
    pub(crate) fn half(&self) -> usize {
        lock(&self.0).half()
    }

    pub(crate) fn traffic(&self) -> Traffic {
        let state = lock(&self.0);
        Traffic {
            queued: state.items.len() + state.unbegun,
            put: state.put,
            begun: state.taken - state.unbegun as u64,
            starved: state.starved,
            blocked: state.blocked,
        }
    }

    /// Takes as many items as `want` says of the number that is there, at least one, and says the number of the first;
    /// `None` when all is over.
    ///
    /// `credit` is the room that the consumer holds for what it took and did not begin. It must have begun all.
    pub(crate) fn poll_take(
        &self,
        who: usize,
        cx: &mut Poller<'_>,
        want: impl FnOnce(usize) -> usize,
        credit: &mut usize,
        into: &mut VecDeque<T>,
    ) -> Poll<Option<u64>> {
        if planted(Fault::BeltLooksBeforeItWaits) && lock(&self.0).is_empty_and_open() {
            drop(lock(&self.0).takers.enter(who, cx));
            return Poll::Pending;
        }
        let mut state = lock(&self.0);
        state.let_go(credit, 0);
        if state.items.is_empty() {
            let mut wakes = Wakes::new();
            state.wake_givers(&mut wakes);
            let over = state.producers == 0;
            let before = if over { None } else { state.takers.enter(who, cx) };
            state.starved += u64::from(!over);
            drop(state);
            drop(before);
            wake(wakes);
            return if over { Poll::Ready(None) } else { Poll::Pending };
        }
        let count = want(state.items.len()).clamp(1, state.items.len());
        let number = state.taken;
        if count == state.items.len() && into.is_empty() {
            std::mem::swap(&mut state.items, into);
        } else {
            into.extend(state.items.drain(..count));
        }
        state.taken += count as u64;
        // The first is begun at once.
        *credit = count - 1;
        state.held += *credit;
        state.unbegun += *credit;
        let mut wakes = Wakes::new();
        let before = state.takers.leave(who);
        state.wake_givers(&mut wakes);
        drop(state);
        drop(before);
        wake(wakes);
        Poll::Ready(Some(number))
    }

    /// Gives room back while `left` of what was taken are not begun.
    pub(crate) fn release(&self, credit: &mut usize, left: usize) {
        if *credit > left {
            let mut state = lock(&self.0);
            state.let_go(credit, left);
            let mut wakes = Wakes::new();
            state.wake_givers(&mut wakes);
            drop(state);
            wake(wakes);
        }
    }

    /// Announces up to `want` items, as far as there is room now.
    pub(crate) fn reserve(&self, want: usize) -> usize {
        lock(&self.0).reserve(want)
    }

    /// Announces up to `want` items, at least one.
    pub(crate) fn poll_reserve(&self, who: usize, cx: &mut Poller<'_>, want: usize) -> Poll<usize> {
        let mut state = lock(&self.0);
        let reserved = state.reserve(want);
        if reserved == 0 {
            state.blocked += 1;
            let before = state.givers.enter(who, cx);
            drop(state);
            drop(before);
            return Poll::Pending;
        }
        let before = state.givers.leave(who);
        drop(state);
        drop(before);
        Poll::Ready(reserved)
    }

    /// Puts all of `from`, and takes back `reserved` announcements, at least as many.
    pub(crate) fn put(&self, reserved: usize, from: &mut VecDeque<T>) {
        let mut wakes = Wakes::new();
        let mut state = lock(&self.0);
        if state.abandoned {
            drop(state);
            from.clear();
            return;
        }
        state.held -= reserved;
        state.put += from.len() as u64;
        state.takers.wake(from.len(), &mut wakes);
        if state.items.is_empty() {
            std::mem::swap(&mut state.items, from);
        } else {
            state.items.append(from);
        }
        drop(state);
        wake(wakes);
    }

    /// Puts one item, or the word that its number has none, as soon as there is room. Leaves `value` empty: it must not
    /// be polled again.
    pub(crate) fn poll_put(
        &self,
        who: usize,
        cx: &mut Poller<'_>,
        number: u64,
        value: &mut Load<T>,
    ) -> Poll<()> {
        let mut state = lock(&self.0);
        let ahead = if state.ordered { (number - state.next) as usize } else { 0 };
        let is_nothing = !state.ordered && matches!(value, Load::Nothing);
        if !is_nothing && ahead >= state.room() {
            state.blocked += 1;
            let before = state.givers.enter(who, cx);
            drop(state);
            drop(before);
            return Poll::Pending;
        }
        let mut wakes = Wakes::new();
        let value = std::mem::replace(value, Load::Empty);
        let waker = state.givers.leave(who);
        let before = state.items.len();
        if !state.ordered {
            state.items.extend(value.item());
        } else if state.file(ahead, value) {
            // A number without an item leaves without being taken, so nobody else would tell.
            state.givers.wake(usize::MAX, &mut wakes);
        }
        let came = state.items.len() - before;
        state.put += came as u64;
        state.takers.wake(came, &mut wakes);
        drop(state);
        drop(waker);
        wake(wakes);
        Poll::Ready(())
    }

    /// A producer is done.
    pub(crate) fn finish(&self) {
        let mut wakes = Wakes::new();
        let mut state = lock(&self.0);
        state.producers -= 1;
        if state.producers == 0 {
            state.takers.wake(usize::MAX, &mut wakes);
        }
        drop(state);
        wake(wakes);
    }

    /// One of several consumers goes; what it was woken for is another's now.
    pub(crate) fn leave(&self, who: usize) {
        let mut wakes = Wakes::new();
        let mut state = lock(&self.0);
        let waker = state.takers.leave(who);
        if !state.items.is_empty() || state.producers == 0 {
            state.takers.wake(1, &mut wakes);
        }
        drop(state);
        drop(waker);
        wake(wakes);
    }

    /// The last consumer goes: producers never wait again, and what they put is dropped.
    pub(crate) fn abandon(&self) {
        let mut wakes = Wakes::new();
        if planted(Fault::BeltWakesBeforeItIsAbandoned) {
            lock(&self.0).givers.wake(usize::MAX, &mut wakes);
            wake(std::mem::take(&mut wakes));
            lock(&self.0).abandoned = true;
            return;
        }
        let mut state = lock(&self.0);
        state.abandoned = true;
        let left = std::mem::take(&mut state.items);
        state.givers.wake(usize::MAX, &mut wakes);
        drop(state);
        wake(wakes);
        drop(left);
    }
}

fn wake(wakes: Wakes) {
    task::wake("pipeline", wakes);
}
