//! Context: who ends whom, with which cause, and who is woken.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context as Poller, Poll, Wake, Waker};
use std::time::Duration;

use linchpin::Context;
use linchpin::context::Cause;
use linchpin::time::Instant;
use proptest::prelude::*;

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn poll<F: Future>(future: std::pin::Pin<&mut F>, waker: &Waker) -> Poll<F::Output> {
    future.poll(&mut Poller::from_waker(waker))
}

#[test]
fn is_one_pointer_wide() {
    assert_eq!(size_of::<Context>(), size_of::<usize>());
    assert_eq!(size_of::<linchpin::context::Child>(), size_of::<usize>());
    assert_eq!(size_of::<linchpin::Error>(), size_of::<usize>());
    assert_eq!(size_of::<linchpin::context::Ended>(), size_of::<usize>());
}

#[test]
fn a_child_ends_with_its_parent_and_not_the_other_way_round() {
    let parent = Context::root().child();
    let child = parent.child();
    let grandchild = child.child();

    child.cancel("done here");
    assert!(!parent.is_cancelled());
    assert!(grandchild.is_cancelled());
    assert!(matches!(grandchild.cause(), Some(Cause::Because(why)) if &*why == "done here"));
}

#[test]
fn the_first_cause_stays() {
    let parent = Context::root().child();
    let child = parent.child();
    parent.cancel("first");
    child.cancel("second");
    parent.cancel("third");
    for context in [&*parent, &*child] {
        assert_eq!(context.check().unwrap_err().to_string(), "ended: first");
    }
}

#[test]
fn dropping_a_child_ends_it_and_dropping_a_context_does_not() {
    let root = Context::root();
    let child = root.child();
    let clone = Context::clone(&child);
    drop(clone.clone());
    assert!(!clone.is_cancelled());
    drop(child);
    assert!(matches!(clone.cause(), Some(Cause::Dropped)));

    let free = root.child().disarm();
    assert!(!free.is_cancelled());
}

#[test]
fn values_are_found_by_type_and_the_inner_one_wins() {
    let outer = Context::root().with_value(1_u32).with_value("outer");
    let inner = outer.child().with_value("inner");
    assert_eq!(inner.get::<u32>(), Some(&1));
    assert_eq!(inner.get::<&str>(), Some(&"inner"));
    assert_eq!(outer.get::<&str>(), Some(&"outer"));
    assert_eq!(inner.get::<String>(), None);
}

#[tokio::test(start_paused = true)]
async fn a_child_never_has_a_later_deadline() {
    let parent = Context::root().with_timeout(Duration::from_secs(5));
    let child = parent.with_timeout(Duration::from_mins(1));
    assert_eq!(child.deadline(), parent.deadline());
    let sooner = parent.with_timeout(Duration::from_secs(1));
    assert!(sooner.deadline() < parent.deadline());
}

#[tokio::test(start_paused = true)]
async fn check_reads_the_clock_and_is_cancelled_sees_what_was_noticed() {
    let context = Context::root().with_timeout(Duration::from_secs(1));
    let child = context.child();
    tokio::time::advance(Duration::from_secs(1)).await;
    assert!(!child.is_cancelled(), "nobody looked at the clock yet");
    assert!(context.check().is_err());
    assert!(child.is_cancelled());
    assert!(matches!(child.cause(), Some(Cause::Deadline)));
}

#[tokio::test(start_paused = true)]
async fn a_waiter_wakes_at_the_deadline() {
    let began = Instant::now();
    let context = Context::root().with_timeout(Duration::from_secs(30));
    assert!(matches!(context.child().cancelled().await, Cause::Deadline));
    let waited = began.elapsed();
    assert!(
        (Duration::from_secs(30)..Duration::from_millis(30_010)).contains(&waited),
        "{waited:?}"
    );
}

#[test]
fn a_waiter_deep_below_is_woken_once_by_the_end_of_any_ancestor() {
    for ended in 0..4 {
        let mut owners = vec![Context::root().child()];
        for _ in 0..3 {
            let next = owners.last().unwrap().child();
            owners.push(next);
        }
        let leaf = owners.last().unwrap().with_value(());
        let count = Arc::new(Count::default());
        let waker = Waker::from(count.clone());
        let mut wait = Box::pin(leaf.cancelled());
        assert!(poll(wait.as_mut(), &waker).is_pending());
        assert!(poll(wait.as_mut(), &waker).is_pending());

        owners[ended].cancel("now");
        assert_eq!(count.0.load(Ordering::SeqCst), 1);
        assert!(poll(wait.as_mut(), &waker).is_ready());
    }
}

#[test]
fn a_dropped_waiter_is_not_woken() {
    let context = Context::root().child();
    let count = Arc::new(Count::default());
    let waker = Waker::from(count.clone());
    let mut wait = Box::pin(context.cancelled());
    assert!(poll(wait.as_mut(), &waker).is_pending());
    drop(wait);
    context.cancel("now");
    assert_eq!(count.0.load(Ordering::SeqCst), 0);
    drop(waker);
    assert_eq!(Arc::strong_count(&count), 1, "the waker was given back");
}

/// Its last clone is in the lists, and goes where it is replaced.
#[test]
fn a_waker_that_is_replaced_may_wait_itself_as_it_goes() {
    struct Waits(Context);
    impl Wake for Waits {
        fn wake(self: Arc<Self>) {}
    }
    impl Drop for Waits {
        fn drop(&mut self) {
            assert!(poll(std::pin::pin!(self.0.cancelled()), Waker::noop()).is_pending());
        }
    }
    let parent = Context::root().child();
    let context = parent.child();
    let mut wait = Box::pin(context.cancelled());
    for _ in 0..3 {
        let waker = Waker::from(Arc::new(Waits(Context::clone(&context))));
        assert!(poll(wait.as_mut(), &waker).is_pending());
    }
    let count = Arc::new(Count::default());
    assert!(poll(wait.as_mut(), &Waker::from(count.clone())).is_pending());
    context.cancel("over");
    assert_eq!(count.0.load(Ordering::SeqCst), 1);
}

#[test]
fn many_wait_at_one_level_and_leave_it_in_any_order() {
    let context = Context::root().child();
    let counts: Vec<_> = (0..40).map(|_| Arc::new(Count::default())).collect();
    let mut waits: Vec<_> = counts.iter().map(|_| Some(Box::pin(context.cancelled()))).collect();
    let enter = |waits: &mut [Option<_>], turn: usize| {
        for (n, wait) in waits.iter_mut().enumerate().filter(|(n, _)| n % 3 == turn) {
            let wait: &mut std::pin::Pin<Box<_>> = wait.insert(Box::pin(context.cancelled()));
            assert!(poll(wait.as_mut(), &Waker::from(counts[n].clone())).is_pending());
        }
    };
    (0..3).for_each(|turn| enter(&mut waits, turn));
    waits.iter_mut().step_by(2).for_each(|wait| *wait = None);
    enter(&mut waits, 0);
    context.cancel("over");
    for (n, wait) in waits.iter().enumerate() {
        assert_eq!(counts[n].0.load(Ordering::SeqCst), usize::from(wait.is_some()), "waiter {n}");
    }
}

#[tokio::test]
async fn run_prefers_the_result_and_refuses_an_ended_context() {
    let context = Context::root().child();
    assert_eq!(context.run(async { 7 }).await.unwrap(), 7);

    let cancel_and_finish = async {
        context.cancel("too late");
        8
    };
    assert_eq!(context.run(cancel_and_finish).await.unwrap(), 8);

    let polled = AtomicUsize::new(0);
    let work = async { polled.fetch_add(1, Ordering::SeqCst) };
    assert!(context.run(work).await.is_err());
    assert_eq!(polled.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn a_sleep_that_cannot_end_in_time_is_refused_at_once() {
    let context = Context::root().with_timeout(Duration::from_secs(1));
    let began = Instant::now();
    assert!(context.sleep(Duration::from_secs(2)).await.is_err());
    assert_eq!(began.elapsed(), Duration::ZERO);
    context.sleep(Duration::from_millis(500)).await.unwrap();
    assert!(began.elapsed() >= Duration::from_millis(500));
}

#[test]
fn a_chain_of_a_hundred_thousand_levels_is_dropped_without_recursion() {
    let mut leaf = Context::root();
    for _ in 0..100_000 {
        leaf = leaf.child().disarm();
    }
    drop(leaf);
}

#[test]
fn two_threads_that_wait_and_cancel_never_miss_each_other() {
    for _ in 0..500 {
        let context = Context::root().child();
        let child = context.child();
        let waiter = std::thread::spawn(move || futures_executor(child.cancelled()));
        context.cancel("now");
        assert!(matches!(waiter.join().unwrap(), Cause::Because(_)));
    }
}

/// Parks the thread until the future is done.
fn futures_executor<F: Future>(future: F) -> F::Output {
    struct Unpark(std::thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = std::pin::pin!(future);
    loop {
        match poll(future.as_mut(), &waker) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park_timeout(Duration::from_secs(5)),
        }
    }
}

proptest! {
    /// Against the plainest model: a node is over if it or an ancestor was ended, by the earliest of these in time.
    #[test]
    fn behaves_like_a_plain_tree(
        parents in prop::collection::vec(any::<prop::sample::Index>(), 1..30),
        ends in prop::collection::vec(any::<prop::sample::Index>(), 0..10),
    ) {
        let mut nodes = vec![Context::root().child()];
        let mut parent_of = vec![None];
        for parent in parents {
            let parent = parent.index(nodes.len());
            let child = nodes[parent].child();
            nodes.push(child);
            parent_of.push(Some(parent));
        }
        let mut causes: Vec<Option<String>> = vec![None; nodes.len()];
        for (turn, end) in ends.iter().enumerate() {
            let ended = end.index(nodes.len());
            nodes[ended].cancel(format!("turn {turn}"));
            for (node, cause) in causes.iter_mut().enumerate() {
                let mut line = std::iter::successors(Some(node), |at| parent_of[*at]);
                if line.any(|at| at == ended) {
                    cause.get_or_insert(format!("turn {turn}"));
                }
            }
        }
        for (node, cause) in nodes.iter().zip(causes) {
            prop_assert_eq!(node.cause().map(|cause| cause.to_string()), cause);
        }
    }
}

#[tokio::test]
async fn what_ran_is_gone_as_soon_as_its_end_is_known() {
    let noop = &mut Poller::from_waker(Waker::noop());
    for ends in [true, false] {
        let (ctx, probe) = (Context::root().child(), Arc::new(()));
        let held = probe.clone();
        let (send, answer) = tokio::sync::oneshot::channel::<()>();
        let mut run = std::pin::pin!(ctx.run(async move {
            answer.await.ok();
            drop(held);
        }));
        assert!(run.as_mut().poll(noop).is_pending());
        if ends {
            ctx.cancel("enough");
        } else {
            drop(send);
        }
        // The future that ran it is still there.
        assert!(run.as_mut().poll(noop).is_ready());
        assert_eq!(Arc::strong_count(&probe), 1);
    }
}
