//! Who comes: one load lets a call through, and a refusal takes no lock.

use super::locked::{Locked, Standing};
use super::machine::{Core, No, Now, Place, Ticket};
use super::state::Cause;
use super::word::{Phase, Stamp, Word};
use crate::shim::atomic::Ordering::Acquire;
use crate::shim::{Fault, lock, planted};
use crate::time::Instant;

impl Core {
    /// Lets a call through, or not.
    #[inline]
    pub(super) fn admit(&self, clock: impl Now) -> Result<Ticket, No> {
        let word = Word(self.word.load(Acquire));
        if word.counts() {
            let stamp = Stamp(self.frames[word.frame()].stamp());
            if !stamp.counts_pending() {
                let started = if stamp.times_calls() { Some(clock.now()) } else { None };
                return Ok(Ticket { stamp, started, place: Place::Counted });
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
            return Some(No { cause, compared, retry_after });
        }
    }

    pub(super) fn admit_locked(&self, state: &mut Locked, now: Instant) -> Result<Ticket, No> {
        if state.counts() && state.options.slow.is_some_and(|slow| slow.pending) {
            self.judge_pending(state, now);
        }
        let stamp = Stamp::new(state.generation, false, false);
        let ticket = |place| Ticket { stamp, started: Some(now), place };
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
}
