//! What tasks hand to one another and share, and how they wait for several things at once.
//!
//! | you want | use |
//! |---|---|
//! | to hand values on, waiting where there is no room | [`channel::bounded`] |
//! | never to wait for a slow receiver | [`channel::lossy`], [`channel::latest`] |
//! | to wait for the first of several | [`select`] |
//! | to guard a value for a moment, deadlocks found in debug builds | [`Mutex`], [`RwLock`] |
//! | that all who care are told, each at its own pace | [`bus`] |
//! | to wait until something has happened, or nothing is under way | [`event`] |
//! | a value that many look at, the latest | [`watched`] |
//! | to do for many at once what callers ask for one by one | [`batch`] |
//! | to bound how much of something is in use | [`semaphore`] |
//! | that many who share places take turns, and the slow leave some to the others | [`lanes`] |
//! | a value that is made once, or again when it is stale | [`once`] |
//! | to fetch what a key stands for once for all who ask at the same time | [`singleflight`] |
//! | a map, or a lock for each key, that many threads use | [`striped`] |
//! | to use objects and buffers again instead of making them | [`object_pool`] |
//! | to count, and to know a level and its peak | [`counter`] |
//! | flags, or a state machine, in one word | [`packed`] |
//! | values when a burst is over, or at most so often | [`debounce`](crate::task::debounce), [`throttle`](crate::task::throttle) |
//!
//! What tokio's own primitives do well is not repeated here: `oneshot` for one answer, `Notify` to wake one of many;
//! each of them waits under [`Context::run`].
//!
//! [`Context::run`]: crate::Context::run

pub mod batch;
pub(crate) mod biased;
pub mod bus;
pub mod channel;
pub mod counter;
pub mod event;
pub mod lanes;
pub mod lock;
pub(crate) mod mailbox;
pub mod object_pool;
pub mod once;
pub mod packed;
pub(crate) mod seat;
pub mod select;
pub mod semaphore;
pub mod singleflight;
pub mod striped;
pub(crate) mod waiters;
pub mod watched;

pub use self::lock::mutex::Mutex;
pub use self::lock::rwlock::RwLock;
pub use self::once::{Lazy, Once};
pub use self::semaphore::Semaphore;
