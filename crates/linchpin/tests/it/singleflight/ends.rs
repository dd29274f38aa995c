//! Leaders and others that go away, flights that take too long, and the context of a flight.

use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::time::Duration;

use linchpin::Context;
use linchpin::context::Cause;
use linchpin::resilience::FailedKind;
use linchpin::sync::singleflight::{Group, Options};
use linchpin::time::Instant;
use linchpin_testing::steps;
use tokio::runtime::Builder;

use super::{Calls, Flights, MS, caller, flying, group, why};
use crate::bell::Bell;
use crate::panic::Bomb;

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn a_leader_that_is_dropped_or_whose_time_is_over_harms_nobody() {
    for dropped in [true, false] {
        let (group, calls, began) = (group(), Calls::default(), Instant::now());
        let leader = caller(&group, &calls, 100, if dropped { SECOND } else { 50 * MS });
        steps::settle().await;
        let others = [(); 3].map(|()| caller(&group, &calls, 100, SECOND));
        tokio::time::sleep(50 * MS).await;
        if dropped {
            drop(leader);
        } else {
            assert!(matches!(why(leader.join().await), FailedKind::Ended(_)));
        }
        for other in others {
            assert_eq!(other.join().await.unwrap(), 1);
        }
        assert_eq!(calls.count(), 1);
        assert!((100 * MS..110 * MS).contains(&began.elapsed()));
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_shares_leaves_at_its_own_deadline_and_the_flight_goes_on() {
    let (group, calls, began) = (group(), Calls::default(), Instant::now());
    let leader = caller(&group, &calls, 100, SECOND);
    steps::settle().await;
    let ended = caller(&group, &calls, 100, 30 * MS).join().await;
    let FailedKind::Ended(ended) = why(ended) else { panic!("its time is over") };
    assert!(matches!(ended.cause(), Cause::Deadline));
    assert!((30 * MS..40 * MS).contains(&began.elapsed()));
    assert_eq!(leader.join().await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_last_to_leave_cancels_the_work_and_who_comes_then_begins_anew() {
    let (group, calls) = (group(), Calls::default());
    let callers = [(); 3].map(|()| caller(&group, &calls, 100, SECOND));
    tokio::time::sleep(10 * MS).await;
    let [leader, second, third] = callers;
    drop(leader);
    drop(second);
    steps::settle().await;
    assert_eq!((group.numbers().running, flying()), (1, 1));
    drop(third);
    // Not even those who come before the work has gone share it.
    let late = caller(&group, &calls, 1, SECOND);
    steps::settle().await;
    assert_eq!((late.join().await.unwrap(), calls.count()), (2, 2));
    assert_eq!((group.numbers().running, flying()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn the_context_of_a_flight_ends_with_the_last_waiter_and_when_it_is_over() {
    let (group, seen) = (group(), Arc::new(Mutex::new(None)));
    let run = |ms: u32| {
        let (group, seen) = (group.clone(), seen.clone());
        async move {
            let ctx = Context::root().with_timeout(50 * MS);
            let work = |flight: linchpin::sync::singleflight::Flight<'_>| {
                let (first, again) = (flight.context(), flight.context());
                assert_eq!(first.deadline(), again.deadline());
                *seen.lock().unwrap() = Some(first);
                async move {
                    tokio::time::sleep(ms * MS).await;
                    assert!(again.check().is_ok());
                    Ok(1)
                }
            };
            group.run(&ctx, "key", work).await
        }
    };
    let cause = || seen.lock().unwrap().as_ref().unwrap().cause();
    assert!(matches!(why(run(100).await), FailedKind::Ended(_)));
    assert!(matches!(cause(), Some(Cause::Dropped)));
    assert_eq!(run(10).await.unwrap(), 1);
    assert!(matches!(cause(), Some(Cause::Dropped)));
    assert_eq!(seen.lock().unwrap().as_ref().unwrap().get::<u8>(), None);
}

#[tokio::test(start_paused = true)]
async fn a_flight_that_hangs_is_over_when_its_time_is_and_the_next_is_another() {
    let group: Flights = Group::new(Options::default().max_flight(SECOND)).unwrap();
    let (calls, began) = (Calls::default(), Instant::now());
    let leader = caller(&group, &calls, 5000, 60 * SECOND);
    tokio::time::sleep(900 * MS).await;
    let other = caller(&group, &calls, 1, 60 * SECOND);
    assert!(matches!(why(leader.join().await), FailedKind::TimedOut));
    assert!(matches!(why(other.join().await), FailedKind::TimedOut));
    assert!((SECOND..SECOND + 10 * MS).contains(&began.elapsed()));
    assert_eq!(caller(&group, &calls, 1, SECOND).join().await.unwrap(), 2);
}

#[tokio::test(start_paused = true)]
async fn without_a_limit_a_flight_goes_on_as_long_as_somebody_waits() {
    let group: Flights = Group::new(Options::default().max_flight(None)).unwrap();
    let calls = Calls::default();
    assert_eq!(caller(&group, &calls, 3_600_000, 7200 * SECOND).join().await.unwrap(), 1);
}

#[test]
fn a_runtime_that_goes_away_leaves_nobody_waiting() {
    let runtime =
        || Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let (group, calls) = (group(), Calls::default());
    let (first, second) = (runtime(), runtime());
    let ctx = Context::root();
    let mut leader = steps::poll_by_hand(group.run(&ctx, "key", |_| calls.work(1000)));
    first.block_on(async { assert!(leader.poll().is_pending()) });
    let (own, count) = (group.clone(), calls.clone());
    let mut other =
        steps::poll_by_hand(
            async move { own.run(&Context::root(), "key", |_| count.work(1)).await },
        );
    second.block_on(async { assert!(other.poll().is_pending()) });
    drop(first);
    assert_eq!((leader.wakes(), other.wakes()), (1, 1));
    let Poll::Ready(outcome) = leader.poll() else { panic!("it is gone") };
    let FailedKind::Ended(ended) = why(outcome) else { panic!("it is gone") };
    assert!(matches!(ended.cause(), Cause::Shutdown));
    // The other does its own work.
    second.block_on(async {
        assert!(other.poll().is_pending());
        tokio::time::sleep(20 * MS).await;
    });
    let Poll::Ready(Ok(2)) = other.poll() else { panic!("its own work is done") };
    assert_eq!(calls.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn work_that_panics_when_it_is_dropped_is_an_error_like_any_other() {
    let (group, ctx) = (group(), Context::root());
    let early = group.run(&ctx, "key", |_| {
        let bomb = Bomb;
        async move {
            let _bomb = bomb;
            Ok(1)
        }
    });
    assert!(matches!(why(early.await), FailedKind::Panicked(_)));
    let late = group.run(&ctx, "key", |_| async {
        let _bomb = Bomb;
        tokio::time::sleep(MS).await;
        Ok(1)
    });
    assert!(matches!(why(late.await), FailedKind::Panicked(_)));
    // Cancelled in the middle.
    let cancelled = group.run(&ctx, "key", |_| async {
        let _bomb = Bomb;
        std::future::pending().await
    });
    assert!(tokio::time::timeout(MS, cancelled).await.is_err());
    steps::settle().await;
    assert_eq!((group.numbers().running, flying()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_waker_of_a_flight_that_panics_keeps_nobody_from_being_woken() {
    let (group, calls, ctx) = (group(), Calls::default(), Context::root());
    let bells = [true, false].map(Bell::new);
    let mut waits = [(); 2].map(|()| Box::pin(group.run(&ctx, "key", |_| calls.work(1))));
    for (wait, bell) in waits.iter_mut().zip(&bells) {
        let waker = bell.waker();
        assert!(wait.as_mut().poll(&mut std::task::Context::from_waker(&waker)).is_pending());
    }
    tokio::time::sleep(5 * MS).await;
    assert!(bells.iter().all(|bell| bell.has_rung()));
    for wait in waits {
        assert_eq!(wait.await.unwrap(), 1);
    }
}

/// A key whose comparison panics.
struct Odd(bool);

impl Hash for Odd {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

impl PartialEq for Odd {
    fn eq(&self, other: &Self) -> bool {
        assert!(!self.0 && !other.0, "planted");
        true
    }
}

impl Eq for Odd {}

#[derive(Clone, Copy, Default)]
struct OneHash;

impl BuildHasher for OneHash {
    type Hasher = OneHash;

    fn build_hasher(&self) -> OneHash {
        OneHash
    }
}

impl Hasher for OneHash {
    fn finish(&self) -> u64 {
        0
    }

    fn write(&mut self, _: &[u8]) {}
}

#[tokio::test(start_paused = true)]
async fn keys_that_panic_when_they_are_compared_leave_the_flights_whole() {
    let group: Group<Odd, u8, (), OneHash> =
        Group::with_hasher(Options::default(), OneHash).unwrap();
    let ctx = Context::root();
    let wait = || async {
        tokio::time::sleep(MS).await;
        Ok(1)
    };
    let odd = async {
        let caught = linchpin::error::catch_async(group.run(&ctx, Odd(true), |_| wait())).await;
        assert!(caught.is_err());
    };
    let (one, (), other) = tokio::join!(
        group.run(&ctx, Odd(false), |_| wait()),
        odd,
        group.run(&ctx, Odd(false), |_| wait())
    );
    assert_eq!((one.unwrap(), other.unwrap(), group.numbers().calls), (1, 1, 1));
}

/// A value that cannot be shared.
#[derive(Debug)]
struct Single;

impl Clone for Single {
    fn clone(&self) -> Self {
        panic!("there is but one");
    }
}

#[tokio::test]
async fn a_value_whose_clone_panics_is_the_leaders_and_an_error_for_the_others() {
    let (group, ctx) = (Group::<_, Single, ()>::new(Options::default()).unwrap(), Context::root());
    let mut shares = Box::pin(group.run(&ctx, "key", |_| std::future::pending()));
    let leader = group.run(&ctx, "key", |_| {
        // Comes while the work is polled for the first time.
        assert!(
            shares.as_mut().poll(&mut std::task::Context::from_waker(Waker::noop())).is_pending()
        );
        std::future::ready(Ok(Single))
    });
    leader.await.unwrap();
    assert!(matches!(shares.await.unwrap_err().into_kind(), FailedKind::Panicked(_)));
    assert_eq!(group.numbers().running, 0);
}
