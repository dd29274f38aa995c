//! What the clones of a pool hold together.

use std::future::poll_fn;
use std::panic::Location;
use std::sync::Arc;

use super::job::{Due, Held};
use super::meters::Profile;
use super::options::Options;
use super::queue::{Bounds, Cleared, Queue, TOP};
use super::stats::Stats;
use super::worker::Core;
use crate::context::{Cause, Child, Context};
use crate::error::ResultExt as _;
use crate::{Kind, Result};

/// A pool, as long as somebody has a clone of it. Workers hold none: they go with the last.
pub(super) struct Owner {
    pub(super) core: Arc<Core>,
    pub(super) lane: usize,
    pub(super) profile: Arc<Profile>,
    pub(super) options: Options,
    /// What blocking jobs are told a shutdown by; ends with the pool.
    pub(super) context: Child,
    blocking: bool,
    /// The pool above, whose workers are ours.
    above: Option<Arc<Owner>>,
}

/// Somebody who waits for the end.
struct Drain<'a> {
    owner: &'a Owner,
    key: Option<u64>,
}

impl Owner {
    pub(super) fn top(
        workers: usize,
        options: Options,
        blocking: bool,
        site: &'static Location<'static>,
    ) -> Self {
        let bounds = Bounds { limit: workers, room: options.queue };
        let core = Core { queue: Queue::new(bounds, !blocking), name: options.name, site };
        Self::new(Arc::new(core), TOP, options, blocking, None)
    }

    pub(super) fn sub(self: &Arc<Self>, limit: usize, options: Options) -> Self {
        let lane = self.core.queue.add(self.lane, Bounds { limit, room: options.queue });
        Self::new(self.core.clone(), lane, options, self.blocking, Some(self.clone()))
    }

    fn new(
        core: Arc<Core>,
        lane: usize,
        options: Options,
        blocking: bool,
        above: Option<Arc<Self>>,
    ) -> Self {
        let context =
            above.as_ref().map_or(Context::root(), |above| Context::clone(&above.context));
        Self {
            core,
            lane,
            profile: Arc::new(Profile::new(&options)),
            options,
            context: context.child(),
            blocking,
            above,
        }
    }

    pub(super) fn is_blocking(&self) -> bool {
        self.blocking
    }

    /// Starts the threads that are missing.
    pub(super) fn enlist(&self) -> Result<()> {
        let name = self.profile.name;
        self.core
            .enlist()
            .kind(Kind::ResourceExhausted)
            .context(format!("start the threads of pool `{name}`"))
    }

    pub(super) fn resize(&self, limit: usize) -> Result<()> {
        self.options.check(limit, self.blocking)?;
        self.core.follow(self.core.queue.resize(self.lane, limit));
        if self.blocking { self.enlist() } else { Ok(()) }
    }

    pub(super) fn close(&self) {
        self.core.follow(self.core.queue.close(self.lane));
    }

    pub(super) fn stop(&self) -> Cleared<Due> {
        let (cleared, after) = self.core.queue.clear(self.lane);
        self.core.follow(after);
        // Last: blocking jobs that hear of it were counted as stopped.
        self.context.cancel(Cause::Shutdown);
        cleared
    }

    pub(super) async fn drained(&self) {
        let mut drain = Drain { owner: self, key: None };
        poll_fn(|cx| self.core.queue.poll_drained(self.lane, &mut drain.key, cx)).await;
    }

    pub(super) fn stats(&self) -> Stats {
        self.core.queue.stats(self.lane)
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.context.cancel(Cause::Dropped);
        let (cleared, after) = self.core.queue.left(self.lane);
        self.core.follow(after);
        for job in cleared.jobs {
            Held::new(job).give_up("the pool was dropped before the job began");
        }
        // The workers are those of the pool above, which may go now.
        self.above = None;
    }
}

impl Drop for Drain<'_> {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.owner.core.queue.leave_drain(key);
        }
    }
}
