//! To wait until something is so: an event, a latch, a wait group, a barrier. Each wait ends with its context.
//!
//! | you wait until | use | Go |
//! |---|---|---|
//! | something has happened, perhaps not for the last time | [`Event`] | a closed channel; `sync.Cond` with `Broadcast` |
//! | so many things have happened | [`Latch`] | `sync.WaitGroup` with `Add(n)` before |
//! | nothing is under way any more | [`WaitGroup`] | `sync.WaitGroup` |
//! | all the others have come this far | [`Barrier`] | – |
//! | a value is such | [`Viewer::wait_for`](super::watched::Viewer::wait_for) | `sync.Cond` in a loop |
//! | one of many should wake, and which does not matter | tokio's `Notify` | `sync.Cond` with `Signal` |
//! | tasks have ended | [`Tracker`](crate::task::Tracker), [`Group`](crate::task::Group) | `sync.WaitGroup` with `Go` |
//!
//! What tokio's own lack: `Notify::notify_waiters` is forgotten at once, so whoever comes a moment later waits for ever,
//! where an event stays. Tokio's `Barrier` counts who was dropped while it waited, and so is out of step from then on.
//! There is neither a latch nor a wait group.
//!
//! ```
//! # use linchpin::{Context, sync::event::{Event, WaitGroup}, task};
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> linchpin::Result<()> {
//! let ctx = Context::root();
//! let (warm, requests) = (Event::new(), WaitGroup::new());
//! let request = (warm.clone(), requests.begin());
//! let task = task::spawn("request", async move {
//!     let (warm, _under_way) = request;
//!     warm.wait(&Context::root()).await
//! });
//! assert_eq!(requests.len(), 1);
//! warm.set();
//! requests.wait(&ctx).await?;
//! # task.join().await?;
//! # Ok(())
//! # }
//! ```

mod barrier;
mod countdown;
mod flag;
mod latch;
mod wait_group;

#[cfg(all(test, linchpin_loom))]
pub(crate) use self::barrier::Arrivals;
pub use self::barrier::{Barrier, Passed};
#[cfg(all(test, linchpin_loom))]
pub(crate) use self::countdown::Countdown;
pub use self::flag::Event;
pub use self::latch::Latch;
pub use self::wait_group::{UnderWay, WaitGroup};
