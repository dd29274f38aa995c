//! The older part of the window, which only who has the lock changes.

use std::collections::VecDeque;

use super::options::{self, Options};
use super::tally::{Call, Chunk, Parts, Shape, between};
use super::word::Numbers;
use crate::resilience::buckets::Buckets;
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

/// The calls of the last tenths of a time.
#[derive(Debug)]
pub(super) struct Time {
    shape: Shape,
    /// Calls, failures, slow calls.
    buckets: Buckets<10, 3>,
    run: u64,
}

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
                let buckets = Buckets::new(length, origin, now);
                Self::Time(Time { shape: Shape::by_time(slow), buckets, run: 0 })
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
    fn turn(&mut self, parts: Parts, now: Option<Instant>) {
        self.buckets.add([parts.calls, parts.failures, parts.slow]);
        self.run = self.run_with(parts);
        if let Some(now) = now {
            self.buckets.advance(now);
        }
    }

    fn inherit(&mut self, other: &Self, parts: Parts) {
        let mut buckets = other.buckets.clone();
        buckets.add([parts.calls, parts.failures, parts.slow]);
        self.buckets.inherit(&buckets);
        self.run = other.run_with(parts);
    }

    fn run_with(&self, parts: Parts) -> u64 {
        parts.run + if parts.run == parts.calls { self.run } else { 0 }
    }

    fn add_to(&self, rules: Numbers) -> Numbers {
        let [calls, failures, slow] = self.buckets.sums();
        let (shape, until, run) = (self.shape.0, self.buckets.end(), self.run);
        Numbers { shape, until, calls, failures, slow, run, ..rules }
    }
}
