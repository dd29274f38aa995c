//! What the retries of all calls together may cost.

mod bucket;
mod concurrent;
mod ratio;
mod throttle;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use self::bucket::Bucket;
use self::concurrent::Concurrent;
pub(in crate::resilience) use self::ratio::Ratio;
use self::throttle::Throttle;
use crate::resilience::BadOptions;
use crate::resilience::bad_options::YEAR;
use crate::time::Instant;

/// What the retries of all calls together may cost, so that a callee which is down does not get three times the load.
///
/// Clones share what there is: give one to all that call the same target, those that
/// [hedge](crate::resilience::hedge::Options::budget) among them. First attempts are never held back.
///
/// | budget | lets retries be | a call that succeeds costs |
/// |---|---|---|
/// | [`ratio`](Self::ratio), the default | a share of the calls of the last seconds, and a few besides | one addition |
/// | [`tokens`](Self::tokens) | what is in a bucket, which successes fill (AWS's clients) | a look |
/// | [`throttle`](Self::throttle) | while fewer than so many attempts fail (gRPC's) | a look |
/// | [`concurrent`](Self::concurrent) | a share of the calls under way (Envoy's) | two additions |
/// | [`custom`](Self::custom) | what you say | what you take |
/// | [`unlimited`](Self::unlimited) | as many as they like | nothing |
///
/// ```
/// # use std::time::Duration;
/// # use linchpin::resilience::retry::{Allow as _, Budget, Event};
/// # use linchpin::time::Instant;
/// let budget = Budget::ratio(0.2, 0, Duration::from_secs(10))?;
/// for _ in 0..5 {
///     budget.tell(Event::CallBegan);
/// }
/// assert!(budget.withdraw(Instant::now(), false));
/// assert!(!budget.withdraw(Instant::now(), false), "one retry for five calls");
/// # Ok::<(), linchpin::resilience::BadOptions>(())
/// ```
#[derive(Clone, Debug)]
pub struct Budget {
    pub(super) kind: Kind,
}

#[derive(Clone, Debug)]
pub(super) enum Kind {
    Bucket(Arc<Bucket>),
    Concurrent(Arc<Concurrent>),
    Custom(Arc<dyn Allow>),
    Ratio(Arc<Ratio>),
    Throttle(Arc<Throttle>),
    Unlimited,
}

/// A budget of one's own: [`Budget::custom`].
pub trait Allow: fmt::Debug + Send + Sync {
    /// Whether one more attempt may be made now, and takes what it costs: in one step, or two calls get what is there
    /// for one. `is_throttled` if the callee asked for less.
    fn withdraw(&self, now: Instant, is_throttled: bool) -> bool;

    /// Hears what happens. Must be quick. By default it does not listen.
    fn tell(&self, event: Event) {
        let _ = event;
    }

    /// What is left, for people: how many retries could be made now.
    fn left(&self, now: Instant) -> Option<f64> {
        let _ = now;
        None
    }
}

/// What a budget hears. Of each call it hears the first and the last of these, in between of each attempt; of an attempt
/// that was cut or said nothing it hears nothing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// A call has begun.
    CallBegan,
    /// An attempt failed, in a way that makes trying again worth while.
    Failed,
    /// An attempt succeeded. `Some` if it was a retry: whether that was paid for as one that was throttled.
    Succeeded(Option<bool>),
    /// A retry that was allowed is over, however it went, or was never begun.
    RetryEnded,
    /// The call is over, however it went.
    CallEnded,
}

// ===== impl Budget =====

impl Budget {
    /// Retries may be `share` of the calls of the last `window`, and `least_per_second` besides, which may be saved up for
    /// as long as the window.
    ///
    /// Counts by tenths of the window. Calls are counted in bundles of 16, so as not to look at the clock at each; a
    /// bundle counts from when it is full or a retry is asked for.
    ///
    /// # Errors
    ///
    /// If the share is not above 0 and at most 1,000, or the window is shorter than 10 ms or longer than a year.
    pub fn ratio(share: f64, least_per_second: u32, window: Duration) -> Result<Self, BadOptions> {
        if !(share > 0.0 && share <= 1_000.0) {
            return wrong(format!("a share of {share}; say above 0.0 and at most 1000.0"));
        }
        if window < Duration::from_millis(10) || window > YEAR {
            return wrong(format!("a window of {window:?}; say at least 10 ms and at most a year"));
        }
        let ratio = Ratio::new(share, least_per_second, window, Instant::now());
        Ok(Self { kind: Kind::Ratio(Arc::new(ratio)) })
    }

    /// A bucket with `capacity` tokens, full at first. A retry costs `cost`, or `throttled_cost` after an answer that asks
    /// for less; one that succeeds gets it back, and a call that succeeds at once adds one. AWS's clients have 500, 14
    /// and 5.
    ///
    /// # Errors
    ///
    /// If a retry would cost nothing, or more than the bucket holds.
    pub fn tokens(capacity: u32, cost: u32, throttled_cost: u32) -> Result<Self, BadOptions> {
        for cost in [cost, throttled_cost] {
            if cost == 0 || cost > capacity {
                let why =
                    format!("a retry for {cost} of {capacity} tokens; say at least 1 and no more");
                return wrong(why);
            }
        }
        Ok(Self { kind: Kind::Bucket(Arc::new(Bucket::new(capacity, cost, throttled_cost))) })
    }

    /// Tokens, `most` at first: each attempt that fails takes one, each that succeeds gives `share` of one (by
    /// thousandths). No retry unless more than half are there. gRPC's has 10 and 0.1.
    ///
    /// # Errors
    ///
    /// If there are no tokens or more than a million, or the share is not at least 0.001 and at most 1,000.
    pub fn throttle(most: u32, share: f64) -> Result<Self, BadOptions> {
        if most == 0 || most > 1_000_000 {
            return wrong(format!("{most} tokens; say at least 1 and at most a million"));
        }
        if !(0.001..=1_000.0).contains(&share) {
            return wrong(format!("{share} of a token; say at least 0.001 and at most 1000.0"));
        }
        Ok(Self { kind: Kind::Throttle(Arc::new(Throttle::new(most, share))) })
    }

    /// At most `share` of the calls under way may be retries, their waits among them, but `least` in any case.
    ///
    /// # Errors
    ///
    /// If the share is not within `0.0..=1.0`, or both are zero.
    pub fn concurrent(share: f64, least: u32) -> Result<Self, BadOptions> {
        if !(0.0..=1.0).contains(&share) {
            return wrong(format!("a share of {share} is not between 0.0 and 1.0"));
        }
        if share == 0.0 && least == 0 {
            return wrong("no retry at all; say `max_attempts(1)` for that".into());
        }
        Ok(Self { kind: Kind::Concurrent(Arc::new(Concurrent::new(share, least))) })
    }

    /// One of your own.
    #[must_use]
    pub fn custom(budget: impl Allow + 'static) -> Self {
        Self { kind: Kind::Custom(Arc::new(budget)) }
    }

    /// None: retries may multiply the load of a callee that is down. For tests, and for callees that somebody else
    /// protects.
    #[must_use]
    pub fn unlimited() -> Self {
        Self { kind: Kind::Unlimited }
    }

    pub(in crate::resilience) fn is_unlimited(&self) -> bool {
        matches!(self.kind, Kind::Unlimited)
    }

    /// Whether it wants to know that calls and retries have ended.
    #[inline]
    pub(in crate::resilience) fn minds_ends(&self) -> bool {
        matches!(self.kind, Kind::Concurrent(_) | Kind::Custom(_))
    }

    #[inline]
    pub(in crate::resilience) fn call_began(&self) {
        match &self.kind {
            Kind::Ratio(ratio) => ratio.deposit(Instant::now),
            Kind::Bucket(_) | Kind::Throttle(_) | Kind::Unlimited => {}
            Kind::Concurrent(_) | Kind::Custom(_) => self.tell(Event::CallBegan),
        }
    }

    #[inline]
    pub(in crate::resilience) fn succeeded_at_once(&self) {
        // Apart: a jump by a table costs more than all the rest.
        if !matches!(self.kind, Kind::Ratio(_) | Kind::Concurrent(_) | Kind::Unlimited) {
            self.gain();
        }
    }

    #[inline(never)]
    fn gain(&self) {
        match &self.kind {
            Kind::Ratio(_) | Kind::Concurrent(_) | Kind::Unlimited => {}
            Kind::Bucket(bucket) => bucket.add(1),
            Kind::Throttle(throttle) => throttle.succeeded(),
            Kind::Custom(own) => own.tell(Event::Succeeded(None)),
        }
    }
}

impl Allow for Budget {
    fn withdraw(&self, now: Instant, is_throttled: bool) -> bool {
        match &self.kind {
            Kind::Bucket(bucket) => bucket.withdraw(is_throttled),
            Kind::Concurrent(concurrent) => concurrent.withdraw(),
            Kind::Custom(own) => own.withdraw(now, is_throttled),
            Kind::Ratio(ratio) => ratio.withdraw(now),
            Kind::Throttle(throttle) => throttle.allows(),
            Kind::Unlimited => true,
        }
    }

    fn tell(&self, event: Event) {
        match (&self.kind, event) {
            (Kind::Bucket(bucket), Event::Succeeded(None)) => bucket.add(1),
            (Kind::Bucket(bucket), Event::Succeeded(Some(throttled))) => bucket.refund(throttled),
            (Kind::Concurrent(concurrent), event) => concurrent.tell(event),
            (Kind::Custom(own), event) => own.tell(event),
            (Kind::Ratio(ratio), Event::CallBegan) => ratio.deposit(Instant::now),
            (Kind::Throttle(throttle), Event::Succeeded(_)) => throttle.succeeded(),
            (Kind::Throttle(throttle), Event::Failed) => throttle.failed(),
            _ => {}
        }
    }

    fn left(&self, now: Instant) -> Option<f64> {
        match &self.kind {
            Kind::Bucket(bucket) => Some(bucket.left()),
            Kind::Concurrent(concurrent) => Some(concurrent.left()),
            Kind::Custom(own) => own.left(now),
            Kind::Ratio(ratio) => Some(ratio.left(now)),
            Kind::Throttle(throttle) => Some(throttle.left()),
            Kind::Unlimited => None,
        }
    }
}

impl<T: Allow + ?Sized> Allow for Arc<T> {
    fn withdraw(&self, now: Instant, is_throttled: bool) -> bool {
        (**self).withdraw(now, is_throttled)
    }

    fn tell(&self, event: Event) {
        (**self).tell(event);
    }

    fn left(&self, now: Instant) -> Option<f64> {
        (**self).left(now)
    }
}

impl Default for Budget {
    /// By ratio: a fifth of the calls of the last 10 s, and one a second besides.
    fn default() -> Self {
        Self::ratio(0.2, 1, Duration::from_secs(10)).expect("a share and a window")
    }
}

fn wrong<T>(why: String) -> Result<T, BadOptions> {
    Err(BadOptions::new("retry::Budget", why))
}

/// Which kind it is.
impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.kind {
            Kind::Bucket(_) => "a bucket of tokens",
            Kind::Concurrent(_) => "a share of the calls under way",
            Kind::Custom(_) => "a budget of its own kind",
            Kind::Ratio(_) => "a share of the calls",
            Kind::Throttle(_) => "tokens by successes",
            Kind::Unlimited => "no budget",
        })
    }
}
