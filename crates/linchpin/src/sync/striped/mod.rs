//! One lock made of many, so that those who work on different keys do not wait for each other.
//!
//! Go writes `shards[hash(key)%N].mu.Lock()`, or takes a `sync.Map`. Here [`Lock`] stripes any value, and [`Map`] is a
//! map that is striped. A reader of either shares no cache line with another reader, unless somebody has just written.
//!
//! | you have | use |
//! |---|---|
//! | keys and values that many threads look up | [`Map`] |
//! | state of your own for each key, or for several keys at once | [`Lock`] |
//! | one value that hardly ever changes | `tokio::sync::watch`, or an `RwLock<Arc<T>>` |
//! | entries that expire, or must not grow beyond a bound | a cache |
//! | something to await while the key is held | a `Map` whose values are `Arc<tokio::sync::Mutex<T>>` |
//!
//! # No guard
//!
//! What is locked is seen by a closure, and by nothing else: no guard is ever handed out. A guard that lives across an
//! `.await` holds its stripe while other tasks run, and one of them blocks the very thread that would have let it go. A
//! closure cannot await, so that this cannot be written. It should be short for the same reason: whoever wants its
//! stripe waits, and blocks its thread meanwhile.
//!
//! A closure must not come back to the `Lock` or `Map` that it was called by, under any key: two threads that do may wait
//! for each other for ever. Builds with debug assertions panic there, each time, and name both places. In other
//! builds such a program works until it hangs. For several keys at once there is [`Lock::write_all`].
//!
//! A closure that panics leaves what it has done so far, and the stripe goes on working: nothing is poisoned.

mod lock;
mod map;
mod map_each;
pub(crate) mod stripes;

pub use self::lock::{Held, Lock};
pub use self::map::Map;
pub use self::map_each::Iter;
#[cfg(all(test, linchpin_loom))]
pub(crate) use self::stripes::Stripes;
