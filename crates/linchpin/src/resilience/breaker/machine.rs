//! The machine, as those see it who come without the lock: one load admits, one exchange counts.
//!
//! It does no I/O: what time it is comes with each call, and is asked for only where it matters.

use std::sync::Arc;
use std::time::Duration;

use crossbeam_utils::CachePadded;

use super::locked::{Locked, Standing};
use super::meters::Meters;
use super::options::Options;
use super::state::{Cause, Numbers};
use super::tally::{Call, Rule, Shape, Tally};
use super::word::{Frame, Phase, Word};
use crate::resilience::Outcome;
use crate::resilience::news::News;
use crate::shim::atomic::AtomicU64;
use crate::shim::atomic::Ordering::{AcqRel, Acquire};
use crate::shim::{Fault, Mutex, lock, planted};
use crate::time::Instant;

/// What all handles of a breaker share.
#[derive(Debug)]
pub(super) struct Core {
    pub(super) name: &'static str,
    pub(super) key: Option<Arc<str>>,
    pub(super) meters: Arc<Meters>,
    pub(super) word: CachePadded<AtomicU64>,
    pub(super) frames: [Frame; 2],
    pub(super) state: Mutex<Locked>,
}

/// Where the time comes from.
pub(super) trait Now: Copy {
    fn now(self) -> Instant;
}

/// From the clock, each time it is asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock;

/// What was let through.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Ticket {
    pub(super) generation: u64,
    /// Where it matters how long the call takes.
    pub(super) started: Option<Instant>,
    pub(super) place: Place,
}

/// How what was let through counts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Place {
    /// When it ends.
    Counted,
    /// Not at all.
    Free,
    /// When it ends or is overdue.
    Pending(u64),
    /// As a probe.
    Probe(u64),
}

/// What was not let through, and why.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct No {
    pub(super) cause: Cause,
    pub(super) used: u64,
    pub(super) limit: u64,
    pub(super) retry_after: Option<Duration>,
}

/// What became of an outcome.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Recorded {
    Counted,
    /// Nothing is counted: the outcome says nothing, or an operator wants it so.
    Nothing,
    Probe,
    /// The breaker is no more as it was when the call began.
    Stale,
}

impl Now for Instant {
    fn now(self) -> Instant {
        self
    }
}

impl Now for Clock {
    fn now(self) -> Instant {
        Instant::now()
    }
}

impl Core {
    pub(super) fn new(
        name: &'static str,
        key: Option<Arc<str>>,
        meters: Arc<Meters>,
        options: Options,
        now: Instant,
    ) -> Self {
        meters.born();
        let locked = Locked::new(options, now);
        let frame = || Frame::new(locked.frame());
        Self {
            name,
            key,
            meters,
            word: CachePadded::new(AtomicU64::new(locked.word(0).0)),
            frames: [frame(), frame()],
            state: Mutex::new(locked),
        }
    }

    // ----- coming

    /// Lets a call through, or not.
    #[inline]
    pub(super) fn admit(&self, clock: impl Now) -> Result<Ticket, No> {
        let word = Word(self.word.load(Acquire));
        let frame = &self.frames[word.frame()];
        if word.counts() {
            let shape = Shape(frame.shape());
            if !shape.counts_pending() {
                let started = if shape.times_calls() { Some(clock.now()) } else { None };
                let generation = frame.generation();
                return Ok(Ticket { generation, started, place: Place::Counted });
            }
        }
        self.admit_otherwise(word, clock.now())
    }

    fn admit_otherwise(&self, word: Word, now: Instant) -> Result<Ticket, No> {
        if let Some(no) = self.refuse(word, now) {
            return Err(no);
        }
        let admitted = {
            let mut state = lock(&self.state);
            self.advance(&mut state, now);
            self.admit_locked(&mut state, now)
        };
        self.tell();
        admitted
    }

    /// Refuses without the lock, if nothing is due.
    fn refuse(&self, mut word: Word, now: Instant) -> Option<No> {
        loop {
            let limited = match word.phase() {
                Phase::Open => true,
                Phase::Full | Phase::ForcedOpen => false,
                _ => return None,
            };
            let frame = &self.frames[word.frame()];
            let (until, compared) = (frame.until(), frame.compared());
            // The frame belongs to the word only if the word is still the same.
            let again = Word(self.word.load(Acquire));
            if again != word && !planted(Fault::BreakerTrustsAFrame) {
                word = again;
                continue;
            }
            let until = Instant::from_bits(until);
            if now >= until {
                return None;
            }
            let retry_after = if limited { Some(until - now) } else { None };
            let cause = Cause::of_code(word.count());
            let (used, limit) = (compared >> 32, compared & u64::from(u32::MAX));
            return Some(No { cause, used, limit, retry_after });
        }
    }

    pub(super) fn admit_locked(&self, state: &mut Locked, now: Instant) -> Result<Ticket, No> {
        if state.counts() && state.options.slow.is_some_and(|slow| slow.pending) {
            self.judge_pending(state, now);
        }
        let generation = state.generation;
        let ticket = |place| Ticket { generation, started: Some(now), place };
        let id = state.next_id();
        match &mut state.standing {
            Standing::Closed | Standing::MetricsOnly { .. } => {
                let Some(slow) = state.options.slow else {
                    return Ok(Ticket { started: None, ..ticket(Place::Counted) });
                };
                if !slow.pending {
                    return Ok(ticket(Place::Counted));
                }
                state.pending.begin(now, id);
                Ok(ticket(Place::Pending(id)))
            }
            Standing::ForcedClosed => Ok(ticket(Place::Free)),
            Standing::HalfOpen(probes) => {
                if !probes.begin(id, now) {
                    return Err(state.no(now));
                }
                self.publish(state, 0);
                Ok(ticket(Place::Probe(id)))
            }
            Standing::Open { .. } | Standing::ForcedOpen => Err(state.no(now)),
        }
    }

    // ----- going

    /// Counts how a call has ended. `hint` is how long the callee asks to be left alone.
    #[inline]
    pub(super) fn record(
        &self,
        ticket: &Ticket,
        outcome: Outcome,
        hint: Option<Duration>,
        clock: impl Now,
    ) -> Recorded {
        match (ticket.place, outcome) {
            (Place::Counted, Outcome::Ignored) | (Place::Free, _) => Recorded::Nothing,
            (Place::Counted, _) => {
                let now = ticket.started.map(|_| clock.now());
                self.count(ticket, outcome == Outcome::Failure, hint, now, None, clock)
            }
            _ => self.record_locked(ticket, outcome, hint, clock.now()),
        }
    }

    /// The way of nearly all calls.
    #[inline]
    fn count(
        &self,
        ticket: &Ticket,
        failed: bool,
        hint: Option<Duration>,
        mut now: Option<Instant>,
        mut overdue: Option<u64>,
        clock: impl Now,
    ) -> Recorded {
        let mut word = Word(self.word.load(Acquire));
        loop {
            let frame = &self.frames[word.frame()];
            let is_of_now = word.counts() && frame.generation() == ticket.generation;
            if !is_of_now && !planted(Fault::BreakerCountsWhatIsStale) {
                return self.stale(now.unwrap_or_else(|| clock.now()));
            }
            let shape = Shape(frame.shape());
            let mut due = word.is_turning();
            if shape.is_by_time() {
                let now = *now.get_or_insert_with(|| clock.now());
                due |= now.to_bits() >= frame.until();
            }
            if shape.counts_pending() && overdue.is_none() {
                let now = *now.get_or_insert_with(|| clock.now());
                overdue = Some(lock(&self.state).overdue(now));
            }
            let slow = shape.times_calls() && took(ticket, now) > frame.slow_threshold();
            let counted = if due { None } else { shape.add(word.count(), Call { failed, slow }) };
            let Some(count) = counted else {
                word = self.turn_if_due(now);
                continue;
            };
            let tally = shape.tally(count, frame);
            let rule = tally.judge(frame, overdue.unwrap_or(0));
            match self.exchange(word, word.with_count(count)) {
                Ok(()) => {
                    if let Some(rule) = rule {
                        let now = now.unwrap_or_else(|| clock.now());
                        self.trip(ticket.generation, rule, &tally, hint, now);
                    }
                    return Recorded::Counted;
                }
                Err(other) => word = other,
            }
        }
    }

    #[inline]
    fn exchange(&self, from: Word, to: Word) -> Result<(), Word> {
        match self.word.compare_exchange(from.0, to.0, AcqRel, Acquire) {
            Ok(_) => Ok(()),
            Err(other) => Err(Word(other)),
        }
    }

    #[cold]
    fn trip(
        &self,
        generation: u64,
        rule: Rule,
        tally: &Tally,
        hint: Option<Duration>,
        now: Instant,
    ) {
        {
            let mut state = lock(&self.state);
            // Another may have been first.
            if state.generation == generation || planted(Fault::BreakerOpensTwice) {
                self.reached(&mut state, rule, tally, hint, now);
            }
        }
        self.tell();
    }

    #[cold]
    fn stale(&self, now: Instant) -> Recorded {
        self.advance(&mut lock(&self.state), now);
        self.tell();
        Recorded::Stale
    }

    /// Makes room in the word, if nobody else has; the word since.
    #[cold]
    fn turn_if_due(&self, now: Option<Instant>) -> Word {
        let mut state = lock(&self.state);
        self.turn(&mut state, now);
        Word(self.word.load(Acquire))
    }

    /// What was known under the lock when it was let through.
    fn record_locked(
        &self,
        ticket: &Ticket,
        outcome: Outcome,
        hint: Option<Duration>,
        now: Instant,
    ) -> Recorded {
        let mut state = lock(&self.state);
        self.advance(&mut state, now);
        let recorded = if state.generation != ticket.generation {
            Recorded::Stale
        } else if let Place::Probe(id) = ticket.place {
            let slow = state.options.is_slow(Duration::from_nanos(took(ticket, Some(now))));
            let call = (outcome != Outcome::Ignored)
                .then_some(Call { failed: outcome == Outcome::Failure, slow });
            self.probed(&mut state, id, call, hint, now);
            Recorded::Probe
        } else {
            state.no_more_pending(ticket);
            drop(state);
            if outcome == Outcome::Ignored {
                return Recorded::Nothing;
            }
            return self.count(ticket, outcome == Outcome::Failure, hint, Some(now), None, now);
        };
        drop(state);
        self.tell();
        recorded
    }

    // ----- looking

    /// The numbers now.
    pub(super) fn numbers(&self, now: Instant) -> Numbers {
        let numbers = {
            let mut state = lock(&self.state);
            self.advance(&mut state, now);
            let tally = self.tally(&mut state, now);
            state.numbers(&tally, now)
        };
        self.tell();
        numbers
    }

    /// The call begins later than it was let through.
    pub(super) fn begin_pending(&self, generation: u64, id: u64, from: Instant, to: Instant) {
        let mut state = lock(&self.state);
        if state.generation == generation {
            state.pending.end(from, id);
            state.pending.begin(to, id);
        }
    }

    #[inline]
    pub(super) fn refused(&self, no: &No) {
        self.meters.refused(self.name, no);
    }

    /// Tells what has happened. Never under the lock.
    pub(super) fn tell(&self) {
        let told = |change| self.meters.changed(self.name, self.key.as_deref(), &change);
        News::tell(&self.state, |state| &mut state.news, told);
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        self.meters.gone(lock(&self.state).state());
    }
}

/// How long it took, in nanoseconds.
fn took(ticket: &Ticket, now: Option<Instant>) -> u64 {
    match (ticket.started, now) {
        (Some(started), Some(now)) => now.nanos_since(started),
        _ => 0,
    }
}
