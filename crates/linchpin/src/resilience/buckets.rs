//! Numbers of the last stretch of time.

use std::time::Duration;

use crate::time::Instant;

/// `NUMBERS` counts for each of the last `BUCKETS` stretches of time. The stretch `index` lasts from
/// `origin + index * length`; once it is over it is kept until `BUCKETS` others have begun.
#[derive(Clone, Debug)]
pub(super) struct Buckets<const BUCKETS: usize, const NUMBERS: usize> {
    origin: Instant,
    length: u64,
    /// The newest stretch, at `index % BUCKETS` as all.
    index: u64,
    counts: [[u64; NUMBERS]; BUCKETS],
}

impl<const BUCKETS: usize, const NUMBERS: usize> Buckets<BUCKETS, NUMBERS> {
    /// Empty ones, which together are as long as `window`.
    pub(super) fn new(window: Duration, origin: Instant, now: Instant) -> Self {
        let length = ((window.as_nanos() / BUCKETS as u128) as u64).max(1);
        let index = now.nanos_since(origin) / length;
        Self { origin, length, index, counts: [[0; NUMBERS]; BUCKETS] }
    }

    /// Counts in the newest stretch.
    pub(super) fn add(&mut self, numbers: [u64; NUMBERS]) {
        let newest = Self::place(self.index);
        add(&mut self.counts[newest], numbers);
    }

    /// Begins the stretch of `now`, and forgets what is too old. A thread that read the clock earlier changes nothing.
    pub(super) fn advance(&mut self, now: Instant) {
        let index = now.nanos_since(self.origin) / self.length;
        let passed = index.saturating_sub(self.index);
        for next in 1..=passed.min(BUCKETS as u64) {
            let place = Self::place(self.index + next);
            self.counts[place] = [0; NUMBERS];
        }
        self.index += passed;
    }

    /// Everything that is in the window.
    pub(super) fn sums(&self) -> [u64; NUMBERS] {
        let mut sums = [0; NUMBERS];
        self.counts.iter().for_each(|bucket| add(&mut sums, *bucket));
        sums
    }

    /// When the newest stretch is over, as the bits of an instant.
    pub(super) fn end(&self) -> u64 {
        let end = (self.index + 1).saturating_mul(self.length);
        self.origin.to_bits().saturating_add(end)
    }

    /// Takes over what others with the same origin have counted, as far as it is not too old here.
    pub(super) fn inherit(&mut self, other: &Self) {
        for back in 0..(BUCKETS as u64).min(other.index + 1) {
            let index = other.index - back;
            // Where its end lies, so that nothing is forgotten too early; the newest may not be over.
            let end = (index + 1).saturating_mul(other.length) - 1;
            let at = (end / self.length).min(self.index);
            if at + BUCKETS as u64 > self.index {
                let to = Self::place(at);
                add(&mut self.counts[to], other.counts[Self::place(index)]);
            }
        }
    }

    fn place(index: u64) -> usize {
        (index % BUCKETS as u64) as usize
    }
}

fn add<const NUMBERS: usize>(to: &mut [u64; NUMBERS], numbers: [u64; NUMBERS]) {
    for (sum, number) in to.iter_mut().zip(numbers) {
        *sum += number;
    }
}
