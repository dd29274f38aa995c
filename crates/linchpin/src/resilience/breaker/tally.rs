//! What is in the window, read from a word and its frame without a lock.

use super::word::{Frame, Numbers};
use crate::sync::packed::Field;

/// How many calls are in a chunk of a count window; half as many where slow calls count, too.
pub(super) const CHUNK: u32 = if cfg!(linchpin_loom) { 2 } else { 32 };

/// By time: four numbers of ten bits in the word.
const PART: u32 = 10;
const PART_MOST: u64 = (1 << PART) - 1;

const BY_TIME: Field = Field::first(1);
const SLOW: Field = BY_TIME.then(1);
const LENGTH: Field = SLOW.then(6);
const TAIL: Field = LENGTH.then(7);
const MOST: Field = TAIL.then(32);

/// How the count in the word is laid out.
///
/// By count: how many calls (6 bits), then the failures among them as bits, newest first, then the slow ones. By time:
/// calls, failures, slow calls, failures at the end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Shape(pub(super) u64);

/// What a call adds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Call {
    pub(super) failed: bool,
    pub(super) slow: bool,
}

/// What is in the window.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Tally {
    pub(super) calls: u64,
    pub(super) failures: u64,
    pub(super) slow: u64,
    /// Failures in a row, up to now.
    pub(super) run: u64,
}

/// Which rule opens it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Rule {
    Consecutive,
    Failures,
    Slow,
}

// ===== impl Shape =====

impl Shape {
    /// Of the last `most` calls. Some whole chunks of them are in the window whatever the word holds, and of the `tail`
    /// before those as many as the word does not hold.
    pub(super) fn by_count(most: u32, slow: bool) -> Self {
        let length = if slow && CHUNK > 2 { CHUNK / 2 } else { CHUNK };
        let between = between(most, length);
        let tail = most - between * length;
        Self(
            SLOW.of(slow.into())
                | LENGTH.of(length.into())
                | TAIL.of(tail.into())
                | MOST.of(most.into()),
        )
    }

    pub(super) fn by_time(slow: bool) -> Self {
        Self(BY_TIME.of(1) | SLOW.of(slow.into()))
    }

    /// The least count that has no room, of those that hold calls alone.
    pub(super) fn room(self) -> u64 {
        if self.is_by_time() { PART_MOST } else { self.length().into() }
    }

    #[inline]
    pub(super) fn is_by_time(self) -> bool {
        BY_TIME.get(self.0) != 0
    }

    /// Whether it matters how long a call takes.
    #[inline]
    pub(super) fn times_calls(self) -> bool {
        SLOW.get(self.0) != 0
    }

    /// Whether a window of that many calls takes no more without letting others go.
    pub(super) fn is_full(self, calls: u64) -> bool {
        !self.is_by_time() && calls >= self.most()
    }

    /// How many calls are in a chunk.
    #[inline]
    pub(super) fn length(self) -> u32 {
        LENGTH.get(self.0) as u32
    }

    #[inline]
    fn most(self) -> u64 {
        MOST.get(self.0)
    }

    #[inline]
    fn tail(self) -> u64 {
        TAIL.get(self.0)
    }

    /// `count` and one call more; `None` if there is no room.
    #[inline]
    pub(super) fn add(self, count: u64, call: Call) -> Option<u64> {
        if self.is_by_time() {
            let mut parts = Parts::of(count);
            if parts.calls == PART_MOST {
                return None;
            }
            parts.calls += 1;
            parts.failures += u64::from(call.failed);
            parts.slow += u64::from(call.slow);
            parts.run = if call.failed { parts.run + 1 } else { 0 };
            return Some(parts.pack());
        }
        let mut chunk = Chunk::of(count, self.length());
        if chunk.calls == self.length() {
            return None;
        }
        chunk.push(call);
        Some(chunk.pack(self.length()))
    }

    /// What is in the window with `count` in the word.
    #[inline]
    pub(super) fn tally(self, count: u64, frame: &Frame) -> Tally {
        if self.is_by_time() {
            let parts = Parts::of(count);
            let before = if parts.run == parts.calls { frame.run() } else { 0 };
            return Tally {
                calls: frame.calls() + parts.calls,
                failures: frame.failures() + parts.failures,
                slow: if self.times_calls() { frame.slow() + parts.slow } else { 0 },
                run: before + parts.run,
            };
        }
        let chunk = Chunk::of(count, self.length());
        let calls = u64::from(chunk.calls);
        let newest = mask(calls.min(self.most()));
        let older = mask(self.tail().saturating_sub(calls));
        let ones = |chunk: u64, tail: u64, between: u64| {
            let (chunk, tail) = (chunk & newest, tail & older);
            // Nothing at all in good times, and this machine may have no instruction to count bits.
            if (chunk | tail) == 0 { between } else { between + pop(chunk) + pop(tail) }
        };
        let run = u64::from(chunk.failures.trailing_ones().min(chunk.calls));
        let slow = self.times_calls();
        Tally {
            calls: (frame.calls() + calls).min(self.most()),
            failures: ones(chunk.failures.into(), frame.tail_failures(), frame.failures()),
            slow: if slow { ones(chunk.slow.into(), frame.tail_slow(), frame.slow()) } else { 0 },
            run: run + if run == calls { frame.run() } else { 0 },
        }
    }
}

/// How many whole chunks are in a window whatever the newest holds.
pub(super) fn between(most: u32, length: u32) -> u32 {
    (most / length).saturating_sub(1)
}

fn pop(bits: u64) -> u64 {
    bits.count_ones().into()
}

/// The lowest bits.
#[inline]
fn mask(bits: u64) -> u64 {
    (1 << bits) - 1
}

// ===== impl Tally =====

impl Tally {
    /// The calls of a word that counts in sum, of which none is in a row.
    pub(super) fn of_parts(count: u64) -> Self {
        let Parts { calls, failures, slow, .. } = Parts::of(count);
        Self { calls, failures, slow, run: 0 }
    }

    /// With the calls of another; in a row are its own.
    pub(super) fn plus(&self, other: &Self) -> Self {
        Self {
            calls: self.calls + other.calls,
            failures: self.failures + other.failures,
            slow: self.slow + other.slow,
            run: self.run,
        }
    }

    /// The rule that opens, if one does. `overdue` calls that are under way count as slow already.
    #[inline]
    pub(super) fn judge(&self, frame: &Frame, overdue: u64) -> Option<Rule> {
        // Most calls end here: nothing has failed and nothing is slow.
        if self.failures == 0 && self.slow + overdue == 0 && self.run == 0 {
            return None;
        }
        self.judge_trouble(frame, overdue)
    }

    fn judge_trouble(&self, frame: &Frame, overdue: u64) -> Option<Rule> {
        if self.run >= frame.consecutive() {
            return Some(Rule::Consecutive);
        }
        let share = |part: u64, all: u64, floor: u64, ratio: u64| {
            part >= floor
                && all >= frame.min_calls()
                && part as f64 / all as f64 >= f64::from_bits(ratio)
        };
        if share(self.failures, self.calls, frame.failure_floor(), frame.failure_ratio()) {
            return Some(Rule::Failures);
        }
        let (slow, calls) = (self.slow + overdue, self.calls + overdue);
        share(slow, calls, frame.slow_floor(), frame.slow_ratio()).then_some(Rule::Slow)
    }
}

/// The least number of calls that is such a share of at least `calls`.
pub(super) fn floor(ratio: f64, calls: u32) -> u64 {
    let is_enough = |part: u64| part as f64 / f64::from(calls) >= ratio;
    let mut part = (ratio * f64::from(calls)).ceil() as u64;
    while part > 1 && is_enough(part - 1) {
        part -= 1;
    }
    while !is_enough(part) {
        part += 1;
    }
    part.max(1)
}

/// A rule that is off: no number is as large.
pub(super) const NEVER: u64 = u64::MAX;

/// The same thresholds, and no rule opens.
pub(super) fn without_rules(numbers: Numbers) -> Numbers {
    Numbers { failure_floor: NEVER, slow_floor: NEVER, consecutive: NEVER, ..numbers }
}

// ===== The count in the word =====

/// Calls counted one by one.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Chunk {
    pub(super) calls: u32,
    pub(super) failures: u32,
    pub(super) slow: u32,
}

impl Chunk {
    #[inline]
    pub(super) fn of(count: u64, length: u32) -> Self {
        let bits = mask(length.into());
        Self {
            calls: (count & 63) as u32,
            failures: ((count >> 6) & bits) as u32,
            slow: if length == 32 { 0 } else { ((count >> (6 + length)) & bits) as u32 },
        }
    }

    #[inline]
    pub(super) fn pack(self, length: u32) -> u64 {
        let slow = if length == 32 { 0 } else { u64::from(self.slow) << (6 + length) };
        u64::from(self.calls) | (u64::from(self.failures) << 6) | slow
    }

    /// There is room.
    #[inline]
    pub(super) fn push(&mut self, call: Call) {
        self.calls += 1;
        self.failures = (self.failures << 1) | u32::from(call.failed);
        self.slow = (self.slow << 1) | u32::from(call.slow);
    }
}

/// Calls counted in sum.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Parts {
    pub(super) calls: u64,
    pub(super) failures: u64,
    pub(super) slow: u64,
    pub(super) run: u64,
}

impl Parts {
    #[inline]
    pub(super) fn of(count: u64) -> Self {
        let part = |index: u32| (count >> (PART * index)) & PART_MOST;
        Self { calls: part(0), failures: part(1), slow: part(2), run: part(3) }
    }

    #[inline]
    fn pack(self) -> u64 {
        self.calls | (self.failures << PART) | (self.slow << (2 * PART)) | (self.run << (3 * PART))
    }
}
