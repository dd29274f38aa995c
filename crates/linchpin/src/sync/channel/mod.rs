//! Channels whose every operation has a form that does not wait, and whose waits end with a context.
//!
//! Go's channels in `select` with a `default`, or with `ctx.Done()`. What differs on purpose: what could not be sent
//! comes back, a send on a closed channel is an error and no panic, and what happens when there is no room is said
//! where the channel is made.
//!
//! | when there is no room | use | the sender |
//! |---|---|---|
//! | wait | [`bounded`] | [`send`](Sender::send) waits, [`try_send`](Sender::try_send) gives the value back |
//! | lose the oldest | [`lossy`] with [`Overflow::DropOldest`] | never waits, gets the oldest |
//! | lose the newest | [`lossy`] with [`Overflow::DropNewest`] | never waits, gets its own back |
//! | keep the latest alone | [`latest`] | never waits, gets the one before |
//!
//! A bounded channel *is* tokio's `mpsc`, which it converts from and to: this module adds the context and the words.
//! There is none without a bound, and none without a place at all: Go's unbuffered channel, where a send waits for its
//! receiver, is a `bounded(1)` whose messages carry a `oneshot` to answer with.
//!
//! ```
//! # use linchpin::{Context, sync::channel::{self, TrySendError}};
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> linchpin::Result<()> {
//! let ctx = Context::root();
//! let (jobs, mut inbox) = channel::bounded(1)?;
//! jobs.send(&ctx, "first").await?;
//! assert_eq!(jobs.try_send("second"), Err(TrySendError::Full("second")));
//! assert_eq!(inbox.recv(&ctx).await?, "first");
//! # Ok(())
//! # }
//! ```

mod error;
mod lossy;
mod waiting;

pub use self::error::{Closed, RecvError, SendError, TryRecvError, TrySendError};
pub use self::lossy::{LossyReceiver, LossySender, Overflow, Sent, latest, lossy};
pub use self::waiting::{Permit, Receiver, Sender, bounded};
