//! Who goes: one exchange counts how a call has ended.

use std::time::Duration;

use super::machine::{Core, Counts, Place, Recorded, Ticket};
use super::tally::{Call, Rule, Shape, Tally};
use super::word::{Stamp, Word};
use crate::resilience::Outcome;
use crate::resilience::clock::Now;
use crate::shim::atomic::Ordering::{AcqRel, Acquire};
use crate::shim::{Fault, lock, planted};
use crate::time::Instant;

impl Core {
    /// Counts a success while all is well, which needs no judgement; `false`, and nothing is counted, in all other cases.
    #[expect(clippy::inline_always, reason = "a few instructions that each call has")]
    #[inline(always)]
    fn count_quietly(&self, ticket: Ticket, clock: impl Now) -> bool {
        let word = Word(self.word.load(Acquire));
        let frame = &self.frames[word.frame()];
        let is_usual =
            word.counts_now() && frame.stamp() == ticket.stamp.0 && ticket.place == Place::ENDED;
        if !is_usual {
            return false;
        }
        let (count, room) = (word.count(), frame.quiet_room());
        let next = if count < room {
            word.with_one_more()
        } else if count == room && frame.quiet_wraps() != 0 {
            word.with_count(1)
        } else {
            return false;
        };
        let (until, mut timed) = (frame.until(), None);
        if until != u64::MAX || ticket.started.is_some() {
            let now = clock.now();
            timed = ticket.started.map(|started| now.nanos_since(started));
            if now.to_bits() >= until || timed.unwrap_or(0) > frame.slow_threshold() {
                return false;
            }
        }
        let is_counted = self.exchange(word, next).is_ok();
        if is_counted {
            self.meters.succeeded(timed.map(Duration::from_nanos));
        }
        is_counted
    }

    /// Counts how a call has ended, and says so. `hint` is how long the callee asks to be left alone.
    #[expect(clippy::inline_always, reason = "a few instructions that each call has")]
    #[inline(always)]
    pub(super) fn end(
        &self,
        ticket: Ticket,
        outcome: Outcome,
        hint: Option<Duration>,
        clock: impl Now,
    ) {
        if outcome != Outcome::Success || !self.count_quietly(ticket, clock) {
            self.end_otherwise(ticket, outcome, hint, clock);
        }
    }

    #[inline(never)]
    fn end_otherwise(
        &self,
        ticket: Ticket,
        outcome: Outcome,
        hint: Option<Duration>,
        clock: impl Now,
    ) {
        let (recorded, took) = match ticket.started {
            None => (self.record(&ticket, outcome, hint, clock), None),
            Some(started) => {
                let now = clock.now();
                (self.record(&ticket, outcome, hint, now), Some(now - started))
            }
        };
        self.meters.ended(self.name, outcome, recorded, took);
    }

    pub(super) fn record(
        &self,
        ticket: &Ticket,
        outcome: Outcome,
        hint: Option<Duration>,
        clock: impl Now,
    ) -> Recorded {
        match (ticket.place.counts(), outcome) {
            (Counts::Ended, Outcome::Ignored) | (Counts::Never, _) => Recorded::Nothing,
            (Counts::Ended, _) => {
                let now = ticket.started.map(|_| clock.now());
                self.count(ticket, outcome == Outcome::Failure, hint, now, None, clock)
            }
            _ => self.record_locked(ticket, outcome, hint, clock.now()),
        }
    }

    /// Counts a call, and opens if it is one too many.
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
            let stamp = Stamp(frame.stamp());
            let is_of_now = word.counts() && stamp.generation() == ticket.stamp.generation();
            if !is_of_now && !planted(Fault::BreakerCountsWhatIsStale) {
                return self.stale(now.unwrap_or_else(|| clock.now()));
            }
            let shape = Shape(frame.shape());
            let mut due = word.is_turning();
            if shape.is_by_time() {
                let now = *now.get_or_insert_with(|| clock.now());
                due |= now.to_bits() >= frame.until();
            }
            if stamp.counts_pending() && overdue.is_none() {
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
                        self.trip(ticket.stamp.generation(), rule, &tally, hint, now);
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
        let recorded = if state.generation != ticket.stamp.generation() {
            Recorded::Stale
        } else if let Counts::Probe(id) = ticket.place.counts() {
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
}

/// How long it took, in nanoseconds.
fn took(ticket: &Ticket, now: Option<Instant>) -> u64 {
    match (ticket.started, now) {
        (Some(started), Some(now)) => now.nanos_since(started),
        _ => 0,
    }
}
