//! What the others have counted lately, from what they have counted ever. A machine without I/O.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use super::super::tally::Tally;
use super::store::Counts;
use crate::time::Instant;

/// Counts only go up, so what a node has counted since it was last heard of is a difference, which is dated when it is
/// heard of. A node that is new has counted nothing yet, since nobody knows how long ago what it says was.
#[derive(Debug, Default)]
pub(super) struct Merge {
    heard: HashMap<u64, Counts>,
    news: VecDeque<(Instant, Tally)>,
}

impl Merge {
    /// The others have said so.
    pub(super) fn hear(&mut self, now: Instant, others: &[Counts], window: Duration) {
        let mut sum = Tally::default();
        for counts in others {
            if let Some(last) = self.heard.get(&counts.node) {
                sum.calls += counts.calls.saturating_sub(last.calls);
                sum.failures += counts.failures.saturating_sub(last.failures);
                sum.slow += counts.slow.saturating_sub(last.slow);
            }
        }
        self.heard = others.iter().map(|counts| (counts.node, *counts)).collect();
        if sum.calls > 0 {
            self.news.push_back((now, sum));
        }
        while self.news.front().is_some_and(|(at, _)| now - *at >= window) {
            self.news.pop_front();
        }
    }

    /// Nothing was heard for a while: what comes next is compared with nothing of before.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    /// What they have counted after `since`.
    pub(super) fn lately(&self, since: Instant) -> Tally {
        let news = self.news.iter().filter(|(at, _)| *at > since);
        news.fold(Tally::default(), |sum, (_, tally)| sum.plus(tally))
    }

    pub(super) fn nodes(&self) -> usize {
        self.heard.len()
    }
}
