//! The protocol: one word for those who need not wait, one lock for those who must.
//!
//! The word holds the free permits and two flags. While nobody waits, to take is a compare-exchange and to give is an
//! addition. Who must wait sets [`CROWDED`] *before* it looks for permits a last time, under the lock. What happens to
//! one word happens in one order: so whoever gives permits back came before, and they are found, or comes after, sees
//! the flag, and goes under the lock to hand them out. While the flag is set, permits are taken under the lock alone.
//! It stays set until some are free and nobody waits: permits that go from hand to hand never touch the word, and where
//! none is free there is nothing to be had past the lock. Wakers are cloned, called and dropped when it is free.

use std::task::{Poll, Waker};

use super::line::{Calls, Place, Turn};
use super::options::Options;
use super::state::{Held, Order, State};
use crate::resilience::Refusal;
use crate::shim::atomic::{AtomicU64, AtomicUsize, Ordering};
use crate::shim::{Fault, Mutex, lock, planted};
use crate::time::Instant;

/// What all handles of a semaphore share.
pub(crate) struct Core {
    /// The free permits, above the flags.
    word: AtomicUsize,
    /// Written under the lock, as is the next.
    limit: AtomicUsize,
    /// Whose number is no higher has been granted what it asked for: so one who comes for it needs no lock.
    served: AtomicU64,
    /// How many may wait. Written under the lock.
    max_waiting: AtomicUsize,
    state: Mutex<State>,
    policy: &'static str,
    name: &'static str,
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
    /// With since when somebody waits, where the order asks for it.
    Waits(Place, Option<Instant>),
    Refused(Why),
}

/// Somebody waits or did when permits were last to be had, or some are owed: who wants or gives any goes under the lock.
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
            served: AtomicU64::new(0),
            max_waiting: AtomicUsize::new(options.max_waiting),
            state: Mutex::new(State::new(&options)),
            policy,
            name: options.name,
        }
    }

    // ----- without the lock

    /// Takes permits if as many are free and nobody waits. None at all are always free.
    #[inline]
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
    #[inline]
    pub(crate) fn give(&self, permits: usize) {
        if self.word.load(Ordering::Relaxed) & CROWDED != 0 {
            return self.hand_out(permits);
        }
        let before = self.word.fetch_add(permits << SHIFT, release());
        // It may have become crowded meanwhile.
        if before & CROWDED != 0 {
            self.hand_out(0);
        }
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    fn max_waiting(&self) -> usize {
        self.max_waiting.load(Ordering::Relaxed)
    }

    pub(crate) fn lets_wait(&self) -> bool {
        self.max_waiting() > 0
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit.load(Ordering::Relaxed)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.word.load(Ordering::Relaxed) & CLOSED != 0
    }

    /// Why [`try_take`](Self::try_take) just failed.
    pub(crate) fn why_not(&self, permits: usize) -> Why {
        let (word, limit) = (self.word.load(Ordering::Relaxed), self.limit());
        match word {
            _ if word & CLOSED != 0 => Why::Closed,
            _ if permits > limit => Why::TooFew(limit),
            _ if word >> SHIFT >= permits => Why::OthersWait,
            _ => Why::Full,
        }
    }

    pub(crate) fn refusal(&self, why: Why, permits: usize) -> Refusal {
        match why {
            Why::Closed => self.in_use("closed"),
            Why::Full => self.in_use("full"),
            Why::OthersWait => self.in_use("others wait"),
            Why::TooFew(limit) => self.refuse("more than there are", permits, limit),
        }
    }

    /// A refusal that tells how much is in use.
    pub(crate) fn in_use(&self, reason: &'static str) -> Refusal {
        self.refuse(reason, self.held(), self.limit())
    }

    fn refuse(&self, reason: &'static str, used: usize, limit: usize) -> Refusal {
        Refusal::new(self.policy, self.name, reason).compared(used as u64, limit as u64)
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

    /// How many permits are held: for a while more than there are, once it has shrunk.
    pub(crate) fn held(&self) -> usize {
        let word = self.word.load(Ordering::Relaxed);
        if word & CROWDED == 0 {
            return self.limit().saturating_sub(word >> SHIFT);
        }
        let state = lock(&self.state);
        let free = self.word.load(Ordering::Relaxed) >> SHIFT;
        (self.limit() + state.debt).saturating_sub(free)
    }

    pub(crate) fn waiting(&self) -> usize {
        lock(&self.state).line.waiting()
    }

    /// Comes to wait. What is free and due to nobody else is granted at once.
    pub(crate) fn enter(&self, permits: usize, level: usize, waker: Waker) -> Entered {
        let mut state = lock(&self.state);
        if self.is_closed() {
            return Entered::Refused(Why::Closed);
        }
        if permits > self.limit() {
            return Entered::Refused(Why::TooFew(self.limit()));
        }
        let late = planted(Fault::SemaphoreLooksBeforeItWaits);
        if !late && self.crowd() == 0 {
            // Nobody's turn has come. Who gives some from now on sees the flag.
            if state.line.waiting() >= self.max_waiting() {
                return Entered::Refused(Why::Full);
            }
            let place = state.line.push(permits, level, Some(waker));
            return Entered::Waits(place, state.stands());
        }
        let mut held = Held { state, calls: Calls::default() };
        let place = held.state.line.push(permits, level, None);
        self.settle(&mut held, 0);
        if late {
            self.crowd();
        }
        if held.state.line.turn(place) == Turn::Granted {
            held.state.line.leave(place);
            return Entered::Granted;
        }
        if held.state.line.waiting() > self.max_waiting() {
            held.state.line.leave(place);
            self.settle(&mut held, 0);
            return Entered::Refused(Why::Full);
        }
        held.state.line.set_waker(place, waker);
        Entered::Waits(place, held.state.stands())
    }

    /// Comes for its turn. Its place in the line is gone when it is ready.
    pub(crate) fn look(&self, place: Place, waker: &Waker) -> Poll<Result<(), Why>> {
        // Pairs with the store in `settle`: what was done under the permits is seen.
        if place.number <= self.served.load(Ordering::Acquire) {
            return Poll::Ready(Ok(()));
        }
        let mut clone = None;
        loop {
            let mut state = lock(&self.state);
            let line = &mut state.line;
            match (line.turn(place), clone.take()) {
                (Turn::Waits, None) if line.knows(place, waker) => return Poll::Pending,
                (Turn::Waits, None) => {
                    drop(state);
                    clone = Some(waker.clone());
                }
                (Turn::Waits, Some(clone)) => {
                    let before = line.set_waker(place, clone);
                    drop(state);
                    drop(before);
                    return Poll::Pending;
                }
                (turn, unused) => {
                    line.leave(place);
                    drop(state);
                    drop(unused);
                    let refused = if let Turn::Refused(why) = turn { Err(why) } else { Ok(()) };
                    return Poll::Ready(refused);
                }
            }
        }
    }

    /// Comes no more for the `permits` that it asked for. If they were granted they go to the next.
    pub(crate) fn leave(&self, place: Place, permits: usize) {
        let mut held = self.hold();
        let left = held.state.line.leave(place);
        match left.turn {
            // It may have been in the way of others.
            Turn::Waits => self.settle(&mut held, 0),
            Turn::Granted if !planted(Fault::SemaphoreForgetsWhoLeft) => {
                self.settle(&mut held, permits);
            }
            Turn::Granted | Turn::Refused(_) => {}
        }
        drop(held);
        drop(left);
    }

    /// Makes it as large as that. Permits that are held beyond it are withdrawn as they come back.
    pub(crate) fn resize(&self, limit: usize) {
        let mut held = self.hold();
        self.crowd();
        let before = self.limit.swap(limit, Ordering::Relaxed);
        let mut gained = 0;
        if limit > before {
            let forgiven = held.state.debt.min(limit - before);
            held.state.debt -= forgiven;
            gained = limit - before - forgiven;
        } else {
            held.state.debt += before - limit;
            held.refuse_above(limit);
        }
        self.settle(&mut held, gained);
    }

    /// Lets others wait from now on: so many, in another order. Those who wait stay.
    pub(crate) fn rearrange(&self, max_waiting: usize, order: Order) {
        let mut held = self.hold();
        self.max_waiting.store(max_waiting, Ordering::Relaxed);
        held.state.order = order;
        held.state.standing = None;
        if held.state.line.waiting() > 0 {
            held.state.stands();
            // Another may be next, for whom what is free does.
            self.settle(&mut held, 0);
        }
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
        self.settle(&mut held, 0);
    }

    pub(crate) fn close(&self) {
        let mut held = self.hold();
        self.word.fetch_or(CLOSED | CROWDED, Ordering::Relaxed);
        let Held { state, calls } = &mut held;
        state.line.refuse(|_| true, Why::Closed, calls);
        self.settle(&mut held, 0);
    }

    fn hold(&self) -> Held<'_> {
        Held { state: lock(&self.state), calls: Calls::default() }
    }

    /// Gives permits back where somebody may wait for them.
    #[inline(never)]
    fn hand_out(&self, permits: usize) {
        self.settle(&mut self.hold(), permits);
    }

    /// From here on permits are taken under the lock alone. How many are free.
    fn crowd(&self) -> usize {
        let word = self.word.load(Ordering::Relaxed);
        // Set and cleared under the lock, so it stays as it is seen.
        let word =
            if word & CROWDED == 0 { self.word.fetch_or(CROWDED, Ordering::Relaxed) } else { word };
        word >> SHIFT
    }

    /// Takes `gained` permits back, withdraws what is owed, grants what is free then, and takes the flag back when some
    /// are free for whoever comes.
    fn settle(&self, held: &mut Held<'_>, gained: usize) {
        let word = self.word.load(Ordering::Acquire);
        let Held { state, calls } = held;
        let free = (word >> SHIFT) + gained;
        let paid = free.min(state.debt);
        state.debt -= paid;
        // Without the flag nobody waits.
        let end = state.served_end();
        let left = free - paid - state.line.grant(free - paid, end, calls);
        if state.line.waiting() == 0 {
            state.standing = None;
        }
        let calm =
            state.line.waiting() == 0 && (left > 0 || planted(Fault::SemaphoreForgetsItsDebt));
        let flag = if calm { word & CROWDED } else { 0 };
        // Others may be adding to it right now, so it is changed and not set.
        let change = (left << SHIFT).wrapping_sub(word >> SHIFT << SHIFT).wrapping_sub(flag);
        if change != 0 {
            self.word.fetch_add(change, release());
        }
        self.served.store(state.line.served(), release());
    }
}

/// What was done under a permit is seen by the next who has it.
fn release() -> Ordering {
    if planted(Fault::SemaphoreReleasesNothing) { Ordering::Relaxed } else { Ordering::Release }
}
