//! State in one word, changed without a lock: [`Flags`], and state machines that are [`Packed`].
//!
//! Two atomics that belong together are never read or changed together: between the two another thread is right in
//! time. What fits into 64 bits can be one atomic, and then each change is seen whole or not at all.
//!
//! | you have | use |
//! |---|---|
//! | a handful of yes or no | [`Flags`] |
//! | a phase, with a counter or a generation that belongs to it | [`Packed`] |
//! | one number | an atomic of std |
//! | more than 64 bits, or something that waits for a change | a `Mutex`, `tokio::sync::watch` |

mod field;
mod flags;
mod state;

pub use self::field::Field;
pub use self::flags::{Flag, Flags, Set};
pub use self::state::{Pack, Packed, Step};
