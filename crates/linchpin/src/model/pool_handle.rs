//! A job's result: its handle gets it once, is woken for it by whichever waker it left last, and what nobody fetches is
//! told.
//!
//! A module of the pool, whose insides it drives.

use std::future::poll_fn;
use std::mem::ManuallyDrop;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context as Poller, Poll, Waker};

use loom::thread;
use metrics::Counter;

use super::handle::Handle;
use super::job::{self, Fetched, Held, Seat};
use super::meters::Profile;
use super::options::Options;
use super::stats::End;
use super::work::Blocks;
use crate::model::{Woken, block_on, catches, holds};
use crate::shim::Fault;
use crate::task::span::SpawnSpan;
use crate::{Context, Error};

fn profile() -> Arc<Profile> {
    Arc::new(Profile::new(&Options::default()))
}

/// A job that is queued, and its handle.
fn submitted<F, T>(profile: &Arc<Profile>, job: F) -> (Held, Fetched<T>)
where
    F: FnOnce(&Context) -> Result<T, Error> + Send + 'static,
    T: Send + 'static,
{
    let work = Blocks { job, context: Context::root(), pool: None, span: SpawnSpan::default() };
    let (due, submission) = job::job(work, profile.clone());
    (Held::new(due), submission.taken_in())
}

fn run(job: Held) -> Option<End> {
    job.begin(&mut Seat::new(async { End::Dropped }))
}

/// A job ends while its handle is joined: it is found, or wakes the joiner.
fn a_joiner_gets_what_the_job_came_to() {
    let (job, fetched) = submitted(&profile(), |_| Ok(7));
    // Not dropped: it says so, and a model that has failed has no atomics any more.
    let mut fetched = ManuallyDrop::new(fetched);
    let worker = thread::spawn(move || assert_eq!(run(job), Some(End::Done)));
    assert_eq!(block_on(poll_fn(|cx| fetched.poll(cx))).unwind().unwrap(), 7);
    worker.join().unwrap();
}

/// A handle moves to another task while its job ends: that one is woken, if it did not find the result.
fn the_last_to_ask_is_woken() {
    let (job, mut fetched) = submitted(&profile(), |_| Ok(7));
    let worker = thread::spawn(move || run(job));
    let asks = [(); 2].map(|()| {
        let woken = Arc::new(Woken::default());
        let polled = fetched.poll(&Poller::from_waker(&Waker::from(woken.clone())));
        (woken, polled)
    });
    worker.join().unwrap();
    let [(_, first), (woken, second)] = asks;
    match (first, second) {
        // Fetched, it is not there a second time.
        (Poll::Ready(outcome), second) => {
            assert!(second.is_pending());
            assert_eq!(outcome.end(), End::Done);
        }
        (Poll::Pending, Poll::Ready(outcome)) => assert_eq!(outcome.end(), End::Done),
        (Poll::Pending, Poll::Pending) => {
            assert_eq!(woken.times(), 1, "a wake-up was lost");
            assert!(fetched.is_over());
        }
    }
}

/// A handle is dropped while its job panics: the panic is told once, whoever came first.
fn what_nobody_fetches_is_told_once() {
    let told = Arc::new(AtomicU64::new(0));
    let mut profile = Profile::new(&Options::default());
    profile.meters.panics = Counter::from_arc(told.clone());
    let profile = Arc::new(profile);
    let (job, fetched) = submitted::<_, u8>(&profile, |_| resume_unwind(Box::new("planned")));
    let worker = thread::spawn(move || assert_eq!(run(job), Some(End::Panicked)));
    drop(Handle::new(fetched));
    worker.join().unwrap();
    assert_eq!(told.load(Ordering::Relaxed), 1);
}

/// A job is dropped before it began, while its handle is joined: the joiner hears of it.
fn a_joiner_hears_that_its_job_was_dropped() {
    let probe = Arc::new(());
    let held = probe.clone();
    let (job, fetched) = submitted(&profile(), move |_| Ok(Arc::strong_count(&held)));
    let dropper = thread::spawn(move || drop(job));
    let error = block_on(Handle::new(fetched).join()).unwrap_err();
    assert_eq!(error.kind(), crate::Kind::Cancelled);
    dropper.join().unwrap();
    assert_eq!(Arc::strong_count(&probe), 1, "the work is still there");
}

#[test]
fn pool_handle_join() {
    holds("pool_handle_join", a_joiner_gets_what_the_job_came_to);
    catches(Fault::PoolHandleLooksBeforeItWaits, a_joiner_gets_what_the_job_came_to);
    catches(Fault::PoolIsOverBeforeItIsWritten, a_joiner_gets_what_the_job_came_to);
}

#[test]
fn pool_handle_moves() {
    holds("pool_handle_moves", the_last_to_ask_is_woken);
}

#[test]
fn pool_handle_forgets() {
    holds("pool_handle_forgets", what_nobody_fetches_is_told_once);
}

#[test]
fn pool_handle_drops() {
    holds("pool_handle_drops", a_joiner_hears_that_its_job_was_dropped);
}
