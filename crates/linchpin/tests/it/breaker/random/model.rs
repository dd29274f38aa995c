//! The rules of a breaker, said as plainly as can be. Times are milliseconds since it was built.

use linchpin::resilience::Outcome::{self, Failure, Ignored};
use linchpin::resilience::breaker::State;

#[derive(Clone, Copy, Debug)]
pub(super) struct Setting {
    pub(super) by_time: bool,
    pub(super) calls: u32,
    pub(super) seconds: u64,
    pub(super) min_calls: u32,
    /// In tenths.
    pub(super) failures: Option<u32>,
    /// None if zero.
    pub(super) consecutive: u32,
    /// Above so many seconds, and in tenths.
    pub(super) slow: Option<(u64, u32)>,
    pub(super) pending: bool,
    pub(super) probes: u32,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    id: u64,
    generation: u64,
    state: State,
    began: u64,
    timed: bool,
    pending: bool,
}

#[derive(Clone, Copy, Debug)]
struct Ended {
    at: u64,
    failed: bool,
    slow: bool,
    gone: bool,
}

pub(super) struct Model {
    setting: Setting,
    state: State,
    generation: u64,
    ids: u64,
    /// All that were counted since it was closed.
    ended: Vec<Ended>,
    under_way: Vec<Call>,
    succeeded: u32,
    failed: u32,
    permits: u32,
    ratio: u32,
    opens: u32,
    until: u64,
}

pub(super) type View = (State, (u64, u64, u64), (u64, u64, u64), u32, Option<u64>);

const MAX_PROBE: u64 = 30_000;

fn share(part: usize, all: usize, tenths: u32) -> bool {
    part > 0 && part * 10 >= all * tenths as usize
}

impl Call {
    pub(super) fn is_probe(&self) -> bool {
        self.state == State::HalfOpen
    }
}

impl Model {
    pub(super) fn new(setting: Setting) -> Self {
        Self {
            setting,
            state: State::Closed,
            generation: 0,
            ids: 0,
            ended: Vec::new(),
            under_way: Vec::new(),
            succeeded: 0,
            failed: 0,
            permits: 0,
            ratio: 0,
            opens: 0,
            until: 0,
        }
    }

    fn counts(&self) -> bool {
        matches!(self.state, State::Closed | State::MetricsOnly)
    }

    fn become_(&mut self, state: State) {
        self.state = state;
        self.generation += 1;
        self.ended.clear();
        self.under_way.clear();
        (self.succeeded, self.failed) = (0, 0);
        if state == State::Closed {
            self.opens = 0;
        }
    }

    fn open(&mut self, at: u64) {
        let opens = self.opens + 1;
        self.become_(State::Open);
        self.opens = opens;
        self.until = at + (5_000_u64 << (opens - 1).min(4)).min(60_000);
    }

    /// Makes what is due happen when it was due.
    fn advance(&mut self, now: u64) {
        loop {
            match self.state {
                State::Open if now >= self.until => {
                    self.become_(State::HalfOpen);
                    self.permits = self.setting.probes;
                    self.ratio = self.setting.failures.unwrap_or(5);
                }
                State::HalfOpen => {
                    let first = self.under_way.iter().map(|call| call.began).min();
                    match first {
                        Some(began) if now >= began + MAX_PROBE => self.open(began + MAX_PROBE),
                        _ => return,
                    }
                }
                _ => return,
            }
        }
    }

    fn window(&self, now: u64) -> Vec<Ended> {
        if self.setting.by_time {
            let bucket = self.setting.seconds * 100;
            let is_in = |ended: &&Ended| ended.at / bucket + 10 > now / bucket;
            return self.ended.iter().filter(is_in).copied().collect();
        }
        let skip = self.ended.len().saturating_sub(self.setting.calls as usize);
        self.ended[skip..].iter().filter(|ended| !ended.gone).copied().collect()
    }

    fn run(&self) -> usize {
        self.ended.iter().rev().take_while(|ended| ended.failed).count()
    }

    fn is_too_much(&self, now: u64) -> bool {
        let Setting { min_calls, failures, consecutive, slow, .. } = self.setting;
        let window = self.window(now);
        let min_calls = min_calls as usize;
        if consecutive > 0 && self.run() >= consecutive as usize {
            return true;
        }
        let failed = window.iter().filter(|ended| ended.failed).count();
        if let Some(tenths) = failures
            && window.len() >= min_calls
            && share(failed, window.len(), tenths)
        {
            return true;
        }
        let Some((_, tenths)) = slow else { return false };
        let overdue = self.overdue(now);
        let slow = window.iter().filter(|ended| ended.slow).count() + overdue;
        let all = window.len() + overdue;
        all >= min_calls && share(slow, all, tenths)
    }

    fn overdue(&self, now: u64) -> usize {
        match self.setting {
            Setting { pending: true, slow: Some((threshold, _)), .. } => {
                let is_overdue =
                    |call: &&Call| call.pending && now - call.began > threshold * 1_000;
                self.under_way.iter().filter(is_overdue).count()
            }
            _ => 0,
        }
    }

    fn judge(&mut self, now: u64) {
        if self.state == State::Closed && self.is_too_much(now) {
            self.open(now);
        }
    }

    pub(super) fn admit(&mut self, now: u64) -> Result<Call, Option<u64>> {
        self.advance(now);
        if self.setting.pending {
            self.judge(now);
        }
        self.ids += 1;
        let call = Call {
            id: self.ids,
            generation: self.generation,
            state: self.state,
            began: now,
            timed: self.setting.slow.is_some() || self.state == State::HalfOpen,
            pending: self.setting.pending && self.counts(),
        };
        match self.state {
            State::Open => return Err(Some(self.until - now)),
            State::ForcedOpen => return Err(None),
            State::HalfOpen => {
                let taken = self.succeeded + self.failed + self.under_way.len() as u32;
                if taken >= self.permits {
                    return Err(None);
                }
                self.under_way.push(call);
            }
            _ => {
                if call.pending {
                    self.under_way.push(call);
                }
            }
        }
        Ok(call)
    }

    pub(super) fn record(&mut self, call: Call, outcome: Outcome, now: u64) {
        self.advance(now);
        if call.generation != self.generation || call.state == State::ForcedClosed {
            return;
        }
        self.under_way.retain(|other| other.id != call.id);
        if outcome == Ignored {
            return;
        }
        let failed = outcome == Failure;
        let slow = match self.setting.slow {
            Some((threshold, _)) => call.timed && now - call.began > threshold * 1_000,
            None => false,
        };
        if call.is_probe() {
            self.probed(failed || slow, now);
            return;
        }
        self.ended.push(Ended { at: now, failed, slow, gone: false });
        self.judge(now);
    }

    fn probed(&mut self, failed: bool, now: u64) {
        if failed {
            self.failed += 1;
        } else {
            self.succeeded += 1;
        }
        let (permits, tenths) = (self.permits as usize, self.ratio);
        if share(self.failed as usize, permits, tenths) {
            self.open(now);
        } else if !share(permits - self.succeeded as usize, permits, tenths) {
            self.become_(State::Closed);
        }
    }

    pub(super) fn force(&mut self, what: u8, now: u64) {
        self.advance(now);
        self.become_(match what {
            0 => State::ForcedOpen,
            1 => State::ForcedClosed,
            2 => State::MetricsOnly,
            _ => State::Closed,
        });
    }

    /// `setting` with this window's kind and, by time, its length.
    pub(super) fn like(&self, setting: Setting) -> Setting {
        Setting { by_time: self.setting.by_time, seconds: self.setting.seconds, ..setting }
    }

    pub(super) fn reconfigure(&mut self, setting: Setting, now: u64) {
        self.advance(now);
        if !self.setting.by_time {
            // What has left the window does not come back with a longer one; a row of failures goes on.
            let outside = self.ended.len().saturating_sub(self.setting.calls as usize);
            self.ended[..outside].iter_mut().for_each(|ended| ended.gone = true);
            if setting.slow.is_none() {
                self.ended.iter_mut().for_each(|ended| ended.slow = false);
            }
        }
        self.setting = setting;
    }

    pub(super) fn times_calls(&self) -> bool {
        self.counts() && self.setting.slow.is_some()
    }

    pub(super) fn slow(&self, now: u64) -> u64 {
        self.window(now).iter().filter(|ended| ended.slow).count() as u64
    }

    pub(super) fn view(&mut self, now: u64) -> View {
        self.advance(now);
        let window = if self.counts() { self.window(now) } else { Vec::new() };
        let failures = window.iter().filter(|ended| ended.failed).count() as u64;
        let run = if self.counts() { self.run() as u64 } else { 0 };
        let calls = window.len() as u64;
        let half_open = self.state == State::HalfOpen;
        let probes = if half_open { self.under_way.len() as u64 } else { 0 };
        let (succeeded, failed) = (self.succeeded.into(), self.failed.into());
        let (calls, failures) =
            if half_open { (succeeded + failed, failed) } else { (calls, failures) };
        let retry_after = (self.state == State::Open).then(|| self.until - now);
        (self.state, (calls, failures, run), (probes, succeeded, failed), self.opens, retry_after)
    }
}
