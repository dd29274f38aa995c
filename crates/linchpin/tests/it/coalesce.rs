//! Coalesce: the specification's cases, what is counted, and the layer of tower. What a flight does is tested with
//! `singleflight`.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::join_all;
use linchpin::resilience::coalesce::Coalesce;
use linchpin::resilience::{Failed, FailedKind};
use linchpin::sync::singleflight::Options;
use linchpin::time::Instant;
use linchpin::{Context, task};
use linchpin_testing::steps::drop_at_each;
use tower_layer::Layer as _;
use tower_service::Service;

use crate::callee::{callee, is_ready};
use crate::recorder::Meters;
use crate::singleflight::Calls;

const MS: Duration = Duration::from_millis(1);

type Pages = Coalesce<&'static str, u32, &'static str>;

fn pages(options: Options) -> Pages {
    Coalesce::new("pages", options).unwrap()
}

#[track_caller]
fn why<T>(result: Result<T, Failed<&'static str>>) -> FailedKind<&'static str> {
    result.map(drop).unwrap_err().into_kind()
}

#[tokio::test(start_paused = true)]
async fn g1_b7_a_hundred_at_once_are_one_call() {
    let (pages, calls, ctx) = (pages(Options::default()), Calls::default(), Context::root());
    let callers = (0..100).map(|_| pages.call(&ctx, "key", |_| calls.work(100)));
    assert!(join_all(callers).await.into_iter().all(|page| page.unwrap() == 1));
    let numbers = pages.numbers();
    assert_eq!((calls.count(), numbers.flights, numbers.shared, numbers.running), (1, 1, 99, 0));
}

#[tokio::test(start_paused = true)]
async fn g2_b6b_a_leader_that_is_aborted_harms_nobody() {
    let (pages, calls, ctx) = (pages(Options::default()), Calls::default(), Context::root());
    let start = Instant::now();
    let (own, work) = (pages.clone(), calls.clone());
    let leader = task::spawn("leader", async move {
        own.call(&Context::root(), "key", |_| work.work(100)).await
    });
    tokio::time::sleep(MS).await;
    let other = pages.call(&ctx, "key", |_| calls.work(100));
    let abort = async {
        tokio::time::sleep(49 * MS).await;
        leader.abort();
    };
    let (page, ()) = tokio::join!(other, abort);
    assert_eq!((page.unwrap(), calls.count()), (1, 1));
    assert!((100 * MS..105 * MS).contains(&start.elapsed()));
}

/// A broadcast whose receivers wake themselves polls each of them millions of times a second.
#[tokio::test(start_paused = true)]
async fn b6_who_waits_is_polled_twice_and_not_in_a_spin() {
    let (pages, calls, ctx) = (pages(Options::default()), Calls::default(), Context::root());
    let leader = pages.call(&ctx, "key", |_| calls.work(1000));
    let mut polls = 0;
    let other = async {
        let mut other = Box::pin(pages.call(&ctx, "key", |_| calls.work(1000)));
        poll_fn(|cx| {
            polls += 1;
            other.as_mut().poll(cx)
        })
        .await
    };
    // Each in a task of its own, so that the one's wake-up is not the other's.
    let (led, shared) = (leader.boxed(), other.boxed());
    let both = futures_util::stream::FuturesUnordered::from_iter([led, shared]);
    let pages: Vec<_> = futures_util::StreamExt::collect(both).await;
    assert!(pages.into_iter().all(|page: Result<u32, _>| page.unwrap() == 1));
    assert_eq!(polls, 2);
}

#[tokio::test(start_paused = true)]
async fn g3_g5_an_error_or_a_panic_is_everybodys_and_the_next_call_is_another() {
    let meters = Meters::default();
    let pages = metrics::with_local_recorder(&meters, || pages(Options::default()));
    let (calls, ctx) = (Calls::default(), Context::root());
    let sick = || async {
        tokio::time::sleep(MS).await;
        Err::<u32, _>("down")
    };
    for page in join_all((0..3).map(|_| pages.call(&ctx, "key", |_| sick()))).await {
        assert!(matches!(why(page), FailedKind::Callee("down")));
    }
    let bug = || async {
        tokio::time::sleep(MS).await;
        panic!("a bug")
    };
    for page in join_all((0..100).map(|_| pages.call(&ctx, "key", |_| bug()))).await {
        assert!(matches!(why(page), FailedKind::Panicked(_)));
    }
    assert_eq!(pages.call(&ctx, "key", |_| calls.work(1)).await.unwrap(), 1);
    let hung = pages.call(&ctx, "key", |_| std::future::pending());
    assert!(tokio::time::timeout(MS, hung).await.is_err());
    // The work that nobody waits for is dropped by its own task.
    tokio::time::sleep(MS).await;
    let numbers = pages.numbers();
    assert_eq!((numbers.failed, numbers.panicked, numbers.flights), (3, 100, 4));
    assert_eq!(
        meters.shown("linchpin_coalesce_"),
        [
            "calls_total{coalesce=pages,role=leads,outcome=dropped} 1",
            "calls_total{coalesce=pages,role=leads,outcome=failure} 1",
            "calls_total{coalesce=pages,role=leads,outcome=panicked} 1",
            "calls_total{coalesce=pages,role=leads,outcome=success} 1",
            "calls_total{coalesce=pages,role=shares,outcome=failure} 2",
            "calls_total{coalesce=pages,role=shares,outcome=panicked} 99",
            "flight_seconds{coalesce=pages} 2",
        ]
    );
    let shown = pages.snapshot().to_string();
    assert!(shown.starts_with("coalesce `pages`: idle, flights 4, shared 101"), "{shown}");
}

#[tokio::test(start_paused = true)]
async fn g4_g7_each_leaves_at_its_own_deadline_and_the_last_cancels() {
    let (pages, calls, ctx) = (pages(Options::default()), Calls::default(), Context::root());
    let short = ctx.with_timeout(30 * MS);
    let start = Instant::now();
    let (led, left) = tokio::join!(
        pages.call(&ctx, "key", |_| calls.work(100)),
        pages.call(&short, "key", |_| calls.work(100)).inspect(|_| {
            assert_eq!(start.elapsed(), 30 * MS);
        }),
    );
    assert_eq!((led.unwrap(), calls.count()), (1, 1));
    assert!(matches!(why(left), FailedKind::Ended(_)));
    let both = async {
        tokio::join!(
            pages.call(&ctx, "key", |_| calls.work(100)),
            pages.call(&ctx, "key", |_| calls.work(100)),
        )
    };
    assert!(tokio::time::timeout(10 * MS, both).await.is_err());
    tokio::time::sleep(MS).await;
    assert_eq!(pages.numbers().running, 0);
}

#[tokio::test(start_paused = true)]
async fn g6_g8_who_forgets_begins_anew_and_another_key_is_another_call() {
    let (pages, calls, ctx) = (pages(Options::default()), Calls::default(), Context::root());
    let first = pages.call(&ctx, "ann's page", |_| calls.work(100));
    let second = async {
        tokio::time::sleep(50 * MS).await;
        assert!(pages.group().forget("ann's page"));
        pages.call(&ctx, "ann's page", |_| calls.work(100)).await
    };
    let third = async {
        tokio::time::sleep(120 * MS).await;
        pages.call(&ctx, "ann's page", |_| calls.work(100)).await
    };
    let other = pages.call(&ctx, "bob's page", |_| calls.work(100));
    let (first, second, third, other) = tokio::join!(first, second, third, other);
    let all = [first, second, third, other].map(Result::unwrap);
    assert_eq!(all, [1, 3, 3, 2], "the first flight's end does not end the second");
}

#[tokio::test(start_paused = true)]
async fn a_coalesced_call_is_dropped_at_each_step() {
    let report = drop_at_each(
        async || (pages(Options::default()), Calls::default()),
        async |(pages, calls)| {
            let ctx = Context::root().with_timeout(1000 * MS);
            pages.call(&ctx, "key", |_| calls.work(20)).await.unwrap();
        },
        async |(pages, _)| assert_eq!(pages.numbers().running, 0),
    )
    .await;
    assert!(report.steps > 1);
}

#[tokio::test(start_paused = true)]
async fn other_options_are_taken_while_it_flies_and_what_was_counted_stays() {
    let (pages, calls, ctx) = (pages(Options::default()), Calls::default(), Context::root());
    let ask = || pages.call(&ctx, "key", |_| calls.work(100)).boxed_local();
    let mut first = ask();
    assert!((&mut first).now_or_never().is_none());
    // One besides who leads: the third begins another, which the fourth shares.
    pages.reconfigure(Options::default().max_waiting(1).max_flight(50 * MS)).unwrap();
    let start = Instant::now();
    let all = tokio::join!(first, ask(), ask(), ask());
    assert_eq!((all.0.unwrap(), all.1.unwrap(), calls.count()), (1, 1, 2));
    for late in [all.2, all.3] {
        assert!(matches!(why(late), FailedKind::TimedOut), "it is the new time of a new flight");
    }
    assert_eq!(start.elapsed(), 100 * MS, "and the old time of an old one");
    let numbers = pages.numbers();
    assert_eq!((numbers.flights, numbers.shared, numbers.timed_out), (2, 2, 2));
    // One that goes on when all have left, and is too old after a while.
    let detached = Options::default().detach().max_age(20 * MS);
    pages.reconfigure(detached).unwrap();
    assert!(tokio::time::timeout(10 * MS, ask()).await.is_err());
    assert_eq!(ask().await.unwrap(), 3, "who comes shares it");
    assert!(tokio::time::timeout(30 * MS, ask()).await.is_err());
    assert_eq!((ask().await.unwrap(), calls.count()), (5, 5), "the fourth was too old");
    // One that began to go on by itself does so.
    assert!(ask().now_or_never().is_none());
    pages.reconfigure(Options::default()).unwrap();
    tokio::time::sleep(50 * MS).await;
    assert_eq!(pages.numbers().running, 1);
    let bad = pages.reconfigure(Options::default().max_waiting(0)).unwrap_err().to_string();
    assert!(bad.contains("`pages` lets nobody wait"), "{bad}");
    assert_eq!(pages.name(), "pages");
}

#[tokio::test(start_paused = true)]
async fn a_layer_reads_the_key_from_the_request_and_sends_what_has_none_by_itself() {
    let coalesce = Coalesce::new("pages", Options::default()).unwrap();
    let key = |(method, page): &(&'static str, u8)| (*method == "GET").then_some(*page);
    let numbers = Arc::new(AtomicUsize::new(1));
    let callee = callee(move |_: (&'static str, u8)| {
        let number = numbers.fetch_add(1, Ordering::Relaxed);
        async move {
            tokio::time::sleep(10 * MS).await;
            Ok::<_, &'static str>(number)
        }
    });
    let service = coalesce.layer(key).layer(callee.clone());
    let send = |method, page| {
        let mut service = service.clone();
        async move {
            assert!(is_ready(&mut service));
            service.call((method, page)).await.unwrap()
        }
    };
    let sent = tokio::join!(
        send("GET", 1),
        send("GET", 1),
        send("GET", 2),
        send("POST", 1),
        send("POST", 1),
    );
    assert_eq!((sent, callee.calls()), ((1, 1, 2, 3, 4), 4));
    assert_eq!((coalesce.numbers().flights, coalesce.numbers().shared), (2, 1));
    drop(service.clone().call(("GET", 1)));
    assert_eq!(coalesce.numbers().flights, 2, "nothing is begun before it is polled");
}
