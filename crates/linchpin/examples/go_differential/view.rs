//! What a script's world looks like after a step, and the differences between Go's words and ours that are on purpose.

use std::fmt;

use linchpin::context::Cause;
use serde::Deserialize;

use super::script::{KEYS, LATE};

/// Every node and every callback, in the order in which they were made.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
pub(crate) struct View {
    pub(crate) nodes: Vec<NodeView>,
    pub(crate) callbacks: Vec<CallbackView>,
}

#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
pub(crate) struct NodeView {
    /// What Go's `ctx.Err()` is.
    pub(crate) err: Fate,
    /// What Go's `context.Cause(ctx)` says; empty while the node is live.
    pub(crate) cause: String,
    /// Whether Go's `ctx.Done()` is closed; whether our waiter was woken and is through.
    pub(crate) done: bool,
    /// In milliseconds since the start.
    pub(crate) deadline: Option<u64>,
    /// Empty where there is none.
    pub(crate) values: [String; KEYS],
}

#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
pub(crate) struct CallbackView {
    pub(crate) state: State,
    /// What each call of `stop` returned.
    pub(crate) stops: Vec<bool>,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Fate {
    Live,
    Cancelled,
    Deadline,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    Pending,
    Ran,
    Stopped,
}

const CANCELED: &str = "context canceled";
const DEADLINE_EXCEEDED: &str = "context deadline exceeded";

/// Go's two answers, `ctx.Err()` and `context.Cause(ctx)`, for our one.
///
/// Where an owner is dropped, Go's idiom is `defer cancel()`: no cause, so Go says that it was cancelled.
pub(crate) fn in_gos_words(cause: Option<&Cause>) -> (Fate, String) {
    match cause {
        None => (Fate::Live, String::new()),
        Some(Cause::Deadline) => (Fate::Deadline, DEADLINE_EXCEEDED.to_owned()),
        Some(Cause::Cancelled | Cause::Dropped) => (Fate::Cancelled, CANCELED.to_owned()),
        Some(other) => (Fate::Cancelled, other.to_string()),
    }
}

/// Go's view without what we do not have on purpose.
///
/// 1. A deadline has no cause of its own: `WithTimeoutCause` and `WithDeadlineCause` end as `WithTimeout` does.
/// 2. A merged context that ends by the other parent's deadline has ended by a deadline. Go's recipe for it cancels with
///    the deadline as the cause.
pub(crate) fn without_late_causes(mut view: View) -> View {
    for node in &mut view.nodes {
        if node.cause == LATE || node.cause == DEADLINE_EXCEEDED {
            node.err = Fate::Deadline;
            DEADLINE_EXCEEDED.clone_into(&mut node.cause);
        }
    }
    view
}

impl fmt::Display for NodeView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.err {
            Fate::Live => f.write_str("live")?,
            Fate::Cancelled => write!(f, "cancelled ({})", self.cause)?,
            Fate::Deadline => write!(f, "deadline ({})", self.cause)?,
        }
        f.write_str(if self.done { ", done" } else { ", not done" })?;
        if let Some(deadline) = self.deadline {
            write!(f, ", until {deadline} ms")?;
        }
        let set = self.values.iter().enumerate().filter(|(_, value)| !value.is_empty());
        set.into_iter().try_for_each(|(key, value)| write!(f, ", k{key}={value}"))
    }
}

impl fmt::Display for CallbackView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}, stop returned {:?}", self.state, self.stops)
    }
}
