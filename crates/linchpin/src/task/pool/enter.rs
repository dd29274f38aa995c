//! How a job gets into the queue: at once, by waiting for a place, in another's place, or not at all.

use std::pin::Pin;
use std::task::{Context as Poller, Poll};

use super::job::{Due, Held, Seat};
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
    Full(Due),
    Never(NotTaken),
}

/// A job that was not taken in, and why.
pub(super) struct NotTaken {
    pub(super) job: Due,
    pub(super) reason: Failed,
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
        job: Due,
    ) -> Result<(), NotNow> {
        if let Err(ended) = ctx.check() {
            return Err(NotNow::Never(self.not_taken(job, ended.into())));
        }
        match self.offer(priority, job) {
            Offer::Taken { .. } => Ok(()),
            Offer::Full(job) => Err(NotNow::Full(job)),
            Offer::Closed(job) => Err(NotNow::Never(self.refuse(job, CLOSED))),
        }
    }

    /// Queues a job that did not get in at once, as the options say.
    pub(super) async fn enter_late(
        &self,
        ctx: &Context,
        priority: Priority,
        job: Due,
    ) -> Result<(), NotTaken> {
        match self.options.overflow {
            Overflow::Wait => self.wait(ctx, priority, job).await,
            Overflow::CallerRuns => {
                Guest::new(self, job).run().await;
                Ok(())
            }
            _ => Err(self.full(job)),
        }
    }

    /// No room.
    pub(super) fn full(&self, job: Due) -> NotTaken {
        self.refuse(job, FULL)
    }

    async fn wait(&self, ctx: &Context, priority: Priority, job: Due) -> Result<(), NotTaken> {
        let mut place = Place { owner: self, priority, number: None };
        let granted = match ctx.run(&mut place).await {
            Ok(granted) => granted,
            Err(ended) => return Err(self.not_taken(job, ended.into())),
        };
        let (true, Some(number)) = (granted, place.number) else {
            return Err(self.refuse(job, CLOSED));
        };
        let (offer, after) = self.core.queue.redeem(self.lane, priority, number, job);
        self.core.follow(after);
        match offer {
            Offer::Taken { .. } => Ok(()),
            Offer::Full(job) | Offer::Closed(job) => Err(self.refuse(job, CLOSED)),
        }
    }

    fn offer(&self, priority: Priority, job: Due) -> Offer<Due> {
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

    fn refuse(&self, job: Due, reason: &'static str) -> NotTaken {
        self.not_taken(job, self.refusal(reason).into())
    }

    fn refusal(&self, reason: &'static str) -> Refusal {
        let (used, limit) = self.core.queue.places(self.lane);
        Refusal::new("pool", self.profile.name, reason).compared(used as u64, limit as u64)
    }

    fn not_taken(&self, job: Due, reason: Failed) -> NotTaken {
        self.profile.meters.refused();
        self.core.queue.refused(self.lane);
        NotTaken { job, reason }
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
    fn new(owner: &'a Owner, job: Due) -> Self {
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
