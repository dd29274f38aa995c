//! Models of our protocols: loom runs each in every interleaving up to a bound on preemptions.
//!
//! `scripts/model-check` runs them. Each model is run twice: as it is, when it must hold, and with a fault planted in
//! the code under test, when it must fail.

mod batch;
mod belt;
mod biased;
mod bus;
mod coalesce;
mod context;
mod counter;
mod event;
mod group;
mod lanes;
mod mailbox;
mod object_pool;
mod once;
mod pitfall;
mod pool;
mod registry;
mod semaphore;
mod set;
mod singleflight;
mod stream;
mod striped;

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context as Poller, Poll, Wake, Waker};

use loom::sync::Notify;

use crate::shim::Fault;

thread_local! {
    // Loom's threads are coroutines of one thread of the system, so all of them see it.
    static PLANTED: Cell<Option<Fault>> = const { Cell::new(None) };
}

/// Whether the running model has planted `fault`.
pub(crate) fn planted(fault: Fault) -> bool {
    PLANTED.get() == Some(fault)
}

/// Runs `model` in every interleaving with at most as many preemptions as `LINCHPIN_MODEL_BOUND` says (2 if unset).
pub(crate) fn holds(name: &str, model: impl Fn() + Send + Sync + 'static) {
    let schedules = explore(model);
    println!("model {name}: holds in {schedules} schedules, preemptions <= {}", bound());
}

/// Proves that the model can fail: with `fault` in the code it must.
pub(crate) fn catches(fault: Fault, model: impl Fn() + Send + Sync + 'static) {
    PLANTED.set(Some(fault));
    let caught = fails(model);
    PLANTED.set(None);
    assert!(caught, "the model did not notice {fault:?}");
    println!("model fault {fault:?}: caught");
}

/// The same for a model of a variant that has the fault `name` by its making.
pub(crate) fn catches_variant(name: &str, model: impl Fn() + Send + Sync + 'static) {
    assert!(fails(model), "the model did not notice {name}");
    println!("model fault {name}: caught");
}

fn fails(model: impl Fn() + Send + Sync + 'static) -> bool {
    catch_unwind(AssertUnwindSafe(|| explore(model))).is_err()
}

fn explore(model: impl Fn() + Send + Sync + 'static) -> usize {
    let schedules = Arc::new(AtomicUsize::new(0));
    let count = schedules.clone();
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(bound());
    builder.check(move || {
        count.fetch_add(1, Ordering::Relaxed);
        model();
    });
    schedules.load(Ordering::Relaxed)
}

fn bound() -> usize {
    std::env::var("LINCHPIN_MODEL_BOUND").ok().and_then(|bound| bound.parse().ok()).unwrap_or(2)
}

/// Counts how often it was called. Std's words: it is no part of what is checked.
#[derive(Default)]
pub(crate) struct Woken(AtomicUsize);

impl Woken {
    /// One, and the waker that calls it.
    pub(crate) fn pair() -> (Arc<Self>, Waker) {
        let woken = Arc::new(Self::default());
        (woken.clone(), Waker::from(woken))
    }

    pub(crate) fn times(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Rings for whoever waits, now or later. Not loom's `unpark`, which also wakes a thread that waits for something else.
struct Bell(Notify);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.notify();
    }
}

/// Loom's own cannot be used: it aborts the process where it should let a planted fault be caught.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let bell = Arc::new(Bell(Notify::new()));
    let waker = Waker::from(bell.clone());
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Poller::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => bell.0.wait(),
        }
    }
}
