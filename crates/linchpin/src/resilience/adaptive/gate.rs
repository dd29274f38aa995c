//! Who is in, and how many may be.
//!
//! Both stand in one word, so that whoever comes in is judged by the very word that lets it in. A change of the limit is
//! a change of the other half: it waits for nobody, and with more in than it allows nobody comes in until enough have
//! gone.
//!
//! With partitions a call is counted in its own before it is let in, and leaves the gate's word last. So each count is at
//! no time less than what is true, and nobody is let in by a share that another has just used up.

use crossbeam_utils::CachePadded;

use crate::shim::atomic::AtomicU64;
use crate::shim::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use crate::shim::{Fault, planted};
use crate::sync::packed::Field;

const INSIDE: Field = Field::first(32);
const LIMIT: Field = INSIDE.then(32);

#[derive(Debug)]
pub(super) struct Gate {
    word: CachePadded<AtomicU64>,
    parts: Box<[Part]>,
}

#[derive(Debug)]
struct Part {
    name: &'static str,
    /// Of the limit, as bits of a float.
    share: AtomicU64,
    inside: AtomicU64,
}

/// Whose call it is: of a partition, by its place in the list, or of none.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Of(u32);

/// The numbers that were compared when nobody could be let in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Full {
    pub(super) inside: u32,
    pub(super) limit: u32,
}

impl Of {
    pub(super) const NONE: Self = Self(u32::MAX);
}

impl Gate {
    pub(super) fn new(limit: u32, partitions: &[(&'static str, f64)]) -> Self {
        let part = |(name, share): &(&'static str, f64)| Part {
            name,
            share: AtomicU64::new(share.to_bits()),
            inside: AtomicU64::new(0),
        };
        Self {
            word: CachePadded::new(AtomicU64::new(LIMIT.of(limit.into()))),
            parts: partitions.iter().map(part).collect(),
        }
    }

    pub(super) fn of(&self, name: &str) -> Option<Of> {
        self.parts.iter().position(|part| part.name == name).map(|index| Of(index as u32))
    }

    /// Lets one more in: how many are in since.
    #[inline]
    pub(super) fn enter(&self, of: Of) -> Result<u32, Full> {
        match self.parts.get(of.0 as usize) {
            None => self.enter_freely(),
            Some(part) => self.enter_part(part),
        }
    }

    /// One of them goes.
    #[inline]
    pub(super) fn leave(&self, of: Of) {
        if let Some(part) = self.parts.get(of.0 as usize) {
            part.inside.fetch_sub(1, AcqRel);
        }
        self.word.fetch_sub(1, Release);
    }

    pub(super) fn set_limit(&self, limit: u32) {
        let mut word = self.word.load(Acquire);
        loop {
            let next = INSIDE.of(INSIDE.get(word)) | LIMIT.of(limit.into());
            if planted(Fault::AdaptiveLimitsUnseen) {
                self.word.store(next, Release);
                return;
            }
            match self.word.compare_exchange_weak(word, next, AcqRel, Acquire) {
                Ok(_) => return,
                Err(now) => word = now,
            }
        }
    }

    /// How many are in, and may be.
    pub(super) fn look(&self) -> Full {
        Full::of(self.word.load(Acquire))
    }

    /// How many of each partition are in.
    pub(super) fn parts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.parts.iter().map(|part| (part.name, part.inside.load(Acquire)))
    }

    /// Takes other shares, if they are for the same partitions; whether they are.
    pub(super) fn reshare(&self, partitions: &[(&'static str, f64)]) -> bool {
        let same =
            self.parts.iter().map(|part| part.name).eq(partitions.iter().map(|(name, _)| *name));
        if same {
            for (part, (_, share)) in self.parts.iter().zip(partitions) {
                part.share.store(share.to_bits(), Relaxed);
            }
        }
        same
    }

    #[inline]
    fn enter_freely(&self) -> Result<u32, Full> {
        let mut word = self.word.load(Relaxed);
        loop {
            let seen = Full::of(word);
            if seen.inside >= seen.limit {
                return Err(seen);
            }
            if planted(Fault::AdaptiveLooksBeforeItCounts) {
                self.word.fetch_add(1, AcqRel);
                return Ok(seen.inside + 1);
            }
            match self.word.compare_exchange_weak(word, word + 1, AcqRel, Relaxed) {
                Ok(_) => return Ok(seen.inside + 1),
                Err(now) => word = now,
            }
        }
    }

    fn enter_part(&self, part: &Part) -> Result<u32, Full> {
        let seen = self.look();
        let inside = part.inside.load(Acquire);
        // A refusal writes nothing, as long as nobody comes or goes meanwhile.
        if seen.inside >= seen.limit && inside >= part.guaranteed(seen.limit) {
            return Err(seen);
        }
        let counts_first = !planted(Fault::AdaptiveCountsAPartLater);
        let mine = if counts_first { part.inside.fetch_add(1, AcqRel) } else { inside };
        let entered = match self.enter_freely() {
            Err(full) if mine < part.guaranteed(full.limit) => {
                Ok(Full::of(self.word.fetch_add(1, AcqRel)).inside + 1)
            }
            entered => entered,
        };
        match (entered, counts_first) {
            (Ok(_), false) => drop(part.inside.fetch_add(1, AcqRel)),
            (Err(_), true) => drop(part.inside.fetch_sub(1, AcqRel)),
            _ => {}
        }
        entered
    }
}

impl Part {
    /// So many of it are let in though the limit is reached.
    fn guaranteed(&self, limit: u32) -> u64 {
        let share = f64::from_bits(self.share.load(Relaxed));
        // A share such as 0.7 of ten is seven, whatever its last bit says.
        (f64::from(limit) * share - 1e-9).ceil().max(1.0) as u64
    }
}

impl Full {
    fn of(word: u64) -> Self {
        Self { inside: INSIDE.get(word) as u32, limit: LIMIT.get(word) as u32 }
    }
}
