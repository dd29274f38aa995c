//! Tasks that are started again when they fail.

mod health;
mod options;
mod running;

use std::fmt;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;

pub use self::health::{ChildHealth, Health, Monitor, State};
pub use self::options::Options;
use self::running::Running;
use crate::context::{Cause, Context};
use crate::error::{Error, Kind};
use crate::resilience::BadOptions;
use crate::sync::watched::Watched;

/// Keeps children running: one that fails or panics is started again, after a while, and not too often.
///
/// Erlang's supervisor with the strategy one-for-one; Go has none. What differs: a restart waits for its
/// [back-off](Options::backoff), and the children are given before they run. For others that come and go use a
/// [`Tracker`](super::Tracker); for tasks of which the first failure ends the rest a [`Group`](super::Group); to do one
/// call again a retry.
///
/// Where restarts come [too often](Options::restarts), something is wrong that they do not mend: the supervisor stops
/// its children and fails itself, with the last failure as the [source](GaveUp), so that whoever runs it decides. A
/// supervisor is run like any work, so it may be the child of another, or a task of a group.
///
/// It stops them in the **reverse order** of their being given, each one when the one after it is gone, so that what
/// others lean on goes last. A child is told through its context, and aborted at its next await if it does not go
/// [in time](Options::stop_within). For that order the children's contexts have the values of the supervisor's context
/// and not its end: the supervisor passes that on, one by one.
///
/// | a child | `Permanent` | `Transient` | `Temporary` |
/// |---|---|---|---|
/// | returns `Ok` | is started again | is done | is done |
/// | returns an error, or panics | is started again | is started again | has failed, and the others go on |
///
/// ```
/// # use linchpin::{Context, task::supervisor::{Options, Restart, Supervisor}};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> linchpin::Result<()> {
/// let supervisor = Supervisor::new("ingest", Options::default())?
///     .child("import", Restart::Transient, |_ctx| async { Ok(()) });
/// let report = supervisor.run(&Context::root()).await?; // until all are done, or the context ends
/// assert!(report.cause.is_none());
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing runs until the supervisor is run"]
pub struct Supervisor {
    name: &'static str,
    options: Options,
    children: Vec<Spec>,
    board: Watched<Health>,
}

/// When a child is started again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Restart {
    /// Always: it must run as long as the supervisor does.
    Permanent,
    /// If it failed or panicked: it has an end.
    Transient,
    /// Never: it may fail.
    Temporary,
}

/// How a supervisor ended that did not fail.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// Why its context ended; `None` if all children were done before.
    pub cause: Option<Cause>,
    /// The children that had to be aborted, in the order of it.
    pub aborted: Vec<&'static str>,
    /// How each child ended, in the order of their being given.
    pub health: Health,
}

/// Why a supervisor failed: restarts do not help. Its [source](std::error::Error::source) is the child's last failure.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct GaveUp {
    /// The supervisor.
    pub supervisor: &'static str,
    /// The child that was not started again.
    pub child: &'static str,
    /// How many restarts there had been ...
    pub restarts: usize,
    /// ... within this time.
    pub within: std::time::Duration,
    last: Option<Error>,
}

type Work =
    Arc<dyn Fn(Context) -> Pin<Box<dyn Future<Output = Result<(), Error>> + Send>> + Send + Sync>;

/// A child as it was given.
struct Spec {
    name: &'static str,
    site: &'static Location<'static>,
    restart: Restart,
    work: Work,
}

// ===== impl Supervisor =====

impl Supervisor {
    /// A supervisor without children; `name` tells it apart in logs, metrics and errors.
    ///
    /// # Errors
    ///
    /// If the time for the number of restarts is zero.
    pub fn new(name: &'static str, options: Options) -> Result<Self, BadOptions> {
        options.check()?;
        let board = Watched::new(Health { children: Vec::new() });
        Ok(Self { name, options, children: Vec::new(), board })
    }

    /// Adds a child. `work` is called for each start, with a context that ends when the child is to stop.
    #[track_caller]
    pub fn child<F, Fut>(mut self, name: &'static str, restart: Restart, work: F) -> Self
    where
        F: Fn(Context) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), Error>> + Send + 'static,
    {
        let work: Work = Arc::new(move |ctx| Box::pin(work(ctx)));
        self.children.push(Spec { name, site: Location::caller(), restart, work });
        self.board.modify(|health| health.children.push(ChildHealth::new(name, restart)));
        self
    }

    /// What there is to see of the children while they run. Take it before [`run`](Self::run).
    #[must_use]
    pub fn monitor(&self) -> Monitor {
        Monitor::new(self.board.viewer())
    }

    /// Starts the children, all at once, and keeps them running until all are done or the context ends, when it stops
    /// them. None is left when this returns.
    ///
    /// Under a context that has ended no child is started.
    ///
    /// # Errors
    ///
    /// [`GaveUp`], in an error of the kind of the child's last failure.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime. A child's panic is a failure: it is logged, counted in `linchpin_task_panics_total`,
    /// and found in the child's [health](ChildHealth).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future aborts all children at their next await, in no order.
    pub async fn run(self, ctx: &Context) -> Result<Report, Error> {
        let Self { name, options, children, board } = self;
        let mut running = Running::new(name, options, children, board, ctx.detached());
        let ended = running.keep(ctx).await;
        let cause = match &ended {
            Ok(cause) => cause.clone(),
            Err(error) => Some(Cause::Failed(error.clone())),
        };
        let aborted = running.stop(cause.unwrap_or(Cause::Shutdown)).await;
        let health = running.health();
        ended.map(|cause| Report { cause, aborted, health })
    }
}

impl fmt::Debug for Supervisor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let children: Vec<&str> = self.children.iter().map(|child| child.name).collect();
        f.debug_struct("Supervisor")
            .field("name", &self.name)
            .field("children", &children)
            .finish_non_exhaustive()
    }
}

// ===== impl GaveUp =====

impl fmt::Display for GaveUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { supervisor, child, restarts, within, last } = self;
        let ended = if last.is_some() { "failed" } else { "returned" };
        write!(
            f,
            "supervisor `{supervisor}` gave up: `{child}` {ended} after {restarts} restarts within {within:?}"
        )
    }
}

impl std::error::Error for GaveUp {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.last.as_ref().map(|last| last as _)
    }
}

impl From<GaveUp> for Error {
    fn from(gave_up: GaveUp) -> Self {
        let kind = gave_up.last.as_ref().map_or(Kind::Internal, Error::kind);
        Self::new(kind, gave_up)
    }
}
