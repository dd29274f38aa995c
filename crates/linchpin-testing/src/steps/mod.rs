//! Cancellation at every await point: a future is polled step by step, dropped at each, and must leave nothing.
//!
//! **The rule**: every async function of a component has a test with [`drop_at_each`]. A future can be dropped wherever
//! it waits, by a timeout, a `select!` or a client that went away, so what it took so far (permits, places in a queue,
//! tasks, entries, locks) must come back at each of these points.
//!
//! ```
//! # use linchpin::{Context, resilience::bulkhead::{Bulkhead, Options}};
//! # use linchpin_testing::steps;
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let report = steps::drop_at_each(
//!     async || Bulkhead::new("db", 1, Options::default()).unwrap(), // a world, anew for each run
//!     async |door| door.enter_owned(&Context::root()).await,        // the future under test
//!     async |door| assert_eq!(door.free(), 1),                      // nothing is left in the world
//! )
//! .await;
//! assert_eq!(report.steps, 1, "a free place is taken by the first poll");
//! # }
//! ```

mod poller;

use std::fmt;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::time::Duration;

use futures_util::FutureExt as _;
use linchpin::task::panic_text;

pub use self::poller::{Poller, poll_by_hand};

/// What [`drop_at_each`] did.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Report {
    /// How many polls the future needed to be done, each after a wake-up.
    pub steps: usize,
    /// At how many points it was dropped, its end included.
    pub drops: usize,
}

/// How far [`drop_at_each`] goes.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    patience: Duration,
    at_most: usize,
    endless: bool,
}

/// Drops the future of `work` at each point where it can be dropped, and lets `left` check that nothing is left.
///
/// For each point a fresh `world` is built, the future is polled up to there and dropped, whatever the drop set in
/// motion may [settle], and `left` looks at the world and panics if it is not as before. The points are: never polled;
/// after each poll that was pending; **woken but not yet polled again**, where a permit or a message that was already
/// handed over is most easily lost; and done, its output dropped too.
///
/// A step is one poll. The next comes when the future was woken and every task that could run has run, so the
/// course is the same each time on a current-thread runtime with paused time. Then all of it is done again with a
/// *restless* caller, that polls twice a step, the second time unasked, and each time with another waker, as if the
/// future had moved to another task: a future may neither take an unasked poll for news nor keep its first waker.
///
/// The world brings what makes the future go on: a task that gives a permit back a little later, a timer. It owns it,
/// so that the end of the world ends it. Needs a tokio runtime with timers. Nothing has to be `Send`, hence the async
/// closures.
///
/// # Panics
///
/// With the point and the reason: when `left` panics, when `work` does, when the future is not woken within a minute
/// of tokio's clock (a lost wake-up), or is not done after a hundred steps. [`Options`] moves both bounds.
///
/// # Cancel safety
///
/// Dropping the future drops the world and the work.
#[track_caller]
pub fn drop_at_each<S, T>(
    world: impl AsyncFnMut() -> S,
    work: impl AsyncFn(&S) -> T,
    left: impl AsyncFn(&S),
) -> impl Future<Output = Report> {
    Options::default().drop_at_each(world, work, left)
}

/// Lets every task that can run do so, and those that they wake, some dozens deep. Lets no time pass.
///
/// # Cancel safety
///
/// Safe.
pub async fn settle() {
    // An aborted task goes when it is next run, and what it owned when that is run, and so on.
    for _ in 0..SETTLED {
        tokio::task::yield_now().await;
    }
}

/// Where a future is dropped.
#[derive(Clone, Copy)]
struct Point {
    caller: Caller,
    /// After so many polls.
    polls: usize,
    /// And after the wake-up that followed the last of them.
    woken: bool,
}

/// How a future is polled.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Caller {
    /// Once a step, by one task.
    Steady,
    /// Twice a step, each time by another task.
    Restless,
}

const SETTLED: usize = 32;

// ===== impl Options =====

impl Options {
    /// How long the future may wait for a wake-up, by tokio's clock. Default: a minute.
    ///
    /// Paused time jumps there at once if nothing else is to come, so a lost wake-up shows without waiting. Raise it
    /// for futures that sleep longer. If another thread does the waking, do not pause time.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Looks at the first `steps` steps only, for a future that never ends. Default: it must end within a hundred.
    ///
    /// The work grows with their square: each point has a run of its own.
    #[must_use]
    pub fn first(mut self, steps: usize) -> Self {
        self.at_most = steps;
        self.endless = true;
        self
    }

    /// As [`drop_at_each`](drop_at_each()), with these bounds.
    ///
    /// # Panics
    ///
    /// As there.
    ///
    /// # Cancel safety
    ///
    /// As there.
    #[track_caller]
    pub fn drop_at_each<S, T>(
        self,
        world: impl AsyncFnMut() -> S,
        work: impl AsyncFn(&S) -> T,
        left: impl AsyncFn(&S),
    ) -> impl Future<Output = Report> {
        let harness = Harness { options: self, site: Location::caller(), world, work, left };
        harness.run()
    }
}

impl Default for Options {
    fn default() -> Self {
        Self { patience: Duration::from_mins(1), at_most: 100, endless: false }
    }
}

// ===== The harness =====

struct Harness<W, F, L> {
    options: Options,
    site: &'static Location<'static>,
    world: W,
    work: F,
    left: L,
}

impl<S, T, W, F, L> Harness<W, F, L>
where
    W: AsyncFnMut() -> S,
    F: AsyncFn(&S) -> T,
    L: AsyncFn(&S),
{
    async fn run(mut self) -> Report {
        let steady = self.rounds(Caller::Steady).await;
        let restless = self.rounds(Caller::Restless).await;
        Report { steps: steady.steps, drops: steady.drops + restless.drops }
    }

    /// A run for each point, until one sees the end of the future.
    async fn rounds(&mut self, caller: Caller) -> Report {
        self.once(Point { caller, polls: 0, woken: false }).await;
        let mut report = Report { steps: 0, drops: 1 };
        let Options { at_most, endless, .. } = self.options;
        while report.steps < at_most {
            report.steps += 1;
            for woken in [false, true] {
                report.drops += 1;
                if self.once(Point { caller, polls: report.steps, woken }).await {
                    return report;
                }
            }
        }
        assert!(endless, "{}: the future is not done after {at_most} steps", self.site);
        report
    }

    /// Builds a world, drops the future at `point` and checks what is left; whether the future was done by then.
    async fn once(&mut self, point: Point) -> bool {
        let world = (self.world)().await;
        let mut done = false;
        {
            let mut future = poll_by_hand((self.work)(&world));
            for step in 1..=point.polls {
                done = self.poll(&mut future, point.caller, step);
                if done {
                    break;
                }
                if step < point.polls || point.woken {
                    self.wait_for_wake(&future, step).await;
                }
            }
        }
        settle().await;
        if let Err(panic) = AssertUnwindSafe((self.left)(&world)).catch_unwind().await {
            let (site, text) = (self.site, panic_text(panic.as_ref()));
            let when = if done { "done" } else { "dropped" };
            panic!("{site}: something is left by a future {when} {point}: {text}");
        }
        done
    }

    /// One step; whether the future is done.
    fn poll<G: Future>(&self, future: &mut Poller<G>, caller: Caller, step: usize) -> bool {
        let polls = AssertUnwindSafe(|| match caller {
            Caller::Steady => future.poll().is_ready(),
            Caller::Restless => (0..2).any(|_| future.poll_elsewhere().is_ready()),
        });
        catch_unwind(polls).unwrap_or_else(|panic| {
            let (site, text) = (self.site, panic_text(panic.as_ref()));
            panic!("{site}: the future panicked in step {step}: {text}")
        })
    }

    async fn wait_for_wake<G: Future>(&self, future: &Poller<G>, step: usize) {
        let patience = self.options.patience;
        if tokio::time::timeout(patience, future.woken()).await.is_err() {
            let stale = future.stale_wakes() > 0;
            let what = if stale { "woken only through an earlier waker" } else { "never woken" };
            panic!("{}: {what}, {patience:?} after step {step}", self.site);
        }
        settle().await;
    }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self { polls: 0, .. } => f.write_str("before its first poll")?,
            Self { polls, woken: false, .. } => write!(f, "after step {polls}")?,
            Self { polls, woken: true, .. } => write!(f, "when woken after step {polls}")?,
        }
        if self.caller == Caller::Restless {
            f.write_str(" by a restless caller")?;
        }
        Ok(())
    }
}
