//! A job from its submission to the fetching of its result, in one allocation that pool and handle share.
//!
//! Each part of it has one owner at a time, and for each owner there is a type of which a job has one value: [`Due`] until
//! it begins, [`Begun`] until it is over, [`Fetched`] for the handle. What it came to is written by the second and read by
//! the third, and the state says whose it is: until [`OVER`] the worker's, and from then on the handle's, or, if that was
//! [`FORGOTTEN`] by then, the worker's still. So nothing is locked but the waker of a handle that has to wait.

#![expect(
    unsafe_code,
    reason = "two locks a job, for what one hands to another once, cost more than many a job"
)]

use std::sync::Arc;
use std::task::{Context as Poller, Poll, Waker};

use tokio_util::sync::ReusableBoxFuture;

use super::meters::Profile;
use super::stats::End;
use super::work::{Outcome, Work};
use crate::error::{Error, Kind, catch};
use crate::shim::atomic::AtomicUsize;
use crate::shim::atomic::Ordering::{AcqRel, Acquire};
use crate::shim::{Fault, Mutex, UnsafeCell, lock, planted};
use crate::task::wake;

/// Where a worker keeps the future of the job that it runs. It is allocated anew only where the next one is of another
/// size.
pub(super) type Seat = ReusableBoxFuture<'static, End>;

/// The right to begin a job, or to say that it never will. Dropped, it says nothing.
pub(crate) struct Due(Arc<dyn Job>);

/// A job that has not begun, in somebody's hands. Dropped, it tells the handle.
pub(super) struct Held(Option<Due>);

/// A job that runs. Dropped half-way, it tells the handle.
pub(super) struct Begun<W: Work<T>, T: Send + 'static>(Option<Arc<Cell<W, T>>>);

/// The submitter's hold on a job, until it is known whether it was taken in.
pub(super) struct Submission<W, T>(Arc<Cell<W, T>>);

/// The handle's side of a job. Dropped before it has fetched, it says that nobody will.
pub(super) struct Fetched<T> {
    job: Arc<dyn Fetch<T>>,
    done: bool,
}

struct Cell<W, T> {
    profile: Arc<Profile>,
    state: AtomicUsize,
    /// Of the one who has the [`Due`].
    work: UnsafeCell<Option<W>>,
    /// Of those whom the head of this module names.
    outcome: UnsafeCell<Option<Outcome<T>>>,
    /// Of a handle that waits.
    waker: Mutex<Option<Waker>>,
}

/// What it came to is there.
const OVER: usize = 1;
/// The handle has left its waker.
const WAITS: usize = 2;
/// There is no handle any more.
const FORGOTTEN: usize = 4;

// SAFETY: as for a mutex. Work and outcome go from thread to thread (`Send`), and no two come to one at once, as the head of
// this module says.
unsafe impl<W: Send, T: Send> Sync for Cell<W, T> {}

/// The pool's side of a job. [`Due`] alone calls these, each of them as the last thing it does.
trait Job: Send + Sync {
    fn begin(self: Arc<Self>, seat: &mut Seat) -> Option<End>;

    /// Not the last: it is still due.
    fn hand_back(&self);

    fn give_up(&self, why: Error);
}

/// The handle's side. [`Fetched`] alone calls these.
trait Fetch<T>: Send + Sync {
    fn poll(&self, cx: &Poller<'_>) -> Poll<Outcome<T>>;

    fn is_over(&self) -> bool;

    fn forget(&self);
}

/// A job that is to be submitted.
pub(super) fn job<W, T>(work: W, profile: Arc<Profile>) -> (Due, Submission<W, T>)
where
    W: Work<T>,
    T: Send + 'static,
{
    let cell = Arc::new(Cell {
        profile,
        state: AtomicUsize::new(0),
        work: UnsafeCell::new(Some(work)),
        outcome: UnsafeCell::new(None),
        waker: Mutex::new(None),
    });
    (Due(cell.clone()), Submission(cell))
}

// ===== impl Due =====

impl Due {
    /// Begins. What it came to if it is over already; otherwise its future is in the seat.
    pub(super) fn begin(self, seat: &mut Seat) -> Option<End> {
        self.0.begin(seat)
    }

    /// The pool gives it out of its hands.
    pub(super) fn hand_back(&mut self) {
        self.0.hand_back();
    }

    /// It will not begin.
    pub(super) fn give_up(self, why: Error) {
        self.0.give_up(why);
    }
}

// ===== impl Held =====

impl Held {
    pub(super) fn new(job: Due) -> Self {
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

// ===== impl Begun =====

impl<W: Work<T>, T: Send + 'static> Begun<W, T> {
    /// It came to this, which the handle is told.
    pub(super) fn over(mut self, outcome: Outcome<T>) -> End {
        self.0.take().map_or(End::Dropped, |cell| cell.over(outcome))
    }

    pub(super) fn profile(&self) -> &Profile {
        &self.0.as_ref().expect("there until it is over").profile
    }
}

impl<W: Work<T>, T: Send + 'static> Drop for Begun<W, T> {
    fn drop(&mut self) {
        if let Some(cell) = self.0.take() {
            let why = "the job was dropped before it was done: its pool was shut down";
            cell.over(Outcome::Dropped(Error::new(Kind::Cancelled, why)));
        }
    }
}

// ===== impl Submission =====

impl<W: Work<T>, T: Send + 'static> Submission<W, T> {
    /// The job was taken in.
    pub(super) fn taken_in(self) -> Fetched<T> {
        Fetched { job: self.0, done: false }
    }

    /// The work of a job that was not taken in, and so is still due.
    pub(super) fn reclaim(self, due: Due) -> W {
        let Due(job) = due;
        assert!(std::ptr::addr_eq(Arc::as_ptr(&self.0), Arc::as_ptr(&job)), "of another job");
        drop(job);
        self.0.take_work()
    }
}

// ===== impl Fetched =====

impl<T> Fetched<T> {
    /// What the job came to, once.
    pub(super) fn poll(&mut self, cx: &Poller<'_>) -> Poll<Outcome<T>> {
        let polled = self.job.poll(cx);
        self.done |= polled.is_ready();
        polled
    }

    pub(super) fn is_over(&self) -> bool {
        self.job.is_over()
    }
}

impl<T> Drop for Fetched<T> {
    fn drop(&mut self) {
        if !self.done {
            self.job.forget();
        }
    }
}

// ===== impl Cell =====

impl<W: Work<T>, T: Send + 'static> Cell<W, T> {
    fn over(&self, outcome: Outcome<T>) -> End {
        let end = outcome.end();
        self.profile.meters.ended(end);
        if planted(Fault::PoolIsOverBeforeItIsWritten) {
            self.state.fetch_or(OVER, AcqRel);
        }
        // SAFETY: the handle does not come here before it sees `OVER`, and this is called once, by the one owner of
        // `Due` or of `Begun`.
        self.outcome.with_mut(|place| unsafe { *place = Some(outcome) });
        let before = self.state.fetch_or(OVER, AcqRel);
        if before & FORGOTTEN != 0 {
            // The handle was gone before it was over, and so will not come here.
            self.tell_unheard();
        } else if before & WAITS != 0 {
            let waker = lock(&self.waker).take();
            wake("pool", waker);
        }
        end
    }

    /// For who owns what it came to, which nobody fetches.
    fn tell_unheard(&self) {
        if let Some(outcome) = self.take_outcome() {
            self.profile.unheard(outcome);
        }
    }

    /// For who owns the `Due`, once.
    fn take_work(&self) -> W {
        // SAFETY: there is one `Due`, and who calls this has used it up.
        let work = self.work.with_mut(|work| unsafe { (*work).take() });
        work.expect("a job is due once")
    }

    /// For who owns what it came to.
    fn take_outcome(&self) -> Option<Outcome<T>> {
        // SAFETY: it is over, so that whoever wrote has written, and the state says whose it is. `Acquire` is with who
        // looked at the state.
        self.outcome.with_mut(|outcome| unsafe { (*outcome).take() })
    }
}

impl<W: Work<T>, T: Send + 'static> Job for Cell<W, T> {
    fn begin(self: Arc<Self>, seat: &mut Seat) -> Option<End> {
        let work = self.take_work();
        if let Err(ended) = work.context().check() {
            // The panic of what it captured is not worth more than the reason.
            catch(|| drop(work)).ok();
            return Some(self.over(Outcome::Dropped(ended.into())));
        }
        work.begin(Begun(Some(self)), seat)
    }

    fn hand_back(&self) {
        // SAFETY: there is one `Due`, which is borrowed exclusively for this.
        self.work.with_mut(|work| unsafe { (*work).as_mut().map(Work::hand_back) });
    }

    fn give_up(&self, why: Error) {
        let work = self.take_work();
        catch(|| drop(work)).ok();
        self.over(Outcome::Dropped(why));
    }
}

impl<W: Work<T>, T: Send + 'static> Fetch<T> for Cell<W, T> {
    fn poll(&self, cx: &Poller<'_>) -> Poll<Outcome<T>> {
        if self.state.load(Acquire) & OVER == 0 {
            let mut left = lock(&self.waker);
            match &mut *left {
                Some(waker) => waker.clone_from(cx.waker()),
                None => *left = Some(cx.waker().clone()),
            }
            drop(left);
            // The job is over before this, and is seen to be, or after, and sees that there is a waker.
            let before = self.state.fetch_or(WAITS, AcqRel);
            if before & OVER == 0 || planted(Fault::PoolHandleLooksBeforeItWaits) {
                return Poll::Pending;
            }
        }
        self.take_outcome().map_or(Poll::Pending, Poll::Ready)
    }

    fn is_over(&self) -> bool {
        self.state.load(Acquire) & OVER != 0
    }

    fn forget(&self) {
        let before = self.state.fetch_or(FORGOTTEN, AcqRel);
        if before & OVER != 0 {
            self.tell_unheard();
        } else if before & WAITS != 0 {
            let waker = lock(&self.waker).take();
            drop(waker);
        }
    }
}
