//! The older part of the window, which only who has the lock changes.

use std::collections::VecDeque;

use super::options::{self, Options};
use super::tally::{Call, Chunk, Parts, Shape, between};
use super::word::Numbers;
use crate::time::Instant;

/// The calls before those in the word.
#[derive(Debug)]
pub(super) enum Window {
    Count(Count),
    Time(Time),
}

/// The last so many calls, in chunks of bits.
#[derive(Debug)]
pub(super) struct Count {
    most: u32,
    shape: Shape,
    /// Whole chunks that are in the window whatever the word holds, the newest last.
    chunks: VecDeque<Chunk>,
    failures: u64,
    slow: u64,
    /// What came before them, the newest in the lowest bits.
    tail_failures: u64,
    tail_slow: u64,
    calls: u64,
    run: u64,
}

/// The calls of the last buckets of time.
#[derive(Debug)]
pub(super) struct Time {
    shape: Shape,
    /// Bucket `index` lasts from `origin + index * bucket`.
    origin: Instant,
    bucket: u64,
    /// The newest bucket, at `index % BUCKETS` as all.
    index: u64,
    buckets: [Bucket; BUCKETS as usize],
    run: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    calls: u64,
    failures: u64,
    slow: u64,
}

const BUCKETS: u64 = 10;

// ===== impl Window =====

impl Window {
    /// An empty one, whose buckets of time begin at `origin`.
    pub(super) fn new(options: &Options, origin: Instant, now: Instant) -> Self {
        let slow = options.slow.is_some();
        match options.window {
            options::Window::Count(most) => {
                Self::Count(Count::new(most, Shape::by_count(most, slow)))
            }
            options::Window::Time(length) => {
                let bucket = (length.as_nanos() / u128::from(BUCKETS)) as u64;
                Self::Time(Time::new(origin, bucket, now, Shape::by_time(slow)))
            }
        }
    }

    /// Takes over what the word has counted, and lets what is too old go.
    pub(super) fn turn(&mut self, count: u64, now: Option<Instant>) {
        match self {
            Self::Count(window) => window.turn(Chunk::of(count, window.shape.length())),
            Self::Time(window) => window.turn(Parts::of(count), now),
        }
    }

    /// Takes over the calls of `other` and those in the word, so far as the two windows are of one kind; what the word
    /// holds then.
    pub(super) fn inherit(&mut self, other: &Self, count: u64) -> u64 {
        match (self, other) {
            (Self::Count(window), Self::Count(other)) => window.inherit(other, count),
            (Self::Time(window), Self::Time(other)) => {
                window.inherit(other, Parts::of(count));
                0
            }
            _ => 0,
        }
    }

    /// A frame with these rules.
    pub(super) fn add_to(&self, rules: Numbers) -> Numbers {
        match self {
            Self::Count(window) => Numbers {
                shape: window.shape.0,
                until: u64::MAX,
                calls: window.calls,
                failures: window.failures,
                slow: window.slow,
                tail_failures: window.tail_failures,
                tail_slow: window.tail_slow,
                run: window.run,
                ..rules
            },
            Self::Time(window) => window.add_to(rules),
        }
    }
}

// ===== impl Count =====

impl Count {
    fn new(most: u32, shape: Shape) -> Self {
        let chunks = between(most, shape.length()) as usize;
        Self {
            most,
            shape,
            chunks: vec![Chunk::default(); chunks].into(),
            failures: 0,
            slow: 0,
            tail_failures: 0,
            tail_slow: 0,
            calls: 0,
            run: 0,
        }
    }

    /// Adds a chunk that is full.
    fn turn(&mut self, chunk: Chunk) {
        let length = self.shape.length();
        self.chunks.push_back(chunk);
        self.failures += u64::from(chunk.failures.count_ones());
        self.slow += u64::from(chunk.slow.count_ones());
        if let Some(leaving) = self.chunks.pop_front() {
            self.failures -= u64::from(leaving.failures.count_ones());
            self.slow -= u64::from(leaving.slow.count_ones());
            self.tail_failures = (self.tail_failures << length) | u64::from(leaving.failures);
            self.tail_slow = (self.tail_slow << length) | u64::from(leaving.slow);
        }
        self.calls = (self.calls + u64::from(length)).min(self.most.into());
        let run = chunk.failures.trailing_ones().min(length);
        self.run = u64::from(run) + if run == length { self.run } else { 0 };
    }

    fn inherit(&mut self, other: &Self, count: u64) -> u64 {
        let mut newest = Chunk::default();
        for call in other.calls(count) {
            if newest.calls == self.shape.length() {
                self.turn(newest);
                newest = Chunk::default();
            }
            // Who does not mind slow calls forgets them all, not some.
            newest.push(Call { slow: call.slow && self.shape.times_calls(), ..call });
        }
        // In a row they may be more than the window holds.
        let counted = u64::from(newest.failures.trailing_ones().min(newest.calls));
        if counted == u64::from(newest.calls) {
            self.run = self.run.max(other.run_with(count) - counted);
        }
        newest.pack(self.shape.length())
    }

    fn run_with(&self, count: u64) -> u64 {
        let chunk = Chunk::of(count, self.shape.length());
        let run = chunk.failures.trailing_ones().min(chunk.calls);
        u64::from(run) + if run == chunk.calls { self.run } else { 0 }
    }

    /// All in the window, the oldest first.
    fn calls(&self, count: u64) -> Vec<Call> {
        let length = self.shape.length();
        let newest = Chunk::of(count, length);
        let all = (self.calls + u64::from(newest.calls)).min(self.most.into()) as usize;
        let bits = |failures: u64, slow: u64, calls: u32| {
            (0..calls).map(move |at| Call {
                failed: (failures >> at) & 1 == 1,
                slow: (slow >> at) & 1 == 1,
            })
        };
        let chunk = |chunk: &Chunk, calls| bits(chunk.failures.into(), chunk.slow.into(), calls);
        let mut calls: Vec<Call> = chunk(&newest, newest.calls)
            .chain(self.chunks.iter().rev().flat_map(|whole| chunk(whole, length)))
            .chain(bits(self.tail_failures, self.tail_slow, u64::BITS))
            .take(all)
            .collect();
        calls.reverse();
        calls
    }
}

// ===== impl Time =====

impl Time {
    fn new(origin: Instant, bucket: u64, now: Instant, shape: Shape) -> Self {
        let index = now.nanos_since(origin) / bucket;
        Self { shape, origin, bucket, index, buckets: Default::default(), run: 0 }
    }

    fn turn(&mut self, parts: Parts, now: Option<Instant>) {
        let newest = &mut self.buckets[(self.index % BUCKETS) as usize];
        newest.calls += parts.calls;
        newest.failures += parts.failures;
        newest.slow += parts.slow;
        self.run = parts.run + if parts.run == parts.calls { self.run } else { 0 };
        // A thread that read the clock earlier counts in the bucket there is.
        let index = now.map_or(0, |now| now.nanos_since(self.origin) / self.bucket);
        let passed = index.saturating_sub(self.index);
        for next in 1..=passed.min(BUCKETS) {
            self.buckets[((self.index + next) % BUCKETS) as usize] = Bucket::default();
        }
        self.index += passed;
    }

    fn inherit(&mut self, other: &Self, parts: Parts) {
        for back in 0..BUCKETS.min(other.index + 1) {
            let index = other.index - back;
            let mut from = other.buckets[(index % BUCKETS) as usize];
            if back == 0 {
                from.calls += parts.calls;
                from.failures += parts.failures;
                from.slow += parts.slow;
            }
            // Where its end lies, so that nothing is forgotten too early; the newest may not be over.
            let end = (index + 1).saturating_mul(other.bucket) - 1;
            let at = (end / self.bucket).min(self.index);
            if at + BUCKETS > self.index {
                let to = &mut self.buckets[(at % BUCKETS) as usize];
                to.calls += from.calls;
                to.failures += from.failures;
                to.slow += from.slow;
            }
        }
        self.run = parts.run + if parts.run == parts.calls { other.run } else { 0 };
    }

    fn add_to(&self, rules: Numbers) -> Numbers {
        let sum = |part: fn(&Bucket) -> u64| self.buckets.iter().map(part).sum();
        let end = (self.index + 1).saturating_mul(self.bucket);
        Numbers {
            shape: self.shape.0,
            until: self.origin.to_bits().saturating_add(end),
            calls: sum(|bucket| bucket.calls),
            failures: sum(|bucket| bucket.failures),
            slow: sum(|bucket| bucket.slow),
            run: self.run,
            ..rules
        }
    }
}
