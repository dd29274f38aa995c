//! A group's ledger: the joiner is woken by the last to go, the first failure is the one that counts, and no work is left
//! without a worker.

use std::sync::Arc;
use std::task::Context as Poller;

use loom::thread;

use super::{Woken, catches, holds};
use crate::shim::Fault;
use crate::task::{GroupJob, Outcome, ResultPlace, Shared, Ticket};
use crate::{Context, Error, Kind};

fn enter(shared: &Arc<Shared<u8>>, others: u8) -> Ticket<u8> {
    Ticket::new(shared, Some(ResultPlace::after(usize::from(others))))
}

/// Two tasks go while a joiner looks: it sees an empty group or is woken once it is empty.
fn the_last_to_go_wakes_the_joiner() {
    let shared = Shared::<u8>::new(Context::root().child());
    let tasks = [1_u8, 2].map(|value| {
        let ticket = enter(&shared, value - 1);
        thread::spawn(move || ticket.settle(Outcome::Returned(Ok(value))))
    });
    let (woken, waker) = Woken::pair();
    let first = shared.poll_gone(2, &mut Poller::from_waker(&waker));
    for task in tasks {
        task.join().unwrap();
    }
    if first.is_pending() {
        assert_eq!(woken.times(), 1, "a wake-up was lost, or came twice");
    }
    assert_eq!(shared.verdict().join().unwrap(), [1, 2]);
}

/// One task fails, another then only passes on the end of the context: the failure is what the group comes to.
fn a_failure_is_never_hidden_by_its_echo() {
    let shared = Shared::<u8>::new(Context::root().child());
    let (failing, echoing) = (enter(&shared, 0), enter(&shared, 1));
    let echo = thread::spawn(move || {
        let result = match echoing.context().check() {
            Err(ended) => Err(ended.into()),
            Ok(()) => Ok(1),
        };
        echoing.settle(Outcome::Returned(result));
    });
    failing.settle(Outcome::Returned(Err(Error::new(Kind::NotFound, "real"))));
    echo.join().unwrap();
    assert_eq!(shared.verdict().join().unwrap_err().to_string(), "real");
    assert!(shared.context().is_cancelled());
}

/// A task that waits while its group is aborted: it sees that, or is woken.
fn an_abort_reaches_who_waits() {
    let shared = Shared::<u8>::new(Context::root().child());
    let mut ticket = enter(&shared, 0);
    let (woken, waker) = Woken::pair();
    let task = thread::spawn(move || {
        let waits = ticket.wait(&waker).is_ok();
        (ticket, waits)
    });
    shared.abort();
    let (ticket, waits) = task.join().unwrap();
    assert!(ticket.is_aborted());
    assert_eq!(woken.times(), usize::from(waits), "an abort was lost");
    ticket.settle(Outcome::Dropped);
    assert_eq!(shared.gone(), 1);
}

/// Work comes under a limit of one while the one worker is done: that one has it next, or another is sent.
fn work_is_never_left_alone() {
    let shared = Shared::<u8>::new(Context::root().child());
    shared.limit(1);
    let job = |place| GroupJob {
        place: ResultPlace::after(place),
        work: Box::pin(std::future::ready(Ok(1))),
    };
    assert!(shared.push(job(0)).0);
    assert!(shared.arrive().0.is_some());
    let worker = thread::spawn({
        let shared = shared.clone();
        move || shared.settle_and_next(ResultPlace::after(0), Outcome::Returned(Ok(1))).is_some()
    });
    let sent = shared.push(job(1)).0;
    assert_ne!(worker.join().unwrap(), sent, "work has no worker, or two");
}

#[test]
fn group_work() {
    holds("group_work", work_is_never_left_alone);
    catches(Fault::GroupLooksBeforeItGoes, work_is_never_left_alone);
}

#[test]
fn group_abort() {
    holds("group_abort", an_abort_reaches_who_waits);
    catches(Fault::GroupLooksBeforeItWaits, an_abort_reaches_who_waits);
}

#[test]
fn group_join() {
    holds("group_join", the_last_to_go_wakes_the_joiner);
    catches(Fault::GroupLooksBeforeItRegisters, the_last_to_go_wakes_the_joiner);
}

#[test]
fn group_failure() {
    holds("group_failure", a_failure_is_never_hidden_by_its_echo);
}
