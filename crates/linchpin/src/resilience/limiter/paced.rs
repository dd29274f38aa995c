//! The word of one limiter, which all change at once, and the numbers it is judged by.

use crossbeam_utils::CachePadded;

use super::decision::{Decision, No, Slot, Ticket};
use super::machine::{Kept as _, Machine as _};
use super::pace::Pace;
use crate::shim::atomic::Ordering::{AcqRel, Acquire, Release};
use crate::shim::atomic::{AtomicBool, AtomicU32, AtomicU64};
use crate::shim::{Fault, Mutex, lock, planted};

/// One load and one exchange let a visitor pass. Other numbers are written under a lock while the version is odd; who
/// finds it odd waits for the lock, and who has read numbers of two versions reads again.
#[derive(Debug)]
pub(super) struct Paced {
    /// Apart from the numbers, which nobody writes.
    word: CachePadded<AtomicU64>,
    version: AtomicU64,
    interval: AtomicU64,
    allowance: AtomicU64,
    reciprocal: AtomicU64,
    limit: AtomicU32,
    smooth: AtomicBool,
    /// The allowance, but nothing for a leaky bucket: how far the word of who passes at once may be ahead.
    lead: AtomicU64,
    writer: Mutex<()>,
}

/// Why nothing passed at once.
pub(super) enum Short {
    /// Nothing at all is left, and so long would be the wait.
    Spent { limit: u32, wait: u64 },
    /// [`Paced::take`] knows.
    Unsure,
}

impl Paced {
    pub(super) fn new(pace: Pace) -> Self {
        Self {
            word: CachePadded::new(AtomicU64::new(pace.fresh())),
            version: AtomicU64::new(0),
            interval: AtomicU64::new(pace.interval),
            allowance: AtomicU64::new(pace.allowance),
            reciprocal: AtomicU64::new(pace.reciprocal),
            limit: AtomicU32::new(pace.limit),
            smooth: AtomicBool::new(pace.smooth),
            lead: AtomicU64::new(pace.lead()),
            writer: Mutex::new(()),
        }
    }

    /// As [`Machine::take`](super::machine::Machine::take).
    #[inline]
    pub(super) fn take(&self, now: u64, cost: u32, max_wait: u64) -> Result<Slot, No> {
        loop {
            let (version, pace, word) = self.read();
            let mut after = word;
            let mut slot = pace.take(&mut after, now, cost, max_wait)?;
            slot.ticket.version = version;
            if cost == 0 {
                return Ok(slot);
            }
            if self.exchange(word, after) {
                return Ok(slot);
            }
        }
    }

    /// What [`take`](Self::take) does for nearly all who do not wait, with as few looks as can be.
    #[inline]
    pub(super) fn pass(&self, now: u64, cost: u32) -> Result<Slot, Short> {
        loop {
            let version = self.version.load(Acquire);
            let interval = self.interval.load(Acquire);
            let lead = self.lead.load(Acquire);
            let limit = self.limit.load(Acquire);
            let word = self.word.load(Acquire);
            let is_whole = version & 1 == 0 && self.version.load(Acquire) == version;
            // A cost of zero is one less than none.
            if !(is_whole || planted(Fault::LimiterTrustsAMix)) || cost.wrapping_sub(1) >= limit {
                return Err(Short::Unsure);
            }
            let paid = word.max(now);
            let (after, most) = (paid + u64::from(cost) * interval, now + lead);
            let Some(room) = most.checked_sub(after) else {
                // Less than a unit is left, as there always is for who asks for one.
                let is_spent = paid + interval > most && lead > 0;
                let spent = Short::Spent { limit, wait: after - most };
                return Err(if is_spent { spent } else { Short::Unsure });
            };
            if self.exchange(word, after) {
                let (unit, reset) = (interval, after - now);
                let decision = Decision { limit, room, unit, reset, window: lead, wait: 0 };
                let ticket = Ticket { version, before: word, after, cost, ..Ticket::default() };
                return Ok(Slot { at: now, ticket, decision });
            }
        }
    }

    #[inline]
    fn exchange(&self, from: u64, to: u64) -> bool {
        if planted(Fault::LimiterStoresUnseen) {
            self.word.store(to, Release);
            return true;
        }
        self.word.compare_exchange_weak(from, to, AcqRel, Acquire).is_ok()
    }

    /// The numbers of one version, and the word under them.
    #[inline]
    pub(super) fn read(&self) -> (u64, Pace, u64) {
        loop {
            match self.look() {
                Some(seen) => return seen,
                None => self.wait(),
            }
        }
    }

    /// The same, unless they are being written.
    #[inline]
    fn look(&self) -> Option<(u64, Pace, u64)> {
        let version = self.version.load(Acquire);
        let pace = self.pace();
        let word = self.word.load(Acquire);
        // Each load above sees what was written before what it sees.
        let is_whole = version & 1 == 0 && self.version.load(Acquire) == version;
        if is_whole || planted(Fault::LimiterTrustsAMix) {
            Some((version, pace, word))
        } else {
            None
        }
    }

    #[inline]
    fn pace(&self) -> Pace {
        Pace {
            interval: self.interval.load(Acquire),
            allowance: self.allowance.load(Acquire),
            reciprocal: self.reciprocal.load(Acquire),
            limit: self.limit.load(Acquire),
            smooth: self.smooth.load(Acquire),
        }
    }

    #[cold]
    fn wait(&self) {
        drop(lock(&self.writer));
    }

    /// Gives back what was taken, if nobody came since; whether it did.
    pub(super) fn undo(&self, ticket: &Ticket) -> bool {
        // Nobody writes other numbers meanwhile.
        let _writer = lock(&self.writer);
        if self.version.load(Acquire) != ticket.version && !planted(Fault::LimiterUndoesWhatIsOld) {
            return false;
        }
        self.word.compare_exchange(ticket.after, ticket.before, AcqRel, Acquire).is_ok()
    }

    /// Lets nothing pass before `until`.
    pub(super) fn penalize(&self, until: u64) {
        let _writer = lock(&self.writer);
        self.word.fetch_max(self.pace().penalized(0, until), AcqRel);
        // What was taken before cannot be given back any more: that would take the penalty back, too. The version
        // comes last, so that a ticket with it was given after the penalty.
        self.version.fetch_add(2, AcqRel);
    }

    /// Takes other numbers, and keeps what is owed.
    pub(super) fn reconfigure(&self, pace: Pace, now: u64) {
        let _writer = lock(&self.writer);
        let old = self.pace();
        self.version.fetch_add(1, AcqRel);
        self.interval.store(pace.interval, Release);
        self.allowance.store(pace.allowance, Release);
        self.reciprocal.store(pace.reciprocal, Release);
        self.limit.store(pace.limit, Release);
        self.smooth.store(pace.smooth, Release);
        self.lead.store(pace.lead(), Release);
        let carried = |word| Some(pace.carried(&old, word, now));
        let _word = self.word.fetch_update(AcqRel, Acquire, carried);
        self.version.fetch_add(1, AcqRel);
    }
}
