//! Deadline, cancellation with a cause, and typed values, handed down a tree of calls.
//!
//! Go's `context.Context`, with three differences on purpose: the cause is always there to read, a deadline costs
//! no timer until somebody waits, and whoever derives a context that can be ended owns its end ([`Child`]), so none
//! is leaked.
//!
//! ```
//! # use linchpin::Context;
//! # use std::time::Duration;
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let request = Context::root().with_timeout(Duration::from_secs(2));
//! let answer = request.run(async { 42 }).await;
//! assert_eq!(answer.unwrap(), 42);
//!
//! request.cancel("the client went away");
//! assert_eq!(request.check().unwrap_err().to_string(), "ended: the client went away");
//! # }
//! ```

mod after;
mod blocking;
mod budget;
pub mod carrier;
mod cause;
mod child;
mod node;
mod token;
mod wait;
mod watch;

use std::fmt;
use std::time::Duration;

pub use self::after::After;
pub use self::blocking::Blocking;
pub(crate) use self::blocking::Unpark;
pub use self::budget::Budget;
pub use self::cause::{Cause, Ended, Reason};
pub use self::child::Child;
use self::node::{Link, Node, Role};
pub use self::token::Token;
pub use self::wait::Cancelled;
pub(crate) use self::wait::Run;
use crate::time::Instant;

/// A place in a tree of work: when it must end, why it ended, and what travels with it.
///
/// One pointer wide; clones share the same place. A context is never live after its parent has ended and never has a
/// later deadline than its parent. Dropping a `Context` ends nothing; dropping the [`Child`] that made it does.
///
/// Creating and dropping a child is one allocation and leaves nothing behind in its parent: a parent does not know
/// its children. Ending a context is therefore the same work for ten children and for ten thousand, and it wakes
/// exactly those who wait.
///
/// | you want | use |
/// |---|---|
/// | to end work yourself, or by a deadline | [`child`](Self::child), [`with_timeout`](Self::with_timeout), [`with_deadline`](Self::with_deadline) |
/// | to end with any of several | [`merge`](Self::merge) |
/// | work that outlives the request | [`detached`](Self::detached) |
/// | to hand something down | [`with_value`](Self::with_value), [`get`](Self::get) |
/// | to stop waiting | [`run`](Self::run), [`sleep`](Self::sleep), [`cancelled`](Self::cancelled) |
/// | to stop computing | [`checkpoint`](Self::checkpoint), [`check`](Self::check), [`is_cancelled`](Self::is_cancelled) |
/// | to stop what blocks | [`blocking`](Self::blocking), [`after`](Self::after) |
/// | several attempts within the time left | [`budget`](Self::budget) |
/// | to cross a process | [`carrier`] |
#[derive(Clone)]
pub struct Context(Link);

// ===== impl Context =====

impl Context {
    /// A context with no parent, no deadline and no values, which never ends. Costs nothing.
    ///
    /// It is where a program's tree begins; Go's `context.Background()`. To end it later, derive a
    /// [`child`](Self::child) and keep that.
    #[must_use]
    pub const fn root() -> Self {
        Self(None)
    }

    /// A child that its owner can end.
    pub fn child(&self) -> Child {
        Child::new(self.derive(Role::Owned, self.deadline()))
    }

    /// A child that also ends `timeout` from now, or with its parent's deadline if that is earlier.
    ///
    /// No timer is armed until somebody waits on the child.
    pub fn with_timeout(&self, timeout: Duration) -> Child {
        self.with_deadline(Instant::now() + timeout)
    }

    /// A child that also ends at `deadline`, or with its parent's deadline if that is earlier.
    pub fn with_deadline(&self, deadline: Instant) -> Child {
        let deadline = self.deadline().map_or(deadline, |parent| parent.min(deadline));
        Child::new(self.derive(Role::Owned, Some(deadline)))
    }

    /// This context with `value` found by its type from here on down; an inner value of the same type wins.
    #[must_use]
    pub fn with_value<T: Send + Sync + 'static>(&self, value: T) -> Self {
        self.derive(Role::Value(Box::new(value)), self.deadline())
    }

    /// A child of all of `parents`: it ends when the first of them does, and has the earliest of their deadlines.
    ///
    /// Values are looked for in the order of the parents. Without any parent it is a child of the root.
    ///
    /// ```
    /// # use linchpin::Context;
    /// let (request, service) = (Context::root().child(), Context::root().child());
    /// let both = Context::merge([&*request, &*service]);
    /// service.cancel("shutting down");
    /// assert!(both.is_cancelled() && !request.is_cancelled());
    /// ```
    pub fn merge<'a>(parents: impl IntoIterator<Item = &'a Self>) -> Child {
        let mut parents = parents.into_iter();
        let first = parents.next().cloned().unwrap_or_default();
        let others: Box<[Link]> = parents.map(|parent| parent.0.clone()).collect();
        let deadlines = others.iter().flatten().filter_map(|parent| parent.deadline());
        let deadline = first.deadline().into_iter().chain(deadlines).min();
        Child::new(first.derive(Role::Merged(others), deadline))
    }

    /// The values of this context without its end and its deadline, for work that must outlive a request.
    ///
    /// Go's `context.WithoutCancel`. Give it an end of its own with [`with_timeout`](Self::with_timeout).
    #[must_use]
    pub fn detached(&self) -> Self {
        self.derive(Role::Detached, None)
    }

    /// The nearest value of type `T`, from here towards the root.
    #[must_use]
    pub fn get<T: Send + Sync + 'static>(&self) -> Option<&T> {
        self.0.as_deref()?.find_value(&|value| value.downcast_ref())
    }

    /// Whether this context has ended, as far as anybody noticed.
    ///
    /// One atomic load a level and no clock: a deadline that passed unseen is not seen here either. Loops that must
    /// not overrun use [`check`](Self::check).
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.as_deref().is_some_and(Node::is_ended)
    }

    /// Refuses if the context has ended; reads the clock if there is a deadline. Allocates nothing.
    ///
    /// # Errors
    ///
    /// [`Ended`] with the cause.
    #[inline]
    pub fn check(&self) -> Result<(), Ended> {
        match &self.0 {
            Some(node) if node.deadline().is_some() || node.is_ended() => {
                node.end().map_or(Ok(()), |end| Err(end.ended.clone()))
            }
            _ => Ok(()),
        }
    }

    /// Why the context ended; `None` while it is live. Reads the clock if there is a deadline.
    #[must_use]
    pub fn cause(&self) -> Option<Cause> {
        self.0.as_ref()?.end().map(|end| end.ended.cause().clone())
    }

    /// When the context ends at the latest.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.0.as_deref()?.deadline()
    }

    /// What is left until the deadline; zero once it has passed, `None` without one.
    #[must_use]
    pub fn remaining(&self) -> Option<Duration> {
        self.deadline().map(|deadline| deadline - Instant::now())
    }

    /// Runs `work` once when the context ends, or at once if it has.
    ///
    /// Go's `context.AfterFunc`, with one difference on purpose: `work` runs on the thread that ends the context (or
    /// that notices its deadline), so it must be short and must not block; to do more, have it wake a task. A panic
    /// in it is caught, logged and counted. Dropping the returned [`After`] withdraws `work`.
    ///
    /// A deadline is waited for by a timer of the current runtime, and if that goes away first, until somebody looks.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime if the context has a deadline.
    pub fn after(&self, work: impl FnOnce() + Send + 'static) -> After {
        After::new(self, work)
    }

    /// This context for code that blocks its thread.
    #[must_use]
    pub fn blocking(&self) -> Blocking {
        Blocking::new(self)
    }

    /// Contexts for at most so many attempts, each with an equal share of the time that is left.
    ///
    /// ```
    /// # use linchpin::Context;
    /// # use std::time::Duration;
    /// let request = Context::root().with_timeout(Duration::from_secs(3));
    /// for attempt in request.budget(3).at_least(Duration::from_millis(100)) {
    ///     assert!(attempt.remaining() <= Some(Duration::from_secs(1)));
    /// #   break;
    ///     // answer = attempt.run(call()).await ...
    /// }
    /// ```
    pub fn budget(&self, attempts: u32) -> Budget<'_> {
        Budget::new(self, attempts)
    }

    /// A token of tokio-util that is cancelled when this context ends, for code that knows no other.
    ///
    /// # Panics
    ///
    /// As [`after`](Self::after).
    pub fn token(&self) -> Token {
        Token::new(self)
    }

    /// Waits for the end.
    ///
    /// # Cancel safety
    ///
    /// Safe: dropping the future withdraws its waker and loses nothing.
    pub fn cancelled(&self) -> Cancelled<'_> {
        Cancelled::new(self)
    }

    /// Runs `work` until it is done or the context ends, whichever is first; if both at once, the result wins.
    ///
    /// # Errors
    ///
    /// [`Ended`] without polling `work` if the context had ended before, or when it ends first. `work` is then dropped.
    ///
    /// # Cancel safety
    ///
    /// As safe as `work` itself, which is dropped with this future.
    pub fn run<F: Future>(&self, work: F) -> impl Future<Output = Result<F::Output, Ended>> {
        Run::new(self, work)
    }

    /// Sleeps for `duration`.
    ///
    /// # Errors
    ///
    /// [`Ended`] when the context ends first, and at once if its deadline is nearer than `duration`.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn sleep(&self, duration: Duration) -> Result<(), Ended> {
        self.run_until(Instant::now() + duration, tokio::time::sleep(duration)).await
    }

    /// Refuses if the context has ended, and lets other tasks run from time to time: for loops that compute.
    ///
    /// It counts against the budget that tokio gives a task for one turn, and yields when that is used up.
    ///
    /// # Errors
    ///
    /// [`Ended`] with the cause.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn checkpoint(&self) -> Result<(), Ended> {
        self.check()?;
        tokio::task::coop::consume_budget().await;
        Ok(())
    }

    /// Whether it is the root, as far as can be told without a look.
    pub(crate) fn never_ends(&self) -> bool {
        self.0.is_none()
    }

    fn derive(&self, role: Role, deadline: Option<Instant>) -> Self {
        Self(Some(Node::new(&self.0, role, deadline)))
    }

    /// How the context ended, as far as somebody noticed.
    fn noticed(&self) -> Option<&Ended> {
        let node = self.0.as_ref().filter(|node| node.is_ended())?;
        node.noticed().map(|end| &end.ended)
    }
}

impl Default for Context {
    /// [`Context::root`].
    fn default() -> Self {
        Self::root()
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("cause", &self.noticed().map(Ended::cause))
            .field("remaining", &self.remaining())
            .finish_non_exhaustive()
    }
}
