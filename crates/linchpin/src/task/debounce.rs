//! Values when a burst of them is over.
//!
//! A file is saved in five writes, a user types a word: what is to be done once, afterwards, waits until nothing came
//! for a while. Go has nothing of the kind; there it is a `time.Timer` that is reset under a mutex.
//!
//! ```
//! # use std::time::Duration;
//! # use linchpin::{Context, task::debounce::{self, Options}};
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> linchpin::Result<()> {
//! let (changes, mut settled) = debounce::channel(Duration::from_millis(5), Options::default())?;
//! for version in 1..=3 {
//!     changes.push(version)?;
//! }
//! assert_eq!(settled.next(&Context::root()).await?, 3); // five milliseconds later, once
//! # Ok(())
//! # }
//! ```
//!
//! A stream of values that never pauses is never over: bound the wait with [`max_wait`](Options::max_wait), or use a
//! [`throttle`](super::throttle), which hands on at most so often, and at least.

use std::time::Duration;

use super::pace::{self, Debounce, Edge, Pace, Paced, Pusher};
use crate::resilience::BadOptions;

/// How a debounce tells what to hand on. By default the last value, when the burst is over, however long it is.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    edge: Edge,
    max_wait: Option<Duration>,
}

/// A debounce: the receiver gets a value when none has come for `quiet`.
///
/// A value that nobody fetches in time is replaced by the next burst's. When the last pusher is dropped, what is there
/// is handed on at once.
///
/// # Errors
///
/// If `quiet` is zero, [`max_wait`](Options::max_wait) shorter, or set where nothing waits ([`Edge::Leading`]).
pub fn channel<T>(quiet: Duration, options: Options) -> Result<(Pusher<T>, Paced<T>), BadOptions> {
    let Options { edge, max_wait } = options;
    let bad = |why: String| Err(BadOptions::new("debounce", why));
    if quiet.is_zero() {
        return bad("a quiet time of zero holds nothing back".to_owned());
    }
    if let Some(most) = max_wait {
        if edge == Edge::Leading {
            return bad("only the first of a burst is handed on, so none waits".to_owned());
        }
        if most < quiet {
            return bad(format!("the longest wait, {most:?}, is shorter than the quiet {quiet:?}"));
        }
    }
    Ok(pace::channel(Pace::Debounce(Debounce::new(quiet, max_wait, edge))))
}

// ===== impl Options =====

impl Options {
    /// Which values of a burst are handed on. Default: the last.
    #[must_use]
    pub fn edge(mut self, edge: Edge) -> Self {
        self.edge = edge;
        self
    }

    /// The longest that a value waits for its burst to be over. Default: as long as that takes.
    #[must_use]
    pub fn max_wait(mut self, wait: Duration) -> Self {
        self.max_wait = Some(wait);
        self
    }
}

impl Default for Options {
    fn default() -> Self {
        Self { edge: Edge::Trailing, max_wait: None }
    }
}
