//! The cases of Go's own tests of its `context` package that hold here too, one test a case.
//!
//! The table in the guide, `crates/guide/chapters/C4-context.md`, says which case each test is, and what became of the
//! cases that have none.

mod callbacks;
mod causes;
mod examples;
mod races;

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context as Poller, Waker};
use std::time::Duration;

use fastrand::Rng;
use linchpin::context::{Cause, Child, Ended};
use linchpin::time::Instant;
use linchpin::{Context, Error, Kind};

const SHORT: Duration = Duration::from_millis(1);
const VERY_LONG: Duration = Duration::from_hours(1000);

/// Go's `<-ctx.Done()` with a default: whether a waiter is through at once.
fn is_done(context: &Context) -> bool {
    pin!(context.cancelled()).poll(&mut Poller::from_waker(Waker::noop())).is_ready()
}

fn cause(context: &Context) -> Option<String> {
    context.cause().map(|cause| cause.to_string())
}

/// Blocks the thread until the context ends.
fn wait(context: &Context) -> Cause {
    context.blocking().wait()
}

// ===== trees =====

#[test]
fn a_parent_that_ends_ends_all_below_it_and_what_is_derived_later() {
    let parent = Context::root().child();
    let cancel_child = parent.child();
    let value_child = parent.with_value("value");
    let timer_child = value_child.with_timeout(VERY_LONG);
    let all = [&*parent, &*cancel_child, &value_child, &*timer_child];
    assert!(all.iter().all(|context| context.cause().is_none()));

    parent.cancel(Cause::Cancelled);
    for context in all {
        assert!(context.is_cancelled());
        assert_eq!(cause(context).as_deref(), Some("cancelled"));
    }
    let late = parent.with_value("value");
    assert!(is_done(&late) && matches!(late.cause(), Some(Cause::Cancelled)));
}

#[test]
fn a_child_that_ends_first_leaves_its_parent_live() {
    for parent in [Context::root(), Context::root().child().disarm()] {
        let child = parent.child();
        assert!(!is_done(&parent) && !is_done(&child));
        child.cancel(Cause::Cancelled);
        assert!(is_done(&child) && matches!(child.cause(), Some(Cause::Cancelled)));
        assert!(!is_done(&parent) && parent.cause().is_none());
    }
}

#[test]
fn what_ended_or_was_withdrawn_leaves_nothing_in_its_parent() {
    let parent = Context::root().child();
    let held = Arc::new(());

    let child = parent.child();
    let below = child.with_value(held.clone());
    child.cancel(Cause::Cancelled);
    drop((below, child));
    assert_eq!(Arc::strong_count(&held), 1);

    let timed = parent.with_timeout(Duration::from_hours(1));
    let below = timed.with_value(held.clone());
    timed.cancel(Cause::Cancelled);
    drop((below, timed));
    assert_eq!(Arc::strong_count(&held), 1);

    let captured = held.clone();
    let after = parent.after(move || drop(captured));
    assert_eq!(Arc::strong_count(&held), 2);
    assert!(after.stop());
    assert_eq!(Arc::strong_count(&held), 1);
}

#[tokio::test(start_paused = true)]
async fn nothing_here_starts_a_task() {
    let parent = Context::root().child();
    let other = Context::root().with_timeout(SHORT);
    let child = parent.child();
    let timed = child.with_timeout(VERY_LONG);
    let merged = Context::merge([&*timed, &*other]);
    merged.after(|| ()).detach();
    let waited = merged.cancelled().await;
    assert!(matches!(waited, Cause::Deadline));
    parent.cancel("now");
    assert_eq!(tokio::runtime::Handle::current().metrics().num_alive_tasks(), 0);
}

#[test]
fn the_root_never_ends() {
    let root = Context::root();
    assert!(!is_done(&root));
    assert!(root.check().is_ok() && root.cause().is_none() && root.deadline().is_none());
}

#[test]
fn a_cancellation_reaches_the_whole_tree_before_it_returns() {
    let parent = Context::root().child();
    let child = parent.child();
    let contexts = [Context::clone(&parent), Context::clone(&child)];
    assert!(contexts.iter().all(|context| !is_done(context) && context.cause().is_none()));
    parent.cancel(Cause::Cancelled);
    assert!(contexts.iter().all(Context::is_cancelled));
    assert!(contexts.iter().all(is_done));
}

// ===== time =====

/// Waits for the end of `context`, which must be its deadline, `after` from now.
async fn ends_by_its_deadline(context: &Context, after: Duration) {
    let began = Instant::now();
    assert!(matches!(context.cancelled().await, Cause::Deadline));
    assert!(matches!(context.check(), Err(ended) if matches!(ended.cause(), Cause::Deadline)));
    assert_eq!(began.elapsed(), after);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_ends_what_waits_for_it() {
    let context = Context::root().with_deadline(Instant::now() + SHORT);
    ends_by_its_deadline(&context, SHORT).await;
}

#[tokio::test(start_paused = true)]
async fn an_earlier_deadline_of_the_parent_ends_the_child() {
    let parent = Context::root().with_deadline(Instant::now() + SHORT);
    let child = parent.with_deadline(Instant::now() + VERY_LONG);
    ends_by_its_deadline(&child, SHORT).await;
}

#[tokio::test(start_paused = true)]
async fn a_deadline_in_the_past_has_passed() {
    let past = Instant::now();
    tokio::time::advance(SHORT).await;
    ends_by_its_deadline(&Context::root().with_deadline(past), Duration::ZERO).await;
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_is_now_has_passed() {
    let context = Context::root().with_deadline(Instant::now());
    ends_by_its_deadline(&context, Duration::ZERO).await;
}

#[tokio::test(start_paused = true)]
async fn a_timeout_ends_what_waits_for_it() {
    ends_by_its_deadline(&Context::root().with_timeout(SHORT), SHORT).await;
}

#[tokio::test(start_paused = true)]
async fn an_earlier_timeout_of_the_parent_ends_the_child() {
    let parent = Context::root().with_timeout(SHORT);
    ends_by_its_deadline(&parent.with_timeout(VERY_LONG), SHORT).await;
}

#[tokio::test(start_paused = true)]
async fn a_timeout_can_be_cancelled_before_it_passes() {
    let parent = Context::root().with_timeout(Duration::from_secs(1));
    let child = parent.with_timeout(VERY_LONG);
    child.cancel(Cause::Cancelled);
    assert!(is_done(&child) && matches!(child.cause(), Some(Cause::Cancelled)));
    assert!(parent.cause().is_none());
}

// ===== values =====

#[test]
fn a_value_is_found_by_its_type_and_the_nearest_one_wins() {
    #[derive(Debug, PartialEq)]
    struct K1(Option<&'static str>);
    #[derive(Debug, PartialEq)]
    struct K2(&'static str);
    #[derive(Debug, PartialEq)]
    struct K3(&'static str);

    let c0 = Context::root();
    assert!(c0.get::<K1>().is_none() && c0.get::<K2>().is_none() && c0.get::<K3>().is_none());
    let c1 = c0.with_value(K1(Some("c1")));
    let c2 = c1.with_value(K2("c2"));
    let c3 = c2.with_value(K3("c3"));
    assert_eq!(c1.get(), Some(&K1(Some("c1"))));
    assert!(c1.get::<K2>().is_none());
    assert_eq!((c3.get(), c3.get()), (Some(&K1(Some("c1"))), Some(&K2("c2"))));
    assert_eq!(c3.get(), Some(&K3("c3")));

    // Go's nil value: what can be absent says so in its type.
    let c4 = c3.with_value(K1(None));
    assert_eq!((c4.get(), c4.get()), (Some(&K1(None)), Some(&K2("c2"))));
    assert_eq!(c3.get(), Some(&K1(Some("c1"))));
}

#[test]
fn a_detached_context_has_the_values_and_nothing_else() {
    let parent = Context::root().with_value("value").with_timeout(VERY_LONG);
    let detached = parent.detached();
    parent.cancel("now");
    assert!(detached.deadline().is_none() && detached.cause().is_none());
    assert!(!is_done(&detached));
    assert_eq!(detached.get(), Some(&"value"));
}

// ===== layers =====

/// The innermost of thirty and more contexts, at least one of each kind; their owners, and how many values there are.
fn layered(rng: &mut Rng, timeout: Duration) -> (Context, Vec<Child>, usize) {
    let (mut context, mut owners, mut values) = (Context::root(), Vec::new(), 0);
    let random: Vec<u8> = (0..30).map(|_| rng.u8(..3)).chain(0..3).collect();
    for layer in random {
        let owner = match layer {
            0 => {
                values += 1;
                context = context.with_value(values);
                continue;
            }
            1 => context.child(),
            _ => context.with_timeout(timeout),
        };
        context = Context::clone(&owner);
        owners.push(owner);
    }
    (context, owners, values)
}

#[tokio::test(start_paused = true)]
async fn any_layer_that_is_cancelled_ends_the_innermost_and_keeps_its_values() {
    for seed in 0..100 {
        let mut rng = Rng::with_seed(seed);
        let (context, owners, values) = layered(&mut rng, VERY_LONG);
        assert!(!is_done(&context), "seed {seed}");
        assert_eq!(context.get(), Some(&values), "seed {seed}");
        owners[rng.usize(..owners.len())].cancel(Cause::Cancelled);
        assert!(is_done(&context), "seed {seed}");
        assert_eq!(context.get(), Some(&values), "seed {seed}");
    }
}

#[tokio::test(start_paused = true)]
async fn any_layer_that_times_out_ends_the_innermost_and_keeps_its_values() {
    for seed in 0..100 {
        let (context, _owners, values) = layered(&mut Rng::with_seed(seed), SHORT);
        assert_eq!(context.get(), Some(&values), "seed {seed}");
        assert!(matches!(context.cancelled().await, Cause::Deadline), "seed {seed}");
        assert_eq!(context.get(), Some(&values), "seed {seed}");
    }
}

// ===== the error =====

/// Go's error has a method `Timeout`; ours becomes an error of a kind.
#[tokio::test(start_paused = true)]
async fn an_end_by_deadline_has_a_kind_of_its_own() {
    let kind = |ended: Ended| Error::from(ended).kind();
    let context = Context::root().with_timeout(Duration::ZERO);
    assert_eq!(kind(context.check().unwrap_err()), Kind::DeadlineExceeded);
    let context = Context::root().child();
    context.cancel("now");
    assert_eq!(kind(context.check().unwrap_err()), Kind::Cancelled);
}
