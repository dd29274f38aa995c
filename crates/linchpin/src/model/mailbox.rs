//! The mailbox: what is put in while the receiver looks is found or wakes it, the last sender's leaving too.

use std::task::{Poll, Waker};

use loom::thread;

use super::{Woken, catches, holds};
use crate::shim::Fault;
use crate::sync::mailbox::{Found, Machine, Next, Rx, mailbox};

#[derive(Default)]
struct Pile(Vec<u8>);

impl Machine for Pile {
    type Left = Vec<u8>;

    fn empty(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.0)
    }
}

fn put(pile: &mut Pile, value: u8) -> ((), bool) {
    pile.0.push(value);
    ((), true)
}

fn look(rx: &Rx<Pile>, waker: &Waker) -> Poll<Found<u8>> {
    rx.look_or_leave(waker, |pile, _| pile.0.pop().map_or(Next::Nothing, Next::Item))
}

/// Two senders put one in each and go, while the receiver looks: what it does not find wakes it.
fn the_waiter_is_woken_by_the_last_news() {
    let (tx, rx) = mailbox(Pile::default());
    let other = tx.clone();
    let senders = [tx, other].map(|tx| thread::spawn(move || tx.push(1, put).unwrap()));
    let (woken, waker) = Woken::pair();
    let first = look(&rx, &waker);
    for sender in senders {
        sender.join().unwrap();
    }
    if first.is_pending() {
        assert!(woken.times() >= 1, "a wake-up was lost");
    }
    let mut left = usize::from(matches!(first, Poll::Ready(Found::Item(_))));
    while let Poll::Ready(Found::Item(_)) = look(&rx, &waker) {
        left += 1;
    }
    assert_eq!(left, 2);
    assert!(matches!(look(&rx, &waker), Poll::Ready(Found::Closed)));
}

/// The receiver goes while a sender puts one in: it comes back, or is dropped with the mailbox; never both.
fn what_nobody_receives_comes_back_or_is_dropped() {
    let (tx, rx) = mailbox(Pile::default());
    let sender = thread::spawn(move || {
        let sent = tx.push(1, put).is_ok();
        // Whoever comes after the receiver has gone is told so.
        (sent, tx.push(2, put).is_ok(), tx.look(|pile| pile.0.len()))
    });
    drop(rx);
    let (first, second, left) = sender.join().unwrap();
    assert!(first || !second, "a mailbox that opened again");
    assert!(second || left == 0, "left behind");
}

#[test]
fn mailbox_wakes() {
    holds("mailbox_wakes", the_waiter_is_woken_by_the_last_news);
    catches(Fault::MailboxLooksBeforeItRegisters, the_waiter_is_woken_by_the_last_news);
}

#[test]
fn mailbox_closes() {
    holds("mailbox_closes", what_nobody_receives_comes_back_or_is_dropped);
}
