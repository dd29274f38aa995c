//! The protocol: one word for those who need not wait, one lock for those who must.
//!
//! The word holds the free permits and two flags. While nobody waits, to take is a compare-exchange and to give is an
//! addition. Who must wait sets [`CROWDED`] *before* it looks for permits a last time, under the lock. What happens to
//! one word happens in one order: so whoever gives permits back came before, and they are found, or comes after, sees
//! the flag, and goes under the lock to hand them out. While the flag is set, permits are taken under the lock alone.
//! Wakers are cloned, called and dropped when it is free.

use std::task::{Poll, Waker};

use super::line::{Calls, Line, Turn};
use super::options::Options;
use crate::resilience::Refusal;
use crate::shim::atomic::{AtomicUsize, Ordering};
use crate::shim::{Fault, Mutex, MutexGuard, lock, planted};
use crate::task::pool::Priority;

/// What all handles of a semaphore share.
pub(crate) struct Core {
    /// The free permits, above the flags.
    word: AtomicUsize,
    /// Written under the lock.
    limit: AtomicUsize,
    state: Mutex<State>,
    policy: &'static str,
    options: Options,
}

/// The lock, and whom to call when it is free: dropped in this order.
struct Held<'a> {
    state: MutexGuard<'a, State>,
    calls: Calls,
}

struct State {
    line: Line,
    /// Permits to be withdrawn as they come back, since the semaphore has shrunk.
    debt: usize,
}

/// Why no permits are granted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Why {
    Closed,
    /// There are not as many free, and whoever asks may not wait.
    Full,
    /// There are as many free, for those who wait.
    OthersWait,
    /// There are no more than so many in all.
    TooFew(usize),
}

/// What became of one who came to wait.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Entered {
    Granted,
    Waits(u32),
    Refused(Why),
}

/// Somebody waits, or permits are owed: who wants or gives some goes under the lock.
const CROWDED: usize = 1;
/// Nobody gets permits any more.
const CLOSED: usize = 2;
const SHIFT: u32 = 2;

/// The most permits that there is room for beside the flags.
pub(super) const MOST: usize = usize::MAX >> SHIFT;

// ===== impl Core =====

impl Core {
    pub(crate) fn new(policy: &'static str, permits: usize, options: Options) -> Self {
        Self {
            word: AtomicUsize::new(permits << SHIFT),
            limit: AtomicUsize::new(permits),
            state: Mutex::new(State { line: Line::new(options.overtaking), debt: 0 }),
            policy,
            options,
        }
    }

    // ----- without the lock

    /// Takes permits if as many are free and nobody waits. None at all are always free.
    pub(crate) fn try_take(&self, permits: usize) -> bool {
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            if word & (CROWDED | CLOSED) != 0 || word >> SHIFT < permits {
                return permits == 0 && word & CLOSED == 0;
            }
            // Acquires what was released with the permits.
            match self.word.compare_exchange_weak(
                word,
                word - (permits << SHIFT),
                Ordering::Acquire,
                Ordering::Relaxed,
            ) {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
    }

    /// Gives permits back.
    pub(crate) fn give(&self, permits: usize) {
        let release = if planted(Fault::SemaphoreReleasesNothing) {
            Ordering::Relaxed
        } else {
            Ordering::Release
        };
        let before = self.word.fetch_add(permits << SHIFT, release);
        if before & CROWDED != 0 {
            self.hand_out();
        }
    }

    pub(super) fn name(&self) -> &'static str {
        self.options.name
    }

    pub(super) fn lets_wait(&self) -> bool {
        self.options.max_waiting > 0
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit.load(Ordering::Relaxed)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.word.load(Ordering::Relaxed) & CLOSED != 0
    }

    /// Why [`try_take`](Self::try_take) just failed.
    pub(super) fn why_not(&self, permits: usize) -> Why {
        let (word, limit) = (self.word.load(Ordering::Relaxed), self.limit());
        match word {
            _ if word & CLOSED != 0 => Why::Closed,
            _ if permits > limit => Why::TooFew(limit),
            _ if word >> SHIFT >= permits => Why::OthersWait,
            _ => Why::Full,
        }
    }

    pub(super) fn refusal(&self, why: Why, permits: usize) -> Refusal {
        match why {
            Why::Closed => self.in_use("closed"),
            Why::Full => self.in_use("full"),
            Why::OthersWait => self.in_use("others wait"),
            Why::TooFew(limit) => self.refuse("more than there are", permits, limit),
        }
    }

    /// A refusal that tells how much is in use.
    pub(super) fn in_use(&self, reason: &'static str) -> Refusal {
        let limit = self.limit();
        self.refuse(reason, limit.saturating_sub(self.available()), limit)
    }

    fn refuse(&self, reason: &'static str, used: usize, limit: usize) -> Refusal {
        Refusal::new(self.policy, self.options.name, reason).compared(used as u64, limit as u64)
    }

    // ----- with the lock

    pub(crate) fn available(&self) -> usize {
        let word = self.word.load(Ordering::Relaxed);
        if word & CROWDED == 0 {
            return word >> SHIFT;
        }
        let state = lock(&self.state);
        (self.word.load(Ordering::Relaxed) >> SHIFT).saturating_sub(state.debt)
    }

    pub(crate) fn waiting(&self) -> usize {
        lock(&self.state).line.waiting()
    }

    /// Comes to wait. What is free and due to nobody else is granted at once.
    pub(crate) fn enter(&self, permits: usize, priority: Priority, waker: Waker) -> Entered {
        let mut held = self.hold();
        if self.is_closed() {
            return Entered::Refused(Why::Closed);
        }
        if permits > self.limit() {
            return Entered::Refused(Why::TooFew(self.limit()));
        }
        let late = planted(Fault::SemaphoreLooksBeforeItWaits);
        if !late {
            self.crowd();
        }
        let key = held.state.line.push(permits, priority);
        self.settle(&mut held);
        if late {
            self.crowd();
        }
        if held.state.line.turn(key) == Turn::Granted {
            held.state.line.leave(key);
            return Entered::Granted;
        }
        if held.state.line.waiting() > self.options.max_waiting {
            held.state.line.leave(key);
            self.settle(&mut held);
            return Entered::Refused(Why::Full);
        }
        held.state.line.set_waker(key, waker);
        Entered::Waits(key)
    }

    /// Comes for its turn. Its place in the line is gone when it is ready.
    pub(crate) fn look(&self, key: u32, waker: &Waker) -> Poll<Result<(), Why>> {
        let mut clone = None;
        loop {
            let mut state = lock(&self.state);
            let line = &mut state.line;
            match (line.turn(key), clone.take()) {
                (Turn::Waits, None) if line.knows(key, waker) => return Poll::Pending,
                (Turn::Waits, None) => {
                    drop(state);
                    clone = Some(waker.clone());
                }
                (Turn::Waits, Some(clone)) => {
                    let before = line.set_waker(key, clone);
                    drop(state);
                    drop(before);
                    return Poll::Pending;
                }
                (turn, unused) => {
                    line.leave(key);
                    drop(state);
                    drop(unused);
                    let refused = if let Turn::Refused(why) = turn { Err(why) } else { Ok(()) };
                    return Poll::Ready(refused);
                }
            }
        }
    }

    /// Comes no more. What was granted to it goes to the next.
    pub(crate) fn leave(&self, key: u32) {
        let mut held = self.hold();
        let Some(left) = held.state.line.leave(key) else { return };
        if left.turn == Turn::Waits {
            // It may have been in the way of others.
            self.settle(&mut held);
        }
        drop(held);
        if left.turn == Turn::Granted && !planted(Fault::SemaphoreForgetsWhoLeft) {
            self.give(left.permits);
        }
    }

    /// Makes it as large as that. Permits that are held beyond it are withdrawn as they come back.
    pub(crate) fn resize(&self, limit: usize) {
        let mut held = self.hold();
        self.crowd();
        let before = self.limit.swap(limit, Ordering::Relaxed);
        if limit > before {
            let forgiven = held.state.debt.min(limit - before);
            held.state.debt -= forgiven;
            self.word.fetch_add((limit - before - forgiven) << SHIFT, Ordering::Relaxed);
        } else {
            held.state.debt += before - limit;
            held.refuse_above(limit);
        }
        self.settle(&mut held);
    }

    /// Withdraws permits that are held.
    pub(crate) fn forget(&self, permits: usize) {
        let mut held = self.hold();
        self.crowd();
        let owed = held.state.debt.min(permits);
        held.state.debt -= owed;
        let limit = self.limit() - (permits - owed);
        self.limit.store(limit, Ordering::Relaxed);
        held.refuse_above(limit);
        self.settle(&mut held);
    }

    pub(crate) fn close(&self) {
        let mut held = self.hold();
        self.word.fetch_or(CLOSED | CROWDED, Ordering::Relaxed);
        let Held { state, calls } = &mut held;
        state.line.refuse(|_| true, Why::Closed, calls);
        self.settle(&mut held);
    }

    fn hold(&self) -> Held<'_> {
        Held { state: lock(&self.state), calls: Calls::default() }
    }

    #[cold]
    fn hand_out(&self) {
        self.settle(&mut self.hold());
    }

    /// From here on permits are taken under the lock alone.
    fn crowd(&self) {
        self.word.fetch_or(CROWDED, Ordering::Relaxed);
    }

    /// Withdraws what is owed, grants what is free then, and takes the flag back when nobody waits.
    fn settle(&self, held: &mut Held<'_>) {
        let word = self.word.load(Ordering::Acquire);
        if word & CROWDED == 0 {
            return;
        }
        let Held { state, calls } = held;
        let free = word >> SHIFT;
        let paid = free.min(state.debt);
        state.debt -= paid;
        let granted = state.line.grant(free - paid, calls);
        let owes = state.debt > 0 && !planted(Fault::SemaphoreForgetsItsDebt);
        let flag = if state.line.waiting() > 0 || owes { 0 } else { CROWDED };
        let taken = ((paid + granted) << SHIFT) | flag;
        if taken != 0 {
            self.word.fetch_sub(taken, Ordering::Relaxed);
        }
    }
}

impl Held<'_> {
    /// Refuses those who wait for more than there are.
    fn refuse_above(&mut self, limit: usize) {
        self.state.line.refuse(|permits| permits > limit, Why::TooFew(limit), &mut self.calls);
    }
}
