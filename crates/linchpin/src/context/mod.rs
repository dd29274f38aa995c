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

mod cause;
mod wait;

use std::any::Any;
use std::fmt;
use std::ops::Deref;
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::task::Poll;
use std::time::Duration;

pub use self::cause::{Cause, Ended};
pub use self::wait::Cancelled;
use self::wait::Waiters;
use crate::time::Instant;

/// A place in a tree of work: when it must end, why it ended, and what travels with it.
///
/// One pointer wide; clones share the same place. A context is never live after its parent has ended and never has a
/// later deadline than its parent. Dropping a `Context` ends nothing; dropping the [`Child`] that made it does.
///
/// Creating and dropping a child is one allocation and leaves nothing behind in its parent: a parent does not know
/// its children. Ending a context is therefore the same work for ten children and for ten thousand, and it wakes
/// exactly those who wait.
#[derive(Clone)]
pub struct Context(Arc<Node>);

/// A [`Context`] with an owner: whoever holds the `Child` decides when it ends.
///
/// Dropping it ends the context with [`Cause::Dropped`], by cancellation and by panic too. Use
/// [`disarm`](Child::disarm) when the context must live on without an owner.
#[must_use = "dropping the child ends its context at once"]
pub struct Child {
    context: Context,
    armed: bool,
}

struct Node {
    parent: Option<Context>,
    /// Set once; its being set *is* the end of this node. Readers pair with the release in `OnceLock::set`.
    cause: OnceLock<Cause>,
    /// The earliest deadline from here to the root.
    deadline: Option<Instant>,
    value: Option<Box<dyn Any + Send + Sync>>,
    /// `None` where nobody can end this very node (a value, or the root of everything).
    waiters: Option<Waiters>,
}

// ===== impl Context =====

impl Context {
    /// A context with no parent, no deadline and no values, which ends only through its children's owners: never.
    ///
    /// It is where a program's tree begins; Go's `context.Background()`. To end it later, derive a
    /// [`child`](Self::child) and keep that.
    #[must_use]
    pub fn root() -> Self {
        Self::node(None, None, None, false)
    }

    /// A child that its owner can end.
    pub fn child(&self) -> Child {
        Child::new(Self::node(Some(self), self.0.deadline, None, true))
    }

    /// A child that also ends `timeout` from now, or with its parent's deadline if that is earlier.
    ///
    /// No timer is armed until somebody waits on the child.
    pub fn with_timeout(&self, timeout: Duration) -> Child {
        self.with_deadline(Instant::now() + timeout)
    }

    /// A child that also ends at `deadline`, or with its parent's deadline if that is earlier.
    pub fn with_deadline(&self, deadline: Instant) -> Child {
        let deadline = self.0.deadline.map_or(deadline, |parent| parent.min(deadline));
        Child::new(Self::node(Some(self), Some(deadline), None, true))
    }

    /// This context with `value` found by its type from here on down; an inner value of the same type wins.
    #[must_use]
    pub fn with_value<T: Send + Sync + 'static>(&self, value: T) -> Self {
        Self::node(Some(self), self.0.deadline, Some(Box::new(value)), false)
    }

    /// The nearest value of type `T`, from here towards the root.
    #[must_use]
    pub fn get<T: Send + Sync + 'static>(&self) -> Option<&T> {
        self.levels().find_map(|node| node.value.as_deref()?.downcast_ref())
    }

    /// Whether this context has ended, as far as anybody noticed.
    ///
    /// One atomic load a level and no clock: a deadline that passed unseen is not seen here either. Loops that must
    /// not overrun use [`check`](Self::check).
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.levels().any(|node| node.cause.get().is_some())
    }

    /// Refuses if the context has ended; reads the clock if there is a deadline.
    ///
    /// # Errors
    ///
    /// [`Ended`] with the cause.
    pub fn check(&self) -> Result<(), Ended> {
        match self.cause() {
            Some(cause) => Err(Ended::new(cause)),
            None => Ok(()),
        }
    }

    /// Why the context ended; `None` while it is live. Reads the clock if there is a deadline.
    #[must_use]
    pub fn cause(&self) -> Option<Cause> {
        if let Some(cause) = self.noticed() {
            return Some(cause.clone());
        }
        let deadline = self.0.deadline?;
        if Instant::now() < deadline {
            return None;
        }
        self.end(Cause::Deadline);
        self.noticed().cloned()
    }

    /// When the context ends at the latest.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.0.deadline
    }

    /// What is left until the deadline; zero once it has passed, `None` without one.
    #[must_use]
    pub fn remaining(&self) -> Option<Duration> {
        self.0.deadline.map(|deadline| deadline - Instant::now())
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
    pub async fn run<F: Future>(&self, work: F) -> Result<F::Output, Ended> {
        self.check()?;
        let mut work = pin!(work);
        let mut ended = pin!(self.cancelled());
        std::future::poll_fn(|cx| {
            if let Poll::Ready(output) = work.as_mut().poll(cx) {
                return Poll::Ready(Ok(output));
            }
            ended.as_mut().poll(cx).map(|cause| Err(Ended::new(cause)))
        })
        .await
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
        if self.remaining().is_some_and(|left| left < duration) {
            self.check()?;
            return Err(Ended::new(Cause::Deadline));
        }
        self.run(tokio::time::sleep(duration)).await
    }

    fn node(
        parent: Option<&Self>,
        deadline: Option<Instant>,
        value: Option<Box<dyn Any + Send + Sync>>,
        owned: bool,
    ) -> Self {
        Self(Arc::new(Node {
            parent: parent.cloned(),
            cause: OnceLock::new(),
            deadline,
            value,
            // A node with a deadline is ended by whoever notices, so it needs a place for waiters too.
            waiters: (owned || deadline.is_some()).then(Waiters::default),
        }))
    }

    fn levels(&self) -> impl Iterator<Item = &Node> {
        std::iter::successors(Some(&*self.0), |node| node.parent.as_ref().map(|parent| &*parent.0))
    }

    fn noticed(&self) -> Option<&Cause> {
        self.levels().find_map(|node| node.cause.get())
    }

    /// Ends this very node, unless it or an ancestor ended before: the first cause stays.
    fn end(&self, cause: Cause) {
        let cause = self.noticed().cloned().unwrap_or(cause);
        if self.0.cause.set(cause).is_ok()
            && let Some(waiters) = &self.0.waiters
        {
            waiters.wake_all();
        }
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
            .field("cause", &self.noticed())
            .field("remaining", &self.remaining())
            .finish_non_exhaustive()
    }
}

impl Drop for Node {
    /// Unlinks a long chain of ancestors one by one, where the compiler's own drop would recurse.
    fn drop(&mut self) {
        let mut parent = self.parent.take();
        while let Some(Context(node)) = parent {
            parent = Arc::into_inner(node).and_then(|mut node| node.parent.take());
        }
    }
}

// ===== impl Child =====

impl Child {
    fn new(context: Context) -> Self {
        Self { context, armed: true }
    }

    /// Ends the context with `cause`. The first cause stays; ending twice is harmless.
    pub fn cancel(&self, cause: impl Into<Cause>) {
        self.end(cause.into());
    }

    /// Gives the context free: it then ends only with its parent or its deadline.
    pub fn disarm(mut self) -> Context {
        self.armed = false;
        self.context.clone()
    }
}

impl Deref for Child {
    type Target = Context;

    fn deref(&self) -> &Context {
        &self.context
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.armed {
            self.context.end(Cause::Dropped);
        }
    }
}

impl fmt::Debug for Child {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Child").field(&self.context).finish()
    }
}
