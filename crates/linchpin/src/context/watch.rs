//! Those who wait at one level of the tree, and the alarm that rings for all of them.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Poller, Waker};
use std::time::Duration;

use tokio::task::coop::unconstrained;
use tokio_util::sync::CancellationToken;

use super::after::Callback;
use super::node::Node;
use crate::task::slab::Slab;
use crate::task::wake;
use crate::time::Instant;

/// The list of a level.
#[derive(Default)]
pub(super) struct Watch {
    /// Most levels have one waiter, who costs no allocation here.
    first: Option<Waker>,
    rest: Option<Box<Rest>>,
}

/// What only some levels have.
#[derive(Default)]
struct Rest {
    told: Slab<Told>,
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

/// The key of who is not in the slab; those in it have theirs plus one.
const FIRST: u32 = 0;

// ===== impl Watch =====

impl Watch {
    pub(super) fn is_empty(&self) -> bool {
        self.first.is_none() && self.rest.as_ref().is_none_or(|rest| rest.told.len() == 0)
    }

    /// Enters somebody; the key gets them out again.
    #[inline]
    pub(super) fn insert(&mut self, told: Told) -> u32 {
        match told {
            Told::Waker(waker) if self.first.is_none() => {
                self.first = Some(waker);
                FIRST
            }
            told => self.rest.get_or_insert_default().told.insert(told) + 1,
        }
    }

    /// Leaves another waker at `key`. What it returns is to be dropped outside of the lock.
    pub(super) fn replace(&mut self, key: u32, waker: Waker) -> Option<Told> {
        if key == FIRST {
            return self.first.replace(waker).map(Told::Waker);
        }
        let place = self.rest.as_mut()?.told.get_mut(key - 1)?;
        Some(std::mem::replace(place, Told::Waker(waker)))
    }

    /// Lets somebody out. What it returns is to be dropped outside of the lock.
    #[inline]
    pub(super) fn remove(&mut self, key: u32) -> (Option<Told>, Option<Alarm>) {
        let Some(rest) = &mut self.rest else {
            return (self.first.take().map(Told::Waker), None);
        };
        let told = match key {
            FIRST => self.first.take().map(Told::Waker),
            key => rest.told.remove(key - 1),
        };
        if self.first.is_some() || rest.told.len() > 0 {
            return (told, None);
        }
        (told, rest.alarm.take())
    }

    pub(super) fn is_armed(&self) -> bool {
        self.rest.as_ref().is_some_and(|rest| rest.is_armed())
    }

    /// Keeps `alarm` while somebody waits. Whether it need not be armed again, and what is to be dropped.
    pub(super) fn keep(&mut self, alarm: Alarm) -> (bool, Option<Alarm>) {
        let rest = self.rest.get_or_insert_default();
        if rest.is_armed() {
            return (true, Some(alarm));
        }
        // An alarm of our own that was spent before it could be kept has set the flag with none here.
        let kept = rest.alarm.is_some() || !rest.spent;
        rest.spent = !kept;
        (kept, rest.alarm.replace(alarm))
    }

    /// The alarm is spent: those who are to arm another.
    pub(super) fn disarm(&mut self) -> Vec<Waker> {
        let rest = self.rest.get_or_insert_default();
        rest.spent = true;
        let waker = |told: &Told| match told {
            Told::Waker(waker) => Some(waker.clone()),
            Told::Callback(_) => None,
        };
        self.first.iter().cloned().chain(rest.told.iter().filter_map(waker)).collect()
    }

    /// Tells everybody that the end has come; under no lock, since a waker or a callback may do anything.
    pub(super) fn tell(self) {
        wake("context", self.first);
        let Some(rest) = self.rest else { return };
        drop(rest.alarm);
        for told in rest.told.into_values() {
            match told {
                Told::Waker(waker) => wake("context", [waker]),
                Told::Callback(callback) => callback.run(),
            }
        }
    }
}

impl Rest {
    fn is_armed(&self) -> bool {
        self.alarm.is_some() && !self.spent
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
