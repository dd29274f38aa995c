//! The machine that all handles of a throttle share: who comes, and who goes.
//!
//! It does no I/O: the time and the chance come with each call. What changes the window is in `turn`.

use crossbeam_utils::CachePadded;

use super::meters::Meters;
use super::options::Options;
use super::state::Numbers;
use super::turn::Locked;
use super::word::{Frame, Word};
use crate::resilience::Outcome;
use crate::resilience::clock::Now;
use crate::resilience::news::told;
use crate::shim::atomic::Ordering::{AcqRel, Acquire, Relaxed};
use crate::shim::atomic::{AtomicBool, AtomicU64};
use crate::shim::{Fault, Mutex, lock, planted};
use crate::time::Instant;

/// So many slots are as long as the time after which a call that is under way counts.
pub(super) const SLOTS: usize = if cfg!(linchpin_loom) { 2 } else { 16 };
/// The slot of calls that count when they end alone.
pub(super) const NO_SLOT: u64 = u64::MAX;

/// What all handles of a throttle share.
#[derive(Debug)]
pub(super) struct Core {
    pub(super) name: &'static str,
    pub(super) meters: Meters,
    random: fn() -> f64,
    pub(super) hot: CachePadded<Hot>,
    pub(super) frames: [Frame; 2],
    /// Who began in the slots before and is under way; of the slot `index` at `index % SLOTS`.
    ///
    /// Whoever is late may take itself off another slot than it was put on, for a time that short: in sum, with those that
    /// are overdue and those in the word, none is lost.
    pub(super) begun: [AtomicU64; SLOTS],
    pub(super) state: Mutex<Locked>,
}

/// What nearly each call changes.
#[derive(Debug)]
pub(super) struct Hot {
    pub(super) word: AtomicU64,
    /// When the last call was let through.
    pub(super) passed: AtomicU64,
    /// Calls that are under way for so long that they count. As a number with a sign: those who take themselves off may
    /// come first.
    pub(super) overdue: AtomicU64,
    /// Somebody was told that calls are refused.
    pub(super) throttling: AtomicBool,
}

/// What was let through.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::resilience) struct Ticket {
    pub(super) slot: u64,
    pub(super) started: Instant,
}

/// What was not let through, by which numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct No {
    pub(super) requests: u64,
    pub(super) accepted: u64,
    pub(super) chance: f64,
}

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Verdict {
    Passes,
    Refused(No),
}

impl Core {
    pub(super) fn new(name: &'static str, meters: Meters, options: Options, now: Instant) -> Self {
        let random = options.random;
        let locked = Locked::new(options, now);
        let hot = Hot {
            word: AtomicU64::new(Word::new(0).0),
            passed: AtomicU64::new(now.to_bits()),
            overdue: AtomicU64::new(0),
            throttling: AtomicBool::new(false),
        };
        Self {
            name,
            meters,
            random,
            hot: CachePadded::new(hot),
            frames: std::array::from_fn(|_| Frame::new(locked.frame())),
            begun: std::array::from_fn(|_| AtomicU64::new(0)),
            state: Mutex::new(locked),
        }
    }

    /// Lets a call through, or not.
    #[inline]
    pub(super) fn admit(&self, now: Instant) -> Result<Ticket, No> {
        let mut draw = Draw { core: self, u: None, is_probe: false };
        loop {
            let word = Word(self.hot.word.load(Acquire));
            let frame = &self.frames[word.frame()];
            if now.to_bits() >= frame.until() {
                self.turn(now);
                continue;
            }
            let slot = if frame.counts_pending() == 0 { NO_SLOT } else { frame.slot() };
            let verdict = draw.judge(word, frame, now);
            let next = match verdict {
                Verdict::Passes if slot == NO_SLOT => Some(word),
                Verdict::Passes => word.with_begun(),
                Verdict::Refused(_) => word.with_request(false),
            };
            let Some(next) = next else {
                self.turn(now);
                continue;
            };
            // What was judged belongs together only if the word is still the same.
            if !self.exchange(word, next) {
                continue;
            }
            return match verdict {
                Verdict::Passes => {
                    self.hot.passed.store(now.to_bits(), Relaxed);
                    Ok(Ticket { slot, started: now })
                }
                Verdict::Refused(no) => {
                    self.refused(&no);
                    Err(no)
                }
            };
        }
    }

    /// Counts how a call has ended, and says so.
    #[inline]
    pub(super) fn end(&self, ticket: Ticket, outcome: Outcome, clock: impl Now) {
        let took = if outcome == Outcome::Ignored {
            self.leave(ticket);
            None
        } else {
            let now = clock.now();
            self.count(ticket, outcome == Outcome::Success, now);
            Some(now - ticket.started)
        };
        self.meters.ended(outcome, took);
    }

    /// The call begins later than it was let through.
    pub(super) fn begin(&self, ticket: &mut Ticket, now: Instant) {
        ticket.started = now;
        if ticket.slot != NO_SLOT {
            self.leave(*ticket);
            ticket.slot = self.enter(now);
        }
    }

    /// The numbers now.
    pub(super) fn numbers(&self, now: Instant) -> Numbers {
        self.turn(now);
        let state = lock(&self.state);
        let word = Word(self.hot.word.load(Acquire));
        let frame = &self.frames[word.frame()];
        let (requests, accepted, overdue) = self.tally(word, frame);
        let begun = self.begun.iter().map(|slot| slot.load(Acquire));
        let under_way = begun.fold(word.begun() + overdue, u64::wrapping_add);
        let chance = chance(requests, accepted, frame);
        drop(state);
        Numbers { requests, accepted, overdue, under_way: signed(under_way), chance }
    }

    /// Requests in the window, those of them that were accepted, and those that are under way for too long.
    #[inline]
    pub(super) fn tally(&self, word: Word, frame: &Frame) -> (u64, u64, u64) {
        let overdue = signed(self.hot.overdue.load(Acquire));
        let requests = frame.requests() + word.requests() + overdue;
        (requests, frame.accepted() + word.accepted(), overdue)
    }

    fn enter(&self, now: Instant) -> u64 {
        loop {
            let word = Word(self.hot.word.load(Acquire));
            let frame = &self.frames[word.frame()];
            let slot = frame.slot();
            match word.with_begun() {
                _ if now.to_bits() >= frame.until() => self.turn(now),
                _ if frame.counts_pending() == 0 => return NO_SLOT,
                Some(next) if self.exchange(word, next) => return slot,
                Some(_) => {}
                None => self.turn(now),
            }
        }
    }

    fn count(&self, ticket: Ticket, is_accepted: bool, now: Instant) {
        loop {
            let word = Word(self.hot.word.load(Acquire));
            let frame = &self.frames[word.frame()];
            let counted =
                if now.to_bits() >= frame.until() { None } else { word.with_request(is_accepted) };
            let Some(mut next) = counted else {
                self.turn(now);
                continue;
            };
            let slot = frame.slot();
            let is_here = ticket.slot == slot && word.begun() > 0;
            if is_here {
                next = next.without_begun();
            }
            if self.exchange(word, next) {
                if !is_here {
                    self.leave_slot(ticket.slot, slot);
                }
                return;
            }
        }
    }

    /// The call is not under way any more, and that is all.
    fn leave(&self, ticket: Ticket) {
        loop {
            let word = Word(self.hot.word.load(Acquire));
            let slot = self.frames[word.frame()].slot();
            if ticket.slot != slot || word.begun() == 0 {
                return self.leave_slot(ticket.slot, slot);
            }
            if self.exchange(word, word.without_begun()) {
                return;
            }
        }
    }

    fn leave_slot(&self, slot: u64, now: u64) {
        if slot != NO_SLOT {
            self.place(slot, now).fetch_sub(1, AcqRel);
        }
    }

    /// Where those are counted who began in a slot that is over, when calls begin in slot `now`.
    pub(super) fn place(&self, slot: u64, now: u64) -> &AtomicU64 {
        let is_overdue = slot + SLOTS as u64 <= now;
        if is_overdue { &self.hot.overdue } else { &self.begun[(slot % SLOTS as u64) as usize] }
    }

    #[inline]
    fn exchange(&self, from: Word, to: Word) -> bool {
        if from == to {
            return self.hot.word.load(Acquire) == from.0;
        }
        if planted(Fault::ThrottleStoresUnseen) {
            self.hot.word.store(to.0, Relaxed);
            return true;
        }
        self.hot.word.compare_exchange(from.0, to.0, AcqRel, Acquire).is_ok()
    }

    #[cold]
    fn refused(&self, no: &No) {
        self.meters.refused(self.name, no);
        if !self.hot.throttling.load(Relaxed) {
            self.begins(no);
        }
    }
}

/// The draw of one call: it has one, however often it is judged.
struct Draw<'a> {
    core: &'a Core,
    u: Option<f64>,
    /// It passes, since nobody else has for too long.
    is_probe: bool,
}

impl Draw<'_> {
    #[inline]
    fn judge(&mut self, word: Word, frame: &Frame, now: Instant) -> Verdict {
        let (requests, accepted, _) = self.core.tally(word, frame);
        // Most calls end here.
        if requests == accepted || self.is_probe {
            return Verdict::Passes;
        }
        self.judge_trouble(requests, accepted, frame, now)
    }

    #[inline(never)]
    fn judge_trouble(
        &mut self,
        requests: u64,
        accepted: u64,
        frame: &Frame,
        now: Instant,
    ) -> Verdict {
        let chance = chance(requests, accepted, frame);
        if chance == 0.0 || *self.u.get_or_insert_with(self.core.random) >= chance {
            return Verdict::Passes;
        }
        let passed = self.core.hot.passed.load(Acquire);
        let is_time = now.nanos_since(Instant::from_bits(passed)) >= frame.probe_after();
        self.is_probe = is_time && self.core.is_first(passed, now);
        if self.is_probe {
            self.core.meters.probed();
            return Verdict::Passes;
        }
        Verdict::Refused(No { requests, accepted, chance })
    }
}

impl Core {
    /// Of several that find that nobody has passed, one is the first.
    fn is_first(&self, passed: u64, now: Instant) -> bool {
        let (place, to) = (&self.hot.passed, now.to_bits());
        if planted(Fault::ThrottleLooksBeforeItProbes) {
            place.store(to, Relaxed);
            return true;
        }
        place.compare_exchange(passed, to, AcqRel, Relaxed).is_ok()
    }
}

/// The chance that a call is refused.
pub(super) fn chance(requests: u64, accepted: u64, frame: &Frame) -> f64 {
    if requests < frame.min_requests() {
        return 0.0;
    }
    let requests = requests as f64;
    let excess = requests - f64::from_bits(frame.multiplier()) * accepted as f64;
    if excess <= 0.0 {
        return 0.0;
    }
    let share = excess / (requests + 1.0);
    let exponent = frame.exponent();
    let is_plain = exponent == 1.0_f64.to_bits();
    let chance = if is_plain { share } else { share.powf(f64::from_bits(exponent)) };
    chance.min(f64::from_bits(frame.most()))
}

/// A count that may be below zero for a moment.
fn signed(count: u64) -> u64 {
    (count as i64).max(0) as u64
}

impl Drop for Core {
    fn drop(&mut self) {
        if self.hot.throttling.load(Relaxed) {
            told(|| self.meters.calm());
        }
    }
}
