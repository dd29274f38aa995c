//! Lets so many pass in so much time.
//!
//! | you have | use |
//! |---|---|
//! | one thing to protect, or one quota | [`Limiter`] |
//! | a quota for each customer, host or address | [`Keyed`] |
//! | the same for all processes together | [`Shared`](shared::Shared) |
//!
//! | you want | say | over the rate |
//! |---|---|---|
//! | to refuse | [`try_acquire`](Limiter::try_acquire), [`call`](Limiter::call), [`layer`](Limiter::layer) | a [`Refusal`] that knows when to come back |
//! | to wait | [`acquire`](Limiter::acquire), or [`Options::max_wait`] | one's turn, or a refusal at once if that would be too late |
//! | to know when | [`reserve`](Limiter::reserve) | a [`Reservation`], which can be given back |
//!
//! Whoever waits has its turn already: the wait is known beforehand, the line is first come first served by its making,
//! and nobody is woken to find that another was faster. Who is refused leaves no trace and costs nothing.
//!
//! The algorithm is an option ([`Options`]); each is a machine without I/O that is told the time. No timer and no task
//! belong to a limiter.

mod core;
mod counting;
mod decision;
mod ip;
mod keyed;
mod keys;
mod layer;
mod machine;
mod meters;
#[cfg(all(test, linchpin_loom))]
#[path = "../../model/limiter.rs"]
mod model;
mod options;
mod pace;
mod paced;
mod rate;
mod refuse;
mod reservation;
pub mod shared;
mod turned;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use self::core::Core;
pub use self::decision::Decision;
pub(super) use self::decision::Slot;
use self::decision::{Cause, No};
pub use self::ip::IpKey;
pub use self::keyed::{Keyed, KeyedOptions};
pub use self::layer::{Layer, Limited, LimitedFuture};
pub use self::options::Options;
use self::options::{LONGEST, nanos};
use self::paced::Short;
pub use self::rate::Rate;
use self::refuse::{POLICY, refusal};
use self::reservation::Home as _;
pub use self::reservation::Reservation;
use crate::context::Context;
use crate::resilience::{BadOptions, Failed, FailedKind, Refusal, Snapshot};
use crate::time::Instant;

/// A rate limiter. Clones share what is left.
///
/// With GCRA, which is the default, a visit costs a look at the clock, one load and one exchange, and takes no lock.
///
/// ```
/// # use linchpin::{Context, resilience::limiter::{self, Limiter, Rate}};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> linchpin::Result<()> {
/// let limiter = Limiter::new("api", Rate::per_second(100), limiter::Options::default().burst(2))?;
/// assert_eq!(limiter.try_acquire(1)?.remaining(), 1);
/// limiter.try_acquire(1)?;
/// let refusal = limiter.try_acquire(1).unwrap_err();
/// assert!(refusal.retry_after.is_some_and(|wait| wait.as_millis() <= 10));
/// limiter.acquire(&Context::root(), 1).await?; // waits for its turn
/// # Ok(())
/// # }
/// ```
///
/// It limits what begins in some time, not what is under way: for that take a
/// [`Bulkhead`](crate::resilience::bulkhead::Bulkhead). Against a callee that fails take a
/// [`Breaker`](crate::resilience::breaker::Breaker).
#[derive(Clone)]
pub struct Limiter {
    core: Arc<Core>,
}

// ===== impl Limiter =====

impl Limiter {
    /// A limiter of which nothing is used; `name` tells it apart in refusals, logs and metrics.
    ///
    /// # Errors
    ///
    /// If rate and options do not fit together, or the rate cannot be kept to a percent: an interval is a whole number of
    /// nanoseconds, rounded up.
    pub fn new(name: &'static str, rate: Rate, options: Options) -> Result<Self, BadOptions> {
        Ok(Self { core: Arc::new(Core::new(name, rate, options)?) })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.core.name
    }

    /// Its rate.
    #[must_use]
    pub fn rate(&self) -> Rate {
        self.core.settings().0
    }

    /// Takes `cost`, now. A cost of zero always passes, takes nothing and tells what there is.
    ///
    /// # Errors
    ///
    /// If that is not left; `retry_after` says how long to wait if nobody comes meanwhile. A cost above
    /// [`limit`](Decision::limit) is of kind `InvalidArgument` and has no `retry_after`: it can never pass.
    #[expect(clippy::inline_always, reason = "a few instructions that each visit has")]
    #[inline(always)]
    pub fn try_acquire(&self, cost: u32) -> Result<Decision, Refusal> {
        self.try_acquire_at(Instant::now(), cost)
    }

    /// The same for who knows what the time is.
    ///
    /// # Errors
    ///
    /// As [`try_acquire`](Self::try_acquire).
    #[expect(clippy::inline_always, reason = "a few instructions that each visit has")]
    #[inline(always)]
    pub fn try_acquire_at(&self, now: Instant, cost: u32) -> Result<Decision, Refusal> {
        match self.core.pass(now, cost) {
            Ok(slot) => {
                self.core.meters.passed();
                Ok(slot.decision)
            }
            Err(Short::Spent { limit, wait }) => Err(self.spent(limit, wait)),
            Err(Short::Unsure) => self.try_otherwise(now, cost),
        }
    }

    #[inline(never)]
    fn spent(&self, limit: u32, wait: u64) -> Refusal {
        let no = No { cause: Cause::Spent, retry_after: wait, used: limit.into(), limit };
        self.refuse(&no, false)
    }

    /// Looks; asks those who count; refuses more than what is left.
    #[inline(never)]
    fn try_otherwise(&self, now: Instant, cost: u32) -> Result<Decision, Refusal> {
        match self.visit(now, cost, 0) {
            Ok(slot) => Ok(slot.decision),
            Err(no) => Err(self.refuse(&no, false)),
        }
    }

    /// Takes `cost` for a time that is at most `max_wait` ahead.
    ///
    /// # Errors
    ///
    /// If it is further ahead: then nothing is taken, and `retry_after` is the wait. Of a leaky bucket also if its queue
    /// is full, and `retry_after` is the wait for a place. As [`try_acquire`](Self::try_acquire) for a cost that can never
    /// pass.
    pub fn reserve(&self, cost: u32, max_wait: Duration) -> Result<Reservation, Refusal> {
        let slot = self.take(Instant::now(), cost, nanos(max_wait))?;
        Ok(Reservation::new(slot, self.core.clone()))
    }

    /// Takes `cost` and waits for its turn.
    ///
    /// # Errors
    ///
    /// `Refused` at once, and nothing is taken, if the wait is longer than what the context leaves (equal is not longer),
    /// than the queue of a leaky bucket, or if the cost can never pass. `Ended` if the context has ended, or ends
    /// meanwhile.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives the turn back, as dropping a [`Reservation`] does.
    pub async fn acquire(&self, ctx: &Context, cost: u32) -> Result<Decision, Failed> {
        ctx.check()?;
        let now = Instant::now();
        let slot = self.take(now, cost, left(ctx, now))?;
        if slot.at <= now.to_bits() {
            return Ok(slot.decision);
        }
        Ok(Reservation::new(slot, self.core.clone()).wait(ctx).await?)
    }

    /// Calls `work` if the rate allows it.
    ///
    /// ```
    /// # use linchpin::{Context, resilience::limiter::{self, Limiter, Rate}};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> linchpin::Result<()> {
    /// # let ctx = Context::root();
    /// let limiter = Limiter::new("search", Rate::per_second(10), limiter::Options::default())?;
    /// let found = limiter.call(&ctx, || async { Ok::<_, std::io::Error>(7) }).await;
    /// assert_eq!(found.unwrap(), 7);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// `Refused` without `work` having been called, if there is no turn within [`Options::max_wait`] and what the context
    /// leaves; `Ended` if the context has ended, before or meanwhile; else what `work` failed with.
    ///
    /// # Panics
    ///
    /// If `work` does.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops `work` where it stands. Before its turn that is given back; what has begun is spent.
    pub async fn call<T, E, F, Fut>(&self, ctx: &Context, work: F) -> Result<T, Failed<E>>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        ctx.check()?;
        let now = Instant::now();
        let slot = self.take(now, 1, self.core.max_wait().min(left(ctx, now)))?;
        if slot.decision.wait > 0 {
            Reservation::new(slot, self.core.clone()).wait(ctx).await?;
            ctx.check()?;
        }
        ctx.run_on(work()).await?.map_err(|error| FailedKind::Callee(error).into())
    }

    /// This limiter before each call of a tower service. See [`Limited`].
    #[must_use]
    pub fn layer(&self) -> Layer {
        Layer::new(self.clone())
    }

    // ----- for operators

    /// Lets nothing pass before `until`, when one may: for who was told so by the callee (`Retry-After`). Turns that were
    /// given stay, but do not come back any more. An earlier time than one it was told before changes nothing.
    pub fn penalize(&self, until: Instant) {
        self.core.penalize(until);
        tracing::debug!(limiter = self.core.name, ?until, "penalized");
    }

    /// Takes another rate and other options from now on. What is owed stays: as many units of a burst as were used, at
    /// most the whole new one, and what a window has counted. Turns that were given stay, but do not come back any more.
    ///
    /// # Errors
    ///
    /// If they do not fit together, or are for another algorithm; nothing has changed then.
    pub fn reconfigure(&self, rate: Rate, options: Options) -> Result<(), BadOptions> {
        self.core.reconfigure(rate, options)?;
        tracing::info!(limiter = self.core.name, %rate, "the limiter has another rate");
        Ok(())
    }

    // ----- for people

    /// It as people look at it.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let seen = self.core.look(Instant::now());
        let rate = self.rate();
        let numbers = vec![
            ("limit", f64::from(seen.limit())),
            ("remaining", f64::from(seen.remaining())),
            ("per_second", f64::from(rate.count()) / rate.period().as_secs_f64()),
            ("reset_after", seen.reset_after().as_secs_f64()),
        ];
        let state = if seen.remaining() > 0 { "passing" } else { "spent" };
        Snapshot { policy: POLICY, instance: self.core.name, key: None, state, numbers }
    }

    // ----- for a stack

    /// The longest that calls wait.
    pub(super) fn max_wait(&self) -> Duration {
        Duration::from_nanos(self.core.max_wait())
    }

    /// Takes one, if one passes at once, as nearly all do; nothing is taken if not, nor told.
    #[inline]
    pub(super) fn pass_one(&self, now: Instant) -> Option<Slot> {
        let slot = self.core.pass(now, 1).ok()?;
        self.core.meters.passed();
        Some(slot)
    }

    /// Takes one, for a time that is no farther than what calls may wait and than `deadline`.
    pub(super) fn take_one(
        &self,
        now: Instant,
        deadline: Option<Instant>,
    ) -> Result<Slot, Refusal> {
        let longest = self.core.max_wait();
        let left = deadline.map_or(LONGEST, |deadline| deadline - now);
        self.take(now, 1, longest.min(nanos(left)))
    }

    /// The wait for a slot that lies ahead.
    pub(super) fn reservation(&self, slot: Slot) -> Option<Reservation> {
        (slot.decision.wait > 0).then(|| Reservation::new(slot, self.core.clone()))
    }

    /// Gives back what was taken for a call that another policy refused.
    #[cold]
    pub(super) fn undo(&self, slot: Slot) {
        self.core.undo(&slot.ticket);
    }

    // ----- inside

    /// Whether one passes at once, as nearly all do; nothing is taken if not, nor told.
    #[inline]
    fn passes(&self, now: Instant) -> bool {
        self.pass_one(now).is_some()
    }

    fn take(&self, now: Instant, cost: u32, max_wait: u64) -> Result<Slot, Refusal> {
        self.visit(now, cost, max_wait).map_err(|no| self.refuse(&no, max_wait > 0))
    }

    /// The same, and the refusal, which is large, is left to be made where it goes.
    #[inline]
    fn visit(&self, now: Instant, cost: u32, max_wait: u64) -> Result<Slot, No> {
        let slot = self.core.take(now, cost, max_wait)?;
        if cost > 0 {
            self.core.meters.granted(self.core.name, slot.decision.wait);
        }
        Ok(slot)
    }

    #[inline]
    fn refuse(&self, no: &No, patient: bool) -> Refusal {
        self.core.meters.refused(self.core.name, no);
        refusal(self.core.name, None, no, patient)
    }
}

/// How long the context leaves to wait.
fn left(ctx: &Context, now: Instant) -> u64 {
    nanos(ctx.deadline().map_or(LONGEST, |deadline| deadline - now))
}

/// Its rate, and how much of it may come at once.
impl fmt::Display for Limiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seen = self.core.look(Instant::now());
        write!(f, "{}, {} at once", self.rate(), seen.limit())
    }
}

impl fmt::Debug for Limiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (rate, options) = self.core.settings();
        f.debug_struct("Limiter")
            .field("name", &self.core.name)
            .field("rate", &rate)
            .field("options", &options)
            .finish_non_exhaustive()
    }
}
