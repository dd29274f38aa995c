//! One target, and what is counted of it without a lock.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use super::cost::Cost;
use crate::resilience::Outcome;
use crate::shim::atomic::Ordering::{AcqRel, Acquire, Relaxed};
use crate::shim::atomic::{AtomicU32, AtomicU64};
use crate::shim::{Fault, planted};
use crate::sync::packed::Field;
use crate::time::Instant;

const SUCCEEDED: Field = Field::first(22);
const ENDED: Field = SUCCEEDED.then(22);
const UNDER_WAY: Field = ENDED.then(20);

/// What a [`Balancer`](super::Balancer) knows of a target.
pub(super) struct Entry<T> {
    pub(super) target: T,
    /// For people: what it was shown as when it came.
    pub(super) text: Arc<str>,
    /// Told apart from one that was removed and came again.
    pub(super) id: u64,
    /// Calls under way; calls that ended since the last sweep, and those of them that succeeded.
    word: AtomicU64,
    /// Failures in a row.
    failures: AtomicU32,
    pub(super) cost: Cost,
}

/// A target of a [`Balancer`](super::Balancer). Clones are of the same.
pub struct Target<T>(pub(super) Arc<Entry<T>>);

impl<T> Entry<T> {
    pub(super) fn new(target: T, text: Arc<str>, id: u64, now: Instant) -> Self {
        Self {
            target,
            text,
            id,
            word: AtomicU64::new(0),
            failures: AtomicU32::new(0),
            cost: Cost::new(now),
        }
    }

    #[inline]
    pub(super) fn under_way(&self) -> u64 {
        UNDER_WAY.get(self.word.load(Acquire))
    }

    /// A call begins. Beyond a million nobody is counted, and nobody is to be taken off.
    #[inline]
    pub(super) fn begin(&self) -> bool {
        let one = |word| (UNDER_WAY.get(word) < UNDER_WAY.most()).then(|| word + UNDER_WAY.of(1));
        self.step(one)
    }

    /// A call has ended; whether it is a failure that is one too many in a row. Whoever judges it counts anew.
    #[inline]
    pub(super) fn end(&self, was_begun: bool, outcome: Outcome, most_failures: u32) -> bool {
        let one = |word: u64| {
            let left = word - UNDER_WAY.of(was_begun.into());
            // With so many calls in a sweep the share is known.
            let is_room = outcome != Outcome::Ignored && ENDED.get(word) < ENDED.most();
            let is_success = outcome == Outcome::Success;
            Some(if is_room {
                left + (ENDED.of(1) | SUCCEEDED.of(is_success.into()))
            } else {
                left
            })
        };
        self.step(one);
        match outcome {
            Outcome::Ignored => false,
            Outcome::Failure => {
                let failures = self.failures.fetch_add(1, AcqRel).wrapping_add(1);
                most_failures != 0 && failures >= most_failures
            }
            Outcome::Success => {
                if self.failures.load(Relaxed) != 0 {
                    self.failures.store(0, Relaxed);
                }
                false
            }
        }
    }

    #[inline]
    fn step(&self, next: impl Fn(u64) -> Option<u64>) -> bool {
        self.word.fetch_update(AcqRel, Acquire, next).is_ok()
    }

    pub(super) fn failures(&self) -> u32 {
        self.failures.load(Relaxed)
    }

    pub(super) fn forget_failures(&self) {
        self.failures.store(0, Relaxed);
    }

    /// Calls that ended since the last sweep, and those of them that succeeded.
    pub(super) fn counted(&self) -> (u64, u64) {
        counted(self.word.load(Acquire))
    }

    /// The same, and begins anew.
    pub(super) fn sweep(&self) -> (u64, u64) {
        let under_way = UNDER_WAY.of(UNDER_WAY.most());
        if planted(Fault::OutlierSweepsUnseen) {
            let word = self.word.load(Acquire);
            self.word.store(word & under_way, Relaxed);
            return counted(word);
        }
        counted(self.word.fetch_and(under_way, AcqRel))
    }
}

fn counted(word: u64) -> (u64, u64) {
    (ENDED.get(word), SUCCEEDED.get(word))
}

// ===== impl Target =====

impl<T> Target<T> {
    /// How it was shown when it came.
    #[must_use]
    pub fn text(&self) -> &Arc<str> {
        &self.0.text
    }

    pub(super) fn is(&self, entry: &Arc<Entry<T>>) -> bool {
        Arc::ptr_eq(&self.0, entry)
    }

    /// Calls under way to it.
    #[must_use]
    pub fn under_way(&self) -> u64 {
        self.0.under_way()
    }

    /// What a call to it takes of late: a mean that forgets, and jumps up to whatever takes longer.
    #[must_use]
    pub fn latency(&self, now: Instant, decay: Duration) -> Duration {
        Duration::from_nanos(self.0.cost.at(now, decay.as_nanos() as f64) as u64)
    }
}

impl<T> Deref for Target<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0.target
    }
}

impl<T> Clone for Target<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

/// The same target of the same balancer, and not one that was removed and came again.
impl<T> PartialEq for Target<T> {
    fn eq(&self, other: &Self) -> bool {
        self.is(&other.0)
    }
}

impl<T> Eq for Target<T> {}

impl<T> fmt::Debug for Target<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Target").field(&self.0.text).finish()
    }
}
