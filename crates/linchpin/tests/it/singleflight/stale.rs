//! What is under way is out of date: `forget` and `invalidate`.

use linchpin::Context;
use linchpin::sync::singleflight::{Group, Options};
use linchpin_testing::steps;

use super::{Calls, Flights, MS, caller, group};

const LONG: std::time::Duration = std::time::Duration::from_secs(10);

#[tokio::test(start_paused = true)]
async fn who_comes_after_a_forget_begins_anew_and_the_old_flight_takes_nothing_with_it() {
    let (group, calls) = (group(), Calls::default());
    let before = [(); 2].map(|()| caller(&group, &calls, 100, LONG));
    tokio::time::sleep(50 * MS).await;
    assert!(group.forget("key"));
    assert!(!group.forget("key"), "it is forgotten already");
    let after = caller(&group, &calls, 100, LONG);
    for caller in before {
        assert_eq!(caller.join().await.unwrap(), 1);
    }
    // The first flight has ended, and the second is there still.
    let later = caller(&group, &calls, 100, LONG);
    assert_eq!((later.join().await.unwrap(), after.join().await.unwrap()), (2, 2));
    assert_eq!((calls.count(), group.numbers().running), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn after_an_invalidation_those_who_share_come_anew_and_the_leader_gets_its_own() {
    let (group, calls) = (group(), Calls::default());
    let leader = caller(&group, &calls, 100, LONG);
    steps::settle().await;
    let sharing = [(); 3].map(|()| caller(&group, &calls, 100, LONG));
    tokio::time::sleep(50 * MS).await;
    assert!(group.invalidate("key"));
    let after = caller(&group, &calls, 100, LONG);
    assert_eq!(leader.join().await.unwrap(), 1);
    for caller in sharing.into_iter().chain([after]) {
        assert_eq!(caller.join().await.unwrap(), 2);
    }
    assert_eq!((calls.count(), group.numbers().running), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn an_invalidation_cancels_what_only_those_wait_for_who_come_anew() {
    let (group, calls) = (group(), Calls::default());
    let leader = caller(&group, &calls, 100, LONG);
    steps::settle().await;
    let shares = caller(&group, &calls, 100, LONG);
    steps::settle().await;
    drop(leader);
    assert!(group.invalidate("key"));
    steps::settle().await;
    assert_eq!((calls.count(), group.numbers().running), (2, 1));
    assert_eq!(shares.join().await.unwrap(), 2);
}

#[tokio::test(start_paused = true)]
async fn all_keys_are_invalidated_at_once() {
    let (group, calls, ctx) = (group(), Calls::default(), Context::root());
    let keys = ["a", "b", "c", "d"];
    let mut leaders = keys.map(|key| steps::poll_by_hand(group.run(&ctx, key, |_| calls.work(10))));
    assert!(leaders.iter_mut().all(|leader| leader.poll().is_pending()));
    let mut sharing = keys.map(|key| steps::poll_by_hand(group.run(&ctx, key, |_| calls.work(10))));
    assert!(sharing.iter_mut().all(|caller| caller.poll().is_pending()));
    group.invalidate_all();
    assert!(sharing.iter().all(|caller| caller.wakes() == 1));
    assert!(sharing.iter_mut().all(|caller| caller.poll().is_pending()));
    assert_eq!((calls.count(), group.numbers().running), (8, 8));
    assert!(!group.invalidate("e"));
    drop((leaders, sharing));
    steps::settle().await;
    assert_eq!(group.numbers().running, 0);
}

#[tokio::test(start_paused = true)]
async fn a_flight_that_is_too_old_takes_nobody() {
    let group: Flights = Group::new(Options::default().max_age(50 * MS)).unwrap();
    let (calls, ctx) = (Calls::default(), Context::root());
    let at = |ms: u32| {
        let (group, calls, ctx) = (&group, &calls, &ctx);
        async move {
            tokio::time::sleep(ms * MS).await;
            group.run(ctx, "key", |_| calls.work(100)).await.unwrap()
        }
    };
    let all = tokio::join!(at(0), at(49), at(50), at(99), at(120));
    assert_eq!(all, (1, 1, 2, 2, 3));
}

#[tokio::test(start_paused = true)]
async fn an_error_that_is_not_shared_brings_those_who_shared_together_once_more() {
    let group: Flights = Group::new(Options::default().errors_are_not_shared()).unwrap();
    let (calls, ctx) = (std::cell::Cell::new(0), Context::root());
    let sick = || {
        calls.set(calls.get() + 1);
        async {
            tokio::time::sleep(MS).await;
            Err::<u32, _>("down")
        }
    };
    let callers = (0..10).map(|_| group.run(&ctx, "key", |_| sick()));
    let outcomes = futures_util::future::join_all(callers).await;
    assert!(outcomes.into_iter().all(|outcome| outcome.is_err()));
    // The first flight's leader has its own error; of the nine that come anew one leads, and eight come once only.
    assert_eq!(calls.get(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_detached_flight_goes_on_without_anybody_and_is_shared() {
    let group: Flights = Group::new(Options::default().detach()).unwrap();
    let (calls, ctx) = (Calls::default(), Context::root());
    let call = group.run(&ctx, "key", |_| calls.work(100));
    assert!(tokio::time::timeout(10 * MS, call).await.is_err());
    assert_eq!(group.numbers().running, 1);
    let start = linchpin::time::Instant::now();
    assert_eq!(group.run(&ctx, "key", |_| calls.work(100)).await.unwrap(), 1);
    assert!(start.elapsed() <= 91 * MS, "{:?}", start.elapsed());
    assert_eq!((calls.count(), group.numbers().running), (1, 0));
    let hangs = group.run(&ctx, "key", |_| std::future::pending());
    assert!(tokio::time::timeout(10 * MS, hangs).await.is_err());
    tokio::time::sleep(std::time::Duration::from_secs(30)).await;
    assert_eq!(group.numbers().running, 0, "until its time is over");
}
