//! Retries as a share of the calls in a window of time.

use std::time::Duration;

use crossbeam_utils::CachePadded;

use crate::shim::atomic::{AtomicU64, Ordering};
use crate::shim::{Fault, Mutex, lock, planted};
use crate::time::Instant;

/// Calls are deposits, retries withdrawals, in integers: a share of 0.3 is 30 of a hundred and not 33.
#[derive(Debug)]
pub(in crate::resilience::retry) struct Ratio {
    /// Calls that are in no slot yet.
    waiting: CachePadded<AtomicU64>,
    /// What a retry takes of what a call gives.
    cost: i64,
    /// What is there without any call.
    reserve: i64,
    slot: Duration,
    origin: Instant,
    slots: Mutex<Slots>,
}

#[derive(Debug, Default)]
struct Slots {
    /// What came in and went out, by the tenth of the window.
    net: [i64; SLOTS],
    sum: i64,
    /// The slot of now, counted from the origin.
    head: u64,
}

const SLOTS: usize = 10;
/// What a call gives.
const SCALE: i64 = 1_000;
/// So many calls come into a slot together.
const BUNDLE: u64 = 16;

impl Ratio {
    pub(in crate::resilience::retry) fn new(
        share: f64,
        least_per_second: u32,
        window: Duration,
        now: Instant,
    ) -> Self {
        let cost = ((SCALE as f64 / share).round() as i64).max(1);
        let least = f64::from(least_per_second) * window.as_secs_f64();
        Self {
            waiting: CachePadded::new(AtomicU64::new(0)),
            cost,
            // So saved up, it may be without bound.
            reserve: (least as i64).min(i64::MAX / 4 / cost) * cost,
            slot: window / SLOTS as u32,
            origin: now,
            slots: Mutex::new(Slots::default()),
        }
    }

    /// A call has begun.
    #[inline]
    pub(in crate::resilience::retry) fn deposit(&self, clock: impl FnOnce() -> Instant) {
        if self.waiting.fetch_add(1, Ordering::Relaxed) % BUNDLE == BUNDLE - 1 {
            self.take_in(clock());
        }
    }

    #[cold]
    fn take_in(&self, now: Instant) {
        self.advance(&mut lock(&self.slots), now);
    }

    /// Takes what a retry costs, if it is there.
    pub(in crate::resilience::retry) fn withdraw(&self, now: Instant) -> bool {
        let mut slots = lock(&self.slots);
        self.advance(&mut slots, now);
        if self.reserve + slots.sum < self.cost {
            return false;
        }
        if planted(Fault::BudgetLooksBeforeItTakes) {
            drop(slots);
            slots = lock(&self.slots);
        }
        slots.add(-self.cost);
        true
    }

    pub(in crate::resilience::retry) fn left(&self, now: Instant) -> f64 {
        let mut slots = lock(&self.slots);
        self.advance(&mut slots, now);
        ((self.reserve + slots.sum).max(0) / self.cost) as f64
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
        slots.add(calls as i64 * SCALE);
    }
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
        self.net[(self.head % SLOTS as u64) as usize] += amount;
        self.sum += amount;
    }
}
