//! How a pool is set up.

use std::time::Duration;

use crate::resilience::BadOptions;

/// How a [`Pool`](super::Pool) queues, and how long its jobs may run.
#[derive(Clone, Debug)]
pub struct Options {
    pub(super) name: &'static str,
    pub(super) queue: usize,
    pub(super) overflow: Overflow,
    pub(super) timeout: Option<Duration>,
}

/// What [`submit`](super::Pool::submit) does when every worker is busy and the queue is full.
///
/// `try_submit` never waits and never runs a job itself: it refuses, but for [`DropOldest`](Self::DropOldest).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Overflow {
    /// Waits for a place, the more urgent before the less, first come first served, until the context ends.
    #[default]
    Wait,
    /// Refuses at once, and hands the job back.
    Reject,
    /// Takes the place of the oldest queued job of the lowest priority, whose handle is told; refuses if all that is
    /// queued is more urgent. For work whose newest request is the one that counts.
    DropOldest,
    /// Runs the job within the call to `submit`, which slows the submitter down to the pace of the pool. Not for
    /// blocking pools: it would block the submitter's thread.
    CallerRuns,
}

/// How urgent a job of a pool is, or a wait at a [semaphore](crate::sync::Semaphore).
///
/// The more urgent goes first, within a pool and in the line of those who wait for a place. A queue that is passed over
/// sixteen times has a turn, so nothing starves.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Priority {
    /// Before the others.
    High,
    /// What is meant unless said otherwise.
    #[default]
    Normal,
    /// When there is nothing else to do.
    Low,
}

/// Enough for a burst, and small enough to notice that jobs come faster than they go.
const QUEUE: usize = 1_024;

// ===== impl Options =====

impl Options {
    /// The name in the list of live tasks, in logs, metrics and refusals. Default: `pool`.
    #[must_use]
    pub fn name(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }

    /// How many jobs may be queued, beside those that run. Default 1,024.
    ///
    /// Zero queues none: a job is taken in when a worker is free for it.
    #[must_use]
    pub fn queue(mut self, jobs: usize) -> Self {
        self.queue = jobs;
        self
    }

    /// What happens when the queue is full. Default: the submitter waits.
    #[must_use]
    pub fn overflow(mut self, overflow: Overflow) -> Self {
        self.overflow = overflow;
        self
    }

    /// How long each job may run, from its beginning. Default: as long as it likes.
    ///
    /// The context of the job has that deadline, and a job that is not done by then is dropped where it waits and fails
    /// as [`DeadlineExceeded`](crate::Kind::DeadlineExceeded). A blocking job cannot be dropped: it is told by its
    /// context alone.
    #[must_use]
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = Some(limit);
        self
    }

    pub(super) fn check(&self, workers: usize, blocking: bool) -> Result<(), BadOptions> {
        let name = self.name;
        let bad = |why: String| Err(BadOptions::new("Pool", why));
        if workers == 0 {
            return bad(format!(
                "`{name}` has no worker, so nothing would ever run; say at least 1"
            ));
        }
        if self.timeout.is_some_and(|limit| limit.is_zero()) {
            return bad(format!("`{name}` gives its jobs no time at all"));
        }
        if blocking && self.overflow == Overflow::CallerRuns {
            return bad(format!("`{name}` would block the thread of its submitters"));
        }
        Ok(())
    }
}

impl Default for Options {
    fn default() -> Self {
        Self { name: "pool", queue: QUEUE, overflow: Overflow::Wait, timeout: None }
    }
}

// ===== impl Priority =====

impl Priority {
    pub(crate) const LEVELS: usize = 3;

    /// From the most urgent, 0.
    pub(crate) fn level(self) -> usize {
        self as usize
    }
}
