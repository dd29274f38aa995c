//! GCRA and the leaky bucket: one word, the time at which all that has passed is paid for.

use super::decision::{Cause, Decision, No, Slot, Ticket};
use super::machine::{Kept, Machine};

/// Each that passes moves the word by an interval for each unit of its cost, from now at least. GCRA lets pass whoever
/// leaves the word within a whole burst from now; a leaky bucket at the word itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Pace {
    pub(super) interval: u64,
    /// The whole limit in time.
    pub(super) allowance: u64,
    /// 2^64 by the interval: a refusal tells how much is used without a division.
    pub(super) reciprocal: u64,
    pub(super) limit: u32,
    /// A leaky bucket: no burst, but a queue.
    pub(super) smooth: bool,
}

/// Passes at `at`, and leaves the word at `after`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    pub(super) at: u64,
    pub(super) after: u64,
}

impl Pace {
    /// What was checked by the options: the product is below ten years.
    pub(super) fn new(interval: u64, limit: u32, smooth: bool) -> Self {
        let allowance = interval * u64::from(limit);
        Self { interval, allowance, reciprocal: u64::MAX / interval, limit, smooth }
    }

    /// Where a cost above zero comes to.
    #[inline]
    pub(super) fn step(&self, word: u64, now: u64, cost: u32, max_wait: u64) -> Result<Step, No> {
        if cost > self.limit {
            return Err(No::never(cost, self.limit));
        }
        let paid = word.max(now);
        let price = u64::from(cost) * self.interval;
        let after = paid + price;
        let at = after.saturating_sub(if self.smooth { price } else { self.allowance }).max(now);
        let wait = at - now;
        // A leaky bucket is full when all places of its queue are taken, and one for who is at the front.
        let queue = if self.smooth { self.allowance - self.interval } else { u64::MAX };
        if wait <= max_wait.min(queue) {
            return Ok(Step { at, after });
        }
        let used = self.units(paid - now).min(u64::from(self.limit));
        let (cause, retry_after) =
            if wait > max_wait { (Cause::Spent, wait) } else { (Cause::QueueFull, wait - queue) };
        Err(No { cause, retry_after, used, limit: self.limit })
    }

    /// What is left with the word there.
    #[inline]
    pub(super) fn decision(&self, word: u64, now: u64, wait: u64) -> Decision {
        let paid = word.max(now);
        Decision {
            limit: self.limit,
            room: (now + self.allowance).saturating_sub(paid),
            unit: self.interval,
            reset: paid - now,
            window: self.allowance,
            wait,
        }
    }

    /// The word, so that nothing passes before `until`.
    pub(super) fn penalized(&self, word: u64, until: u64) -> u64 {
        let full = if self.smooth { 0 } else { self.allowance - self.interval };
        word.max(until + full)
    }

    /// The word of `old`, in intervals of this one: as many units are owed, at most a whole burst. Waits that were
    /// granted stay.
    pub(super) fn carried(&self, old: &Self, word: u64, now: u64) -> u64 {
        let owed = word.saturating_sub(now);
        if owed == 0 || self.smooth {
            return word;
        }
        let granted = owed.saturating_sub(old.allowance);
        let units = u128::from(owed - granted) * u128::from(self.interval);
        let price = units.div_ceil(u128::from(old.interval)).min(u128::from(self.allowance));
        now + granted + price as u64
    }

    /// How many intervals, begun ones too.
    #[inline]
    fn units(&self, nanos: u64) -> u64 {
        let product = u128::from(nanos) * u128::from(self.reciprocal);
        let mut whole = (product >> 64) as u64;
        // The reciprocal is rounded down, so the product may be one short, and no more below 2^63.
        if (whole + 1) * self.interval <= nanos {
            whole += 1;
        }
        whole + u64::from(whole * self.interval < nanos)
    }
}

impl Kept for Pace {
    type State = u64;

    #[inline]
    fn fresh(&self) -> u64 {
        0
    }

    #[inline]
    fn is_fresh(&self, word: &u64, now: u64) -> bool {
        *word <= now
    }
}

impl Machine for Pace {
    #[inline]
    fn take(&self, word: &mut u64, now: u64, cost: u32, max_wait: u64) -> Result<Slot, No> {
        if cost == 0 {
            return Ok(Slot { at: now, ticket: Ticket::default(), decision: self.look(word, now) });
        }
        let step = self.step(*word, now, cost, max_wait)?;
        let ticket = Ticket { before: *word, after: step.after, ..Ticket::default() };
        *word = step.after;
        Ok(Slot { at: step.at, ticket, decision: self.decision(step.after, now, step.at - now) })
    }

    #[inline]
    fn look(&self, word: &u64, now: u64) -> Decision {
        self.decision(*word, now, 0)
    }

    fn undo(&self, word: &mut u64, ticket: &Ticket) -> bool {
        let is_newest = *word == ticket.after;
        if is_newest {
            *word = ticket.before;
        }
        is_newest
    }

    fn penalize(&self, word: &mut u64, until: u64) {
        *word = self.penalized(*word, until);
    }

    fn carry(&self, old: &Self, word: &mut u64, now: u64) {
        *word = self.carried(old, *word, now);
    }
}
