//! The policies of a stack, in their order.

use std::time::Duration;

use super::Role;
use crate::resilience::breaker::Breaker;
use crate::resilience::bulkhead::Bulkhead;
use crate::resilience::limiter::Limiter;
use crate::resilience::retry::Retry;
use crate::resilience::timeout::{Limits, Timeout};
use crate::resilience::{ByFailed, Snapshot};
use crate::time::Instant;

/// What all handles of a stack share.
#[derive(Clone, Debug)]
pub(super) struct Parts<C> {
    pub(super) name: &'static str,
    pub(super) role: Role,
    pub(super) deadline: Option<Duration>,
    pub(super) retry: Option<Retry>,
    pub(super) breaker: Option<Breaker>,
    pub(super) limiter: Option<Limiter>,
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

    pub(super) fn snapshots(&self) -> Vec<Snapshot> {
        let Self { retry, breaker, limiter, bulkhead, timeout, .. } = self;
        let all = [
            retry.as_ref().map(Retry::snapshot),
            breaker.as_ref().map(Breaker::snapshot),
            limiter.as_ref().map(Limiter::snapshot),
            bulkhead.as_ref().map(Bulkhead::snapshot),
            timeout.as_ref().map(Timeout::snapshot),
        ];
        all.into_iter().flatten().collect()
    }
}
