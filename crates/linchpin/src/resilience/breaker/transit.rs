//! What changes the machine: transitions, and how they become seen by those without the lock.

use std::time::Duration;

use super::locked::{Locked, Standing};
use super::machine::Core;
use super::options::Options;
use super::probes::{Probes, Shown};
use super::state::{Cause, Change, State};
use super::tally::{Call, Rule, Shape, Tally};
use super::window::Window;
use super::word::Word;
use crate::shim::atomic::Ordering::{AcqRel, Acquire, Relaxed};
use crate::shim::{Fault, planted};
use crate::time::Instant;

/// All of these are called with the lock held.
impl Core {
    /// Makes the transitions that are due, each at the time it was due.
    pub(super) fn advance(&self, state: &mut Locked, now: Instant) {
        loop {
            match &state.standing {
                Standing::Open { until, .. } if now >= *until => {
                    let at = *until;
                    let probes = Probes::new(state.options.probes, state.options.probe_ratio());
                    let to = Standing::HalfOpen(probes);
                    self.transit(state, to, at, Cause::Waited, &Tally::default());
                }
                Standing::HalfOpen(probes) => {
                    let tally = probed(probes);
                    match probes.lease_ends(state.options.max_probe) {
                        Some(end) if now >= end => {
                            self.open(state, end, Cause::ProbeHung, &tally, None);
                        }
                        _ => return,
                    }
                }
                _ => return,
            }
        }
    }

    /// A rule says that it is too much.
    pub(super) fn reached(
        &self,
        state: &mut Locked,
        rule: Rule,
        tally: &Tally,
        hint: Option<Duration>,
        now: Instant,
    ) {
        let cause = match rule {
            Rule::Consecutive => Cause::Consecutive,
            Rule::Failures => Cause::Failures,
            Rule::Slow => Cause::Slow,
        };
        match &mut state.standing {
            Standing::MetricsOnly { told } if !*told => {
                *told = true;
                let (from, to) = (State::MetricsOnly, State::MetricsOnly);
                state.news.push(change(from, to, cause, now, tally, None));
                let word = self.hold_off();
                self.publish(state, word.count());
            }
            Standing::Closed => self.open(state, now, cause, tally, hint),
            _ => {}
        }
    }

    /// Whether what is under way for too long is too much already.
    pub(super) fn judge_pending(&self, state: &mut Locked, now: Instant) {
        let overdue = state.overdue(now);
        let mut tally = self.tally(state, now);
        let frame = &self.frames[Word(self.word.load(Acquire)).frame()];
        let Some(rule) = tally.judge(frame, overdue) else { return };
        if rule == Rule::Slow {
            tally.calls += overdue;
            tally.slow += overdue;
        }
        self.reached(state, rule, &tally, None, now);
    }

    /// A probe has ended, or gives its permit back.
    pub(super) fn probed(
        &self,
        state: &mut Locked,
        id: u64,
        call: Option<Call>,
        hint: Option<Duration>,
        now: Instant,
    ) {
        let Standing::HalfOpen(probes) = &mut state.standing else { return };
        let shown = probes.end(id, call);
        let tally = probed(probes);
        match shown {
            Shown::Nothing => {
                self.publish(state, 0);
            }
            Shown::Sick => self.open(state, now, Cause::ProbesFailed, &tally, hint),
            Shown::Well => {
                self.transit(state, Standing::Closed, now, Cause::ProbesSucceeded, &tally);
            }
        }
    }

    /// An operator's word.
    pub(super) fn force(&self, state: &mut Locked, to: Standing, now: Instant) {
        self.advance(state, now);
        let tally = self.tally(state, now);
        self.transit(state, to, now, Cause::Operator, &tally);
    }

    /// Other options from now on; what was counted stays.
    pub(super) fn reconfigure(&self, state: &mut Locked, options: Options, now: Instant) {
        self.advance(state, now);
        let mut count = 0;
        if state.counts() {
            let word = self.hold_off();
            state.ended(word.count());
            let mut window = Window::new(&options, state.origin, now);
            count = window.inherit(&state.window, word.count());
            state.window = window;
        }
        state.take_options(options);
        self.publish(state, count);
    }

    /// What is in the window; old buckets are gone.
    pub(super) fn tally(&self, state: &mut Locked, now: Instant) -> Tally {
        if !state.counts() {
            return match &state.standing {
                Standing::HalfOpen(probes) => probed(probes),
                _ => Tally::default(),
            };
        }
        self.turn(state, Some(now));
        let word = Word(self.word.load(Acquire));
        let frame = &self.frames[word.frame()];
        Shape(frame.shape()).tally(word.count(), frame)
    }

    /// Carries the count over into another frame if the word is full, or its bucket of time is over.
    pub(super) fn turn(&self, state: &mut Locked, now: Option<Instant>) {
        let word = Word(self.word.load(Acquire));
        if !state.counts() {
            return;
        }
        let frame = &self.frames[word.frame()];
        let shape = Shape(frame.shape());
        let is_over = shape.is_by_time() && now.is_some_and(|now| now.to_bits() >= frame.until());
        let call = Call { failed: false, slow: false };
        let is_full = shape.add(word.count(), call).is_none();
        if is_over || is_full {
            // Nobody counts in a word that is full.
            let word = if is_full { word } else { self.hold_off() };
            state.ended(word.count());
            state.window.turn(word.count(), now);
            self.publish(state, 0);
        }
    }

    /// From here to the next [`publish`](Self::publish) nobody counts; what was counted.
    fn hold_off(&self) -> Word {
        if planted(Fault::BreakerTurnsUnseen) {
            return Word(self.word.load(Acquire));
        }
        Word(self.word.fetch_or(Word::turning(), AcqRel))
    }

    fn open(
        &self,
        state: &mut Locked,
        at: Instant,
        cause: Cause,
        tally: &Tally,
        hint: Option<Duration>,
    ) {
        // First, since it may panic.
        let u = (state.options.random)();
        state.opens = state.opens.saturating_add(1);
        let open_for = state.options.open_time(state.opens, hint, u);
        let used = match cause {
            Cause::Slow => tally.slow,
            Cause::Consecutive => tally.run,
            _ => tally.failures,
        };
        let limit = match cause {
            Cause::Consecutive => state.options.consecutive.map_or(used, u64::from),
            _ => tally.calls,
        };
        let to = Standing::Open { until: at + open_for, cause, used, limit };
        self.transit(state, to, at, cause, tally);
    }

    /// The one place where it becomes another.
    fn transit(&self, state: &mut Locked, to: Standing, at: Instant, cause: Cause, tally: &Tally) {
        let from = state.state();
        let counted = state.counts();
        state.standing = to;
        state.generation += 1;
        state.since = at;
        state.pending.clear();
        if matches!(state.standing, Standing::Closed) {
            state.opens = 0;
        }
        if state.counts() {
            state.window = Window::new(&state.options, state.origin, at);
        }
        let open_for = match state.standing {
            Standing::Open { until, .. } => Some(until - at),
            _ => None,
        };
        let to = state.state();
        state.news.push(change(from, to, cause, at, tally, open_for));
        let before = Word(self.word.load(Relaxed));
        let last = self.publish(state, 0);
        if counted {
            // Somebody may have counted up to the exchange.
            let last = if planted(Fault::BreakerLooksBeforeItTotals) { before } else { last };
            state.ended(last.count());
        }
    }

    /// Writes a frame, and the word that names it. What was counted meanwhile and not carried over is gone: it is in the
    /// word that is returned, the last one.
    pub(super) fn publish(&self, state: &mut Locked, count: u64) -> Word {
        state.epoch += 1;
        let word = state.word(count);
        self.frames[word.frame()].write(&state.frame());
        if planted(Fault::BreakerPublishesUnseen) {
            let last = self.word.load(Relaxed);
            self.word.store(word.0, Relaxed);
            return Word(last);
        }
        // An exchange, not a store: it has its place in the order of those that count.
        Word(self.word.swap(word.0, AcqRel))
    }
}

fn change(
    from: State,
    to: State,
    cause: Cause,
    at: Instant,
    tally: &Tally,
    open_for: Option<Duration>,
) -> Change {
    let Tally { calls, failures, slow, .. } = *tally;
    Change { from, to, cause, at, calls, failures, slow, open_for }
}

fn probed(probes: &Probes) -> Tally {
    Tally {
        calls: probes.ended(),
        failures: probes.failed.into(),
        slow: probes.slow.into(),
        run: 0,
    }
}
