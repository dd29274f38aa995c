//! What there is to see of a supervisor's children.

use super::Restart;
use crate::context::Context;
use crate::error::Error;
use crate::sync::channel::RecvError;
use crate::sync::watched::Viewer;
use crate::time::Instant;

/// Sees the children of a [`Supervisor`](super::Supervisor), while it runs and afterwards. Clones see the same.
#[derive(Clone, Debug)]
pub struct Monitor(Viewer<Health>);

/// The state of all children at one moment.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Health {
    /// In the order of their being given.
    pub children: Vec<ChildHealth>,
}

/// The state of a child.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ChildHealth {
    /// Its name.
    pub name: &'static str,
    /// When it is started again.
    pub restart: Restart,
    /// What it does now ...
    pub state: State,
    /// ... since when.
    pub since: Instant,
    /// How often it was started again.
    pub restarts: u64,
    /// Its last failure, or panic.
    pub last_failure: Option<Error>,
}

/// What a child does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum State {
    /// It was not started yet.
    Idle,
    /// It runs.
    Running,
    /// It ended and waits to be started again.
    BackingOff,
    /// It returned and is not started again.
    Done,
    /// It failed and is not started again.
    Failed,
    /// It was stopped.
    Stopped,
}

// ===== impl Monitor =====

impl Monitor {
    pub(super) fn new(board: Viewer<Health>) -> Self {
        Self(board)
    }

    /// The state of all children now; after the end of the supervisor its last.
    #[must_use]
    pub fn health(&self) -> Health {
        Health::clone(self.0.clone().get())
    }

    /// Waits until every child runs or is rightly done: for readiness at a start, and after a trouble.
    ///
    /// # Errors
    ///
    /// [`RecvError`], if the supervisor has ended and that was not so, or the context ends first.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn healthy(&mut self, ctx: &Context) -> Result<Health, RecvError> {
        self.until(ctx, Health::is_healthy).await
    }

    /// Waits until no child runs and none will be started again.
    ///
    /// # Errors
    ///
    /// [`RecvError`], if the supervisor was dropped in the middle, or the context ends first.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn quiescent(&mut self, ctx: &Context) -> Result<Health, RecvError> {
        self.until(ctx, Health::is_quiescent).await
    }

    async fn until(
        &mut self,
        ctx: &Context,
        want: fn(&Health) -> bool,
    ) -> Result<Health, RecvError> {
        self.0.wait_for(ctx, want).await.map(|health| Health::clone(health))
    }
}

// ===== impl Health =====

impl Health {
    /// Whether every child runs, or is rightly done: none waits to be started, none was stopped, and none failed for
    /// good but those that may (`Temporary`).
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.children.iter().all(|child| match child.state {
            State::Running | State::Done => true,
            State::Failed => child.restart == Restart::Temporary,
            State::Idle | State::BackingOff | State::Stopped => false,
        })
    }

    /// Whether no child runs and none will be started again.
    #[must_use]
    pub fn is_quiescent(&self) -> bool {
        let over = |child: &ChildHealth| {
            matches!(child.state, State::Done | State::Failed | State::Stopped)
        };
        self.children.iter().all(over)
    }

    /// How often children were started again, all together.
    #[must_use]
    pub fn restarts(&self) -> u64 {
        self.children.iter().map(|child| child.restarts).sum()
    }
}

// ===== impl ChildHealth =====

impl ChildHealth {
    pub(super) fn new(name: &'static str, restart: Restart) -> Self {
        Self {
            name,
            restart,
            state: State::Idle,
            since: Instant::now(),
            restarts: 0,
            last_failure: None,
        }
    }
}
