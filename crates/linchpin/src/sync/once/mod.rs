//! Values that are made once: by the first who needs them, and by nobody twice.
//!
//! | you have | use |
//! |---|---|
//! | the work where the value is needed | [`Once`] |
//! | the work where the value is declared: a `static`, a field | [`Lazy`] |
//! | a value that becomes stale while it is in use | [`Renewable`] |
//! | a value for each key, shared only while it is made | [single flight](crate::sync::singleflight) |
//! | a value that is set from outside and waited for | tokio's `watch`, `SetOnce` |
//! | work that cannot fail nor panic, and threads alone | std's `OnceLock`, `LazyLock` |

mod cell;
mod lazy;
mod renew;
mod turn;
mod wait;

pub use self::cell::Once;
pub use self::lazy::Lazy;
pub use self::renew::{Current, Renewable};
#[cfg(all(test, linchpin_loom))]
pub(crate) use self::turn::{Found, Turns};
