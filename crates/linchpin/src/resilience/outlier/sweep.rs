//! Who is ejected, and who returns: what the lock of the machine guards.
//!
//! A machine without I/O, which is told the time. Each look first makes what is due happen, dated when it was due.

use std::sync::Arc;
use std::time::Duration;

use super::options::Options;
use super::state::{Cause, Change};
use super::target::Entry;
use crate::resilience::news::News;
use crate::time::Instant;

/// All that is not in the entries.
pub(super) struct Locked<T> {
    pub(super) options: Options,
    pub(super) members: Vec<Member<T>>,
    pub(super) news: News<Change>,
    pub(super) ids: u64,
    pub(super) panicking: bool,
    pub(super) ejections: u64,
    pub(super) overflows: u64,
    next_sweep: Instant,
}

/// A target, and how it is.
pub(super) struct Member<T> {
    pub(super) entry: Arc<Entry<T>>,
    pub(super) ejected: Option<Instant>,
    returned: Option<Instant>,
    /// For how many times the base it is ejected, next time one more.
    times: u32,
    pub(super) ejections: u64,
    pub(super) success_rate: Option<f64>,
}

/// A target that ended so many calls since the last sweep.
struct Judged {
    member: usize,
    calls: u64,
    rate: f64,
}

impl<T> Member<T> {
    pub(super) fn new(entry: Arc<Entry<T>>) -> Self {
        let (ejected, returned, success_rate) = (None, None, None);
        Self { entry, ejected, returned, times: 0, ejections: 0, success_rate }
    }
}

impl<T> Locked<T> {
    pub(super) fn new(options: Options, now: Instant) -> Self {
        Self {
            next_sweep: now + options.interval,
            options,
            members: Vec::new(),
            news: News::default(),
            ids: 0,
            panicking: false,
            ejections: 0,
            overflows: 0,
        }
    }

    /// When something is due next.
    pub(super) fn due(&self) -> Instant {
        let returns = self.members.iter().filter_map(|member| member.ejected);
        returns.fold(self.next_sweep, Instant::min)
    }

    pub(super) fn ejected(&self) -> usize {
        self.members.iter().filter(|member| member.ejected.is_some()).count()
    }

    /// Those that calls go to.
    pub(super) fn usable(&mut self) -> Vec<Arc<Entry<T>>> {
        let all = self.members.len();
        let left = all - self.ejected();
        let is_panic = (left as f64) < self.options.panic_threshold * all as f64 || left == 0;
        let panicking = is_panic && left < all;
        if panicking != self.panicking {
            self.panicking = panicking;
            self.news.push(Change::Panicking(panicking));
        }
        let used = |member: &&Member<T>| panicking || member.ejected.is_none();
        self.members.iter().filter(used).map(|member| member.entry.clone()).collect()
    }

    /// Makes what is due happen; whether anything did. `u` is asked for if somebody is ejected.
    pub(super) fn advance(&mut self, now: Instant, u: impl Fn() -> f64) -> bool {
        if now < self.due() {
            return false;
        }
        if now >= self.next_sweep {
            let at = self.next_sweep;
            self.returns(at);
            self.judge(at, u);
            self.returns(now);
            let missed = (now - at).as_nanos() / self.options.interval.as_nanos();
            let last = at + times(self.options.interval, missed);
            self.forgive(at, last);
            self.next_sweep = last + self.options.interval;
        }
        self.returns(now);
        true
    }

    /// Those whose time is over.
    fn returns(&mut self, now: Instant) {
        for member in &mut self.members {
            if let Some(until) = member.ejected
                && now >= until
            {
                (member.ejected, member.returned) = (None, Some(until));
                // A few failures more are not to eject it at once.
                member.entry.forget_failures();
                self.news.push(Change::Returned { target: member.entry.text.clone() });
            }
        }
    }

    /// Compares the targets by what has ended since the last sweep.
    fn judge(&mut self, at: Instant, u: impl Fn() -> f64) {
        let mut judged = Vec::with_capacity(self.members.len());
        for (index, member) in self.members.iter_mut().enumerate() {
            let (calls, successes) = member.entry.sweep();
            let rate = successes as f64 / calls as f64;
            member.success_rate = (calls > 0).then_some(rate);
            if calls > 0 && member.ejected.is_none() {
                judged.push(Judged { member: index, calls, rate });
            }
        }
        // The worst first, since not all may be ejected.
        judged.sort_by(|one, other| one.rate.total_cmp(&other.rate));
        let mut due: Vec<(usize, Cause)> = Vec::new();
        if let Some(rule) = self.options.success_rate {
            let enough: Vec<&Judged> =
                judged.iter().filter(|judged| judged.calls >= rule.min_calls.into()).collect();
            if enough.len() >= rule.min_targets {
                let least = least_rate(enough.iter().map(|judged| judged.rate), rule.deviations);
                let below = enough.iter().filter(|judged| judged.rate < least);
                due.extend(below.map(|judged| (judged.member, Cause::SuccessRate)));
            }
        }
        if let Some(rule) = self.options.failures {
            let enough: Vec<&Judged> =
                judged.iter().filter(|judged| judged.calls >= rule.min_calls.into()).collect();
            if enough.len() >= rule.min_targets {
                let sick = enough.iter().filter(|judged| 1.0 - judged.rate >= rule.ratio);
                due.extend(sick.map(|judged| (judged.member, Cause::Failures)));
            }
        }
        for (member, cause) in due {
            self.eject(member, cause, at, &u);
        }
    }

    /// Ejects a target that has failed too often in a row; whether it is ejected.
    pub(super) fn failed(&mut self, id: u64, at: Instant, u: impl Fn() -> f64) -> bool {
        let most = self.options.consecutive.unwrap_or(u32::MAX);
        // Of several that failed at once the first is judged, and counts anew.
        let is_sick = |member: &Member<T>| member.entry.id == id && member.entry.failures() >= most;
        let found = self.members.iter().position(is_sick);
        found.is_some_and(|member| self.eject(member, Cause::Consecutive, at, &u))
    }

    fn eject(&mut self, index: usize, cause: Cause, at: Instant, u: &impl Fn() -> f64) -> bool {
        let (all, out) = (self.members.len(), self.ejected());
        let Options { base_ejection, max_ejection, jitter, max_ejected, .. } = self.options;
        let member = &mut self.members[index];
        // Counted from here anew, ejected or not.
        member.entry.forget_failures();
        if member.ejected.is_some() {
            return false;
        }
        let target = member.entry.text.clone();
        // One may be in any case, and one stays in any case.
        let is_room = out == 0 || (out + 1) as f64 <= max_ejected * all as f64;
        if !is_room || out + 1 >= all {
            self.overflows += 1;
            self.news.push(Change::Spared { target, cause });
            return false;
        }
        // First, since it may panic.
        let u = u().clamp(0.0, 1.0);
        if base_ejection.saturating_mul(member.times) < max_ejection {
            member.times += 1;
        }
        let time = base_ejection.saturating_mul(member.times).min(max_ejection);
        let time = time.mul_f64(1.0 + jitter * u);
        (member.ejected, member.returned) = (Some(at + time), None);
        member.ejections += 1;
        self.ejections += 1;
        self.news.push(Change::Ejected { target, cause, time, times: member.times });
        true
    }

    /// Each sweep from `first` to `last` takes one time back from who has not been ejected for a whole interval.
    fn forgive(&mut self, first: Instant, last: Instant) {
        let interval = self.options.interval;
        for member in &mut self.members {
            let Some(returned) = member.returned.filter(|_| member.times > 0) else { continue };
            let from = returned + interval;
            let late = (from - first).as_nanos().div_ceil(interval.as_nanos());
            let start = first + times(interval, late);
            if start <= last {
                let sweeps = (last - start).as_nanos() / interval.as_nanos() + 1;
                member.times -= u32::try_from(sweeps).unwrap_or(u32::MAX).min(member.times);
            }
        }
    }

    /// Other options from now on.
    pub(super) fn take_options(&mut self, options: Options, now: Instant) {
        self.next_sweep = self.next_sweep.min(now + options.interval);
        self.options = options;
    }
}

/// Whoever has a smaller share of successes is an outlier.
fn least_rate(rates: impl ExactSizeIterator<Item = f64> + Clone, deviations: f64) -> f64 {
    let all = rates.len() as f64;
    let mean = rates.clone().sum::<f64>() / all;
    let variance = rates.map(|rate| (rate - mean).powi(2)).sum::<f64>() / all;
    mean - deviations * variance.sqrt()
}

fn times(interval: Duration, times: u128) -> Duration {
    let nanos = interval.as_nanos().saturating_mul(times);
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}
