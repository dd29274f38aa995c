//! Values at most so often.
//!
//! A progress bar, a position, a gauge: every value may be the last, and none must come too soon after the one before.
//! Go's `rate.Sometimes` with an `Interval` is its leading edge.
//!
//! ```
//! # use std::time::Duration;
//! # use linchpin::{Context, task::throttle::{self, Options}};
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> linchpin::Result<()> {
//! let ctx = Context::root();
//! let (progress, mut shown) = throttle::channel(Duration::from_millis(5), Options::default())?;
//! progress.push(1)?;
//! assert_eq!(shown.next(&ctx).await?, 1); // at once
//! for percent in 2..=9 {
//!     progress.push(percent)?;
//! }
//! assert_eq!(shown.next(&ctx).await?, 9); // five milliseconds later
//! # Ok(())
//! # }
//! ```
//!
//! It thins values out. What must all be done, and not too fast, needs a limiter; what is to be done when values stop
//! coming a [`debounce`](super::debounce).

use std::time::Duration;

use super::pace::{self, Edge, Pace, Paced, Pusher, Throttle};
use crate::resilience::BadOptions;

/// How a throttle tells what to hand on. By default the first value of a burst at once, and the last when it is time.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    edge: Edge,
}

/// A throttle: the receiver gets a value at most once in `interval`, counted from when it last got one.
///
/// With [`Edge::Trailing`] the first value of a burst waits for an interval, too. What is there when the last pusher
/// is dropped still waits for its time; [`flush`](Paced::flush) does not.
///
/// # Errors
///
/// If `interval` is zero.
pub fn channel<T>(
    interval: Duration,
    options: Options,
) -> Result<(Pusher<T>, Paced<T>), BadOptions> {
    if interval.is_zero() {
        return Err(BadOptions::new("throttle", "an interval of zero holds nothing back"));
    }
    Ok(pace::channel(Pace::Throttle(Throttle::new(interval, options.edge))))
}

// ===== impl Options =====

impl Options {
    /// Which values of a burst are handed on. Default: both the first and the last.
    #[must_use]
    pub fn edge(mut self, edge: Edge) -> Self {
        self.edge = edge;
        self
    }
}

impl Default for Options {
    fn default() -> Self {
        Self { edge: Edge::Both }
    }
}
