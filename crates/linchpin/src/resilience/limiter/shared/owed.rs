//! What has passed without the store, and how it is told of it.

use smallvec::SmallVec;

use super::inner::Inner;
use super::options::Plan;
use super::quota::Quota;
use super::store::{Answer, MOST_QUOTAS, RateStore, Visit};
use crate::shim::atomic::Ordering::{AcqRel, Acquire};
use crate::time::Instant;

impl<S: RateStore> Inner<S> {
    /// Asks the store for a visit. Before the first one of a key after an outage it is told what has passed of that key here,
    /// as if it had passed in each process that has a share.
    ///
    /// A store that has gained a burst while it was away, or has lost what it knew, would let one pass beside those of the
    /// shares otherwise. Of the many who tell it the one counts that has used most, so it does no harm to tell it twice.
    pub(super) async fn take(&self, plan: &Plan, visit: &Visit<'_>) -> crate::Result<Answer> {
        let until = self.owes_until.load(Acquire);
        if until > 0 && !plan.shares.is_empty() {
            let now = Instant::now().to_bits();
            let untold = if now < until { self.local.untold(visit.key(), now) } else { None };
            if let Some(words) = untold {
                let all = plan.quotas.iter().zip(&plan.shares).zip(words);
                let used: SmallVec<[Quota; MOST_QUOTAS]> =
                    all.map(|((quota, share), word)| quota.used_as(share, word, now)).collect();
                self.store.penalize(&Visit::new(visit.key(), &used, 0)).await?;
                self.local.told(visit.key(), &words);
            }
        }
        self.store.take(visit).await
    }

    /// Judges a visit by the share of this process.
    pub(super) fn judge(&self, plan: &Plan, visit: &Visit<'_>) -> Answer {
        self.owe(plan);
        self.local.judge(visit)
    }

    /// Lets nothing of a key pass here, nor in others once the store is back.
    pub(super) async fn penalize(&self, plan: &Plan, visit: &Visit<'_>) -> crate::Result<()> {
        self.owe(plan);
        self.local.penalize(visit).await
    }

    /// From now on something may be untold, until the last of it is paid for.
    fn owe(&self, plan: &Plan) {
        let now = Instant::now().to_bits();
        let last = plan.shares.iter().map(|share| share.latest(now)).max();
        self.owes_until.fetch_max(last.unwrap_or(0), AcqRel);
    }
}
