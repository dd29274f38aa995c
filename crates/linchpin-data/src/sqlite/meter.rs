//! What the writer has done, in counts and metrics.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use linchpin::sync::Mutex;
use linchpin::time::Timestamp;
use metrics::{Counter, Gauge, Histogram};

use super::error;
use super::job::{Job, Outcome};

/// A moment of a [`Writer`](super::Writer)'s life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Submissions in the queue that the writer has not taken yet.
    pub queued: usize,
    /// Transactions committed.
    pub groups: u64,
    /// Submissions answered, whatever the answer.
    pub submissions: u64,
    /// When the last commit succeeded.
    pub last_commit: Option<Timestamp>,
    /// How long the last `COMMIT` took, its sync included, to the microsecond.
    pub last_commit_took: Duration,
}

/// A disk that is full or fails, as the writer meets it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Trouble {
    /// When the first of the writes that have failed since did.
    pub since: Timestamp,
    /// What the last of them failed with, in SQLite's words.
    pub why: String,
}

/// Counts and metrics. The atomics are relaxed throughout: each number stands alone, and whoever was answered sees
/// the counts of that answer through the channel it came by.
pub(super) struct Meter {
    groups: AtomicU64,
    submissions: AtomicU64,
    last_commit: AtomicI64,
    last_took: AtomicU64,
    trouble: Mutex<Option<Trouble>>,
    queue: Gauge,
    failing: Gauge,
    group_size: Histogram,
    commit_seconds: Histogram,
    outcomes: [Counter; Outcome::ALL.len()],
}

impl Meter {
    pub(super) fn new() -> Self {
        let outcome = |outcome: Outcome| metrics::counter!("linchpin_sqlite_submissions_total", "outcome" => outcome.as_str());
        Self {
            groups: AtomicU64::new(0),
            submissions: AtomicU64::new(0),
            last_commit: AtomicI64::new(i64::MIN),
            last_took: AtomicU64::new(0),
            trouble: Mutex::new(None),
            failing: metrics::gauge!("linchpin_sqlite_writes_failing"),
            queue: metrics::gauge!("linchpin_sqlite_queue"),
            group_size: metrics::histogram!("linchpin_sqlite_group_size"),
            commit_seconds: metrics::histogram!("linchpin_sqlite_commit_seconds"),
            outcomes: Outcome::ALL.map(outcome),
        }
    }

    /// What the writer has done so far, when so many submissions wait for it.
    pub(super) fn stats(&self, queued: usize) -> Stats {
        Stats {
            queued,
            groups: self.groups.load(Ordering::Relaxed),
            submissions: self.submissions.load(Ordering::Relaxed),
            last_commit: match self.last_commit.load(Ordering::Relaxed) {
                i64::MIN => None,
                micros => Some(Timestamp::from_micros(micros)),
            },
            last_commit_took: Duration::from_micros(self.last_took.load(Ordering::Relaxed)),
        }
    }

    pub(super) fn trouble(&self) -> Option<Trouble> {
        self.trouble.lock().clone()
    }

    /// So many submissions wait in the queue.
    pub(super) fn queued(&self, submissions: usize) {
        self.queue.set(submissions as f64);
    }

    pub(super) fn committed(&self, submissions: usize, took: Duration) {
        self.groups.fetch_add(1, Ordering::Relaxed);
        self.last_commit.store(Timestamp::now().as_micros(), Ordering::Relaxed);
        self.last_took.store(took.as_micros() as u64, Ordering::Relaxed);
        self.group_size.record(submissions as f64);
        self.commit_seconds.record(took.as_secs_f64());
    }

    /// A commit has put something on the disk.
    pub(super) fn wrote(&self) {
        if self.trouble.lock().take().is_some() {
            self.failing.set(0.0);
            tracing::info!("writes succeed again");
        }
    }

    fn failing(&self, why: String) {
        let mut trouble = self.trouble.lock();
        let since = trouble.as_ref().map_or_else(Timestamp::now, |trouble| trouble.since);
        *trouble = Some(Trouble { since, why });
        self.failing.set(1.0);
    }

    /// Called before the answer leaves, so that the submitter finds itself counted.
    pub(super) fn answering(&self, job: &dyn Job) {
        if let Some(fault) = job.error().and_then(error::of_the_disk) {
            self.failing(fault.to_string());
        }
        self.submissions.fetch_add(1, Ordering::Relaxed);
        self.outcomes[job.outcome() as usize].increment(1);
    }
}
