//! The locks that each thread holds.
//!
//! Every lock of a debug build passes here, in code that no compiler has optimised: hence few calls and few copies.

use std::cell::RefCell;
use std::time::Duration;

use smallvec::SmallVec;

use super::report::Taken;
use crate::time::Instant;

/// The number of a hold: they ascend on each thread, from one.
pub(super) type Ticket = u64;

/// Threads hold few at a time.
pub(super) type Few = SmallVec<[Taken; 4]>;

struct Held {
    ticket: Ticket,
    taken: Taken,
    since: Instant,
    /// Whether it was told that a future waited with it in hand.
    told: bool,
}

struct List {
    last: Ticket,
    held: Vec<Held>,
}

thread_local! {
    /// Nothing of a user's runs while it is borrowed.
    static LIST: RefCell<List> = const { RefCell::new(List { last: 0, held: Vec::new() }) };
}

/// Whether this thread holds nothing, or is ending and does not know.
pub(super) fn is_empty() -> bool {
    LIST.try_with(|list| list.borrow().held.is_empty()).unwrap_or(true)
}

/// What this thread holds, the last first.
pub(super) fn all() -> Few {
    LIST.with_borrow(|list| list.held.iter().rev().map(|held| held.taken).collect())
}

/// This thread holds a lock from now on. Zero if the thread is ending.
pub(super) fn enter(taken: Taken) -> Ticket {
    let since = Instant::now();
    let entered = LIST.try_with(|list| {
        let mut list = list.borrow_mut();
        list.last += 1;
        let ticket = list.last;
        list.held.push(Held { ticket, taken, since, told: false });
        ticket
    });
    entered.unwrap_or(0)
}

/// It holds it no longer; says for how long it did, if that is as long as `bound`.
pub(super) fn leave(ticket: Ticket, bound: Duration) -> Option<(Taken, Duration)> {
    let now = Instant::now();
    let left = LIST.try_with(|list| {
        let mut list = list.borrow_mut();
        let at = match list.held.last() {
            Some(last) if last.ticket == ticket => list.held.len() - 1,
            _ => list.held.iter().rposition(|held| held.ticket == ticket)?,
        };
        let lasted = now - list.held[at].since;
        let long = if lasted < bound { None } else { Some((list.held[at].taken, lasted)) };
        list.held.remove(at);
        long
    });
    left.ok().flatten()
}

/// The number of the last hold.
pub(super) fn last() -> Ticket {
    LIST.try_with(|list| list.borrow().last).unwrap_or(Ticket::MAX)
}

/// What was taken after that one, is held, and was not told before.
pub(super) fn untold_after(ticket: Ticket) -> Few {
    let tell = |held: &mut Held| (!std::mem::replace(&mut held.told, true)).then_some(held.taken);
    let untold = LIST.try_with(|list| {
        let mut list = list.borrow_mut();
        let after = list.held.iter_mut().rev().take_while(|held| held.ticket > ticket);
        after.filter_map(tell).collect()
    });
    untold.unwrap_or_default()
}
