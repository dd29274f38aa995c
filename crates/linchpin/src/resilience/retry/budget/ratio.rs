//! Retries as a share of the calls in a window of time.

use std::time::Duration;

use crossbeam_utils::CachePadded;

use crate::shim::atomic::{AtomicU64, Ordering};
use crate::shim::{Fault, Mutex, lock, planted};
use crate::time::Instant;

/// Calls are deposits, retries withdrawals, in integers: a share of 0.3 is 30 of a hundred and not 33.
#[derive(Debug)]
pub(in crate::resilience) struct Ratio {
    /// Calls that are in no slot yet.
    waiting: CachePadded<AtomicU64>,
    /// What is there without any call.
    reserve: i64,
    slot: Duration,
    origin: Instant,
    slots: Mutex<Slots>,
}

#[derive(Debug, Default)]
struct Slots {
    /// What a retry takes of what a call gives.
    cost: i64,
    /// What came in and went out, by the tenth of the window.
    net: [i64; SLOTS],
    sum: i64,
    /// The slot of now, counted from the origin.
    head: u64,
    /// All calls that ever came into one.
    calls: u64,
}

/// What was taken, for who gives it back.
#[derive(Clone, Copy, Debug)]
pub(in crate::resilience) struct Taken {
    head: u64,
    cost: i64,
}

const SLOTS: usize = 10;
/// What a call gives.
const SCALE: i64 = 1_000;
/// So many calls come into a slot together.
const BUNDLE: u64 = 16;

impl Ratio {
    pub(in crate::resilience) fn new(
        share: f64,
        least_per_second: u32,
        window: Duration,
        now: Instant,
    ) -> Self {
        let cost = cost(share);
        let least = f64::from(least_per_second) * window.as_secs_f64();
        Self {
            waiting: CachePadded::new(AtomicU64::new(0)),
            // So saved up, it may be without bound.
            reserve: (least as i64).min(i64::MAX / 4 / cost) * cost,
            slot: window / SLOTS as u32,
            origin: now,
            slots: Mutex::new(Slots { cost, ..Slots::default() }),
        }
    }

    /// A call has begun.
    #[inline]
    pub(in crate::resilience) fn deposit(&self, clock: impl FnOnce() -> Instant) {
        if self.waiting.fetch_add(1, Ordering::Relaxed) % BUNDLE == BUNDLE - 1 {
            self.take_in(clock());
        }
    }

    #[cold]
    fn take_in(&self, now: Instant) {
        self.advance(&mut lock(&self.slots), now);
    }

    /// Takes what a retry costs, if it is there.
    pub(in crate::resilience) fn withdraw(&self, now: Instant) -> bool {
        self.take(now).is_some()
    }

    /// The same for who may [give it back](Self::give_back).
    pub(in crate::resilience) fn take(&self, now: Instant) -> Option<Taken> {
        let mut slots = lock(&self.slots);
        self.advance(&mut slots, now);
        if self.reserve + slots.sum < slots.cost {
            return None;
        }
        if planted(Fault::BudgetLooksBeforeItTakes) {
            drop(slots);
            slots = lock(&self.slots);
        }
        let Slots { head, cost, .. } = *slots;
        slots.add(-cost);
        Some(Taken { head, cost })
    }

    /// As if it had not been taken.
    pub(in crate::resilience) fn give_back(&self, taken: Taken) {
        lock(&self.slots).add_at(taken.head, taken.cost);
    }

    /// Retries may be another share from now on. What they have taken stays taken.
    pub(in crate::resilience) fn set_share(&self, share: f64) {
        lock(&self.slots).cost = cost(share);
    }

    pub(in crate::resilience) fn left(&self, now: Instant) -> f64 {
        let mut slots = lock(&self.slots);
        self.advance(&mut slots, now);
        ((self.reserve + slots.sum).max(0) / slots.cost) as f64
    }

    /// All calls there ever were.
    pub(in crate::resilience) fn calls(&self) -> u64 {
        let slots = lock(&self.slots);
        slots.calls.wrapping_add(self.waiting.load(Ordering::Relaxed))
    }

    /// Brings the slots to `now`, with all that has come in.
    fn advance(&self, slots: &mut Slots, now: Instant) {
        let head = ((now - self.origin).as_nanos() / self.slot.as_nanos()) as u64;
        slots.turn(head);
        let calls = if planted(Fault::BudgetForgetsWhoComesMeanwhile) {
            let calls = self.waiting.load(Ordering::Relaxed);
            self.waiting.store(0, Ordering::Relaxed);
            calls
        } else {
            self.waiting.swap(0, Ordering::Relaxed)
        };
        slots.calls = slots.calls.wrapping_add(calls);
        slots.add(calls as i64 * SCALE);
    }
}

/// What a retry takes of what a call gives.
fn cost(share: f64) -> i64 {
    ((SCALE as f64 / share).round() as i64).max(1)
}

impl Slots {
    fn turn(&mut self, head: u64) {
        if head.saturating_sub(self.head) >= SLOTS as u64 {
            (self.net, self.sum) = Default::default();
        } else {
            for slot in self.head + 1..=head {
                self.sum -= std::mem::take(&mut self.net[(slot % SLOTS as u64) as usize]);
            }
        }
        self.head = self.head.max(head);
    }

    fn add(&mut self, amount: i64) {
        self.add_at(self.head, amount);
    }

    /// Into a slot that may lie behind, unless it is in the window no more.
    fn add_at(&mut self, slot: u64, amount: i64) {
        if self.head - slot < SLOTS as u64 {
            self.net[(slot % SLOTS as u64) as usize] += amount;
            self.sum += amount;
        }
    }
}
