//! Who comes: one load lets a call through, and a refusal takes no lock.

use super::POLICY;
use super::locked::{Locked, Standing};
use super::machine::{Core, Counts, No, Place, Ticket};
use super::state::Cause;
use super::word::{Phase, Stamp, Word};
use crate::error::Kind;
use crate::resilience::Refusal;
use crate::resilience::clock::Now;
use crate::shim::atomic::Ordering::Acquire;
use crate::shim::{Fault, lock, planted};
use crate::time::Instant;

impl Core {
    /// Lets a call through as nearly all are: it is closed, and calls count when they have ended.
    ///
    /// Apart from what is seldom, and not joined with it in one result: the compiler would take the ticket to pieces.
    #[expect(clippy::inline_always, reason = "a few instructions that each call has")]
    #[inline(always)]
    pub(super) fn pass(&self, clock: impl Now) -> Option<Ticket> {
        let word = Word(self.word.load(Acquire));
        let stamp = Stamp(self.frames[word.frame()].stamp());
        if !word.counts() || stamp.counts_pending() {
            return None;
        }
        let started = if stamp.times_calls() { Some(clock.now()) } else { None };
        Some(Ticket { stamp, started, place: Place::ENDED })
    }

    /// What whoever is refused is told.
    pub(super) fn refusal(&self, no: No) -> Refusal {
        Refusal {
            policy: POLICY,
            instance: self.name,
            key: self.key.clone(),
            reason: no.cause.reason(),
            used: no.compared >> 32,
            limit: no.compared & u64::from(u32::MAX),
            retry_after: no.retry_after,
            retryable: false,
            kind: Kind::Unavailable,
        }
    }

    /// Lets a call through, or not.
    #[cfg(all(test, linchpin_loom))]
    pub(super) fn admit(&self, now: Instant) -> Result<Ticket, No> {
        self.pass(now).map_or_else(|| self.admit_otherwise(now), Ok)
    }

    /// Refuses, lets a probe through, makes what is due happen.
    #[inline(never)]
    pub(super) fn admit_otherwise(&self, now: Instant) -> Result<Ticket, No> {
        let word = Word(self.word.load(Acquire));
        let admitted = match self.refuse(word, now) {
            Some(no) => Err(no),
            None => self.admit_with_lock(now),
        };
        if let Err(no) = &admitted {
            self.refused(no);
        }
        admitted
    }

    #[cold]
    fn admit_with_lock(&self, now: Instant) -> Result<Ticket, No> {
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
            return Some(No { cause, compared, retry_after });
        }
    }

    pub(super) fn admit_locked(&self, state: &mut Locked, now: Instant) -> Result<Ticket, No> {
        if state.counts() && state.options.slow.is_some_and(|slow| slow.pending) {
            self.judge_pending(state, now);
        }
        let stamp = Stamp::new(state.generation, false, false);
        let ticket = |counts| Ticket { stamp, started: Some(now), place: Place::new(counts) };
        let id = state.next_id();
        match &mut state.standing {
            Standing::Closed | Standing::MetricsOnly { .. } => {
                let Some(slow) = state.options.slow else {
                    return Ok(Ticket { started: None, ..ticket(Counts::Ended) });
                };
                if !slow.pending {
                    return Ok(ticket(Counts::Ended));
                }
                state.pending.begin(now, id);
                Ok(ticket(Counts::Pending(id)))
            }
            Standing::ForcedClosed => Ok(ticket(Counts::Never)),
            Standing::HalfOpen(probes) => {
                if !probes.begin(id, now) {
                    return Err(state.no(now));
                }
                self.publish(state, 0);
                Ok(ticket(Counts::Probe(id)))
            }
            Standing::Open { .. } | Standing::ForcedOpen => Err(state.no(now)),
        }
    }
}
