//! How a job gets into the queue: at once, by waiting for a place, in another's place, or not at all.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Poller, Poll};

use super::job::{Held, Job, Seat};
use super::options::{Overflow, Priority};
use super::owner::Owner;
use super::queue::Offer;
use super::stats::End;
use crate::context::Context;
use crate::error::{Error, Kind};
use crate::resilience::{Failed, Refusal};
use crate::time::Instant;

/// The reason of a pool that takes no job any more.
pub(super) const CLOSED: &str = "closed";
const FULL: &str = "the queue is full";

/// A place in the line of those who wait for a place in the queue: `true` when it is granted, `false` when there will
/// be none.
struct Place<'a> {
    owner: &'a Owner,
    priority: Priority,
    number: Option<u64>,
}

/// Why a job is not queued at once.
pub(super) enum NotNow {
    Full(Arc<dyn Job>),
    Never(Failed),
}

/// A job on the task of its submitter, counted until it is dropped.
struct Guest<'a> {
    owner: &'a Owner,
    job: Option<Held>,
    end: End,
    since: Instant,
}

// ===== impl Owner =====

impl Owner {
    /// Queues a job if it can be queued now; otherwise gives it back, or says why it never can.
    #[inline]
    pub(super) fn enter_now(
        &self,
        ctx: &Context,
        priority: Priority,
        job: Arc<dyn Job>,
    ) -> Result<(), NotNow> {
        ctx.check().map_err(|ended| NotNow::Never(self.not_taken(ended.into())))?;
        match self.offer(priority, job) {
            Offer::Taken { .. } => Ok(()),
            Offer::Full(job) => Err(NotNow::Full(job)),
            Offer::Closed(_) => Err(NotNow::Never(self.refuse(CLOSED))),
        }
    }

    /// Queues a job that did not get in at once, as the options say.
    pub(super) async fn enter_late(
        &self,
        ctx: &Context,
        priority: Priority,
        job: Arc<dyn Job>,
    ) -> Result<(), Failed> {
        match self.options.overflow {
            Overflow::Wait => self.wait(ctx, priority, job).await,
            Overflow::CallerRuns => {
                Guest::new(self, job).run().await;
                Ok(())
            }
            _ => Err(self.full()),
        }
    }

    /// No room.
    pub(super) fn full(&self) -> Failed {
        self.refuse(FULL)
    }

    async fn wait(
        &self,
        ctx: &Context,
        priority: Priority,
        job: Arc<dyn Job>,
    ) -> Result<(), Failed> {
        let mut place = Place { owner: self, priority, number: None };
        let granted = ctx.run(&mut place).await.map_err(|ended| self.not_taken(ended.into()))?;
        let (true, Some(number)) = (granted, place.number) else { return Err(self.refuse(CLOSED)) };
        let (offer, after) = self.core.queue.redeem(self.lane, priority, number, job);
        self.core.follow(after);
        match offer {
            Offer::Taken { .. } => Ok(()),
            Offer::Full(_) | Offer::Closed(_) => Err(self.refuse(CLOSED)),
        }
    }

    fn offer(&self, priority: Priority, job: Arc<dyn Job>) -> Offer<Arc<dyn Job>> {
        let displaces = self.options.overflow == Overflow::DropOldest;
        let (mut offer, after) = self.core.queue.offer(self.lane, priority, job, displaces);
        self.core.follow(after);
        if let Offer::Taken { displaced } = &mut offer
            && let Some(oldest) = displaced.take()
        {
            let refusal = self.refusal("a newer job took its place");
            oldest.give_up(Error::new(Kind::ResourceExhausted, refusal));
        }
        offer
    }

    fn refuse(&self, reason: &'static str) -> Failed {
        self.not_taken(self.refusal(reason).into())
    }

    fn refusal(&self, reason: &'static str) -> Refusal {
        let (used, limit) = self.core.queue.places(self.lane);
        Refusal::new("pool", self.profile.name, reason).compared(used as u64, limit as u64)
    }

    fn not_taken(&self, reason: Failed) -> Failed {
        self.profile.meters.refused();
        self.core.queue.refused(self.lane);
        reason
    }
}

// ===== impl Place =====

impl Future for Place<'_> {
    type Output = bool;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Poller<'_>) -> Poll<bool> {
        let (core, lane, priority) = (&self.owner.core, self.owner.lane, self.priority);
        let number = match self.number {
            Some(number) => number,
            None => {
                let (number, after) = core.queue.line_up(lane, priority, cx.waker());
                core.follow(after);
                self.number = Some(number);
                number
            }
        };
        self.owner.core.queue.poll_place(lane, priority, number, cx.waker())
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let core = &self.owner.core;
        if let Some(number) = self.number {
            core.follow(core.queue.leave_line(self.owner.lane, self.priority, number));
        }
    }
}

// ===== impl Guest =====

impl<'a> Guest<'a> {
    fn new(owner: &'a Owner, job: Arc<dyn Job>) -> Self {
        owner.core.queue.guest_begins(owner.lane);
        Self { owner, job: Some(Held::new(job)), end: End::Dropped, since: Instant::now() }
    }

    async fn run(mut self) {
        let mut seat = Seat::new(async { End::Dropped });
        self.end = match self.job.take().and_then(|job| job.begin(&mut seat)) {
            Some(end) => end,
            None => seat.await,
        };
    }
}

impl Drop for Guest<'_> {
    fn drop(&mut self) {
        let core = &self.owner.core;
        let after = core.queue.guest_ends(self.owner.lane, self.end, self.since);
        core.follow(after);
    }
}
