//! One call: which attempts are under way, and when the next is due. Told the time, it waits for nothing itself.

use std::thread;
use std::time::Duration;

use smallvec::SmallVec;

use super::meters::Why;
use super::{Core, Handle};
use crate::context::Ended;
use crate::resilience::Again;
use crate::resilience::retry::{Allow as _, Event, StopReason, Stopped};
use crate::time::Instant;

/// One call, from its first attempt to its end. Dropped, it gives back what it holds.
#[derive(Debug)]
pub(super) struct Call<H: Handle> {
    handle: H,
    bounds: Bounds,
    /// Attempts that were begun.
    pub(super) attempts: u32,
    /// Those under way, by a bit each.
    under_way: Bits,
    /// Those that were paid for as throttled.
    throttled: Bits,
    /// When each was begun, or has left the last queue on this side, once the first had to wait.
    begun: SmallVec<[Instant; 2]>,
    next: Next,
    retry_after: Option<Duration>,
    minds_ends: bool,
    /// It has an end, good or bad.
    ended: bool,
    /// Made while a panic unwound, which is then none of its work.
    unwinding: bool,
}

/// A bit for each attempt, the first one's the lowest.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Bits(u16);

/// What an attempt came to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Said {
    pub(super) again: Again,
    pub(super) is_ok: bool,
    pub(super) retry_after: Option<Duration>,
}

/// What bounds the next attempt.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) deadline: Option<Instant>,
    pub(super) is_idempotent: bool,
}

/// Whether and when there is another attempt.
#[derive(Clone, Copy, Debug)]
pub(super) enum Next {
    /// Only if one fails.
    Idle,
    At {
        at: Instant,
        is_now: bool,
        why: Why,
        is_throttled: bool,
    },
    Never(StopReason),
}

/// After an answer that asks for less and not for how long, the next attempt is due no earlier.
const THROTTLED: Duration = Duration::from_secs(1);

impl<H: Handle> Call<H> {
    #[inline]
    pub(super) fn new(handle: H, bounds: Bounds) -> Self {
        let core = handle.core();
        core.load.deposit(Instant::now);
        core.budget.call_began();
        let minds_ends = core.budget.minds_ends();
        Self {
            handle,
            bounds,
            attempts: 1,
            under_way: Bits(1),
            throttled: Bits(0),
            begun: SmallVec::new(),
            next: Next::Idle,
            retry_after: None,
            minds_ends,
            ended: false,
            unwinding: thread::panicking(),
        }
    }

    pub(super) fn handle(&self) -> &H {
        &self.handle
    }

    #[inline]
    fn core(&self) -> &Core {
        self.handle.core()
    }

    /// The first attempt has succeeded without having had to wait.
    #[inline]
    pub(super) fn succeeded_at_once(&mut self) {
        self.ended = true;
        let core = self.core();
        core.budget.succeeded_at_once();
        core.meters.succeeded_at_once();
        if core.measures() {
            core.took(Duration::ZERO);
        }
    }

    /// Whether the first attempt has had to wait.
    #[inline]
    pub(super) fn has_waited(&self) -> bool {
        !self.begun.is_empty()
    }

    /// The first attempt has to wait, since `now`.
    pub(super) fn waits(&mut self, now: Instant) {
        self.begun.push(now);
        self.schedule(now);
    }

    /// The attempt `number` has left a queue on this side: it is with its callee since `at`.
    pub(super) fn begins(&mut self, number: u32, at: Instant) {
        let Some(begun) = self.begun.get_mut(number as usize - 1) else { return };
        *begun = at;
        if number == self.attempts && matches!(self.next, Next::At { why: Why::Slow, .. }) {
            self.schedule(at);
        }
    }

    pub(super) fn next(&self) -> Next {
        self.next
    }

    /// An attempt is due: its number, if it is paid for. `is_possible` if there is something to send.
    pub(super) fn send(&mut self, now: Instant, is_possible: bool) -> Option<u32> {
        let Next::At { why, is_throttled, .. } = self.next else { return None };
        if !is_possible {
            self.next = Next::Never(StopReason::Unsafe);
            return None;
        }
        if !self.core().pay(now, is_throttled) {
            self.next = Next::Never(StopReason::Budget);
            let core = self.core();
            core.meters.spent(core.name, self.attempts);
            return None;
        }
        self.attempts += 1;
        self.under_way.set(self.attempts);
        if is_throttled {
            self.throttled.set(self.attempts);
        }
        if self.begun.is_empty() {
            // The first failed before it had to wait: nobody asks how long it took.
            self.begun.push(now);
        }
        self.begun.push(now);
        let core = self.core();
        core.meters.sent(core.name, self.attempts, why);
        self.schedule(now);
        Some(self.attempts)
    }

    /// The attempt `number` has ended: why the call is over, if it is.
    pub(super) fn judge(&mut self, number: u32, said: Said) -> Option<StopReason> {
        self.under_way.clear(number);
        let is_well = said.again == Again::Never && said.is_ok;
        let core = self.handle.core();
        let was_throttled = self.throttled.has(number);
        if is_well {
            core.budget.tell(Event::Succeeded((number > 1).then_some(was_throttled)));
        } else if !matches!(said.again, Again::Never | Again::Refused(_)) {
            core.budget.tell(Event::Failed);
        }
        if number > 1 {
            core.budget.tell(Event::RetryEnded);
        }
        if is_well {
            self.won(number);
            return Some(StopReason::Final);
        }
        self.retry_after = said.retry_after.or(self.retry_after);
        let reason = self.failed(number, said)?;
        self.over(reason);
        Some(reason)
    }

    /// What no further attempt is sent for, if none is under way.
    pub(super) fn rests(&mut self) -> Option<StopReason> {
        match self.next {
            _ if self.under_way != Bits(0) => None,
            Next::At { .. } => None,
            Next::Never(reason) => {
                self.over(reason);
                Some(reason)
            }
            Next::Idle => unreachable!("what fails is due again, or never"),
        }
    }

    /// The context has ended while attempts were under way.
    pub(super) fn cut(&mut self, ended: &Ended) -> Stopped {
        let reason = StopReason::of_end(ended);
        if reason == StopReason::Deadline {
            let core = self.core();
            core.budget.tell(Event::Failed);
            if core.measures() {
                self.took_so_far(Instant::now());
            }
        }
        self.over(reason)
    }

    /// What the call came to, where it failed.
    pub(super) fn stopped(&self, reason: StopReason) -> Stopped {
        Stopped { attempts: self.attempts, reason, retry_after: self.retry_after }
    }

    fn over(&mut self, reason: StopReason) -> Stopped {
        self.ended = true;
        let stopped = self.stopped(reason);
        let core = self.core();
        core.meters.failed(core.name, stopped);
        stopped
    }

    fn won(&mut self, number: u32) {
        self.ended = true;
        let core = self.core();
        core.meters.won(core.name, number, self.attempts, self.under_way.count());
        if core.measures() {
            let now = Instant::now();
            self.took(number, now);
            self.took_so_far(now);
        }
    }

    /// An attempt that is not the last has failed, or one that ends the call for the reason that is given.
    fn failed(&mut self, number: u32, said: Said) -> Option<StopReason> {
        let nobody_else = self.under_way == Bits(0);
        let is_certain = match said.again {
            Again::Never => return Some(StopReason::Final),
            // It says nothing of the callee: what is under way and what is due go on.
            Again::Refused("breaker") => return nobody_else.then_some(StopReason::CircuitOpen),
            Again::Refused(_) => return nobody_else.then_some(StopReason::Refused),
            Again::PushedBack => {
                self.next = Next::Never(StopReason::Pushback);
                return nobody_else.then_some(StopReason::Pushback);
            }
            Again::IfHarmless => self.bounds.is_idempotent,
            Again::Throttled | Again::Undone => true,
        };
        let now = Instant::now();
        self.took_long(number, now);
        if !matches!(self.next, Next::Never(_)) {
            self.next = self.after_failure(now, said, is_certain);
        }
        match self.next {
            Next::Never(reason) if nobody_else => Some(reason),
            _ => None,
        }
    }

    fn after_failure(&self, now: Instant, said: Said, is_certain: bool) -> Next {
        if self.attempts >= self.core().max_attempts() {
            return Next::Never(StopReason::Attempts);
        }
        if !is_certain {
            return Next::Never(StopReason::Unsafe);
        }
        let is_throttled = said.again == Again::Throttled;
        let (wait, why) = match said.retry_after.filter(|asked| !asked.is_zero()) {
            Some(asked) if asked > self.core().max_retry_after() => {
                return Next::Never(StopReason::Pushback);
            }
            Some(asked) => (asked, Why::Asked),
            None if is_throttled => {
                (self.core().delay().unwrap_or_default().max(THROTTLED), Why::Failed)
            }
            None => (Duration::ZERO, Why::Failed),
        };
        self.at(now, wait, why, is_throttled)
    }

    /// The next one for the one before being slow.
    fn schedule(&mut self, now: Instant) {
        let core = self.handle.core();
        self.next = if self.attempts >= core.max_attempts() {
            Next::Never(StopReason::Attempts)
        } else if let Some(delay) = core.delay().filter(|_| self.bounds.is_idempotent) {
            match self.at(now, delay, Why::Slow, false) {
                // Too late for its deadline, which a failure may bring forward.
                Next::Never(_) => Next::Idle,
                next => next,
            }
        } else {
            Next::Idle
        };
    }

    fn at(&self, now: Instant, wait: Duration, why: Why, is_throttled: bool) -> Next {
        let at = now + wait;
        let fits = |deadline| at + self.core().min_attempt_time() <= deadline;
        if self.bounds.deadline.is_none_or(fits) {
            Next::At { at, is_now: wait.is_zero(), why, is_throttled }
        } else {
            Next::Never(StopReason::Deadline)
        }
    }

    // ----- how long attempts take

    fn took(&self, number: u32, now: Instant) {
        if let Some(begun) = self.begun.get(number as usize - 1) {
            self.core().took(now - *begun);
        }
    }

    /// Those under way have taken so long at least.
    fn took_so_far(&self, now: Instant) {
        (1..=self.attempts).filter(|number| self.under_way.has(*number)).for_each(|number| {
            self.took(number, now);
        });
    }

    /// A failure that took as long as the delay was slow, too: a time limit, perhaps. A fast one would lower the delay.
    fn took_long(&self, number: u32, now: Instant) {
        let core = self.core();
        let Some(begun) = self.begun.get(number as usize - 1) else { return };
        if core.measures() && core.delay().is_some_and(|delay| now - *begun >= delay) {
            core.took(now - *begun);
        }
    }
}

impl<H: Handle> Drop for Call<H> {
    #[inline]
    fn drop(&mut self) {
        let core = self.handle.core();
        if !self.ended && thread::panicking() && !self.unwinding {
            core.budget.tell(Event::Failed);
            core.meters.panicked(self.attempts);
        }
        if self.minds_ends {
            for _ in 0..self.under_way.but_the_first().count() {
                core.budget.tell(Event::RetryEnded);
            }
            core.budget.tell(Event::CallEnded);
        }
    }
}

impl Bits {
    fn set(&mut self, number: u32) {
        self.0 |= 1 << (number - 1);
    }

    fn clear(&mut self, number: u32) {
        self.0 &= !(1 << (number - 1));
    }

    fn has(self, number: u32) -> bool {
        self.0 & (1 << (number - 1)) != 0
    }

    fn count(self) -> u32 {
        self.0.count_ones()
    }

    fn but_the_first(self) -> Self {
        Self(self.0 & !1)
    }
}
