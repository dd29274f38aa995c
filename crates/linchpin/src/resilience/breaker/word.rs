//! The word that all threads change, and the numbers that go with it.
//!
//! The word says how the breaker is (phase), which frame of numbers belongs to it (epoch), and, while calls are counted,
//! what was counted since that frame was written. One exchange of the word counts a call. Epochs wrap after a million; what
//! they are for is told in [`frame`](crate::resilience::frame).

use crate::resilience::frame::frame;
use crate::sync::packed::Field;

const PHASE: Field = Field::first(3);
/// Set while who has the lock carries the count over to the next frame: nobody counts.
const TURNING: Field = PHASE.then(1);
const EPOCH: Field = TURNING.then(20);
const COUNT: Field = EPOCH.then(40);
const COUNT_SHIFT: u32 = 24;
const COUNT_MASK: u64 = COUNT.of(COUNT.most());

/// How a breaker is, as far as who comes without the lock needs to know.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Phase {
    /// Calls pass and are counted.
    Closed = 0,
    /// The same, and nothing opens it.
    MetricsOnly = 1,
    /// Calls pass and are not counted.
    ForcedClosed = 2,
    /// Calls are refused until the time of the frame.
    Open = 3,
    /// Probes are let through, and there is room for one.
    HalfOpen = 4,
    /// Calls are refused until a probe ends, or until the time of the frame.
    Full = 5,
    /// Calls are refused.
    ForcedOpen = 6,
}

/// The word, taken apart.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Word(pub(super) u64);

impl Word {
    pub(super) fn new(phase: Phase, epoch: u64, count: u64) -> Self {
        Self(PHASE.of(phase as u64) | EPOCH.of(epoch & EPOCH.most()) | COUNT.of(count))
    }

    pub(super) fn phase(self) -> Phase {
        match PHASE.get(self.0) {
            0 => Phase::Closed,
            1 => Phase::MetricsOnly,
            2 => Phase::ForcedClosed,
            3 => Phase::Open,
            4 => Phase::HalfOpen,
            5 => Phase::Full,
            _ => Phase::ForcedOpen,
        }
    }

    /// Whether calls are counted, be it that they must wait for their turn.
    #[inline]
    pub(super) fn counts(self) -> bool {
        PHASE.get(self.0) <= Phase::MetricsOnly as u64
    }

    /// Whether calls are counted, and nobody has to wait.
    #[inline]
    pub(super) fn counts_now(self) -> bool {
        self.0 & (TURNING.of(1) | PHASE.most()) <= Phase::MetricsOnly as u64
    }

    /// The same word with one call more, of a count whose lowest part are the calls.
    #[inline]
    pub(super) fn with_one_more(self) -> Self {
        Self(self.0 + (1 << COUNT_SHIFT))
    }

    #[inline]
    pub(super) fn is_turning(self) -> bool {
        TURNING.get(self.0) != 0
    }

    /// The bit that holds everybody off.
    pub(super) fn turning() -> u64 {
        TURNING.of(1)
    }

    #[inline]
    pub(super) fn frame(self) -> usize {
        (EPOCH.get(self.0) & 1) as usize
    }

    /// What was counted since the frame was written. Before the phase `Open` and the like: why they were entered.
    #[inline]
    pub(super) fn count(self) -> u64 {
        COUNT.get(self.0)
    }

    /// The same word with another count.
    #[inline]
    pub(super) fn with_count(self, count: u64) -> Self {
        Self((self.0 & !COUNT_MASK) | (count << COUNT_SHIFT))
    }
}

/// A generation, with what an admission needs to know.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Stamp(pub(super) u64);

impl Stamp {
    pub(super) fn new(generation: u64, times_calls: bool, counts_pending: bool) -> Self {
        Self((generation << 2) | (u64::from(counts_pending) << 1) | u64::from(times_calls))
    }

    #[inline]
    pub(super) fn generation(self) -> u64 {
        self.0 >> 2
    }

    /// Whether it matters how long a call takes.
    #[inline]
    pub(super) fn times_calls(self) -> bool {
        self.0 & 1 != 0
    }

    /// Whether calls under way count when they are overdue.
    #[inline]
    pub(super) fn counts_pending(self) -> bool {
        self.0 & 2 != 0
    }
}

frame! {
    /// Counts the transitions, and says what an admission needs to know: a `Stamp`.
    stamp,
    /// While nothing in the window has failed or was slow: the least count that has no room for one more such call.
    /// Otherwise zero.
    quiet_room,
    /// Not zero: if there is no room then, the calls in the word may be forgotten, since the window is full of such calls.
    quiet_wraps,
    /// How the count is laid out: a `Shape`.
    shape,
    /// Open: when it ends. Full: when a probe has taken too long. Counting by time: when the bucket ends; by count: never.
    until,
    /// Refusing: the numbers that led to it, compared (upper half) and bound.
    compared,
    /// Calls in the window before those in the word.
    calls,
    /// Failures among them; by count those of whole chunks that are in the window for sure.
    failures,
    /// Slow calls among them, likewise.
    slow,
    /// By count: the older failures, newest first, as bits; how many of them are in the window depends on the word.
    tail_failures,
    /// The same of slow calls.
    tail_slow,
    /// Failures in a row, up to what is in the word.
    run,
    /// Fewer calls are not judged.
    min_calls,
    /// Fewer failures can be no share that opens.
    failure_floor,
    /// The share that does, as bits of a float.
    failure_ratio,
    /// Fewer slow calls can be no share that opens.
    slow_floor,
    slow_ratio,
    /// In nanoseconds: a call that takes longer is slow.
    slow_threshold,
    /// So many failures in a row open.
    consecutive,
}
