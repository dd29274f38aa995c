//! The first of several waits, without a macro.
//!
//! Go's `select`. The context is a branch of every wait here and need not be written; a branch that is not to be
//! waited for now is [`maybe`] of `None`, Go's nil channel; the `default` is [`try_now`].
//!
//! | you have | use |
//! |---|---|
//! | two to four different waits, none before the others | [`fair`] |
//! | the same, in the order of their weight | [`biased`] |
//! | many of one kind, that come and go | [`Set`] |
//! | one that must not take longer | [`within`] |
//! | one that may be ready now, or else not | [`try_now`] |
//!
//! **What loses is dropped**, in the middle of its wait. That is harmless if it is *cancel safe*, as every wait of this
//! toolkit says about itself; a `read_exact`, a `write_all`, a `send` that owns its value lose what they had. Such a
//! future is made once, outside the loop, and lent: `&mut future`, pinned.
//!
//! ```
//! # use linchpin::{Context, sync::{channel, select::{self, Two}}, task::Ticker};
//! # use std::time::Duration;
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> linchpin::Result<()> {
//! # let ctx = Context::root();
//! let (jobs, mut inbox) = channel::bounded(8)?;
//! let mut ticker = Ticker::every(Duration::from_secs(60))?;
//! jobs.try_send("job")?;
//! for _ in 0..2 {
//!     match select::fair(&ctx, (inbox.recv(&ctx), ticker.tick(&ctx))).await? {
//!         Two::First(job) => assert_eq!(job?, "job"),
//!         Two::Second(tick) => drop(tick?),
//!     }
//! }
//! # Ok(())
//! # }
//! ```

mod branches;
mod set;
mod woken;

use std::future::pending;
use std::pin::pin;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::task::coop::unconstrained;

pub use self::branches::{Branches, Four, Three, Two};
pub use self::set::Set;
use crate::context::{Context, Ended};
use crate::time::Instant;

/// Waits for the first of `branches`, a tuple of two to four futures; if several are ready, one of them by chance.
///
/// So none of them can starve the others, which in Go is the rule of `select`. Each that is ready has the same chance,
/// wherever it stands; `tokio::select!` begins anywhere and goes on in turn, so a branch behind idle ones has theirs,
/// too. Allocates nothing.
///
/// # Errors
///
/// [`Ended`] when the context ends first, and without polling any if it had ended before. If it ends while a branch
/// gets ready, the branch wins.
///
/// # Cancel safety
///
/// As safe as its branches: those that lose are dropped, and with this future all of them.
pub async fn fair<B: Branches>(ctx: &Context, branches: B) -> Result<B::Output, Ended> {
    // Pinned here, and so not moved about.
    ctx.run(pin!(branches.first(true))).await
}

/// Waits for the first of `branches`; if several are ready, the one that stands first.
///
/// For what must go before: a stop before work, a reply before a timeout. A branch that is ready all the time starves
/// those behind it.
///
/// # Errors
///
/// As [`fair`].
///
/// # Cancel safety
///
/// As [`fair`].
pub async fn biased<B: Branches>(ctx: &Context, branches: B) -> Result<B::Output, Ended> {
    ctx.run(pin!(branches.first(false))).await
}

/// Waits for `work` for so long at most; `None` if it takes longer. Receive with a timeout.
///
/// If both at once, the result wins. [`Context::with_timeout`] instead makes the time part of what is handed down.
///
/// # Errors
///
/// [`Ended`] when the context ends first.
///
/// # Cancel safety
///
/// As safe as `work`, which is dropped with this future and when the time is over.
pub async fn within<F: Future>(
    ctx: &Context,
    limit: Duration,
    work: F,
) -> Result<Option<F::Output>, Ended> {
    let until = Instant::now() + limit;
    ctx.run(tokio::time::timeout_at(until.into_tokio(), work)).await.map(Result::ok)
}

/// What `work` is ready with now; `None` if it would have to wait. Receive or default.
///
/// It is polled once, outside of the budget that tokio gives a task for one turn: within, what is ready may say that it
/// is not, when the task has done much in this turn. In a loop something else must wait, or nobody else runs.
///
/// `work` is dropped if it is not ready, so it must be cancel safe.
pub fn try_now<F: Future>(work: F) -> Option<F::Output> {
    unconstrained(work).now_or_never()
}

/// Waits for `work` if there is any, and for ever if not: a branch that is switched off, Go's nil channel.
///
/// ```
/// # use linchpin::sync::select;
/// # let mut inbox = Some(1);
/// assert_eq!(select::try_now(select::maybe(inbox.take().map(std::future::ready))), Some(1));
/// assert_eq!(select::try_now(select::maybe(inbox.take().map(std::future::ready))), None);
/// ```
///
/// # Cancel safety
///
/// As safe as `work`.
pub async fn maybe<F: Future>(work: Option<F>) -> F::Output {
    match work {
        Some(work) => work.await,
        None => pending().await,
    }
}
