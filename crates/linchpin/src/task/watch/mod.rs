//! A watch over live tasks in production: who blocks a thread of the runtime, and who lives longer than it should.
//!
//! ```
//! # use std::time::Duration;
//! # use linchpin::task::watch::{Options, Watch};
//! # fn main() -> linchpin::Result<()> {
//! let options = Options::default().overdue_after(Duration::from_hours(1)).long_lived(["accept"]);
//! let _watch = Watch::start(options)?; // ends when it is dropped
//! # Ok(())
//! # }
//! ```

mod overdue;
mod rounds;
mod slot;
mod stall;

use std::fmt;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use self::rounds::Rounds;
#[cfg(all(test, linchpin_loom))]
pub(crate) use self::slot::Slot;
use self::slot::Watching;
pub(super) use self::slot::enter;
pub use self::slot::unwatched;
use super::{Live, thread};
use crate::error::ResultExt as _;
use crate::resilience::BadOptions;
use crate::{Kind, Result};

/// A thread that watches the tasks of the process until it is dropped, and tells what it finds.
///
/// Each finding is told once, in three ways: a `tracing` warning, a counter, and the hook of the options.
///
/// * **Stalls**: a poll of a listed task that takes longer than a bound keeps every other task of its thread waiting.
///   Told while it goes on, with the name of the task, the line that spawned it and the name of the thread, and again
///   with the time it took when it is over. Counted in `linchpin_task_stalls_total` by `task`.
/// * **Overdue tasks**: a task that is alive for longer than a bound was probably forgotten. Counted in
///   `linchpin_task_overdue_total` by `task`.
///
/// A task that is polled within another's poll is the one that is named; the bound applies to the outermost poll. Not
/// seen are polls of futures that are no listed task, such as the argument of `block_on`, and those of a
/// [`blocking`](super::blocking) task or a [`thread`](super::thread()), which may block. A section that blocks rightly within
/// a poll says so with [`unwatched`].
///
/// Costs: a poll of a listed task takes two nanoseconds longer than a bare one, and watched not measurably longer than
/// unwatched (`scripts/bench registry`). The thread wakes four times a bound and reads one word for each thread that
/// polls.
#[derive(Debug)]
#[must_use = "dropping the watch ends it"]
pub struct Watch {
    _watching: Option<Watching>,
    /// Dropped with the watch, which ends the thread's wait.
    _stop: Sender<()>,
}

/// What to watch, and how closely.
#[derive(Clone)]
pub struct Options {
    stall: Option<Duration>,
    overdue: Option<Duration>,
    long_lived: Vec<&'static str>,
    hook: Option<Hook>,
}

type Hook = Arc<dyn Fn(&Event) + Send + Sync>;

/// What a [`Watch`] tells.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A poll goes on for too long.
    Stalled(Stall),
    /// A poll that was told is over.
    Resumed(Stall),
    /// A task is alive for too long.
    Overdue(Live),
}

/// A poll that takes too long.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Stall {
    /// The task that is polled; of tasks within one another the innermost when the stall was noticed.
    pub task: Live,
    /// The name of the thread it blocks.
    pub thread: String,
    /// How long so far, or in all: at least that long, and at most half a bound longer.
    pub lasted: Duration,
}

/// Long enough that the scheduler of a loaded machine, which may take a thread's core away for tens of milliseconds,
/// raises no false alarm; short enough to be below what a caller notices.
const STALL: Duration = Duration::from_millis(100);
/// A shorter bound would be about the watch's own scheduling.
const SHORTEST: Duration = Duration::from_millis(1);
/// Looks in the time of a bound.
const LOOKS: u32 = 4;

// ===== impl Watch =====

impl Watch {
    /// Starts the thread, named and listed as `task watch`.
    ///
    /// # Errors
    ///
    /// [`InvalidArgument`](Kind::InvalidArgument) if a bound is below a millisecond or nothing is to be watched;
    /// [`ResourceExhausted`](Kind::ResourceExhausted) if the system has no thread to give.
    pub fn start(options: Options) -> Result<Self> {
        let period = options.check()?;
        let watching = options.stall.map(|_| Watching::begin());
        let (stop, stopped) = channel();
        let rounds = Rounds::new(options);
        thread("task watch", move || rounds.run(period, &stopped))
            .kind(Kind::ResourceExhausted)
            .context("start the task watch")?;
        Ok(Self { _watching: watching, _stop: stop })
    }
}

// ===== impl Options =====

impl Options {
    /// The longest a poll may take. Default 100 milliseconds.
    #[must_use]
    pub fn stall_after(mut self, bound: Duration) -> Self {
        self.stall = Some(bound);
        self
    }

    /// Does not watch for stalls.
    #[must_use]
    pub fn without_stalls(mut self) -> Self {
        self.stall = None;
        self
    }

    /// The longest a task may live. Default: as long as it likes.
    #[must_use]
    pub fn overdue_after(mut self, bound: Duration) -> Self {
        self.overdue = Some(bound);
        self
    }

    /// The names of tasks that are meant to live as long as the process. [Threads](super::thread()) are by nature.
    #[must_use]
    pub fn long_lived(mut self, names: impl IntoIterator<Item = &'static str>) -> Self {
        self.long_lived.extend(names);
        self
    }

    /// Calls `hook` with each event, on the thread of the watch, which looks again when it returns.
    ///
    /// A panic of `hook` is logged and counted in `linchpin_task_panics_total`.
    #[must_use]
    pub fn on_event(mut self, hook: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        self.hook = Some(Arc::new(hook));
        self
    }

    /// How often to look.
    fn check(&self) -> Result<Duration, BadOptions> {
        let bounds = [("stall", self.stall), ("overdue", self.overdue)];
        let bounds = bounds.iter().filter_map(|(what, bound)| Some((what, (*bound)?)));
        if let Some((what, bound)) = bounds.clone().find(|(_, bound)| *bound < SHORTEST) {
            let why = format!("the {what} bound of {bound:?} is below {SHORTEST:?}");
            return Err(BadOptions::new("Watch", why));
        }
        let shortest = bounds.map(|(_, bound)| bound).min();
        let shortest =
            shortest.ok_or_else(|| BadOptions::new("Watch", "there is nothing to watch"))?;
        Ok(shortest / LOOKS)
    }
}

impl Default for Options {
    fn default() -> Self {
        Self { stall: Some(STALL), overdue: None, long_lived: Vec::new(), hook: None }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("stall", &self.stall)
            .field("overdue", &self.overdue)
            .field("long_lived", &self.long_lived)
            .finish_non_exhaustive()
    }
}
