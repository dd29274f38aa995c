//! What the stages of a pipeline are doing.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::task::belt::{Belt, Traffic};

/// Reads the numbers of a pipeline's stages, while it runs and after it. Clones read the same.
#[derive(Clone)]
pub struct Numbers(pub(super) Vec<Arc<dyn Read>>);

/// What one stage is doing. Items that moved together in the last moment may not be counted yet.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct StageNumbers {
    /// The name given to the stage.
    pub name: &'static str,
    /// How many items it works at once.
    pub width: usize,
    /// Items that wait in front of it. A stage whose queue is always full is the one that sets the pace.
    pub queued: usize,
    /// Items that it is working, or holds because the next stage has no room.
    pub running: u64,
    /// Items that it began.
    pub begun: u64,
    /// Results that it handed on.
    pub passed: u64,
    /// Items that failed, whatever became of them then.
    pub failed: u64,
    /// Items of which it said that they give no result.
    pub left_out: u64,
    /// How often one of its tasks found nothing to do.
    pub starved: u64,
    /// How often one of its tasks had a result and found no room for it.
    pub blocked: u64,
}

/// What a stage counts by itself; the rest its belts know.
pub(super) struct Counts<T, U> {
    pub(super) name: &'static str,
    pub(super) width: usize,
    pub(super) input: Arc<Belt<T>>,
    pub(super) output: Arc<Belt<U>>,
    pub(super) failed: AtomicU64,
    pub(super) left_out: AtomicU64,
    pub(super) failures: metrics::Counter,
}

pub(super) trait Read: Send + Sync {
    fn read(&self) -> StageNumbers;
}

// ===== impl Numbers =====

impl Numbers {
    /// The numbers of each stage, the first stage first.
    #[must_use]
    pub fn stages(&self) -> Vec<StageNumbers> {
        self.0.iter().map(|stage| stage.read()).collect()
    }
}

impl fmt::Debug for Numbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.stages()).finish()
    }
}

impl<T: Send, U: Send> Read for Counts<T, U> {
    fn read(&self) -> StageNumbers {
        // What comes out is read before what went in, so that no result is without its item.
        let (failed, left_out) = (self.failed.load(Relaxed), self.left_out.load(Relaxed));
        let Traffic { put: passed, blocked, .. } = self.output.traffic();
        let Traffic { queued, begun, starved, .. } = self.input.traffic();
        StageNumbers {
            name: self.name,
            width: self.width,
            queued,
            running: begun.saturating_sub(passed + failed + left_out),
            begun,
            passed,
            failed,
            left_out,
            starved,
            blocked,
        }
    }
}
