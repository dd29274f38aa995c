//! Once, Lazy, Renewable: who makes the value, who waits for it, and what becomes of an attempt that was none.

mod lazy;
mod parity;
mod random;
mod renew;

use std::convert::Infallible;
use std::future::{pending, ready};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::Poll;
use std::thread;
use std::time::Duration;

use futures_util::FutureExt as _;
use linchpin::context::Cause;
use linchpin::resilience::{Failed, FailedKind};
use linchpin::sync::once::{Lazy, Once, Renewable};
use linchpin::task::{self, Task};
use linchpin::{Context, error};
use linchpin_testing::steps::{self, Poller, poll_by_hand};

use crate::bell::Bell;

pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// One who waits for its turn and would then make `value`.
pub(crate) fn waiter(
    once: &Arc<Once<u32>>,
    value: Result<u32, &'static str>,
) -> Poller<impl Future<Output = Result<u32, Failed<&'static str>>> + use<>> {
    let once = once.clone();
    let mut waiter =
        poll_by_hand(
            async move { once.get_or_load(&Context::root(), || ready(value)).await.copied() },
        );
    assert!(waiter.poll().is_pending(), "somebody else has the turn");
    waiter
}

/// One who has the turn and makes no value until it is dropped.
pub(crate) fn holder(once: &Arc<Once<u32>>) -> Poller<impl Future<Output = ()> + use<>> {
    let once = once.clone();
    let mut holder = poll_by_hand(async move {
        drop(once.get_or_load(&Context::root(), pending::<Result<u32, &str>>).await);
    });
    assert!(holder.poll().is_pending());
    holder
}

#[track_caller]
pub(crate) fn callee<T, E>(result: Result<T, Failed<E>>) -> E {
    match result.map(drop).map_err(Failed::into_kind) {
        Err(FailedKind::Callee(error)) => error,
        _ => panic!("not the callee's error"),
    }
}

#[tokio::test]
async fn the_first_makes_the_value_and_all_others_find_it() {
    let (once, ctx) = (Once::new(), Context::root());
    assert_eq!(once.get(), None);
    assert_eq!(once.get_or_init(|| 1), &1);
    assert_eq!(once.get_or_init(|| panic!("made twice")), &1);
    assert_eq!(once.get_or_try_init(|| Err("made twice")), Ok(&1));
    let late = once.get_or_load(&ctx, async || Err("made twice")).await;
    assert_eq!((late.unwrap(), once.get()), (&1, Some(&1)));
    assert_eq!(once.into_inner(), Some(1));
}

#[tokio::test]
async fn a_failure_is_its_callers_alone_and_the_next_makes_another_attempt() {
    let (once, ctx) = (Once::new(), Context::root());
    assert_eq!(once.get_or_try_init(|| Err("down")), Err("down"));
    let failed = once.get_or_load(&ctx, async || Err("still down")).await;
    assert_eq!((callee(failed), once.get()), ("still down", None));
    assert_eq!(once.get_or_load(&ctx, async || Ok::<_, &str>(2)).await.unwrap(), &2);
}

#[test]
fn those_who_wait_have_their_turns_in_the_order_in_which_they_came() {
    let once = Arc::new(Once::new());
    let holder = holder(&once);
    let [mut first, mut second, mut third, mut fourth] =
        [Err("1"), Err("2"), Ok(3), Ok(4)].map(|value| waiter(&once, value));
    assert_eq!(first.wakes() + second.wakes() + third.wakes(), 0);
    drop(holder);
    for (waiter, error) in [(&mut first, "1"), (&mut second, "2")] {
        assert_eq!(waiter.wakes(), 1);
        let Poll::Ready(result) = waiter.poll() else { panic!("it is its turn") };
        assert_eq!(callee(result), error);
    }
    assert_eq!((third.wakes(), fourth.wakes()), (1, 0));
    let Poll::Ready(Ok(3)) = third.poll() else { panic!("it is its turn") };
    let Poll::Ready(Ok(3)) = fourth.poll() else { panic!("the value is there") };
}

#[test]
fn an_attempt_that_panics_or_is_dropped_is_none() {
    let once = Arc::new(Once::new());
    let ctx = Context::root();
    let panicked = error::catch(|| once.get_or_init(|| panic!("planted")));
    assert!(panicked.is_err());
    let work = async || -> Result<u32, Infallible> { panic!("planted") };
    let panicked = error::catch(|| once.get_or_load(&ctx, work).now_or_never().is_some());
    assert!(panicked.is_err());
    // In the closure, before there is a future.
    let work = || -> std::future::Ready<Result<u32, Infallible>> { panic!("planted") };
    let panicked = error::catch(|| once.get_or_load(&ctx, work).now_or_never().is_some());
    assert!(panicked.is_err());
    let holder = holder(&once);
    let mut waiter = waiter(&once, Ok(7));
    drop(holder);
    assert_eq!(waiter.wakes(), 1);
    let Poll::Ready(Ok(7)) = waiter.poll() else { panic!("it is its turn") };
}

#[test]
fn a_turn_that_came_to_one_who_left_is_the_next_ones() {
    let once = Arc::new(Once::new());
    let holder = holder(&once);
    let [first, second, mut third] = [1, 2, 3].map(|value| waiter(&once, Ok(value)));
    drop(second);
    drop(holder);
    assert_eq!((first.wakes(), third.wakes()), (1, 0));
    drop(first);
    assert_eq!(third.wakes(), 1);
    let Poll::Ready(Ok(3)) = third.poll() else { panic!("it is its turn") };
}

#[tokio::test(start_paused = true)]
async fn a_context_ends_the_wait_and_the_work_and_not_the_value() {
    let once = Arc::new(Once::new());
    let ctx = Context::root().with_timeout(SECOND);
    let result = once.get_or_load(&ctx, pending::<Result<u32, &str>>).await;
    let Err(FailedKind::Ended(ended)) = result.map_err(Failed::into_kind) else { panic!("ended") };
    assert!(matches!(ended.cause(), Cause::Deadline));
    let holder = holder(&once);
    let ctx = Context::root().with_timeout(SECOND);
    assert!(once.get_or_load(&ctx, async || Ok::<_, &str>(1)).await.is_err());
    drop(holder);
    let unused = once.get_or_load(&ctx, async || -> Result<u32, &str> { panic!("it has ended") });
    assert!(unused.await.is_err());
    once.set(5).unwrap();
    let result = once.get_or_load(&ctx, async || Err("it is there")).await;
    assert_eq!(result.unwrap(), &5);
}

#[test]
fn threads_and_tasks_wait_for_one_another() {
    let once = Arc::new(Once::new());
    let (tell, told) = mpsc::channel();
    let (go, gone) = mpsc::channel::<()>();
    let maker = thread::spawn({
        let once = once.clone();
        move || {
            *once.get_or_init(|| {
                tell.send(()).unwrap();
                gone.recv().unwrap();
                8
            })
        }
    });
    told.recv().unwrap();
    let mut task = waiter(&once, Ok(9));
    let other = thread::spawn({
        let once = once.clone();
        move || *once.get_or_init(|| 10)
    });
    go.send(()).unwrap();
    assert_eq!((maker.join().unwrap(), other.join().unwrap()), (8, 8));
    assert!(task.wakes() > 0);
    let Poll::Ready(Ok(8)) = task.poll() else { panic!("the value is there") };
}

#[test]
fn a_thread_that_waits_has_the_turn_of_a_task_that_is_dropped() {
    let once = Arc::new(Once::new());
    let holder = holder(&once);
    let thread = thread::spawn({
        let once = once.clone();
        move || *once.get_or_init(|| 11)
    });
    drop(holder);
    assert_eq!(thread.join().unwrap(), 11);
}

#[test]
fn work_that_asks_for_its_own_value_is_told() {
    let once: Once<u32> = Once::new();
    let told = error::catch(|| *once.get_or_init(|| once.get_or_init(|| 1) + 1)).unwrap_err();
    assert!(told.to_string().contains("what makes the value asks for the value"));
    assert_eq!(once.get_or_init(|| 3), &3);
}

#[test]
fn a_value_is_set_where_none_is_and_nobody_makes_one() {
    let once = Arc::new(Once::new());
    let holder = holder(&once);
    assert_eq!(once.set(1), Err(1));
    let mut waiting = waiter(&once, Ok(9));
    drop(holder);
    assert_eq!(once.set(2), Err(2), "it is somebody's turn");
    drop(waiting.poll());
    assert_eq!((once.set(3), once.get()), (Err(3), Some(&9)));
    let once = Once::from(4);
    assert_eq!((once.set(5), once.get()), (Err(5), Some(&4)));
}

#[test]
fn a_value_that_is_taken_out_is_made_anew() {
    let mut once = Once::new();
    assert_eq!(once.take(), None);
    once.set(1).unwrap();
    *once.get_mut().unwrap() += 1;
    assert_eq!((once.take(), once.get()), (Some(2), None));
    assert_eq!(once.get_or_init(|| 3), &3);
    let mut once = Once::from(4);
    assert_eq!((once.take(), once.set(5)), (Some(4), Ok(())));
}

#[test]
fn it_is_shown() {
    let once: Once<u32> = Once::default();
    assert_eq!(format!("{once:?}"), "Once(<none>)");
    assert_eq!(format!("{:?}", Once::from(1)), "Once(1)");
}

#[test]
fn a_waker_of_a_once_that_panics_keeps_nobody_from_being_woken() {
    let (once, ctx) = (Arc::new(Once::new()), Context::root());
    let mut holder = poll_by_hand(async {
        let work = async || {
            tokio::task::yield_now().await;
            Ok::<_, Infallible>(1)
        };
        once.get_or_load(&ctx, work).await.copied()
    });
    assert!(holder.poll().is_pending());
    let bells = [true, false].map(Bell::new);
    let mut waits =
        [(); 2].map(|()| Box::pin(once.get_or_load(&ctx, async || Ok::<_, Infallible>(2))));
    for (wait, bell) in waits.iter_mut().zip(&bells) {
        let waker = bell.waker();
        assert!(wait.as_mut().poll(&mut std::task::Context::from_waker(&waker)).is_pending());
    }
    assert!(holder.poll().is_ready());
    assert!(bells.iter().all(|bell| bell.has_rung()));
}

async fn make(fails: bool) -> Result<u32, &'static str> {
    tokio::time::sleep(SECOND).await;
    if fails { Err("planted") } else { Ok(1) }
}

#[tokio::test(start_paused = true)]
async fn a_wait_and_an_attempt_may_be_dropped_anywhere() {
    type Make = fn() -> Pin<Box<dyn Future<Output = Result<u32, &'static str>> + Send>>;
    type World = (Arc<Once<u32>>, Arc<Lazy<u32, Make>>, Arc<Renewable<u32>>, Task<()>);
    for fails in [true, false] {
        let world = async || {
            let lazy: Lazy<u32, Make> = Lazy::new(|| Box::pin(make(false)));
            let world = (Arc::new(Once::new()), Arc::new(lazy), Arc::new(Renewable::new()));
            let (once, lazy, renewable) = world.clone();
            let holder = task::spawn("holder", async move {
                let ctx = Context::root();
                drop(once.get_or_load(&ctx, || make(fails)).await);
                drop(renewable.get_or_load(&ctx, || make(fails)).await);
                drop(lazy.load(&ctx).await);
            });
            steps::settle().await;
            (world.0, world.1, world.2, holder)
        };
        let work = async |(once, lazy, renewable, _): &World| {
            let ctx = Context::root().with_timeout(20 * SECOND);
            drop(once.get_or_load(&ctx, || make(false)).await);
            drop(renewable.get_or_load(&ctx, || make(false)).await);
            drop(lazy.load(&ctx).await);
        };
        let left = async |(once, lazy, renewable, holder): &World| {
            while !holder.is_finished() {
                tokio::time::sleep(SECOND).await;
            }
            // Whoever comes now has the turn at once, or the value.
            assert!(once.get().is_some() || once.set(3).is_ok());
            assert!(renewable.get_or_try_init(|| Ok::<_, ()>(3)).is_ok());
            assert_eq!(lazy.peek(), Some(&1));
        };
        assert!(steps::drop_at_each(world, work, left).await.steps > 1);
    }
}

/// Tasks on several threads that try and fail: one attempt at a time, one value, and nobody is forgotten.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn on_several_threads_one_at_a_time_makes_it_and_nobody_is_forgotten() {
    for _ in 0..200 {
        let (once, inside) = (Arc::new(Once::new()), Arc::new(AtomicUsize::new(0)));
        let attempts = Arc::new(AtomicUsize::new(0));
        let tasks = (0..8).map(|n| {
            let (once, inside, attempts) = (once.clone(), inside.clone(), attempts.clone());
            task::spawn("one of many", async move {
                let ctx = Context::root().with_timeout(60 * SECOND);
                let work = async || {
                    assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "two at once");
                    tokio::task::yield_now().await;
                    inside.fetch_sub(1, Ordering::SeqCst);
                    if attempts.fetch_add(1, Ordering::SeqCst) < 4 { Err("planted") } else { Ok(n) }
                };
                match once.get_or_load(&ctx, work).await.map_err(Failed::into_kind) {
                    Ok(value) => Some(*value),
                    Err(FailedKind::Callee("planted")) => None,
                    Err(other) => panic!("{other:?}"),
                }
            })
        });
        let mut values = Vec::new();
        for task in tasks.collect::<Vec<_>>() {
            values.extend(task.join().await);
        }
        assert!(values.iter().all(|value| once.get() == Some(value)));
        assert!(once.get().is_some(), "eight tried and four failed");
    }
}
