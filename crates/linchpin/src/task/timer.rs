//! Something to do once, later.

use std::future::poll_fn;
use std::task::{Context as Poller, Poll, ready};
use std::time::Duration;

use crate::context::{Context, Ended};
use crate::time::{Instant, Nap};

/// Fires once, at a moment that can be put off, brought forward or withdrawn.
///
/// Go's `time.Timer`, pulled instead of pushed: it fires in [`wait`](Self::wait) and nowhere else. So there is no
/// channel that may hold a stale value after `Reset` or `Stop`, nothing to drain before either, and both answer exactly:
/// whether the timer was armed and had not fired. A timer is its owner's alone; what other
/// tasks are to put off is a [`debounce`](super::debounce).
///
/// For a plain wait use [`Context::sleep`]; to bound another wait [`Context::with_timeout`]; to repeat
/// [`Ticker`](super::Ticker). Go's `AfterFunc` is a task that waits first: [`spawn`](super::spawn).
///
/// ```
/// # use std::time::Duration;
/// # use linchpin::{Context, task::Timer};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> linchpin::Result<()> {
/// let ctx = Context::root();
/// let mut idle = Timer::after(Duration::from_secs(30));
/// assert!(idle.reset(Duration::from_millis(1))); // something came in: it was still armed
/// idle.wait(&ctx).await?;
/// assert!(!idle.stop()); // too late
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Timer {
    at: Option<Instant>,
    nap: Nap,
}

impl Timer {
    /// A timer that fires so long from now; at once for zero.
    #[must_use]
    pub fn after(delay: Duration) -> Self {
        Self::at(Instant::now() + delay)
    }

    /// A timer that fires at `moment`; at once if that has passed.
    #[must_use]
    pub fn at(moment: Instant) -> Self {
        Self { at: Some(moment), nap: Nap::default() }
    }

    /// A timer that is not armed, to be [reset](Self::reset) later.
    #[must_use]
    pub fn stopped() -> Self {
        Self { at: None, nap: Nap::default() }
    }

    /// Waits until the timer fires, and gives the moment it was armed for. One that is not armed never fires.
    ///
    /// # Errors
    ///
    /// [`Ended`] when the context ends first, and at once if its deadline is before the timer's moment. The timer is
    /// as before then.
    ///
    /// # Panics
    ///
    /// If it has to wait outside a tokio runtime with timers. The one where it first waits keeps it.
    ///
    /// # Cancel safety
    ///
    /// Safe: a timer whose firing was not returned is still armed.
    pub async fn wait(&mut self, ctx: &Context) -> Result<Instant, Ended> {
        let Some(at) = self.at else {
            ctx.check()?;
            return Err(ctx.cancelled().await.into());
        };
        ctx.run_until(at, poll_fn(|cx| self.poll_fire(cx))).await
    }

    /// The form of [`wait`](Self::wait) for streams and bodies written by hand, which are polled and have no context.
    ///
    /// One that is not armed is pending and leaves no waker: arm it first.
    ///
    /// # Panics
    ///
    /// As [`wait`](Self::wait).
    pub fn poll_fire(&mut self, cx: &mut Poller<'_>) -> Poll<Instant> {
        let Some(at) = self.at else { return Poll::Pending };
        ready!(self.nap.poll(at, cx));
        self.at = None;
        Poll::Ready(at)
    }

    /// Lets it fire so long from now. Whether it was armed and had not fired.
    pub fn reset(&mut self, delay: Duration) -> bool {
        self.reset_at(Instant::now() + delay)
    }

    /// Lets it fire at `moment`. Whether it was armed and had not fired.
    pub fn reset_at(&mut self, moment: Instant) -> bool {
        self.at.replace(moment).is_some()
    }

    /// Withdraws it: it does not fire unless it is reset. Whether it was armed and had not fired.
    pub fn stop(&mut self) -> bool {
        self.at.take().is_some()
    }

    /// When it fires; `None` if it is not armed.
    #[must_use]
    pub fn moment(&self) -> Option<Instant> {
        self.at
    }
}
