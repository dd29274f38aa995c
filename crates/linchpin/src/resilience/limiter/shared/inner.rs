//! What all handles of a shared limiter share, and whom a visit asks.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::super::decision::{Cause, Decision, No};
use super::super::meters::Meters;
use super::super::options::nanos;
use super::super::refuse::refusal;
use super::line::{Ask, Line, Switch};
use super::memory::Memory;
use super::meters::StoreMeters;
use super::options::Plan;
use super::quota::Quota;
use super::store::{Answer, Left, RateStore, Visit};
use crate::context::{Context, Ended};
use crate::error::Kind;
use crate::resilience::news::told;
use crate::resilience::{Failed, Refusal};
use crate::shim::atomic::Ordering::{AcqRel, Acquire, Release};
use crate::shim::atomic::{AtomicBool, AtomicU64};
use crate::shim::{Mutex, lock};
use crate::time::Instant;

/// What a limiter is.
pub(super) struct Inner<S> {
    pub(super) name: &'static str,
    pub(super) store: S,
    /// Who judges when the store does not.
    pub(super) local: Memory,
    /// Until when something may have passed here that the store was not told of, in nanoseconds.
    pub(super) owes_until: AtomicU64,
    pub(super) line: Line,
    pub(super) plan: Mutex<Arc<Plan>>,
    /// Whether the store may have forgotten something since it was last asked for its epoch.
    pub(super) unsure: AtomicBool,
    pub(super) epoch: Mutex<Option<u64>>,
    pub(super) meters: Meters,
    pub(super) store_meters: StoreMeters,
}

/// The store did not say, and will not be asked before that.
pub(super) struct Away {
    pub(super) again: Duration,
}

pub(super) const CLOSED: &str = "its store is away";
pub(super) const ABOVE: &str = "its store is away, and the cost is above the share of this process";

// ===== impl Inner =====

impl<S: RateStore> Inner<S> {
    /// Asks the store, if it is there or it is time to see whether it is back.
    pub(super) async fn ask<T, F>(
        &self,
        ctx: &Context,
        plan: &Plan,
        call: impl FnOnce() -> F,
    ) -> Result<Result<T, Away>, Ended>
    where
        F: Future<Output = crate::Result<T>>,
    {
        let every = plan.options.ask_again;
        let ask = self.line.ask(Instant::now(), every);
        if let Ask::Nobody { again } = ask {
            return Ok(Err(Away { again }));
        }
        let limit = limit(ctx, plan);
        let why = match ctx.run_on(timeout(limit, call())).await? {
            Ok(Ok(answer)) => {
                if self.line.answered(ask) {
                    self.tell();
                }
                self.see_whether_it_forgot(limit).await;
                return Ok(Ok(answer));
            }
            Ok(Err(error)) => error.report().to_string(),
            // The caller has no time to wait, which says nothing of the store.
            Err(_) if limit < plan.options.timeout => return Ok(Err(Away { again: every })),
            Err(_) => format!("no answer within {limit:?}"),
        };
        told(|| self.store_meters.failed(&why));
        self.unsure.store(true, Release);
        if self.line.failed(ask, Instant::now(), every) {
            self.tell();
        }
        Ok(Err(Away { again: every }))
    }

    /// Compares the epoch of the store with the last one, when there is a reason to.
    async fn see_whether_it_forgot(&self, limit: Duration) {
        if !self.unsure.load(Acquire) || !self.unsure.swap(false, AcqRel) {
            return;
        }
        let mut unsure = Unsure { flag: &self.unsure, still: true };
        let Ok(Ok(epoch)) = timeout(limit, self.store.epoch()).await else { return };
        unsure.still = false;
        let last = lock(&self.epoch).replace(epoch);
        if last.is_some_and(|last| last != epoch) {
            told(|| self.store_meters.forgot());
        }
    }
}

impl<S> Inner<S> {
    pub(super) fn plan(&self) -> Arc<Plan> {
        lock(&self.plan).clone()
    }

    /// The key in the store, where other limiters may have the same.
    pub(super) fn key(&self, key: &str) -> String {
        format!("{}:{key}", self.name)
    }

    fn tell(&self) {
        self.line.tell(|switch: Switch| self.store_meters.switched(switch));
    }

    pub(super) fn conclude(
        &self,
        key: &str,
        visit: &Visit<'_>,
        answer: &Answer,
        by_store: bool,
    ) -> Result<Decision, Failed> {
        let quota = visit.quotas().get(answer.quota);
        let limit = quota.map_or(0, Quota::burst);
        let Left { remaining, wait_us, reset_us } = answer.left;
        let wait = wait_us.saturating_mul(1000);
        if !answer.passed {
            let used = u64::from(limit.saturating_sub(remaining));
            let no = No { cause: Cause::Spent, retry_after: wait, used, limit };
            return Err(self.refuse(key, &no, visit.wait_us() > 0).into());
        }
        let wait = if visit.cost() == 0 { 0 } else { wait };
        self.pass(visit.cost(), wait, by_store);
        let reset = reset_us.saturating_mul(1000);
        let window = quota.map_or(0, |quota| quota.pace.allowance);
        Ok(Decision { limit, room: remaining.into(), unit: 1, reset, window, wait })
    }

    /// Nobody has counted: all is left.
    pub(super) fn open(&self, visit: &Visit<'_>) -> Decision {
        self.pass(visit.cost(), 0, false);
        let least = visit.quotas().iter().min_by_key(|quota| quota.burst());
        let limit = least.map_or(0, Quota::burst);
        let window = least.map_or(0, |quota| quota.pace.allowance);
        Decision { limit, room: limit.into(), unit: 1, reset: 0, window, wait: 0 }
    }

    fn pass(&self, cost: u32, wait: u64, by_store: bool) {
        if cost > 0 {
            self.store_meters.passed(by_store, cost);
            told(|| self.meters.granted(self.name, wait));
        }
    }

    pub(super) fn refuse(&self, key: &str, no: &No, patient: bool) -> Refusal {
        self.store_meters.refused();
        told(|| self.meters.refused(self.name, no));
        refusal(self.name, Some(key.into()), no, patient)
    }

    pub(super) fn closed(&self, key: &str, reason: &'static str, again: Duration) -> Refusal {
        let no = No { cause: Cause::Spent, retry_after: nanos(again), used: 0, limit: 0 };
        Refusal { reason, kind: Kind::Unavailable, ..self.refuse(key, &no, false) }
    }
}

/// How long to wait for the store.
fn limit(ctx: &Context, plan: &Plan) -> Duration {
    let tenth = ctx.remaining().map_or(Duration::MAX, |left| left / 10);
    plan.options.timeout.min(tenth)
}

/// Whoever stops looking leaves it to the next.
struct Unsure<'a> {
    flag: &'a AtomicBool,
    still: bool,
}

impl Drop for Unsure<'_> {
    fn drop(&mut self) {
        if self.still {
            self.flag.store(true, Release);
        }
    }
}
