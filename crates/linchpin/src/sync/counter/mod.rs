//! Numbers that many threads change: a [`Counter`] that hardly costs anything, a [`Gauge`] that remembers its peak.
//!
//! Go has `atomic.AddInt64` for both. Where several processors add to one word they wait for its cache line in turn, and
//! each pays for the others. A `Counter` has a cell for each thread, and is read by adding the cells up.
//!
//! | you count | use |
//! |---|---|
//! | events, often, and read the sum seldom | [`Counter`] |
//! | what is under way, and how much it was at most | [`Gauge`] |
//! | what is counted seldom, or must be exact together with something else | an `AtomicU64`, or [`Packed`](super::packed::Packed) |
//! | for an exporter of metrics | the `metrics` facade |

mod gauge;
mod sharded;

pub use self::gauge::{Gauge, Held, Reading};
#[cfg(all(test, linchpin_loom))]
pub(crate) use self::sharded::Cells;
pub use self::sharded::Counter;
