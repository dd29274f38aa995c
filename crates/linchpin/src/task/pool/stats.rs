//! A pool's numbers.

use std::time::Duration;

use super::{Threads, Unstarted};
use crate::time::Instant;

/// What a pool holds at one moment and has done so far. Sub-pools count for themselves.
///
/// Every submitted job is in exactly one of `queued`, `running`, `done`, `failed`, `panicked` and `dropped`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Stats {
    /// How many jobs may run at once.
    pub limit: usize,
    /// Workers that are alive, of the pool at the top: idle ones too.
    pub workers: usize,
    /// Jobs in the queue.
    pub queued: usize,
    /// Submitters that wait for a place in the queue.
    pub waiting: usize,
    /// Jobs that run.
    pub running: usize,
    /// Jobs that were taken in.
    pub submitted: u64,
    /// Jobs that returned a value.
    pub done: u64,
    /// Jobs that returned an error or took too long.
    pub failed: u64,
    /// Those among them that took longer than they may.
    pub timed_out: u64,
    /// Jobs that panicked.
    pub panicked: u64,
    /// Jobs that never began, or were stopped half-way: their context ended first, a newer one displaced them, the
    /// pool was shut down.
    pub dropped: u64,
    /// Jobs that were not taken in.
    pub refused: u64,
    /// How long jobs were queued before they began.
    pub wait: Spent,
    /// How long jobs ran.
    pub run: Spent,
}

/// Time that jobs spent.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Spent {
    /// How many spent it.
    pub jobs: u64,
    /// All of them together.
    pub total: Duration,
    /// The one that spent most.
    pub longest: Duration,
}

/// What a pool came to: the result of [`drain`](super::Pool::drain) and [`shutdown`](super::Pool::shutdown).
#[derive(Debug)]
#[non_exhaustive]
pub struct Report<K = super::Tasks> {
    /// The numbers at the end. Jobs of blocking pools that could not be stopped are still `running`.
    pub stats: Stats,
    /// Jobs that were stopped half-way.
    pub stopped: usize,
    /// Jobs that never began, the most urgent first. Dropping one tells its handle.
    pub unstarted: Vec<Unstarted<K>>,
}

/// How a job ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum End {
    Done,
    Failed,
    TimedOut,
    Panicked,
    Dropped,
}

/// The part of [`Stats`] that only grows.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    pub(super) submitted: u64,
    pub(super) refused: u64,
    ends: [u64; 5],
    wait: Sum,
    run: Sum,
}

/// [`Spent`] in nanoseconds: what is added under the pool's lock is added fast. Good for five centuries of work.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    jobs: u64,
    total: u64,
    longest: u64,
}

/// A blocking pool's report.
pub type BlockingReport = Report<Threads>;

impl Spent {
    /// What one spent on average; zero if nobody did.
    #[must_use]
    pub fn mean(&self) -> Duration {
        Duration::from_nanos(self.total.as_nanos().checked_div(self.jobs.into()).unwrap_or(0) as u64)
    }
}

impl Sum {
    fn add(&mut self, nanos: u64) {
        self.jobs += 1;
        self.total = self.total.saturating_add(nanos);
        self.longest = self.longest.max(nanos);
    }

    fn spent(self) -> Spent {
        Spent {
            jobs: self.jobs,
            total: Duration::from_nanos(self.total),
            longest: Duration::from_nanos(self.longest),
        }
    }
}

impl<K> Report<K> {
    /// Whether every job that was taken in came to its own end.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.stopped == 0 && self.unstarted.is_empty() && self.stats.running == 0
    }
}

impl Tally {
    pub(super) fn ended(&mut self, end: End) {
        self.ends[end as usize] += 1;
    }

    pub(super) fn waited(&mut self, since: Instant, until: Instant) {
        self.wait.add(until.nanos_since(since));
    }

    pub(super) fn ran(&mut self, since: Instant, until: Instant) {
        self.run.add(until.nanos_since(since));
    }

    /// The numbers so far, those of the moment left at zero.
    pub(super) fn stats(&self) -> Stats {
        let of = |end: End| self.ends[end as usize];
        Stats {
            submitted: self.submitted,
            done: of(End::Done),
            failed: of(End::Failed) + of(End::TimedOut),
            timed_out: of(End::TimedOut),
            panicked: of(End::Panicked),
            dropped: of(End::Dropped),
            refused: self.refused,
            wait: self.wait.spent(),
            run: self.run.spent(),
            ..Stats::default()
        }
    }
}
