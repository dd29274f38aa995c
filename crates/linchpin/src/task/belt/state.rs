//! What is under a belt's lock.

use std::collections::VecDeque;
use std::task::{Context as Poller, Waker};

use smallvec::SmallVec;

pub(super) struct State<T> {
    pub(super) items: VecDeque<T>,
    /// What came before its turn, from the number `next` on.
    pub(super) early: VecDeque<Load<T>>,
    pub(super) next: u64,
    pub(super) capacity: usize,
    /// Items come with numbers, and leave in their order.
    pub(super) ordered: bool,
    /// Room that is announced, or held for what was taken and not begun.
    pub(super) held: usize,
    pub(super) producers: usize,
    /// Nobody takes any more: what is put is dropped.
    pub(super) abandoned: bool,
    pub(super) taken: u64,
    pub(super) put: u64,
    /// The part of `held` that the consumer has taken.
    pub(super) unbegun: usize,
    pub(super) starved: u64,
    pub(super) blocked: u64,
    pub(super) takers: Waiting,
    pub(super) givers: Waiting,
}

/// What is at a place in an order.
pub(crate) enum Load<T> {
    /// Not known yet, or moved away.
    Empty,
    /// It was left out.
    Nothing,
    /// This.
    Item(T),
}

/// Wakers that are called once the lock is free.
pub(super) type Wakes = SmallVec<[Waker; 4]>;

/// Those who wait on one side, by their numbers there.
#[derive(Default)]
pub(super) struct Waiting(Vec<(usize, Waker)>);

impl<T> State<T> {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            items: VecDeque::new(),
            early: VecDeque::new(),
            next: 0,
            capacity,
            ordered: false,
            held: 0,
            unbegun: 0,
            producers: 1,
            abandoned: false,
            taken: 0,
            put: 0,
            starved: 0,
            blocked: 0,
            takers: Waiting::default(),
            givers: Waiting::default(),
        }
    }

    pub(super) fn half(&self) -> usize {
        (self.capacity / 2).max(1)
    }

    pub(super) fn room(&self) -> usize {
        if self.abandoned {
            return usize::MAX;
        }
        self.capacity.saturating_sub(self.items.len() + self.held)
    }

    pub(super) fn is_empty_and_open(&self) -> bool {
        self.items.is_empty() && self.producers > 0
    }

    pub(super) fn reserve(&mut self, want: usize) -> usize {
        let reserved = want.min(self.room());
        if !self.abandoned {
            self.held += reserved;
        }
        reserved
    }

    pub(super) fn let_go(&mut self, credit: &mut usize, left: usize) {
        let begun = *credit - left;
        self.held -= begun;
        self.unbegun -= begun;
        *credit = left;
    }

    /// Files what has the number `next + ahead` and moves on whatever has its turn; whether a number without an item
    /// was passed over.
    pub(super) fn file(&mut self, ahead: usize, value: Load<T>) -> bool {
        if self.early.len() <= ahead {
            self.early.resize_with(ahead + 1, || Load::Empty);
        }
        self.early[ahead] = value;
        let mut passed_over = false;
        while let Some(front) = self.early.pop_front_if(|front| !matches!(front, Load::Empty)) {
            passed_over |= matches!(front, Load::Nothing);
            self.items.extend(front.item());
            self.next += 1;
        }
        passed_over
    }

    pub(super) fn wake_givers(&mut self, wakes: &mut Wakes) {
        if !self.givers.0.is_empty() && self.room() >= self.half() {
            self.givers.wake(usize::MAX, wakes);
        }
    }
}

impl Waiting {
    /// Leaves a waker, and returns the one it left before: to be dropped once the lock is free, since a waker may own
    /// a task.
    pub(super) fn enter(&mut self, who: usize, cx: &mut Poller<'_>) -> Option<Waker> {
        let before = self.leave(who);
        let waker = match before {
            Some(before) if before.will_wake(cx.waker()) => before,
            before => {
                self.0.push((who, cx.waker().clone()));
                return before;
            }
        };
        self.0.push((who, waker));
        None
    }

    pub(super) fn leave(&mut self, who: usize) -> Option<Waker> {
        let place = self.0.iter().position(|(other, _)| *other == who)?;
        Some(self.0.swap_remove(place).1)
    }

    pub(super) fn wake(&mut self, most: usize, wakes: &mut Wakes) {
        let kept = self.0.len().saturating_sub(most);
        wakes.extend(self.0.drain(kept..).map(|(_, waker)| waker));
    }
}

impl<T> Load<T> {
    pub(super) fn item(self) -> Option<T> {
        match self {
            Self::Item(item) => Some(item),
            Self::Empty | Self::Nothing => None,
        }
    }
}
