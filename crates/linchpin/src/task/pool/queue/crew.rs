//! The workers: who is idle, who is coming, who is about to leave.

use std::sync::Arc;
use std::task::Waker;

use super::{After, Hired};
use crate::shim::atomic::{AtomicBool, Ordering};
use crate::time::Instant;

pub(super) struct Crew {
    posts: Vec<Option<Post>>,
    /// Workers that are alive.
    live: usize,
    /// Those among them that are about to leave.
    parting: usize,
    /// The last to become idle is the first to be woken: its memory is the warmest.
    idle: Vec<usize>,
    /// A worker that was woken or hired and has not come yet.
    coming: Option<usize>,
    /// Whether workers are asked for when there is work.
    hires: bool,
}

/// A worker.
struct Post {
    waker: Option<Waker>,
    idle: bool,
    parting: bool,
    job: Option<Running>,
    stop: Arc<AtomicBool>,
}

/// The job of a worker.
#[derive(Clone, Copy)]
pub(super) struct Running {
    pub(super) lane: usize,
    pub(super) since: Instant,
}

impl Crew {
    pub(super) const fn new(hires: bool) -> Self {
        Self { posts: Vec::new(), live: 0, parting: 0, idle: Vec::new(), coming: None, hires }
    }

    pub(super) fn live(&self) -> usize {
        self.live
    }

    /// Workers that are alive and not about to leave.
    pub(super) fn staying(&self) -> usize {
        self.live - self.parting
    }

    /// Whether a worker is on its way, and will see to the next.
    pub(super) fn is_coming(&self) -> bool {
        self.coming.is_some()
    }

    /// Has an idle worker come, or a new one while fewer than `limit` are there.
    pub(super) fn call(&mut self, limit: usize, after: &mut After) {
        if !self.call_idle(after) && self.hires && self.staying() < limit {
            let hired = self.hire();
            self.coming = Some(hired.worker);
            after.hire = Some(hired);
        }
    }

    pub(super) fn call_idle(&mut self, after: &mut After) -> bool {
        let Some(worker) = self.idle.pop() else { return false };
        self.coming = Some(worker);
        self.wake(worker, after);
        true
    }

    pub(super) fn hire(&mut self) -> Hired {
        let stop = Arc::new(AtomicBool::new(false));
        let post = Post { waker: None, idle: false, parting: false, job: None, stop: stop.clone() };
        self.live += 1;
        let free = self.posts.iter().position(Option::is_none);
        let worker = free.unwrap_or(self.posts.len());
        if free.is_some() {
            self.posts[worker] = Some(post);
        } else {
            self.posts.push(Some(post));
        }
        Hired { worker, stop }
    }

    pub(super) fn arrive(&mut self, worker: usize, waker: &Waker) {
        if self.coming == Some(worker) {
            self.coming = None;
        }
        let Some(post) = &mut self.posts[worker] else { return };
        if std::mem::take(&mut post.idle) {
            // It comes unasked.
            self.idle.retain(|idle| *idle != worker);
        }
        if !post.waker.as_ref().is_some_and(|left| left.will_wake(waker)) {
            post.waker = Some(waker.clone());
        }
    }

    pub(super) fn begin(&mut self, worker: usize, job: Running) {
        if let Some(post) = &mut self.posts[worker] {
            post.job = Some(job);
        }
    }

    /// The job that `worker` had, if any.
    pub(super) fn end(&mut self, worker: usize) -> Option<Running> {
        let post = self.posts[worker].as_mut()?;
        let job = post.job.take()?;
        // It was meant for the job that is over.
        post.stop.store(false, Ordering::Relaxed);
        Some(job)
    }

    pub(super) fn idle(&mut self, worker: usize) {
        if let Some(post) = &mut self.posts[worker] {
            post.idle = true;
            self.idle.push(worker);
        }
    }

    /// A worker is to go, and is not counted on any more.
    pub(super) fn part(&mut self, worker: usize) {
        if let Some(post) = &mut self.posts[worker] {
            post.parting = true;
            self.parting += 1;
        }
    }

    /// A worker is gone. Whether it was told to.
    pub(super) fn leave(&mut self, worker: usize) -> bool {
        let as_told = self.posts[worker].take().is_some_and(|post| post.parting);
        self.parting -= usize::from(as_told);
        self.live -= 1;
        self.idle.retain(|idle| *idle != worker);
        if self.coming == Some(worker) {
            self.coming = None;
        }
        if self.live == 0 {
            self.posts = Vec::new();
        }
        as_told
    }

    /// Wakes up to `workers` idle ones, to see for themselves that they are to leave.
    pub(super) fn dismiss(&mut self, workers: usize, after: &mut After) {
        for _ in 0..workers {
            let Some(worker) = self.idle.pop() else { return };
            self.wake(worker, after);
        }
    }

    /// Tells those who run jobs of the `lanes` to stop. How many they are.
    pub(super) fn stop(&self, lanes: &[usize], after: &mut After) -> usize {
        let mut stopped = 0;
        for post in self.posts.iter().flatten() {
            if post.job.is_some_and(|job| lanes.contains(&job.lane)) {
                stopped += 1;
                post.stop.store(true, Ordering::Relaxed);
                after.wake.extend(post.waker.clone());
            }
        }
        stopped
    }

    fn wake(&mut self, worker: usize, after: &mut After) {
        if let Some(post) = &mut self.posts[worker] {
            post.idle = false;
            after.wake.extend(post.waker.clone());
        }
    }
}
