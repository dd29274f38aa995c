//! What Go's own tests of `x/sync/singleflight` ask for.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use linchpin::resilience::FailedKind;
use linchpin::sync::singleflight::{Group, Options};
use linchpin::{Context, task};
use linchpin_testing::steps::{self, poll_by_hand};

use super::{Calls, MS, group, why};

#[tokio::test]
async fn a_call_gives_its_value_or_its_error() {
    let (group, ctx) = (group(), Context::root());
    assert_eq!(group.run(&ctx, "key", |_| async { Ok(3) }).await.unwrap(), 3);
    let failed = group.run(&ctx, "key", |_| async { Err("some error") }).await;
    assert!(matches!(why(failed), FailedKind::Callee("some error")));
}

#[tokio::test(start_paused = true)]
async fn duplicates_are_suppressed_though_some_come_while_it_runs() {
    let (group, calls) = (group(), Calls::default());
    let ctx = Context::root();
    let mut callers: Vec<_> =
        (0..10).map(|_| poll_by_hand(group.run(&ctx, "key", |_| calls.work(10)))).collect();
    assert!(callers.iter_mut().take(5).all(|caller| caller.poll().is_pending()));
    tokio::time::sleep(5 * MS).await;
    assert!(callers.iter_mut().skip(5).all(|caller| caller.poll().is_pending()));
    tokio::time::sleep(10 * MS).await;
    assert!(callers.iter_mut().all(|caller| caller.poll().map(Result::unwrap).is_ready()));
    assert_eq!(calls.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_flight_that_was_forgotten_does_not_end_its_successor() {
    let (group, calls, ctx) = (group(), Calls::default(), Context::root());
    let mut first = poll_by_hand(group.run(&ctx, "key", |_| calls.work(10)));
    assert!(first.poll().is_pending());
    group.forget("key");
    let mut second = poll_by_hand(group.run(&ctx, "key", |_| calls.work(100)));
    assert!(second.poll().is_pending());
    tokio::time::sleep(20 * MS).await;
    assert!(first.poll().is_ready());
    let mut third = poll_by_hand(group.run(&ctx, "key", |_| calls.work(100)));
    assert!(third.poll().is_pending());
    tokio::time::sleep(100 * MS).await;
    assert!(second.poll().map(Result::unwrap) == std::task::Poll::Ready(2));
    assert!(third.poll().map(Result::unwrap) == std::task::Poll::Ready(2));
}

#[tokio::test(start_paused = true)]
async fn a_call_in_a_task_of_its_own_is_go_s_channel() {
    let (group, calls) = (group(), Calls::default());
    let call = super::caller(&group, &calls, 10, 1000 * MS);
    steps::settle().await;
    assert!(!call.is_finished());
    assert_eq!(call.join().await.unwrap(), 1);
}

#[tokio::test]
async fn a_panic_reaches_each_of_many_and_ends_no_process() {
    let group: Group<u8, u8, ()> = Group::new(Options::default()).unwrap();
    let panics = Arc::new(AtomicUsize::new(0));
    let callers = (0..5).map(|_| {
        let (group, panics) = (group.clone(), panics.clone());
        task::spawn("caller", async move {
            let work = || async {
                tokio::task::yield_now().await;
                panic!("invalid memory address or nil pointer dereference")
            };
            let outcome = group.run(&Context::root(), 1, |_| work()).await;
            assert!(matches!(outcome.unwrap_err().kind(), FailedKind::Panicked(_)));
            panics.fetch_add(1, Ordering::SeqCst);
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.join().await;
    }
    assert_eq!(panics.load(Ordering::SeqCst), 5);
}
