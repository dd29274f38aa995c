//! Locks that tell: std's mutex and rwlock, which in debug builds find deadlocks before they strike.
//!
//! For short sections that do not wait. A release build has std's lock and nothing else: same size, same instructions. A
//! debug build (`debug_assertions`) notes which locks a thread holds when it takes another, and tells each mistake with
//! the lines that made it:
//!
//! | [`Report`] | what happened | when it is told |
//! |---|---|---|
//! | `Inversion` | locks were taken in orders that close a circle, on whatever threads, one after the other | before the lock is taken that closes it, the first time |
//! | `Relock` | a thread took a lock that it holds, or reads one twice, which hangs if a writer comes between | instead of hanging |
//! | `AcrossAwait` | a listed task, or a [`checked`] future, waits with a guard in hand | when its poll returns |
//! | `LongHold` | a lock was held for longer than a [bound](set_hold_bound) | when it is given back |
//!
//! Told means: a `tracing` event, an error or for a long hold a warning; and one in `linchpin_lock_reports_total`, by
//! `kind`. Under the feature `testing` all but a long hold also panic, each time, so that the test fails whose course
//! it was. A `Relock` that would hang panics in every debug build. A test that wants the reports makes a
//! `Collector`.
//!
//! ```
//! use linchpin::sync::{Mutex, RwLock};
//!
//! static ROUTES: RwLock<Vec<&str>> = RwLock::named("routes", Vec::new());
//!
//! let hits = Mutex::new(0);
//! *hits.lock() += 1;
//! ROUTES.write().push("/");
//! assert_eq!((*hits.lock(), ROUTES.read().len()), (1, 1));
//! ```
//!
//! # What counts as one lock
//!
//! Two locks are of one *kind* if one line made them, or one name was given to both. Between kinds the order of the kinds
//! counts, whichever locks it was: two tests that each take one order, on locks of their own, together show the
//! deadlock. Within a kind each lock counts for itself, so the stripes of an array may be taken in the order of their
//! indices, or the nodes of a tree from the root down; only who takes the same two both ways is told. Linux's lockdep
//! knows kinds alone, and wants such cases annotated; most Rust crates know single locks alone, and find what one
//! run does to the very same locks.
//!
//! [`both`] takes two locks of one kind in an order that cannot deadlock.
//!
//! # The edges
//!
//! | what happens | what is told |
//! |---|---|
//! | a `try_lock` under another lock | nothing: it does not wait. What is taken under it counts |
//! | a `try_lock` of a lock that this thread holds | nothing: it answers `None` |
//! | reads in two orders | an `Inversion`: readers wait for a writer that waits |
//! | two orders under one outer lock, or never at the same time | an `Inversion`: nothing says that it stays so |
//! | two kinds that are really nested both ways, such as levels of a tree | an `Inversion`: [name](crate::sync::Mutex::named) them apart |
//! | a constructor is handed on: `map(Mutex::new)`, `or_default()` | the line is std's and makes no kind: each such lock counts for itself |
//! | a lock is dropped | its orders as a single lock are forgotten, those of its kind stay |
//! | more than four thousand orders of single locks | they are forgotten, and learnt anew |
//! | a guard is leaked | the lock is held by that thread for ever, here as in std |
//! | a lock on a thread that is ending, in the drop of a thread-local | may go unnoticed |
//! | something is told while something is told on the same thread | it is not |
//!
//! # What else there is
//!
//! | you want | use |
//! |---|---|
//! | to hold it across an await | tokio's `Mutex`; better, a task that owns the value |
//! | a `Condvar` | std's `Mutex` with it; in async code a channel or tokio's `Notify` |
//! | a number | an atomic |
//! | to know that a holder panicked | std's `Mutex`, which poisons. These are taken all the same: the state must be whole between any two statements under the lock |
//! | these checks in an optimised build | `debug-assertions = true` in its profile |

#[cfg(debug_assertions)]
mod checked;
#[cfg(feature = "testing")]
mod collector;
mod future;
#[cfg(debug_assertions)]
mod held;
pub(super) mod mutex;
#[cfg(debug_assertions)]
mod orders;
mod report;
pub(super) mod rwlock;
#[cfg(debug_assertions)]
mod tell;
#[cfg(not(debug_assertions))]
mod unchecked;

use std::time::Duration;

#[cfg(debug_assertions)]
use self::checked as imp;
#[cfg(feature = "testing")]
pub use self::collector::Collector;
pub use self::future::checked;
pub(crate) use self::imp::Mark;
pub use self::mutex::{MutexGuard, both};
pub use self::report::{Access, Order, Report, Taken};
pub use self::rwlock::{ReadGuard, WriteGuard};
#[cfg(not(debug_assertions))]
use self::unchecked as imp;

/// The longest that any lock of the process may be held before it is told. Default: 100 milliseconds.
///
/// By the clock of [`time`](crate::time). What is held for as long as the bound is told; `Duration::MAX` tells nothing.
/// Without debug assertions it does nothing.
pub fn set_hold_bound(bound: Duration) {
    imp::set_hold_bound(bound);
}
