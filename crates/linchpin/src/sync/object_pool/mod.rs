//! Objects and buffers that are used again: Go's `sync.Pool`, with caps, a reset and a count of what is out.
//!
//! ```
//! # use linchpin::sync::object_pool::{ObjectPool, Options};
//! # fn main() -> linchpin::Result<()> {
//! let lines = ObjectPool::new(Vec::<String>::new, Options::default().reset(Vec::clear))?;
//! let mut line = lines.take();
//! line.push("one".to_owned());
//! drop(line);
//! assert!(lines.take().is_empty());
//! let mine: Vec<String> = lines.take().detach();
//! # drop(mine);
//! # Ok(())
//! # }
//! ```
//!
//! It has nothing to do with [`task::pool`](crate::task::pool), which has workers.

mod budget;
mod buffer;
mod buffers;
mod hooks;
mod objects;
mod options;
mod pooled;
mod seats;
mod stats;
mod stock;

#[cfg(all(test, linchpin_loom))]
pub(crate) use self::budget::Budget;
pub use self::buffer::Buffer;
pub use self::buffers::BufferPool;
pub use self::objects::ObjectPool;
pub use self::options::{BufferOptions, Options};
pub use self::pooled::Pooled;
pub use self::stats::Stats;
#[cfg(all(test, linchpin_loom))]
pub(crate) use self::stock::{Keeper, Stock};

/// A pool that goes while something is out: a guard was forgotten, since all others hold the pool.
fn tell_leak(pool: &'static str, stats: Stats) {
    if stats.out > 0 {
        tracing::warn!(pool, out = stats.out, "a pool ends and something was never given back");
    }
}
