//! Coalescing: every call has one answer, is counted once, and shares a flight or makes one.
//!
//! It has no protocol of its own: no lock, and three sums (`failed`, `panicked`, `timed_out`) of which nothing hangs on
//! the order. What it stands on is modelled where it is:
//!
//! | what | model |
//! |---|---|
//! | who waits is woken, with the outcome or to come anew | `flight_wakes`, `flight_stale` |
//! | the leader leaves as another comes, the last cancels | `flight_cancels`, `flight_is_left` |
//! | as many share as may, and the place of who leaves is free | `flight_bounds` |
//! | nothing older than a `forget` | `flight_forgets` |
//! | other options while a flight begins | `flight_rules` |
//! | a context ends while one waits | `model::context` |
//!
//! So here the whole of a call is driven, from the table to the sums, with work that is ready at once: a flight is open to
//! others while it is called.

use std::future::ready;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context as Poller, Poll};

use loom::sync::atomic::AtomicUsize as LoomAtomicUsize;
use loom::thread;

use super::{Woken, catches, holds};
use crate::context::Context;
use crate::resilience::coalesce::{Coalesce, Numbers};
use crate::resilience::{Failed, FailedKind};
use crate::shim::Fault;
use crate::sync::singleflight::{Flight, Options};

type Answer = Result<usize, Failed<usize>>;

/// A call that was polled once.
struct Call {
    future: Pin<Box<dyn Future<Output = Answer>>>,
    polled: Poll<Answer>,
    woken: Arc<Woken>,
}

impl Call {
    /// Its work answers with its number.
    fn begin(
        coalesce: Coalesce<u8, usize, usize>,
        worked: Arc<LoomAtomicUsize>,
        works: fn(usize) -> Result<usize, usize>,
    ) -> Self {
        let work = move |_: Flight<'_>| ready(works(worked.fetch_add(1, Ordering::Relaxed)));
        let mut future: Pin<Box<dyn Future<Output = Answer>>> =
            Box::pin(async move { coalesce.call(&Context::root(), 7, work).await });
        let (woken, waker) = Woken::pair();
        let polled = future.as_mut().poll(&mut Poller::from_waker(&waker));
        Self { future, polled, woken }
    }

    /// Its answer, once the other has ended.
    fn end(mut self) -> Answer {
        if let Poll::Ready(answer) = self.polled {
            return answer;
        }
        assert_eq!(self.woken.times(), 1, "a wake-up was lost");
        let (_, waker) = Woken::pair();
        match self.future.as_mut().poll(&mut Poller::from_waker(&waker)) {
            Poll::Ready(answer) => answer,
            Poll::Pending => panic!("there is nobody to wait for"),
        }
    }
}

/// Two calls for one key at once. What they get, and what was counted.
fn both(options: Options, works: fn(usize) -> Result<usize, usize>) -> ([Answer; 2], Numbers) {
    let coalesce = Coalesce::<u8, usize, usize>::new("model", options).expect("they fit");
    let worked = Arc::new(LoomAtomicUsize::new(0));
    let other = thread::spawn({
        let (coalesce, worked) = (coalesce.clone(), worked.clone());
        move || Call::begin(coalesce, worked, works)
    });
    let mine = Call::begin(coalesce.clone(), worked.clone(), works);
    let theirs = other.join().unwrap();
    let answers = [mine.end(), theirs.end()];
    let numbers = coalesce.numbers();
    assert_eq!((worked.load(Ordering::Relaxed) as u64, numbers.running), (numbers.flights, 0));
    (answers, numbers)
}

/// What is shared is shared by all who are said to share it, and nobody is forgotten.
fn two_share_an_answer_or_have_one_each() {
    let ([mine, theirs], numbers) = both(Options::default(), Ok);
    let (mine, theirs) = (mine.unwrap(), theirs.unwrap());
    match (numbers.flights, numbers.shared) {
        (1, 1) => assert_eq!((mine, theirs), (0, 0)),
        (2, 0) => assert_eq!(mine + theirs, 1),
        other => panic!("{other:?} flights and who shared"),
    }
    assert_eq!(numbers.failed, 0);
}

/// Where errors are not shared, each has that of its own work, whoever shared a flight before.
fn two_have_an_error_of_their_own_each() {
    let ([mine, theirs], numbers) = both(Options::default().errors_are_not_shared(), Err);
    let number = |answer: Answer| match answer.unwrap_err().into_kind() {
        FailedKind::Callee(number) => number,
        other => panic!("{other:?}"),
    };
    assert_eq!(number(mine) + number(theirs), 1);
    assert_eq!((numbers.flights, numbers.failed), (2, 2), "each call is counted once");
    assert!(numbers.shared <= 1);
}

#[test]
fn coalesce_shares() {
    holds("coalesce_shares", two_share_an_answer_or_have_one_each);
    catches(Fault::FlightLooksBeforeItWaits, two_share_an_answer_or_have_one_each);
}

#[test]
fn coalesce_errors() {
    holds("coalesce_errors", two_have_an_error_of_their_own_each);
    catches(Fault::FlightLooksBeforeItWaits, two_have_an_error_of_their_own_each);
}
