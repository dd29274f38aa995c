//! Thundering herd: one place becomes free, and everybody is woken to find that somebody else has it.

use std::sync::atomic::{AtomicUsize, Ordering};

use linchpin::Context;
use linchpin::sync::semaphore::{Options, Semaphore};
use linchpin_testing::steps::{Poller, poll_by_hand};
use tokio::sync::Notify;

const CROWD: usize = 100;

/// Places that are waited for by looking again at each news.
#[derive(Default)]
struct Places {
    free: AtomicUsize,
    news: Notify,
}

impl Places {
    /// The mistake is not here ...
    async fn take(&self) {
        loop {
            let news = self.news.notified();
            let take = |free: usize| free.checked_sub(1);
            if self.free.fetch_update(Ordering::AcqRel, Ordering::Acquire, take).is_ok() {
                return;
            }
            news.await;
        }
    }

    /// ... but here: one place, and everybody hears of it.
    fn give(&self) {
        self.free.fetch_add(1, Ordering::AcqRel);
        self.news.notify_waiters();
    }
}

/// How many of them were woken, and how many of those got what they waited for.
fn served<F: Future>(crowd: &mut [Poller<F>]) -> (usize, usize) {
    let woken: Vec<&mut Poller<F>> = crowd.iter_mut().filter(|one| one.is_woken()).collect();
    let count = woken.len();
    let served = woken.into_iter().map(|one| usize::from(one.poll().is_ready())).sum();
    (count, served)
}

#[tokio::test]
async fn a_place_that_wakes_everybody_serves_one_and_the_poller_counts() {
    let places = Places::default();
    let mut crowd: Vec<_> = (0..CROWD).map(|_| poll_by_hand(places.take())).collect();
    assert!(crowd.iter_mut().all(|one| one.poll().is_pending()));
    places.give();
    // The program that fails, and the tool: a hundred are woken, for one.
    assert_eq!(served(&mut crowd), (CROWD, 1));
}

#[tokio::test]
async fn a_permit_wakes_the_one_who_gets_it() {
    let ctx = Context::root();
    let places = Semaphore::new(1, Options::default().name("places")).unwrap();
    let held = places.try_acquire(1).unwrap();
    let mut crowd: Vec<_> = (0..CROWD).map(|_| poll_by_hand(places.acquire(&ctx, 1))).collect();
    assert!(crowd.iter_mut().all(|one| one.poll().is_pending()));
    assert_eq!(places.waiting(), CROWD);
    drop(held);
    // Mended: the permit is handed to the first in line, and nobody else hears of it.
    assert_eq!(crowd.iter().filter(|one| one.is_woken()).count(), 1);
    assert!(crowd[0].poll().is_ready());
}
