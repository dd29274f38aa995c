//! The policies of a stack, in their order.

use std::fmt;
use std::ops::Deref;
use std::time::Duration;

use super::Role;
use crate::resilience::adaptive::Adaptive;
use crate::resilience::breaker::Breaker;
use crate::resilience::bulkhead::Bulkhead;
use crate::resilience::hedge::Hedge;
use crate::resilience::limiter::Limiter;
use crate::resilience::retry::Retry;
use crate::resilience::shed::Shedder;
use crate::resilience::throttle::Throttle;
use crate::resilience::timeout::{Limits, Timeout};
use crate::resilience::{Again, ByFailed, Classify, Failed, Outcome, Snapshot};
use crate::time::Instant;

/// What all handles of a stack share.
#[derive(Clone, Debug)]
pub(super) struct Parts<C> {
    pub(super) name: &'static str,
    pub(super) role: Role,
    pub(super) deadline: Option<Duration>,
    pub(super) retry: Option<Retry>,
    pub(super) hedge: Option<Hedge>,
    pub(super) throttle: Option<Throttle>,
    pub(super) breaker: Option<Breaker>,
    pub(super) shed: Option<Shedder>,
    pub(super) limiter: Option<Limiter>,
    pub(super) adaptive: Option<Adaptive>,
    pub(super) bulkhead: Option<Bulkhead>,
    pub(super) timeout: Option<Timeout>,
    /// It reads what the callee says, and the policies' own words too.
    pub(super) classify: ByFailed<C>,
}

impl<C> Parts<C> {
    #[inline]
    pub(super) fn limits(&self, deadline: Option<Instant>) -> Limits<'_> {
        Limits { timeout: self.timeout.as_ref().map(|timeout| &*timeout.core), deadline }
    }

    /// When all must be over that begins now, and of which a request may say when it is too late.
    #[inline]
    pub(super) fn deadline(&self, now: Instant, until: Option<Instant>) -> Option<Instant> {
        match (self.deadline, until) {
            (Some(limit), Some(until)) => Some(until.min(now + limit)),
            (Some(limit), None) => Some(now + limit),
            (None, until) => until,
        }
    }

    pub(super) fn snapshots(&self) -> Vec<Snapshot> {
        self.each().into_iter().map(|part| part.snapshot).collect()
    }

    /// The policies in their order, as people look at them.
    pub(super) fn each(&self) -> Vec<Shown> {
        let Self {
            role,
            retry,
            hedge,
            throttle,
            breaker,
            shed,
            limiter,
            adaptive,
            bulkhead,
            timeout,
            ..
        } = self;
        let adaptive = || Shown::of(adaptive.as_ref(), Adaptive::snapshot);
        let (early, late) = match role {
            Role::Client => (None, adaptive()),
            Role::Server => (adaptive(), None),
        };
        let all = [
            Shown::of(retry.as_ref(), Retry::snapshot),
            Shown::of(hedge.as_ref(), Hedge::snapshot),
            Shown::of(throttle.as_ref(), Throttle::snapshot),
            Shown::of(breaker.as_ref(), Breaker::snapshot),
            Shown::of(shed.as_ref(), Shedder::snapshot),
            early,
            Shown::of(limiter.as_ref(), Limiter::snapshot),
            late,
            Shown::of(bulkhead.as_ref(), Bulkhead::snapshot),
            Shown::of(timeout.as_ref(), Timeout::snapshot),
        ];
        all.into_iter().flatten().collect()
    }
}

/// A policy of a stack: how it is, and how it is set.
pub(super) struct Shown {
    pub(super) snapshot: Snapshot,
    pub(super) words: String,
}

impl Shown {
    fn of<P: fmt::Display>(policy: Option<&P>, look: fn(&P) -> Snapshot) -> Option<Self> {
        let policy = policy?;
        Some(Self { snapshot: look(policy), words: policy.to_string() })
    }
}

/// Reads what comes out of the policies below a hedge. `H` is what holds the stack.
#[derive(Clone, Debug)]
pub(super) struct ByParts<H>(pub(super) H);

impl<T, E, C, H> Classify<T, Failed<E>> for ByParts<H>
where
    H: Deref<Target = Parts<C>>,
    C: Classify<T, E>,
{
    fn classify(&self, result: Result<&T, &Failed<E>>) -> Outcome {
        self.0.classify.classify(result)
    }

    fn again(&self, result: Result<&T, &Failed<E>>) -> Again {
        self.0.classify.again(result)
    }

    fn retry_after(&self, result: Result<&T, &Failed<E>>) -> Option<Duration> {
        self.0.classify.retry_after(result)
    }
}
