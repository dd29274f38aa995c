//! Owned tasks: none without an owner, a name and a way to end.
//!
//! | you have | use |
//! |---|---|
//! | one task whose result you want | [`spawn`] and [`Task::join`] |
//! | several that succeed or fail together (Go's errgroup) | [`Group`] |
//! | the same for futures that borrow, on the caller's task | [`Scope`] |
//! | items that go through steps, each as wide as it needs | [`Pipeline`](pipeline::Pipeline) |
//! | one stream for many readers, many for one; the first of several | [`fan`] |
//! | a stream written as a loop | [`stream::from_fn`] |
//! | many that come and go: connections, deliveries | [`Tracker`] |
//! | tasks to be started again when they fail | [`Supervisor`] |
//! | something to do every so often | [`Ticker`] |
//! | many of which a few may run at once, in order | [`pool::Pool`] |
//! | something to do once, later, unless it is put off | [`Timer`] |
//! | to act when a burst of values is over, or at most so often | [`debounce`], [`throttle`] |
//! | code that blocks | [`blocking`], [`Pool::blocking`](pool::Pool::blocking), or [`thread`] where it blocks for good |
//!
//! **The panic policy of the toolkit**: a panic never disappears and never kills a neighbour. It is caught at the edge
//! of its task and raised again where the result is awaited; where nobody awaits a result it is logged and counted.
//!
//! Every task is listed in [`live`] with its name, its age and the line that spawned it, and runs in the tracing
//! span of its spawner. Go's `go` statement has none of the three. In production a [`watch`] tells which task blocks
//! its thread and which was forgotten; in tests `linchpin_testing::leak` tells what a test left behind.

mod belt;
pub(crate) mod caught;
pub mod debounce;
pub mod fan;
mod group;
#[cfg(feature = "testing")]
mod home;
mod listed;
pub mod pace;
pub mod pipeline;
pub mod pool;
mod registry;
mod scope;
pub(crate) mod slab;
mod span;
pub mod stream;
pub mod supervisor;
pub mod throttle;
pub mod ticker;
mod timer;
mod tracker;
pub(crate) mod turns;
pub mod watch;

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::task::Waker;
use std::thread::JoinHandle;

use tokio::task::JoinError;

#[cfg(all(test, linchpin_loom))]
pub(crate) use self::belt::{Belt, Load};
pub use self::group::{Group, NotSpawned};
#[cfg(all(test, linchpin_loom))]
pub(crate) use self::group::{Job as GroupJob, Outcome, Place as ResultPlace, Shared, Ticket};
#[cfg(feature = "testing")]
pub use self::home::Home;
use self::listed::Listed;
use self::registry::Place;
#[cfg(all(test, linchpin_loom))]
pub(crate) use self::registry::{Hand, Registry};
pub use self::registry::{Kind, Live, count, left_within, live, live_older_than};
pub use self::scope::Scope;
use self::span::SpawnSpan;
pub use self::supervisor::Supervisor;
pub use self::ticker::Ticker;
pub use self::timer::Timer;
pub use self::tracker::Tracker;
#[cfg(all(test, linchpin_loom))]
pub(crate) use self::watch::Slot;

/// A running task and the ownership of it: dropping it aborts the task at its next await.
///
/// A blocking task ([`blocking`]) cannot be stopped: it runs on, listed, until it returns.
#[derive(Debug)]
#[must_use = "dropping the task aborts it"]
pub struct Task<T> {
    handle: tokio::task::JoinHandle<T>,
}

/// Why a task has no result.
pub enum Fault {
    /// It was aborted, or its runtime ended.
    Aborted,
    /// It panicked, with this payload.
    Panicked(Box<dyn Any + Send>),
}

/// Spawns `work` on the current runtime, owned by the [`Task`] that is returned.
///
/// # Panics
///
/// Outside a tokio runtime.
#[track_caller]
pub fn spawn<F>(name: &'static str, work: F) -> Task<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    Task { handle: raw(listed(name, work)) }
}

/// Runs `work`, which may block, on a thread of the runtime's blocking pool.
///
/// # Panics
///
/// Outside a tokio runtime.
#[track_caller]
pub fn blocking<T: Send + 'static>(
    name: &'static str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Task<T> {
    let place = Place::new(name, Location::caller(), Kind::Blocking);
    let span = SpawnSpan::here();
    let in_span = move || {
        let _entered = span.enter();
        work()
    };
    Task { handle: tokio::task::spawn_blocking(move || place.keep_while(in_span)) }
}

/// Runs `work` on an operating-system thread of its own, named and listed, for work that blocks for the whole life
/// of a component. Dropping the handle does not stop it: the component must have a way to end it.
///
/// # Errors
///
/// When the system has no thread to give.
#[track_caller]
pub fn thread<T: Send + 'static>(
    name: &'static str,
    work: impl FnOnce() -> T + Send + 'static,
) -> std::io::Result<JoinHandle<T>> {
    thread_at(name, Location::caller(), work)
}

/// The same for a line that is not the caller's.
fn thread_at<T: Send + 'static>(
    name: &'static str,
    site: &'static Location<'static>,
    work: impl FnOnce() -> T + Send + 'static,
) -> std::io::Result<JoinHandle<T>> {
    let place = Place::new(name, site, Kind::Thread);
    std::thread::Builder::new().name(name.to_owned()).spawn(move || place.keep_while(work))
}

// ===== impl Task =====

impl<T> Task<T> {
    /// Waits for the result.
    ///
    /// # Panics
    ///
    /// Raises the task's own panic again; also panics if the task was [aborted](Self::abort).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the task, which aborts it.
    pub async fn join(self) -> T {
        match self.outcome().await {
            Ok(result) => result,
            Err(Fault::Panicked(payload)) => resume_unwind(payload),
            Err(Fault::Aborted) => panic!("joined a task that was aborted"),
        }
    }

    /// Waits for the result, a panic being a value.
    ///
    /// # Errors
    ///
    /// [`Fault`] if the task panicked or was aborted.
    ///
    /// # Cancel safety
    ///
    /// As for [`join`](Self::join).
    pub async fn outcome(mut self) -> Result<T, Fault> {
        (&mut self.handle).await.map_err(Fault::from)
    }

    /// Stops the task at its next await.
    pub fn abort(&self) {
        self.handle.abort();
    }

    /// Whether the task has ended, in whatever way.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.handle.is_finished()
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.handle.abort();
    }
}

// ===== impl Fault =====

impl From<JoinError> for Fault {
    fn from(error: JoinError) -> Self {
        error.try_into_panic().map_or(Self::Aborted, Self::Panicked)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Aborted => f.write_str("the task was aborted"),
            Self::Panicked(payload) => {
                write!(f, "the task panicked: {}", panic_text(payload.as_ref()))
            }
        }
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Fault {}

/// The message of a panic, as far as it has one.
#[must_use]
pub fn panic_text(payload: &(dyn Any + Send)) -> &str {
    payload
        .downcast_ref::<&'static str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("(a panic without a text)")
}

/// Tells of a panic that is nobody's to raise again: it is logged and counted, since it must not disappear.
pub(crate) fn tell_panic(owner: &'static str, what: &'static str, payload: &(dyn Any + Send)) {
    metrics::counter!("linchpin_task_panics_total", "owner" => owner).increment(1);
    let panic = panic_text(payload);
    tracing::error!(owner, panic, "{what}");
}

/// Runs `work`, whose panic must not reach whoever runs it, nor those whose turn comes after it.
pub(crate) fn contained(owner: &'static str, what: &'static str, work: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(work)) {
        tell_and_drop(owner, what, payload);
    }
}

/// Out of the way of those whose work does not panic.
#[cold]
#[inline(never)]
fn tell_and_drop(owner: &'static str, what: &'static str, payload: Box<dyn Any + Send>) {
    tell_panic(owner, what, payload.as_ref());
    drop(payload);
}

/// The same for each of `items`: those that come after one that panicked have their turn all the same.
pub(crate) fn each_contained<T>(
    owner: &'static str,
    what: &'static str,
    mut items: impl Iterator<Item = T>,
    mut work: impl FnMut(T),
) {
    let mut is_over = false;
    while !is_over {
        contained(owner, what, || {
            items.by_ref().for_each(&mut work);
            is_over = true;
        });
    }
}

/// Wakes each. A waker is the business of whoever is polled with it: its panic must not reach whoever wakes, nor those who
/// are woken after it.
pub(crate) fn wake(owner: &'static str, wakers: impl IntoIterator<Item = Waker>) {
    each_contained(owner, "a waker panicked", wakers.into_iter(), Waker::wake);
}

/// The same for one.
#[inline]
pub(crate) fn wake_one(owner: &'static str, waker: Waker) {
    contained(owner, "a waker panicked", || waker.wake());
}

/// `work` as a listed task in the caller's span.
#[track_caller]
fn listed<F: Future>(name: &'static str, work: F) -> Listed<F> {
    Listed::new(name, work)
}

#[expect(clippy::disallowed_methods, reason = "the one place that spawns")]
fn raw<F>(work: F) -> tokio::task::JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    tokio::spawn(work)
}
