//! Single flight: who calls, who shares, who goes away, and what becomes of the others.

mod ends;
mod parity;
mod random;
mod stale;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::join_all;
use linchpin::resilience::{Failed, FailedKind};
use linchpin::sync::singleflight::{Group, Options};
use linchpin::task::{self, Home, Live, Task};
use linchpin::time::Instant;
use linchpin::{Context, error};
use linchpin_testing::steps;

pub(crate) const MS: Duration = Duration::from_millis(1);

pub(crate) type Flights = Group<&'static str, u32, &'static str>;
pub(crate) type Outcome = Result<u32, Failed<&'static str>>;

pub(crate) fn group() -> Flights {
    Group::new(Options::default().name("flight of a test")).unwrap()
}

/// Work that is counted, and takes so long.
#[derive(Clone, Default)]
pub(crate) struct Calls(Arc<AtomicUsize>);

impl Calls {
    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    /// Comes to the number of its call.
    pub(crate) fn work(
        &self,
        ms: u32,
    ) -> impl Future<Output = Result<u32, &'static str>> + Send + use<> {
        let number = self.0.fetch_add(1, Ordering::SeqCst) + 1;
        async move {
            tokio::time::sleep(ms * MS).await;
            Ok(number as u32)
        }
    }
}

/// A caller in a task, which comes in its turn and has `timeout`.
pub(crate) fn caller(group: &Flights, calls: &Calls, ms: u32, timeout: Duration) -> Task<Outcome> {
    let (group, calls) = (group.clone(), calls.clone());
    task::spawn("caller", async move {
        let ctx = Context::root().with_timeout(timeout);
        group.run(&ctx, "key", |_| calls.work(ms)).await
    })
}

#[track_caller]
pub(crate) fn why<T>(result: Result<T, Failed<&'static str>>) -> FailedKind<&'static str> {
    result.map(drop).unwrap_err().into_kind()
}

/// The tasks of flights of this test.
pub(crate) fn flying() -> usize {
    let here = Home::here();
    let is_one = |task: &&Live| task.name == "flight of a test" && task.home.shares(here);
    task::live().iter().filter(is_one).count()
}

/// B6: elsewhere who waits wakes itself at each poll, two million times a second.
#[tokio::test(start_paused = true)]
async fn who_waits_for_a_flight_sleeps_meanwhile() {
    let (group, calls, ctx) = (group(), Calls::default(), Context::root());
    let mut polls = 0;
    let leads = group.run(&ctx, "key", |_| calls.work(1_000));
    let mut waits = std::pin::pin!(group.run(&ctx, "key", |_| calls.work(1_000)));
    let waits = std::future::poll_fn(|cx| {
        polls += 1;
        waits.as_mut().poll(cx)
    });
    let (one, two) = tokio::join!(leads, waits);
    assert_eq!((one.unwrap(), two.unwrap(), calls.count()), (1, 1, 1));
    // Both are one task: polled at first, and when the flight has landed.
    assert!(polls <= 4, "{polls} polls");
}

/// B7: elsewhere a hundred misses are a hundred calls.
#[tokio::test(start_paused = true)]
async fn a_hundred_callers_at_once_make_one_call() {
    let (group, calls) = (group(), Calls::default());
    let began = Instant::now();
    let ctx = Context::root();
    let callers = (0..100).map(|_| group.run(&ctx, "key", |_| calls.work(100)));
    for outcome in join_all(callers).await {
        assert_eq!(outcome.unwrap(), 1);
    }
    let numbers = group.numbers();
    assert_eq!((calls.count(), numbers.calls, numbers.shared, numbers.running), (1, 1, 99, 0));
    assert!((100 * MS..110 * MS).contains(&began.elapsed()));
    // It is no cache.
    assert_eq!(group.run(&ctx, "key", |_| calls.work(1)).await.unwrap(), 2);
}

#[tokio::test(start_paused = true)]
async fn two_keys_are_two_calls() {
    let (group, calls, ctx) = (group(), Calls::default(), Context::root());
    let both = tokio::join!(
        group.run(&ctx, "ann's page", |_| calls.work(10)),
        group.run(&ctx, "bob's page", |_| calls.work(10)),
    );
    assert_eq!((both.0.unwrap(), both.1.unwrap(), calls.count()), (1, 2, 2));
}

#[test]
fn what_is_ready_at_once_needs_neither_a_task_nor_a_runtime() {
    let (group, ctx) = (group(), Context::root());
    let outcome = group.run(&ctx, "key", |_| async { Ok(1) }).now_or_never().unwrap();
    assert_eq!((outcome.unwrap(), group.numbers().calls, group.numbers().running), (1, 1, 0));
    let outcome = group.run(&ctx, "key", |_| async { Err("no") }).now_or_never().unwrap();
    assert!(matches!(why(outcome), FailedKind::Callee("no")));
}

#[tokio::test(start_paused = true)]
async fn who_shares_gets_the_very_value_of_who_leads() {
    let group: Group<u8, Arc<Vec<u8>>> = Group::new(Options::default()).unwrap();
    let ctx = Context::root();
    let work = || async {
        tokio::time::sleep(MS).await;
        Ok(Arc::new(vec![0; 1 << 20]))
    };
    let (one, other) = tokio::join!(group.run(&ctx, 1, |_| work()), group.run(&ctx, 1, |_| work()));
    let (one, other) = (one.unwrap(), other.unwrap());
    assert!(Arc::ptr_eq(&one, &other));
    assert_eq!(Arc::strong_count(&one), 2, "nobody keeps it");
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_shared_and_the_next_call_is_another() {
    let (group, calls, ctx) = (group(), Calls::default(), Context::root());
    let fails = || async {
        tokio::time::sleep(MS).await;
        Err::<u32, _>("down")
    };
    let both = tokio::join!(
        group.run(&ctx, "key", |_| fails()),
        group.run(&ctx, "key", |_| calls.work(1)),
    );
    assert!(matches!(why(both.0), FailedKind::Callee("down")));
    assert!(matches!(why(both.1), FailedKind::Callee("down")));
    assert_eq!(group.run(&ctx, "key", |_| calls.work(1)).await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_context_that_has_ended_calls_nothing_and_shares_nothing() {
    let (group, calls, ctx) = (group(), Calls::default(), Context::root().child());
    ctx.cancel("over");
    let outcome = group.run(&ctx, "key", |_| calls.work(1)).await;
    assert!(matches!(why(outcome), FailedKind::Ended(_)));
    assert_eq!((calls.count(), group.numbers().calls), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn more_than_may_wait_begin_another_flight() {
    let group: Flights = Group::new(Options::default().max_waiting(2)).unwrap();
    let (calls, ctx) = (Calls::default(), Context::root());
    let callers = (0..7).map(|_| group.run(&ctx, "key", |_| calls.work(10)));
    let outcomes: Vec<u32> = join_all(callers).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(outcomes, [1, 1, 1, 2, 2, 2, 3]);
    assert_eq!(group.numbers().running, 0);
}

#[test]
fn bad_options_are_refused_with_the_reason() {
    let why = |options| Group::<u8, u8>::new(options).unwrap_err().to_string();
    assert!(why(Options::default().max_waiting(0)).contains("lets nobody wait"));
    assert!(why(Options::default().max_flight(Duration::ZERO)).contains("no time at all"));
    let group = Group::<u8, u8>::new(Options::default().name("test").max_flight(None)).unwrap();
    assert_eq!(
        format!("{group:?}"),
        "Group { name: \"test\", numbers: Numbers { calls: 0, shared: 0, running: 0 }, .. }"
    );
}

#[tokio::test(start_paused = true)]
async fn a_call_may_be_dropped_anywhere() {
    type World = (Flights, Calls, Task<Outcome>);
    // Alone, behind a leader, and with one behind it.
    for (others, waits) in [(0, 0), (1, 5), (1, 0)] {
        let world = async || {
            let (group, calls) = (group(), Calls::default());
            let other = match others {
                0 => task::spawn("nobody", async { Ok(0) }),
                _ => caller(&group, &calls, 20, 1000 * MS),
            };
            if waits > 0 {
                tokio::time::sleep(waits * MS).await;
            }
            (group, calls, other)
        };
        let work = async |(group, calls, _): &World| {
            let ctx = Context::root().with_timeout(1000 * MS);
            drop(group.run(&ctx, "key", |_| calls.work(20)).await);
        };
        let left = async |(group, _, other): &World| {
            while !other.is_finished() {
                tokio::time::sleep(MS).await;
            }
            steps::settle().await;
            assert_eq!((group.numbers().running, flying()), (0, 0));
        };
        assert!(steps::drop_at_each(world, work, left).await.steps > 1);
    }
}

/// Callers on several threads, of which some go away: a call at a time for each key, and nobody is forgotten.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn on_several_threads_there_is_one_call_at_a_time_and_nobody_is_forgotten() {
    let group: Group<usize, usize> = Group::new(Options::default()).unwrap();
    let inside: Arc<[AtomicUsize; 3]> = Arc::default();
    let callers = (0..12).map(|n| {
        let (group, inside) = (group.clone(), inside.clone());
        task::spawn("one of many", async move {
            for round in 0..300 {
                let (key, inside) = ((n + round) % 3, inside.clone());
                let ctx = Context::root().with_timeout(Duration::from_mins(1));
                let call = group.run(&ctx, key, |_| async move {
                    let inside = Inside::enter(inside, key);
                    for _ in 0..round % 4 {
                        tokio::task::yield_now().await;
                    }
                    drop(inside);
                    Ok(key)
                });
                let impatient = async {
                    tokio::task::yield_now().await;
                    tokio::task::yield_now().await;
                };
                tokio::select! {
                    biased;
                    outcome = call => assert_eq!(outcome.unwrap(), key),
                    () = impatient, if round % 5 == 0 && key != 0 => {}
                }
            }
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.join().await;
    }
    while group.numbers().running > 0 {
        tokio::task::yield_now().await;
    }
    let numbers = group.numbers();
    assert!(numbers.calls + numbers.shared >= 3600);
}

/// A call under a key. Nobody leaves those of the first key, so there is one at a time; a call of another that all have left
/// may end beside the next.
struct Inside(Arc<[AtomicUsize; 3]>, usize);

impl Inside {
    fn enter(inside: Arc<[AtomicUsize; 3]>, key: usize) -> Self {
        let others = inside[key].fetch_add(1, Ordering::SeqCst);
        assert!(others == 0 || key != 0, "{others} calls beside this");
        Self(inside, key)
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.0[self.1].fetch_sub(1, Ordering::SeqCst);
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_an_error_for_all_who_wait_and_the_next_call_is_another() {
    let (group, calls, ctx) = (group(), Calls::default(), Context::root());
    let late = || async {
        tokio::time::sleep(MS).await;
        panic!("late")
    };
    let callers = (0..100).map(|_| group.run(&ctx, "key", |_| late()));
    for outcome in join_all(callers).await {
        let FailedKind::Panicked(error) = why(outcome) else { panic!("not a panic") };
        assert_eq!(error.find::<error::Panicked>().unwrap().text(), "late");
    }
    // At once, in the future and before there is one.
    let early = group.run(&ctx, "key", |_| async { panic!("early") }).await;
    assert!(matches!(why(early), FailedKind::Panicked(_)));
    let first = group.run(&ctx, "key", |_| -> std::future::Ready<_> { panic!("first") }).await;
    assert!(matches!(why(first), FailedKind::Panicked(_)));
    assert_eq!(group.run(&ctx, "key", |_| calls.work(1)).await.unwrap(), 1);
    assert_eq!(group.numbers().running, 0);
}
