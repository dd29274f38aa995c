//! A6 to A10 of the specification: what is gathered, and who is let in.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::time::Duration;

use linchpin::resilience::Outcome::{self, Failure, Ignored, Success};
use linchpin::resilience::adaptive::{Adaptive, Ending, Options};
use linchpin::time::Instant;

use super::{MS, SECOND, adaptive, aimd, enter, fixed};

/// So many calls at once, each of which takes so long.
async fn window(limit: &Adaptive, calls: usize, endings: &[Outcome]) {
    let inside = enter(limit, calls);
    tokio::time::advance(10 * MS).await;
    for (permit, outcome) in inside.into_iter().zip(endings.iter().cycle()) {
        permit.record(*outcome);
    }
}

#[tokio::test(start_paused = true)]
async fn a6_a_window_of_nine_calls_is_thrown_away() {
    for (calls, expected) in [(9, 0), (10, 10)] {
        let limit = adaptive(Options::default());
        window(&limit, calls - 1, &[Success]).await;
        assert_eq!(limit.numbers().pending, calls as u64 - 1, "gathered");
        tokio::time::advance(989 * MS).await;
        // The last ends at the very end of the window, and is of it.
        let last = limit.admit(Instant::now()).unwrap();
        tokio::time::advance(MS).await;
        last.record(Success);
        let numbers = limit.numbers();
        assert_eq!((numbers.samples, numbers.pending), (expected, 0), "{calls} calls");
        assert_eq!(numbers.unloaded.is_some(), expected > 0);
        // And the next begins there.
        window(&limit, 12, &[Success]).await;
        assert_eq!(limit.numbers().pending, 12);
        tokio::time::advance(988 * MS).await;
        window(&limit, 1, &[Success]).await;
        assert_eq!(limit.numbers().samples, expected + 13);
    }
}

#[tokio::test(start_paused = true)]
async fn a_window_is_its_mean_time_the_most_under_way_and_any_drop() {
    let limit = adaptive(Options::default());
    let mut all = enter(&limit, 20);
    tokio::time::advance(10 * MS).await;
    for permit in all.drain(..10) {
        permit.record(Success);
    }
    tokio::time::advance(20 * MS).await;
    for permit in all.drain(..) {
        permit.record(Success);
    }
    tokio::time::advance(SECOND).await;
    // One that is too short to count does not end the window, and one that does.
    limit.admit(Instant::now()).unwrap().record(Success);
    assert_eq!(limit.numbers().pending, 20);
    window(&limit, 1, &[Success]).await;
    let numbers = limit.numbers();
    assert_eq!(numbers.rtt, Some((10 * 10 + 10 * 30 + 10) * MS / 21), "on average");
    assert_eq!((numbers.limit, numbers.samples), (20, 21), "20.8: twenty were under way");

    window(&limit, 12, &[Success]).await;
    enter(&limit, 1).remove(0).overloaded();
    tokio::time::advance(SECOND).await;
    window(&limit, 1, &[Success]).await;
    assert_eq!(limit.numbers().limit, 18, "one of many was dropped");
}

#[tokio::test(start_paused = true)]
async fn drops_alone_make_a_window_and_take_no_time() {
    let limit = adaptive(Options::default());
    for _ in 0..10 {
        enter(&limit, 1).remove(0).overloaded();
    }
    tokio::time::advance(SECOND).await;
    enter(&limit, 1).remove(0).overloaded();
    let numbers = limit.numbers();
    assert_eq!((numbers.limit, numbers.samples, numbers.rtt), (18, 11, None));
}

#[tokio::test(start_paused = true)]
async fn more_calls_than_the_word_holds_are_all_gathered() {
    let limit = adaptive(fixed(10).window(Duration::from_hours(1)));
    for _ in 0..500 {
        window(&limit, 10, &[Success]).await;
    }
    assert_eq!(limit.numbers().pending, 5_000);
    let year = adaptive(fixed(10).window(Duration::from_hours(24 * 365)));
    for _ in 0..20 {
        let one = year.admit(Instant::now()).unwrap();
        tokio::time::advance(Duration::from_hours(1)).await;
        one.record(Success);
    }
    assert_eq!(year.numbers().pending, 20, "an hour is no less");
}

#[tokio::test(start_paused = true)]
async fn a7_a_permit_that_is_dropped_gives_its_place_back_and_is_no_sample() {
    let limit = adaptive(aimd());
    let permit = limit.admit(Instant::now()).unwrap();
    assert_eq!(limit.numbers().inflight, 1);
    tokio::time::advance(10 * SECOND).await;
    drop(permit);
    for outcome in [Ignored, Failure] {
        limit.admit(Instant::now()).unwrap().record(outcome);
    }
    let numbers = limit.numbers();
    assert_eq!((numbers.inflight, numbers.samples, numbers.limit), (0, 0, 20));
}

#[tokio::test(start_paused = true)]
async fn a8_a_limit_that_goes_down_waits_until_enough_have_gone() {
    let limit = adaptive(fixed(20));
    let mut inside = enter(&limit, 15);
    limit.reconfigure(fixed(10)).unwrap();
    assert_eq!((limit.numbers().limit, limit.numbers().inflight), (10, 15));
    while inside.len() >= 10 {
        let refusal = limit.admit(Instant::now()).map(drop).unwrap_err();
        assert_eq!((refusal.used, refusal.limit), (inside.len() as u64, 10));
        inside.pop();
    }
    assert_eq!(inside.len(), 9);
    inside.extend(enter(&limit, 1));
    assert!(limit.admit(Instant::now()).is_err());
    drop(inside);
    assert_eq!(limit.numbers().inflight, 0);
}

#[tokio::test(start_paused = true)]
async fn a9_a_share_is_a_guarantee_when_the_limit_is_reached() {
    let options = || fixed(10).partition("live", 0.9).partition("batch", 0.1);
    let limit = adaptive(options());
    let part = |name| limit.partition(name).unwrap();
    let (live, batch) = (part("live"), part("batch"));
    assert!(limit.partition("none").is_none());

    let alone = enter(&batch, 10);
    assert!(batch.admit(Instant::now()).is_err(), "batch alone has the whole of it");
    drop(alone);

    let mut inside = enter(&live, 8);
    inside.extend(enter(&batch, 2));
    assert!(batch.admit(Instant::now()).is_err(), "2 of 1");
    assert!(limit.admit(Instant::now()).is_err(), "nothing is guaranteed to the others");
    inside.extend(enter(&live, 1));
    assert_eq!(limit.numbers().inflight, 11);
    assert!(live.admit(Instant::now()).is_err(), "9 of 9");
    let shown = limit.snapshot().to_string();
    assert!(shown.ends_with("live 9, batch 2"), "{shown}");

    // Other shares hold at once.
    limit.reconfigure(fixed(10).partition("live", 0.5).partition("batch", 0.3)).unwrap();
    inside.extend(enter(&batch, 1));
    assert!(batch.admit(Instant::now()).is_err(), "3 of 3");
    drop(inside);
    assert_eq!(limit.numbers().inflight, 0);
    let unlike = limit.reconfigure(fixed(10).partition("live", 0.5)).unwrap_err().to_string();
    assert!(unlike.contains("other partitions"), "{unlike}");

    // A share of seven tenths of ten is seven, and the smallest is one.
    let limit = adaptive(fixed(10).partition("most", 0.7).partition("least", 0.001));
    let others = enter(&limit, 10);
    let most = limit.partition("most").unwrap();
    assert_eq!(enter(&most, 7).len(), 7);
    let seven = enter(&most, 7);
    assert!(most.admit(Instant::now()).is_err());
    let least = limit.partition("least").unwrap();
    let one = enter(&least, 1);
    assert!(least.admit(Instant::now()).is_err());
    drop((others, seven, one));
}

#[test]
fn a10_of_a_thousand_that_race_exactly_ten_are_in_at_once() {
    for options in [fixed(10), fixed(10).partition("live", 1.0)] {
        let limit = adaptive(options);
        let limit = limit.partition("live").unwrap_or(limit);
        let (inside, peak) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let gate = Arc::new(Barrier::new(8));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    gate.wait();
                    for _ in 0..125 {
                        let Ok(permit) = limit.admit(Instant::now()) else { continue };
                        peak.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        std::thread::yield_now();
                        inside.fetch_sub(1, Ordering::SeqCst);
                        drop(permit);
                    }
                });
            }
        });
        assert!(peak.into_inner() <= 10);
        assert_eq!(limit.numbers().inflight, 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a10_of_a_thousand_tasks_ten_get_in() {
    let limit = adaptive(fixed(10));
    let mut group = linchpin::task::Group::new(&linchpin::Context::root());
    for _ in 0..1_000 {
        let limit = limit.clone();
        group.spawn("racer", move |_| async move { Ok(limit.admit_owned(Instant::now()).ok()) });
    }
    let all = group.join().await.unwrap();
    assert_eq!(all.iter().flatten().count(), 10, "nobody has left, so ten are in");
    assert_eq!(limit.numbers().inflight, 10);
    drop(all);
    assert_eq!(limit.numbers().inflight, 0);
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_measured_when_it_is_there_and_its_place_is_free_when_it_is_gone() {
    let limit = adaptive(aimd());
    let mut permit = limit.admit(Instant::now()).unwrap();
    tokio::time::advance(5 * MS).await;
    permit.begin(Instant::now());
    tokio::time::advance(10 * MS).await;
    permit.answered(Instant::now(), Ending::Success);
    assert_eq!((limit.numbers().rtt, limit.numbers().inflight), (Some(10 * MS), 1));
    tokio::time::advance(SECOND).await;
    permit.answered(Instant::now(), Ending::Overloaded);
    permit.record(Success);
    let numbers = limit.numbers();
    assert_eq!((numbers.rtt, numbers.inflight, numbers.samples), (Some(10 * MS), 0, 1), "once");
}
