//! Those who count: fixed windows, the sliding log and the sliding counter.

use std::collections::VecDeque;

use super::decision::{Cause, Decision, No, Slot, Ticket};
use super::machine::{Kept, Machine};

/// So many in a window. Who may wait is counted where its turn will be, and nobody's turn is before another's who came
/// first.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Counting {
    kind: Kind,
    limit: u32,
    window: u64,
    /// When the first window began.
    born: u64,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Fixed,
    Log,
    Sliding,
}

/// What was counted.
#[derive(Debug)]
pub(super) struct Counts {
    /// Nobody's turn is before.
    floor: u64,
    /// How many have taken anything, less those who gave it back.
    serial: u64,
    tally: Tally,
}

#[derive(Debug)]
enum Tally {
    Log(Log),
    Window(Window),
}

/// The counts of a window and of the one before.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Window {
    index: u64,
    last: u32,
    count: u32,
}

/// Who passed when, or will.
#[derive(Debug, Default)]
struct Log {
    turns: VecDeque<(u64, u32)>,
    sum: u64,
}

// ===== impl Counting =====

impl Counting {
    pub(super) fn new(kind: Kind, limit: u32, window: u64, born: u64) -> Self {
        Self { kind, limit, window, born }
    }

    /// Whether the other counts in the same way.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        self.kind == other.kind
    }

    /// The same with windows that begin when those of `other` do.
    pub(super) fn aligned(self, other: &Self) -> Self {
        Self { born: other.born, ..self }
    }

    fn index(&self, at: u64) -> u64 {
        at.saturating_sub(self.born) / self.window
    }

    fn start(&self, index: u64) -> u64 {
        self.born + index * self.window
    }

    /// The counts as they are at `at`.
    fn rolled(&self, window: Window, at: u64) -> Window {
        let index = self.index(at);
        match index.saturating_sub(window.index) {
            0 => window,
            1 => Window { index, last: window.count, count: 0 },
            _ => Window { index, last: 0, count: 0 },
        }
    }

    /// What of the window before is in the one that ends at `at`.
    fn rest(&self, window: Window, at: u64) -> u32 {
        if self.kind == Kind::Fixed {
            return 0;
        }
        let left = self.start(window.index + 1).saturating_sub(at).min(self.window);
        (u128::from(window.last) * u128::from(left) / u128::from(self.window)) as u32
    }

    /// The first time from `from` on at which `cost` has room, and the counts with it.
    fn turn(&self, window: Window, from: u64, cost: u32) -> (u64, Window) {
        let mut window = self.rolled(window, from);
        let mut at = from;
        loop {
            let free = u64::from(self.limit).checked_sub(u64::from(window.count) + u64::from(cost));
            let fits = free.map(|free| at.max(self.thinned(window, free)));
            match fits {
                Some(fits) if fits < self.start(window.index + 1) => {
                    return (fits, Window { count: window.count + cost, ..window });
                }
                _ => {
                    at = self.start(window.index + 1);
                    window = self.rolled(window, at);
                }
            }
        }
    }

    /// When no more than `free` of the window before are left.
    fn thinned(&self, window: Window, free: u64) -> u64 {
        if self.kind == Kind::Fixed || u64::from(window.last) <= free {
            return self.start(window.index);
        }
        // floor(last * left / window) <= free, as long as last * left < (free + 1) * window.
        let bound = u128::from(free + 1) * u128::from(self.window);
        let left = (bound.div_ceil(u128::from(window.last)) - 1) as u64;
        self.start(window.index + 1) - left
    }

    /// How much of the limit is used at `at`.
    fn used(&self, state: &Counts, at: u64) -> u32 {
        match &state.tally {
            Tally::Window(window) => {
                let window = self.rolled(*window, at);
                self.rest(window, at).saturating_add(window.count)
            }
            Tally::Log(log) => log.since(at, self.window),
        }
    }

    /// When nothing that was counted counts any more.
    fn reset(&self, state: &Counts, now: u64) -> u64 {
        let over = match &state.tally {
            Tally::Window(window) => {
                let window = self.rolled(*window, now);
                match (window.count, window.last, self.kind) {
                    (0, 0, _) | (0, _, Kind::Fixed) => 0,
                    (0, ..) | (_, _, Kind::Fixed) => self.start(window.index + 1),
                    _ => self.start(window.index + 2),
                }
            }
            Tally::Log(log) => log.turns.back().map_or(0, |(last, _)| last + self.window),
        };
        over.max(state.floor).saturating_sub(now)
    }
}

impl Kept for Counting {
    type State = Counts;

    fn fresh(&self) -> Counts {
        let tally = match self.kind {
            Kind::Log => Tally::Log(Log::default()),
            Kind::Fixed | Kind::Sliding => Tally::Window(Window::default()),
        };
        Counts { floor: 0, serial: 0, tally }
    }

    fn is_fresh(&self, state: &Counts, now: u64) -> bool {
        self.reset(state, now) == 0
    }
}

impl Machine for Counting {
    fn take(&self, state: &mut Counts, now: u64, cost: u32, max_wait: u64) -> Result<Slot, No> {
        if cost > self.limit {
            return Err(No::never(cost, self.limit));
        }
        if let Tally::Log(log) = &mut state.tally {
            log.forget(now, self.window);
        }
        if cost == 0 {
            return Ok(Slot {
                at: now,
                ticket: Ticket::default(),
                decision: self.look(state, now),
            });
        }
        let from = now.max(state.floor);
        let (at, turned) = match &state.tally {
            Tally::Window(window) => self.turn(*window, from, cost),
            Tally::Log(log) => (log.turn(from, cost, self), Window::default()),
        };
        if at - now > max_wait {
            let decision = self.look(state, now);
            let used = u64::from(self.limit - decision.remaining());
            let cause = Cause::Spent;
            return Err(No { cause, retry_after: at - now, used, limit: self.limit });
        }
        let mut ticket = Ticket { before: state.floor, cost, ..Ticket::default() };
        match &mut state.tally {
            Tally::Window(window) => ticket.window = std::mem::replace(window, turned),
            Tally::Log(log) => log.push(at, cost),
        }
        state.floor = at;
        state.serial += 1;
        ticket.after = state.serial;
        let decision = Decision { wait: at - now, ..self.look(state, now) };
        Ok(Slot { at, ticket, decision })
    }

    fn look(&self, state: &Counts, now: u64) -> Decision {
        let used = if state.floor > now { self.limit } else { self.used(state, now) };
        let room = u64::from(self.limit.saturating_sub(used));
        let reset = self.reset(state, now);
        Decision { limit: self.limit, room, unit: 1, reset, window: self.window, wait: 0 }
    }

    fn undo(&self, state: &mut Counts, ticket: &Ticket) -> bool {
        let is_newest = state.serial == ticket.after;
        if is_newest {
            state.serial -= 1;
            state.floor = ticket.before;
            match &mut state.tally {
                Tally::Window(window) => *window = ticket.window,
                Tally::Log(log) => log.pop(ticket.cost),
            }
        }
        is_newest
    }

    fn penalize(&self, state: &mut Counts, until: u64) {
        state.floor = state.floor.max(until);
    }

    fn carry(&self, old: &Self, state: &mut Counts, now: u64) {
        let at = now.max(state.floor);
        let used = old.used(state, at).min(self.limit);
        match &mut state.tally {
            Tally::Window(window) if self.window == old.window => {
                window.last = window.last.min(self.limit);
                window.count = window.count.min(self.limit);
            }
            Tally::Window(window) => {
                *window = Window { index: self.index(at), last: 0, count: used };
            }
            Tally::Log(log) => log.shorten(self.limit),
        }
    }
}

// ===== impl Log =====

impl Log {
    /// A turn is forgotten when a whole window has passed since.
    fn forget(&mut self, now: u64, window: u64) {
        while let Some((at, cost)) = self.turns.front().copied()
            && at + window <= now
        {
            self.turns.pop_front();
            self.sum -= u64::from(cost);
        }
    }

    fn since(&self, at: u64, window: u64) -> u32 {
        let gone: u64 = self
            .turns
            .iter()
            .take_while(|(turn, _)| turn + window <= at)
            .map(|(_, cost)| u64::from(*cost))
            .sum();
        u32::try_from(self.sum - gone).unwrap_or(u32::MAX)
    }

    /// The first time from `from` on at which enough are forgotten.
    fn turn(&self, from: u64, cost: u32, plan: &Counting) -> u64 {
        let mut over = (self.sum + u64::from(cost)).saturating_sub(u64::from(plan.limit));
        let mut at = from;
        for (turn, cost) in &self.turns {
            if over == 0 {
                break;
            }
            over = over.saturating_sub(u64::from(*cost));
            at = from.max(turn + plan.window);
        }
        at
    }

    fn push(&mut self, at: u64, cost: u32) {
        match self.turns.back_mut() {
            Some((last, sum)) if *last == at => *sum = sum.saturating_add(cost),
            _ => self.turns.push_back((at, cost)),
        }
        self.sum += u64::from(cost);
    }

    fn pop(&mut self, cost: u32) {
        if let Some((_, sum)) = self.turns.back_mut() {
            *sum -= cost;
            self.sum -= u64::from(cost);
            if *sum == 0 {
                self.turns.pop_back();
            }
        }
    }

    /// Forgets the oldest of what is more than `limit`.
    fn shorten(&mut self, limit: u32) {
        while let Some((_, cost)) = self.turns.front_mut()
            && self.sum > u64::from(limit)
        {
            let over = u32::try_from(self.sum - u64::from(limit)).unwrap_or(u32::MAX).min(*cost);
            *cost -= over;
            self.sum -= u64::from(over);
            if *cost == 0 {
                self.turns.pop_front();
            }
        }
    }
}
