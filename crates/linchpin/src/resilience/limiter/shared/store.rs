//! The port: where the state of a limiter lies that many processes share.

use std::time::Duration;

use super::quota::Quota;
use crate::port::port;

port! {
    /// Keeps how much of each quota of a key is used, for all who share it.
    ///
    /// Whoever implements it judges a visit and writes what comes of it in one step that nobody comes between, by one
    /// clock: its own, not that of who asks. For each quota it keeps one time for the key, at which all that has passed
    /// is paid for (GCRA). In whole microseconds, with the interval `T`, the burst `B`, the longest wait `H`, the cost `n`:
    ///
    /// ```text
    /// paid = min(max(paid, now), now + B*T + H)      a key that is not there: now; heals a clock that went back
    /// wait = max(paid + n*T - B*T - now, 0)          passes if no quota's is above the visit's max_wait
    /// paid = paid + n*T                              written for all quotas if it passes
    /// ```
    ///
    /// A visit that costs nothing passes and writes nothing, and who is refused takes nothing. But what was healed is
    /// written then, too: otherwise all would be refused until the clock is where it was. A key may be forgotten at `paid` and not before. An error says
    /// that it is not known whether the visit was judged; whoever asked does not ask again for the same visit.
    ///
    /// There is a suite that all of ours pass, on servers that stop, hang and forget: the tests of `linchpin-data`.
    pub trait RateStore as DynRateStore {
        /// Judges a visit.
        ///
        /// # Errors
        ///
        /// If the store does not answer, or with something else.
        fn take, take_boxed(visit: &'a Visit<'a>) -> crate::Result<Answer>;

        /// Lets nothing of the key pass before so long from now, at most the [`longest wait`](Quota::longest_wait) of each
        /// quota: `paid = max(paid, now + wait + (B-1)*T)`. The wait is the visit's. A visit without one, whose
        /// quotas have another `B` and `T` but the same `B*T + H`, uses up a part of a burst.
        ///
        /// # Errors
        ///
        /// As of [`take`](Self::take).
        fn penalize, penalize_boxed(visit: &'a Visit<'a>) -> crate::Result<()>;

        /// A number that stays the same for as long as the store forgets nothing of what it was told.
        ///
        /// # Errors
        ///
        /// As of [`take`](Self::take).
        fn epoch, epoch_boxed() -> crate::Result<u64>;
    }
}

/// What is asked of a store.
#[derive(Clone, Copy, Debug)]
pub struct Visit<'a> {
    key: &'a str,
    quotas: &'a [Quota],
    cost: u32,
    wait: Duration,
    now_us: Option<u64>,
}

/// What a store says of one quota.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Left {
    /// How much more may pass now.
    pub remaining: u32,
    /// In how many microseconds it would pass, or does.
    pub wait_us: u64,
    /// In how many microseconds the whole burst may pass again.
    pub reset_us: u64,
}

/// What a store says to a visit.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Answer {
    /// Whether it passes, after the wait.
    pub passed: bool,
    /// Which quota decided: the one that makes wait the longest; if none does, the one of which the least is left.
    pub quota: usize,
    /// What there is of it.
    pub left: Left,
}

/// The most quotas that a key has.
pub const MOST_QUOTAS: usize = 4;

// ===== impl Visit =====

impl<'a> Visit<'a> {
    /// One that costs so much of each of the quotas of a key, and does not wait. There is at least one quota and at most
    /// [`MOST_QUOTAS`], and the cost is above none's burst.
    #[must_use]
    pub fn new(key: &'a str, quotas: &'a [Quota], cost: u32) -> Self {
        Self { key, quotas, cost, wait: Duration::ZERO, now_us: None }
    }

    /// With a wait: the longest until its turn, or how long a penalty is.
    #[must_use]
    pub fn wait(self, wait: Duration) -> Self {
        Self { wait, ..self }
    }

    /// At a time that is given, in microseconds since 1970, instead of that of the store's clock: for tests.
    #[must_use]
    pub fn at(self, now_us: u64) -> Self {
        Self { now_us: Some(now_us), ..self }
    }

    /// Whose quotas.
    #[must_use]
    pub fn key(&self) -> &'a str {
        self.key
    }

    /// Which. The place in the slice tells them apart, so a key is always asked for with the same.
    #[must_use]
    pub fn quotas(&self) -> &'a [Quota] {
        self.quotas
    }

    /// How much of each.
    #[must_use]
    pub fn cost(&self) -> u32 {
        self.cost
    }

    /// The wait in microseconds, rounded down, at most ten years.
    #[must_use]
    pub fn wait_us(&self) -> u64 {
        super::super::options::nanos(self.wait) / 1000
    }

    /// The time, if it is given.
    #[must_use]
    pub fn now_us(&self) -> Option<u64> {
        self.now_us
    }
}

// ===== impl Answer =====

impl Answer {
    /// Of what a store says of each quota, in their order.
    #[must_use]
    pub fn of(passed: bool, lefts: impl IntoIterator<Item = Left>) -> Self {
        let mut lefts = lefts.into_iter();
        let mut answer = Self { passed, quota: 0, left: lefts.next().unwrap_or_default() };
        for (quota, left) in (1..).zip(lefts) {
            let longer = left.wait_us.cmp(&answer.left.wait_us);
            let less = left.remaining < answer.left.remaining;
            if longer.is_gt() || longer.is_eq() && less {
                answer = Self { quota, left, ..answer };
            }
        }
        answer
    }
}
