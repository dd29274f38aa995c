//! What contexts can do beyond ending: callbacks, merging, detaching, budgets, tokens, blocking code, timers.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::Context as Poller;
use std::time::Duration;

use linchpin::Context;
use linchpin::context::Cause;
use linchpin::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::bell::Bell;

const SECOND: Duration = Duration::from_secs(1);

fn counted() -> (Arc<AtomicUsize>, impl FnOnce() + Send + 'static) {
    let count = Arc::new(AtomicUsize::new(0));
    let counting = count.clone();
    let work = move || {
        counting.fetch_add(1, Ordering::SeqCst);
    };
    (count, work)
}

fn runs(count: &AtomicUsize) -> usize {
    count.load(Ordering::SeqCst)
}

#[test]
fn a_callback_runs_once_when_any_ancestor_ends() {
    let parent = Context::root().child();
    let child = parent.child();
    let (count, work) = counted();
    let after = child.after(work);
    assert_eq!(runs(&count), 0);
    parent.cancel("over");
    child.cancel("again");
    assert_eq!(runs(&count), 1);
    assert!(!after.stop(), "it has run");
}

#[test]
fn a_callback_on_an_ended_context_runs_at_once() {
    let owner = Context::root().child();
    owner.cancel("over");
    let (count, work) = counted();
    owner.after(work).detach();
    assert_eq!(runs(&count), 1);
}

#[test]
fn a_callback_is_withdrawn_by_stop_and_by_drop_and_not_by_detach() {
    let owner = Context::root().child();
    let [stopped, dropped, detached] = [(); 3].map(|()| counted());
    assert!(owner.after(stopped.1).stop());
    drop(owner.after(dropped.1));
    owner.after(detached.1).detach();
    drop(owner);
    assert_eq!([&stopped.0, &dropped.0, &detached.0].map(|count| runs(count)), [0, 0, 1]);
}

#[test]
fn a_callback_that_panics_harms_nobody() {
    let owner = Context::root().child();
    let (count, work) = counted();
    let first = owner.after(|| panic!("boom"));
    let second = owner.after(work);
    owner.cancel("over");
    assert_eq!(runs(&count), 1);
    assert!(!first.stop() && !second.stop());
}

#[test]
fn a_waker_that_panics_harms_nobody() {
    let owner = Context::root().child();
    let mut first = Box::pin(owner.cancelled());
    let waker = Bell::new(true).waker();
    assert!(first.as_mut().poll(&mut Poller::from_waker(&waker)).is_pending());
    let (count, work) = counted();
    let second = owner.after(work);
    owner.cancel("over");
    assert_eq!(runs(&count), 1, "those who come after it are told");
    assert!(first.as_mut().poll(&mut Poller::from_waker(&waker)).is_ready() && !second.stop());
}

#[test]
fn a_callback_may_look_at_and_end_what_it_likes() {
    let (owner, other) = (Context::root().child(), Context::root().child());
    let (seen, told) = mpsc::channel();
    let (context, ended) = (Context::clone(&owner), Context::clone(&other));
    let after = owner.after(move || {
        other.cancel("with it");
        seen.send(context.cause().unwrap().to_string()).unwrap();
    });
    owner.cancel("over");
    assert_eq!(told.try_recv().unwrap(), "over");
    assert!(matches!(ended.cause(), Some(Cause::Because(why)) if &*why == "with it"));
    drop(after);
}

#[tokio::test(start_paused = true)]
async fn a_callback_runs_at_the_deadline_though_nobody_waits() {
    let context = Context::root().with_timeout(SECOND);
    let (told, ended) = tokio::sync::oneshot::channel();
    let below = context.child();
    below.after(move || told.send(()).unwrap()).detach();
    ended.await.unwrap();
    assert!(matches!(below.cause(), Some(Cause::Deadline)));
}

#[test]
fn a_merged_child_ends_with_the_first_of_its_parents() {
    for first in 0..3 {
        let parents = [(); 3].map(|()| Context::root().child());
        let merged = Context::merge(parents.iter().map(|parent| &**parent));
        let below = merged.child();
        assert!(!below.is_cancelled());
        parents[first].cancel(format!("parent {first}"));
        parents[(first + 1) % 3].cancel("later");
        assert!(below.is_cancelled());
        assert_eq!(below.cause().unwrap().to_string(), format!("parent {first}"));
        assert!(!parents[(first + 2) % 3].is_cancelled());
    }
}

#[tokio::test(start_paused = true)]
async fn a_merged_child_has_the_earliest_deadline_and_the_values_of_all() {
    let one = Context::root().with_value(1_u8).with_timeout(5 * SECOND);
    let other = Context::root().with_value(2_u8).with_value("other").with_timeout(3 * SECOND);
    let merged = Context::merge([&*one, &*other]);
    assert_eq!(merged.deadline(), other.deadline());
    assert_eq!((merged.get::<u8>(), merged.get::<&str>()), (Some(&1), Some(&"other")));
    assert!(matches!(merged.cancelled().await, Cause::Deadline));
    assert!(one.check().is_ok());
    assert!(Context::merge([]).check().is_ok());
}

#[test]
fn a_long_chain_of_merges_is_looked_up_and_dropped_without_recursion() {
    let owner = Context::root().child();
    let mut leaf = Context::clone(&owner);
    for _ in 0..50_000 {
        leaf = Context::merge([&Context::root(), &leaf]).disarm();
    }
    assert!(!leaf.is_cancelled());
    owner.cancel("over");
    assert!(leaf.is_cancelled() && leaf.check().is_err());
    drop(leaf);
}

#[tokio::test(start_paused = true)]
async fn a_detached_context_keeps_the_values_and_nothing_else() {
    let request = Context::root().with_value("request 7").with_timeout(SECOND);
    let work = request.detached();
    request.cancel("answered");
    assert_eq!(work.get::<&str>(), Some(&"request 7"));
    assert!(work.deadline().is_none() && work.check().is_ok());
    let bounded = work.with_timeout(2 * SECOND);
    assert!(matches!(bounded.cancelled().await, Cause::Deadline));
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_passed_unseen_comes_before_a_later_cancel() {
    let parent = Context::root().child();
    let child = parent.with_timeout(SECOND);
    tokio::time::advance(2 * SECOND).await;
    parent.cancel("later");
    child.cancel("later still");
    assert!(matches!(child.cause(), Some(Cause::Deadline)));
    assert!(matches!(parent.cause(), Some(Cause::Because(_))));
}

#[tokio::test(start_paused = true)]
async fn what_is_made_under_an_end_keeps_its_cause_whatever_deadline_it_brings() {
    let parent = Context::root().child();
    parent.cancel("over");
    let late = parent.with_timeout(Duration::ZERO);
    let (below, merged) = (late.child(), Context::merge([&Context::root(), &*late]));
    let (count, work) = counted();
    let after = late.after(work);
    tokio::time::advance(SECOND).await;
    for context in [&late, &below, &merged] {
        assert_eq!(context.cause().unwrap().to_string(), "over");
        assert_eq!(context.cancelled().await.to_string(), "over");
    }
    assert!(runs(&count) == 1 && !after.stop());
}

#[tokio::test(start_paused = true)]
async fn a_budget_gives_each_attempt_an_equal_share_of_what_is_left() {
    let request = Context::root().with_timeout(9 * SECOND);
    let mut budget = request.budget(3);
    let first = budget.next().unwrap();
    assert_eq!(first.remaining(), Some(3 * SECOND));
    tokio::time::advance(SECOND).await; // failed early: 8 s are left for two
    assert_eq!(budget.next().unwrap().remaining(), Some(4 * SECOND));
    assert_eq!(budget.next().unwrap().remaining(), Some(8 * SECOND));
    assert!(budget.next().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_budget_ends_when_an_attempt_would_be_too_short() {
    let request = Context::root().with_timeout(5 * SECOND);
    let mut budget = request.budget(10).at_least(2 * SECOND);
    assert_eq!(budget.next().unwrap().remaining(), Some(2 * SECOND));
    tokio::time::advance(4 * SECOND).await;
    assert!(budget.next().is_none());

    assert_eq!(Context::root().budget(2).count(), 2);
    let ended = Context::root().child();
    ended.cancel("over");
    assert_eq!(ended.budget(2).count(), 0);
}

#[tokio::test]
async fn a_context_ends_with_a_token_and_a_token_with_a_context() {
    let token = CancellationToken::new();
    let context = Context::from(token.clone());
    let (child, both) = (context.child(), Context::merge([&Context::root(), &context]));
    let out = child.token();
    let waiting = linchpin::task::spawn("waiting", {
        let context = Context::clone(&child);
        async move { context.cancelled().await.to_string() }
    });
    tokio::task::yield_now().await;
    assert!(!child.is_cancelled() && !out.is_cancelled());
    token.cancel();
    assert!(both.is_cancelled());
    assert_eq!(waiting.join().await, "cancelled");
    assert!(out.is_cancelled(), "and on to the token made of it");
    assert!(matches!(child.cause(), Some(Cause::Cancelled)));
}

#[test]
fn a_token_that_was_dropped_leaves_nothing_in_its_context() {
    let owner = Context::root().child();
    let token = CancellationToken::clone(&owner.token());
    owner.cancel("over");
    assert!(!token.is_cancelled(), "the tie was cut with the guard");
}

#[test]
fn blocking_code_is_woken_by_the_end_and_not_before() {
    let owner = Context::root().child();
    let blocking = owner.blocking();
    let waiter = std::thread::spawn(move || {
        let slept = blocking.sleep(Duration::from_hours(1));
        (slept.unwrap_err().to_string(), blocking.wait().to_string())
    });
    owner.cancel("stop");
    assert_eq!(waiter.join().unwrap(), ("ended: stop".to_owned(), "stop".to_owned()));
    let free = Context::root().blocking();
    free.sleep(Duration::from_millis(1)).unwrap();
}

#[test]
fn blocking_code_is_woken_by_a_token() {
    let token = CancellationToken::new();
    let blocking = Context::from(token.clone()).blocking();
    let waiter = std::thread::spawn(move || blocking.wait());
    token.cancel();
    assert!(matches!(waiter.join().unwrap(), Cause::Cancelled));
}

#[test]
fn blocking_code_is_refused_a_sleep_that_the_deadline_would_cut() {
    let context = Context::root().with_timeout(SECOND);
    let error = context.blocking().sleep(Duration::from_hours(1)).unwrap_err();
    assert!(matches!(error.cause(), Cause::Deadline));
}

#[tokio::test]
async fn a_loop_with_checkpoints_lets_others_run_and_stops() {
    let owner = Context::root().child();
    let context = Context::clone(&owner);
    let counting = linchpin::task::spawn("loop", async move {
        let mut turns = 0_u64;
        while context.checkpoint().await.is_ok() {
            turns += 1;
        }
        turns
    });
    // On one thread: this goes on only because the loop yields.
    tokio::task::yield_now().await;
    owner.cancel("enough");
    assert!(counting.join().await > 0);
}

#[tokio::test(start_paused = true)]
async fn one_timer_serves_all_who_wait_and_goes_with_the_last() {
    let began = Instant::now();
    let request = Context::root().with_timeout(SECOND);
    let mut group = linchpin::task::Group::new(&Context::root());
    for _ in 0..100 {
        let context = request.child().disarm();
        group.spawn("waiter", move |_| async move { Ok(context.cancelled().await.to_string()) });
    }
    // The first waiters leave again: the alarm that the very first armed must stay for the rest.
    for _ in 0..3 {
        let mut wait = Box::pin(request.cancelled());
        assert!(futures_util::poll!(wait.as_mut()).is_pending());
    }
    let causes = group.join().await.unwrap();
    assert!(causes.iter().all(|cause| cause == "the deadline has passed"));
    assert!(began.elapsed() < 2 * SECOND);
}

#[test]
fn a_waiter_outlives_the_runtime_that_kept_the_timer() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let context = Context::root().with_timeout(Duration::from_millis(200)).disarm();
    let (first, second) = (runtime(), runtime());
    let armed = context.clone();
    let mut wait = Box::pin(async move { armed.cancelled().await });
    first.block_on(async { assert!(futures_util::poll!(wait.as_mut()).is_pending()) });
    let other = std::thread::spawn(move || {
        second.block_on(async { tokio::time::timeout(10 * SECOND, context.cancelled()).await })
    });
    drop(first);
    assert!(matches!(other.join().unwrap().unwrap(), Cause::Deadline));
    drop(wait);
}

#[test]
fn waiting_for_a_deadline_needs_a_runtime_and_says_so() {
    let context = Context::root().with_timeout(SECOND);
    let text = catch_unwind(AssertUnwindSafe(|| drop(context.after(|| ())))).unwrap_err();
    assert!(linchpin::task::panic_text(text.as_ref()).contains("runtime"));
    assert!(context.check().is_ok(), "and is whole afterwards");
}

#[test]
fn cancelling_a_tree_of_ten_thousand_wakes_all_and_blocks_no_check() {
    let root = Context::root().child();
    let children: Vec<Context> = (0..10_000).map(|_| root.child().disarm()).collect();
    let counts: Vec<_> = children
        .iter()
        .map(|child| {
            let (count, work) = counted();
            child.after(work).detach();
            count
        })
        .collect();
    // A check from within the cancel: it would block for ever if the end held a lock that a check needs.
    let looker = children[0].clone();
    root.after(move || assert!(looker.check().is_err())).detach();
    root.cancel("all");
    assert!(counts.iter().all(|count| runs(count) == 1));
}
