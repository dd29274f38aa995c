//! A job from its submission to the fetching of its result, in one allocation that pool and handle share.

use std::sync::Arc;
use std::task::{Context as Poller, Poll, Waker};

use tokio_util::sync::ReusableBoxFuture;

use super::meters::Profile;
use super::stats::End;
use super::work::{Outcome, Work};
use crate::error::{Error, Kind, catch};
use crate::shim::{Mutex, MutexGuard, lock};

/// Where a worker keeps the future of the job that it runs. It is allocated anew only where the next one is of another
/// size.
pub(super) type Seat = ReusableBoxFuture<'static, End>;

/// The pool's side of a job.
pub(crate) trait Job: Send + Sync {
    /// Begins. What it came to if it is over already; otherwise its future is in the seat.
    fn begin(self: Arc<Self>, seat: &mut Seat) -> Option<End>;

    /// The pool gives it out of its hands.
    fn hand_back(&self);

    /// It will not begin.
    fn give_up(&self, why: Error);
}

/// The handle's side of a job.
pub(super) trait Fetch<T>: Send + Sync {
    fn poll_fetch(&self, cx: &Poller<'_>) -> Poll<Outcome<T>>;

    fn is_over(&self) -> bool;

    /// Nobody will fetch what it comes to.
    fn forget(&self);
}

pub(super) struct Cell<W, T> {
    pub(super) profile: Arc<Profile>,
    state: Mutex<State<W, T>>,
}

struct State<W, T> {
    phase: Phase<W, T>,
    waker: Option<Waker>,
    awaited: bool,
}

enum Phase<W, T> {
    Queued(W),
    Running,
    Over(Outcome<T>),
    Fetched,
}

/// A job that has not begun, in somebody's hands. Dropped, it tells the handle.
pub(super) struct Held(Option<Arc<dyn Job>>);

// ===== impl Cell =====

impl<W: Work<T>, T: Send + 'static> Cell<W, T> {
    pub(super) fn new(work: W, profile: Arc<Profile>) -> Arc<Self> {
        let state = State { phase: Phase::Queued(work), waker: None, awaited: true };
        Arc::new(Self { profile, state: Mutex::new(state) })
    }

    /// The work of a job that was not taken in.
    pub(super) fn reclaim(&self) -> Option<W> {
        let mut state = self.lock();
        match std::mem::replace(&mut state.phase, Phase::Fetched) {
            Phase::Queued(work) => Some(work),
            phase => {
                state.phase = phase;
                None
            }
        }
    }

    /// It came to this, which the handle is told.
    pub(super) fn over(&self, outcome: Outcome<T>) -> End {
        let end = outcome.end();
        self.profile.meters.ended(end);
        let mut state = self.lock();
        let waker = state.waker.take();
        let (after, unheard) = if state.awaited {
            (Phase::Over(outcome), None)
        } else {
            (Phase::Fetched, Some(outcome))
        };
        let before = std::mem::replace(&mut state.phase, after);
        drop(state);
        if let Phase::Queued(work) = before {
            // The panic of what it captured is not worth more than the reason.
            catch(|| drop(work)).ok();
        }
        if let Some(outcome) = unheard {
            self.profile.unheard(outcome);
        }
        waker.into_iter().for_each(Waker::wake);
        end
    }

    fn lock(&self) -> MutexGuard<'_, State<W, T>> {
        lock(&self.state)
    }
}

impl<W: Work<T>, T: Send + 'static> Job for Cell<W, T> {
    fn begin(self: Arc<Self>, seat: &mut Seat) -> Option<End> {
        let mut state = self.lock();
        let Phase::Queued(work) = std::mem::replace(&mut state.phase, Phase::Running) else {
            unreachable!("a job is taken once");
        };
        drop(state);
        if let Err(ended) = work.context().check() {
            catch(|| drop(work)).ok();
            return Some(self.over(Outcome::Dropped(ended.into())));
        }
        work.begin(self, seat)
    }

    fn hand_back(&self) {
        if let Phase::Queued(work) = &mut self.lock().phase {
            work.hand_back();
        }
    }

    fn give_up(&self, why: Error) {
        self.over(Outcome::Dropped(why));
    }
}

impl<W: Work<T>, T: Send + 'static> Fetch<T> for Cell<W, T> {
    fn poll_fetch(&self, cx: &Poller<'_>) -> Poll<Outcome<T>> {
        let mut state = self.lock();
        match std::mem::replace(&mut state.phase, Phase::Fetched) {
            Phase::Over(outcome) => Poll::Ready(outcome),
            phase => {
                state.phase = phase;
                match &mut state.waker {
                    Some(waker) => waker.clone_from(cx.waker()),
                    None => state.waker = Some(cx.waker().clone()),
                }
                Poll::Pending
            }
        }
    }

    fn is_over(&self) -> bool {
        matches!(self.lock().phase, Phase::Over(_))
    }

    fn forget(&self) {
        let mut state = self.lock();
        state.awaited = false;
        let waker = state.waker.take();
        let phase = std::mem::replace(&mut state.phase, Phase::Fetched);
        let Phase::Over(outcome) = phase else {
            state.phase = phase;
            drop(state);
            return drop(waker);
        };
        drop(state);
        self.profile.unheard(outcome);
    }
}

// ===== impl Held =====

impl Held {
    pub(super) fn new(job: Arc<dyn Job>) -> Self {
        Self(Some(job))
    }

    pub(super) fn begin(mut self, seat: &mut Seat) -> Option<End> {
        self.0.take()?.begin(seat)
    }

    pub(super) fn give_up(mut self, why: &'static str) {
        self.drop_for(why);
    }

    fn drop_for(&mut self, why: &'static str) {
        if let Some(job) = self.0.take() {
            job.give_up(Error::new(Kind::Cancelled, why));
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.drop_for("the job was dropped before it began");
    }
}
