//! Those who run the jobs.

use std::future::poll_fn;
use std::panic::Location;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::thread;

use tokio::runtime::Handle;
use tokio::task::coop::{consume_budget, has_budget_remaining};

use super::job::{Due, Held, Seat};
use super::queue::{After, Hired, Next, Queue};
use super::stats::End;
use crate::context::Unpark;
use crate::error::catch;
use crate::shim::atomic::{AtomicBool, Ordering};
use crate::task::{Listed, raw, thread_at};

/// What pools that share workers share.
pub(super) struct Core {
    pub(super) queue: Queue<Due>,
    pub(super) name: &'static str,
    pub(super) site: &'static Location<'static>,
}

/// A worker, counted in the queue until it is dropped.
pub(super) struct Worker {
    core: Arc<Core>,
    number: usize,
    stop: Arc<AtomicBool>,
}

impl Core {
    /// Does what the queue could not do under its lock.
    pub(super) fn follow(self: &Arc<Self>, after: After) {
        let After { wake, hire } = after;
        wake.wake();
        if let Some(hired) = hire {
            let (name, site) = (self.name, self.site);
            let worker = Worker::new(self.clone(), hired);
            // Detached from whoever needed it first: it outlives that span.
            drop(raw(Listed::detached(name, site, worker.run())));
        }
    }

    /// As many threads as there are to be workers.
    pub(super) fn enlist(self: &Arc<Self>) -> std::io::Result<()> {
        while let Some(hired) = self.queue.enlist() {
            let worker = Worker::new(self.clone(), hired);
            let runtime = Handle::try_current().ok();
            let work = move || {
                let _inside = runtime.as_ref().map(Handle::enter);
                worker.block();
            };
            drop(thread_at(self.name, self.site, work)?);
        }
        Ok(())
    }
}

impl Worker {
    fn new(core: Arc<Core>, Hired { worker, stop }: Hired) -> Self {
        Self { core, number: worker, stop }
    }

    /// Runs jobs one after the other, as a task.
    async fn run(self) {
        let mut seat = Seat::new(async { End::Dropped });
        let mut last = None;
        loop {
            // With its turn used up it must not take a job that another worker could begin.
            let tired = !has_budget_remaining();
            let next = poll_fn(|cx| match self.turn(&mut last, tired, cx.waker()) {
                Next::Wait if tired => Poll::Ready(Next::Wait),
                Next::Wait => Poll::Pending,
                next => Poll::Ready(next),
            })
            .await;
            consume_budget().await;
            let job = match next {
                Next::Run(job) => job,
                Next::Wait => continue,
                Next::Leave => return,
            };
            last = match job.begin(&mut seat) {
                Some(end) => Some(end),
                None => self.finish(&mut seat).await,
            };
            if last.is_none() {
                // Told to stop. What is dropped may panic.
                catch(|| seat.set(async { End::Dropped })).ok();
                last = Some(End::Dropped);
            }
        }
    }

    /// Runs jobs one after the other, on a thread of its own.
    fn block(self) {
        let mut seat = Seat::new(async { End::Dropped });
        let mut last = None;
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        loop {
            match self.turn(&mut last, false, &waker) {
                Next::Run(job) => last = job.begin(&mut seat),
                Next::Wait => thread::park(),
                Next::Leave => return,
            }
        }
    }

    /// Takes down how the last job ended, once, and asks what is next.
    fn turn(&self, last: &mut Option<End>, tired: bool, waker: &Waker) -> Next<Due> {
        let (next, after) = self.core.queue.turn(self.number, last.take(), tired, waker);
        self.core.follow(after);
        next
    }

    /// Polls the job to its end, unless it is to stop.
    async fn finish(&self, seat: &mut Seat) -> Option<End> {
        poll_fn(|cx| {
            if self.stop.load(Ordering::Relaxed) {
                return Poll::Ready(None);
            }
            seat.poll(cx).map(Some)
        })
        .await
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let (orphans, after) = self.core.queue.gone(self.number);
        self.core.follow(after);
        for job in orphans {
            Held::new(job).give_up("the runtime of the pool ended before the job began");
        }
    }
}
