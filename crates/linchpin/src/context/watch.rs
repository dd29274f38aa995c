//! Those who wait at one level of the tree, and the alarm that rings for all of them.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Poller, Waker};
use std::time::Duration;

use smallvec::SmallVec;
use tokio::task::coop::unconstrained;
use tokio_util::sync::CancellationToken;

use super::after::Callback;
use super::node::Node;
use crate::task::contained;
use crate::time::Instant;

/// The list of a level.
#[derive(Default)]
pub(super) struct Watch {
    /// One inline: most levels have one waiter.
    slots: SmallVec<[Option<Told>; 1]>,
    free: Vec<u32>,
    alarm: Option<Alarm>,
    /// The alarm will not ring: its runtime is going away.
    spent: bool,
}

/// Somebody to tell.
pub(super) enum Told {
    Waker(Waker),
    Callback(Arc<Callback>),
}

/// What rings at a deadline or with a token.
pub(super) struct Alarm(Pin<Box<dyn Future<Output = ()> + Send>>);

/// So many slots are kept when the last waiter leaves: waiting again and again allocates nothing, and a burst of
/// waiters leaves nothing behind in a long-lived level.
const KEPT: usize = 8;

// ===== impl Watch =====

impl Watch {
    /// Enters somebody; the key gets them out again.
    pub(super) fn insert(&mut self, told: Told) -> u32 {
        if let Some(key) = self.free.pop() {
            self.slots[key as usize] = Some(told);
            return key;
        }
        let key = u32::try_from(self.slots.len()).expect("fewer waiters than bytes of memory");
        self.slots.push(Some(told));
        key
    }

    pub(super) fn replace(&mut self, key: u32, told: Told) {
        self.slots[key as usize] = Some(told);
    }

    /// Lets somebody out. What it returns is to be dropped outside of the lock.
    pub(super) fn remove(&mut self, key: u32) -> (Option<Told>, Option<Alarm>) {
        let told = self.slots[key as usize].take();
        if self.free.len() + 1 < self.slots.len() {
            self.free.push(key);
            return (told, None);
        }
        if self.slots.capacity() > KEPT {
            *self = Self { alarm: self.alarm.take(), spent: self.spent, ..Self::default() };
        }
        self.slots.clear();
        self.free.clear();
        (told, self.alarm.take())
    }

    /// Takes everybody, and the alarm, for the end.
    pub(super) fn take(&mut self) -> (Vec<Told>, Option<Alarm>) {
        (self.slots.iter_mut().filter_map(Option::take).collect(), self.alarm.take())
    }

    pub(super) fn is_armed(&self) -> bool {
        self.alarm.is_some() && !self.spent
    }

    /// Keeps `alarm` while somebody waits. Whether it need not be armed again, and what is to be dropped.
    pub(super) fn keep(&mut self, alarm: Alarm) -> (bool, Option<Alarm>) {
        if self.is_armed() {
            return (true, Some(alarm));
        }
        // An alarm of our own that was spent before it could be kept has set the flag with none here.
        let kept = self.alarm.is_some() || !self.spent;
        self.spent = !kept;
        (kept, self.alarm.replace(alarm))
    }

    /// The alarm is spent: those who are to arm another.
    pub(super) fn disarm(&mut self) -> Vec<Waker> {
        self.spent = true;
        let waker = |told: &Told| match told {
            Told::Waker(waker) => Some(waker.clone()),
            Told::Callback(_) => None,
        };
        self.slots.iter().flatten().filter_map(waker).collect()
    }
}

impl Told {
    pub(super) fn tell(self) {
        match self {
            Self::Waker(waker) => {
                contained("context", "a waker for the end of a context panicked", || waker.wake());
            }
            Self::Callback(callback) => callback.run(),
        }
    }
}

// ===== impl Alarm =====

impl Alarm {
    /// How far the timer's clock and ours may be apart when it rings.
    pub(super) const TICK: Duration = Duration::from_millis(2);

    /// Rings at `deadline`.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with timers.
    pub(super) fn timer(deadline: Instant) -> Self {
        // Not counted against the budget of the task that happens to arm it.
        Self(Box::pin(unconstrained(tokio::time::sleep_until(deadline.into_tokio()))))
    }

    /// Rings when `token` is cancelled.
    pub(super) fn token(token: &CancellationToken) -> Self {
        Self(Box::pin(unconstrained(token.clone().cancelled_owned())))
    }

    /// Sets it to wake `node`; `None` if it rings already.
    pub(super) fn set(mut self, node: Arc<Node>) -> Option<Self> {
        let waker = Waker::from(node);
        self.0.as_mut().poll(&mut Poller::from_waker(&waker)).is_pending().then_some(self)
    }
}
