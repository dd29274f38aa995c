//! How many are under way, and how many were on average: one word.

use crossbeam_utils::CachePadded;

use crate::shim::atomic::AtomicU64;
use crate::shim::atomic::Ordering::{AcqRel, Acquire, Relaxed};
use crate::shim::{Fault, planted};
use crate::sync::packed::Field;

const INSIDE: Field = Field::first(32);
const AVERAGE: Field = INSIDE.then(32);

#[derive(Debug)]
pub(super) struct Flight {
    word: CachePadded<AtomicU64>,
}

/// The word, taken apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Flying {
    pub(super) inside: u32,
    /// Of what was under way whenever a call ended; the last tenth of it is new each time.
    pub(super) average: f32,
}

const KEPT: f32 = 0.9;

/// An average is kept in 32 bits: one that has come to be the same is not above it.
const ROUNDING: f64 = 1e-6;

impl Flight {
    pub(super) fn new() -> Self {
        Self { word: CachePadded::new(AtomicU64::new(Flying { inside: 0, average: 0.0 }.pack())) }
    }

    /// One more, whatever there is.
    #[inline]
    pub(super) fn enter(&self) {
        self.word.fetch_add(1, AcqRel);
    }

    /// One more, unless both what is under way and its average are above `most`: what there was then.
    pub(super) fn enter_up_to(&self, most: f64) -> Result<(), Flying> {
        let mut word = self.word.load(Relaxed);
        loop {
            let seen = Flying::of(word);
            let is_above = |number: f64| number > most * (1.0 + ROUNDING);
            if is_above(seen.inside.into()) && is_above(seen.average.into()) {
                return Err(seen);
            }
            if planted(Fault::ShedLooksBeforeItCounts) {
                self.enter();
                return Ok(());
            }
            match self.word.compare_exchange_weak(word, word + 1, AcqRel, Relaxed) {
                Ok(_) => return Ok(()),
                Err(now) => word = now,
            }
        }
    }

    /// One less.
    #[inline]
    pub(super) fn leave(&self) {
        let mut word = self.word.load(Relaxed);
        loop {
            let Flying { inside, average } = Flying::of(word);
            let inside = inside - 1;
            let average = average * KEPT + inside as f32 * (1.0 - KEPT);
            let next = Flying { inside, average }.pack();
            match self.word.compare_exchange_weak(word, next, AcqRel, Relaxed) {
                Ok(_) => return,
                Err(now) => word = now,
            }
        }
    }

    pub(super) fn look(&self) -> Flying {
        Flying::of(self.word.load(Acquire))
    }
}

impl Flying {
    fn pack(self) -> u64 {
        INSIDE.of(self.inside.into()) | AVERAGE.of(self.average.to_bits().into())
    }

    fn of(word: u64) -> Self {
        let average = f32::from_bits(AVERAGE.get(word) as u32);
        Self { inside: INSIDE.get(word) as u32, average }
    }
}
