//! D1 to D5 of the specification, and the order of decisions.

use linchpin::context::Cause;
use linchpin::resilience::Outcome::Success;
use linchpin::resilience::shed::{Level, Load, Shedder, Window};
use linchpin::resilience::{Priority, Refusal};
use linchpin::time::Instant;
use linchpin::{Context, Kind};

use super::{MS, SECOND, admits, bears_ten, enter, flies, options, shedder};

#[tokio::test(start_paused = true)]
async fn d1_busy_processors_and_more_under_way_than_it_bears() {
    for (average, inside, expected) in [(6, 6, false), (4, 6, true), (6, 5, true), (5, 6, true)] {
        let load = Load::given();
        let shedder = shedder(&load);
        bears_ten(&shedder).await;
        let mut flying = flies(&shedder, average, inside.max(average));
        flying.truncate(inside);
        assert!((shedder.numbers().most - 10.0).abs() < 1e-9, "{:?}", shedder.numbers());
        load.set(0.95);
        let name = format!("{inside} under way, {average} on average, of 10 * .5");
        assert_eq!(admits(&shedder), expected, "{name}: {:?}", shedder.numbers());
    }
}

#[tokio::test(start_paused = true)]
async fn however_busy_it_is_a_tenth_of_what_it_bears_is_let_in() {
    let load = Load::given();
    let shedder = shedder(&load);
    bears_ten(&shedder).await;
    let flying = flies(&shedder, 2, 2);
    load.set(1.0);
    assert!(!admits(&shedder), "2 of 10 * .1");
    drop(flying);
    assert!(admits(&shedder));
}

#[tokio::test(start_paused = true)]
async fn d2_below_the_threshold_everything_is_let_in() {
    let load = Load::given();
    let shedder = shedder(&load);
    bears_ten(&shedder).await;
    load.set(0.85);
    let inside = enter(&shedder, 1_000);
    assert_eq!(shedder.numbers().inflight, 1_000);
    drop(inside);
    // Nor does high load alone refuse anything.
    load.set(1.0);
    tokio::time::advance(SECOND).await;
    drop(enter(&shedder, 1));
}

#[tokio::test(start_paused = true)]
async fn d3_it_is_hot_for_a_second_more_if_something_was_refused() {
    for refused in [true, false] {
        let load = Load::given();
        let shedder = shedder(&load);
        bears_ten(&shedder).await;
        let mut flying = flies(&shedder, 11, 11);
        load.set(0.95);
        if refused {
            assert!(!admits(&shedder));
        } else {
            // Hot, and nobody was refused.
            let (rest, few) = (flying.split_off(5), flying);
            drop(rest);
            flying = few;
            assert!(admits(&shedder));
            load.set(0.0);
            flying.extend(flies(&shedder, 6, 6));
        }
        load.set(0.85);
        tokio::time::advance(900 * MS).await;
        assert_eq!(admits(&shedder), !refused, "refused: {refused}");
        tokio::time::advance(99 * MS).await;
        assert_eq!(admits(&shedder), !refused, "a refusal does not renew it");
        tokio::time::advance(MS).await;
        assert!(admits(&shedder), "a second has elapsed");
        drop(flying);
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_done_is_forgotten_after_five_seconds() {
    let load = Load::given();
    let shedder = shedder(&load);
    // As nothing is known, a call may last a second, and one is done in a tenth.
    assert!((shedder.numbers().most - 10.0).abs() < 1e-9);
    let inside = enter(&shedder, 90);
    tokio::time::advance(50 * MS).await;
    for permit in inside {
        permit.record(Success);
    }
    assert!((shedder.numbers().most - 10.0).abs() < 1e-9, "the bucket at hand does not count");
    tokio::time::advance(50 * MS).await;
    assert!((shedder.numbers().most - 45.0).abs() < 1e-9, "90 * 10 * .05");
    tokio::time::advance(4_800 * MS).await;
    assert!((shedder.numbers().most - 45.0).abs() < 1e-9);
    tokio::time::advance(100 * MS).await;
    assert!((shedder.numbers().most - 10.0).abs() < 1e-9, "fifty buckets, one of them at hand");
}

#[test]
fn d4_each_class_has_its_window() {
    let load = Load::given();
    let shed = Shedder::new("test", options(&load).by_priority()).unwrap();
    for (load, expected) in [
        (0.55, [0.0, 0.0, 0.0, 0.0]),
        (0.80, [1.0, 0.296, 0.0, 0.0]),
        (0.85, [1.0, 1.0, 0.037, 0.0]),
        (0.95, [1.0, 1.0, 1.0, 0.125]),
        (1.0, [1.0, 1.0, 1.0, 1.0]),
    ] {
        let windows = [(0.6, 0.8), (0.7, 0.85), (0.8, 0.95), (0.9, 1.0)];
        for ((low, high), expected) in windows.into_iter().zip(expected) {
            let found = Window { low, high }.shed(load);
            assert!((found - expected).abs() < 0.0005, "{load} {low}: {found}");
        }
    }
    // And by a shedder: of a hundred levels so many.
    for (share, expected) in [
        (0.55, [0, 0, 0, 0]),
        (0.80, [100, 30, 0, 0]),
        (0.85, [100, 100, 4, 0]),
        (0.95, [100, 100, 100, 13]),
    ] {
        load.set(share);
        for (class, expected) in Priority::ALL.into_iter().zip(expected) {
            assert_eq!(shed_levels(&shed, class), expected, "{share} {class}");
        }
    }
}

fn shed_levels(shedder: &Shedder, class: Priority) -> usize {
    let is_shed = |level: &u8| {
        let level = Level::new(*level).unwrap();
        let ctx = Context::root().with_value(class).with_value(level);
        shedder.admit(&ctx, Instant::now()).is_err()
    };
    (0..100).filter(is_shed).count()
}

#[test]
fn d5_the_same_user_is_always_served_or_never() {
    let load = Load::given();
    let options = options(&load).by_priority().random(fastrand::f64);
    let shedder = Shedder::new("test", options).unwrap();
    load.set(0.75);
    let served = |user: &str| {
        let ctx = Context::root().with_value(Priority::Sheddable).with_value(Level::of(user));
        shedder.admit(&ctx, Instant::now()).is_ok()
    };
    let users: Vec<String> = (0..1_000).map(|user| format!("user-{user}")).collect();
    let first: Vec<bool> = users.iter().map(|user| served(user)).collect();
    for _ in 0..10 {
        assert_eq!(users.iter().map(|user| served(user)).collect::<Vec<_>>(), first);
    }
    let shed = first.iter().filter(|served| !**served).count();
    // The cube of three quarters of the way is 42 %.
    assert!((350..500).contains(&shed), "{shed}");
    // Those who have no name are drawn.
    let nameless = Context::root().with_value(Priority::Sheddable);
    let shed = (0..1_000).filter(|_| shedder.admit(&nameless, Instant::now()).is_err()).count();
    assert!((350..500).contains(&shed), "{shed}");
}

#[test]
fn levels_are_the_same_everywhere_and_even() {
    // Fixed, since processes of two versions must agree.
    let known = ["", "a", "user-1", "user-2", "a much longer name of somebody"]
        .map(|name| Level::of(name).get());
    assert_eq!(known, KNOWN);
    let mut counts = [0_u32; 100];
    for user in 0..100_000 {
        counts[usize::from(Level::of(&format!("user-{user}")).get())] += 1;
    }
    assert!(counts.iter().all(|count| (800..1_200).contains(count)), "{counts:?}");
    assert_eq!((Level::new(99).map(Level::get), Level::new(100)), (Some(99), None));
}

/// By the same sums in another language.
const KNOWN: [u8; 5] = [0, 0, 39, 44, 9];

fn refusal(shedder: &Shedder, ctx: &Context) -> Refusal {
    shedder.admit(ctx, Instant::now()).map(drop).unwrap_err()
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_done_in_time_is_refused_if_asked_for() {
    for asked in [true, false] {
        let load = Load::given();
        let options = if asked { options(&load).in_time() } else { options(&load) };
        let shedder = Shedder::new("test", options).unwrap();
        let root = Context::root();
        let hurried = || Context::root().with_timeout(100 * MS);
        for _ in 0..15 {
            assert!(shedder.admit(&hurried(), Instant::now()).is_ok(), "nothing is known yet");
            let one = shedder.admit(&root, Instant::now()).unwrap();
            tokio::time::advance(200 * MS).await;
            one.record(Success);
        }
        let hurried = hurried();
        if !asked {
            assert!(shedder.admit(&hurried, Instant::now()).is_ok());
            continue;
        }
        let late = refusal(&shedder, &hurried);
        assert_eq!(
            (late.kind, late.retry_after, late.retryable),
            (Kind::DeadlineExceeded, None, false)
        );
        assert_eq!(late.used, 100);
        assert!((190..=210).contains(&late.limit), "{late}");
        assert!(shedder.admit(&Context::root().with_timeout(SECOND), Instant::now()).is_ok());
        assert!(shedder.admit(&root, Instant::now()).is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn the_median_follows_what_calls_take() {
    let load = Load::given();
    let shedder = Shedder::new("test", options(&load).in_time()).unwrap();
    // Nine of twenty take ten times as long; their mean is five times as long.
    for call in 0..4_000_u32 {
        let one = shedder.admit(&Context::root(), Instant::now()).unwrap();
        tokio::time::advance(if call % 20 < 9 { 100 * MS } else { 10 * MS }).await;
        one.record(Success);
    }
    let median = shedder.numbers().median.unwrap();
    assert!((8 * MS..13 * MS).contains(&median), "{median:?}");
}

#[tokio::test(start_paused = true)]
async fn decisions_are_made_in_their_order() {
    let load = Load::given();
    let accepting = Context::root().child();
    let options = options(&load).by_priority().in_time().accepting((*accepting).clone());
    let shedder = Shedder::new("test", options).unwrap();
    for _ in 0..20 {
        bears_ten(&shedder).await;
    }
    let flying = flies(&shedder, 12, 12);
    load.set(0.97);
    let ctx = |class: Priority| Context::root().with_value(class);

    let busy = refusal(&shedder, &ctx(Priority::CriticalPlus).with_value(Level::new(99).unwrap()));
    assert_eq!(busy.reason, "more is under way than it bears");
    assert_eq!((busy.used, busy.limit), (12, 3));
    assert_eq!((busy.kind, busy.retryable), (Kind::Unavailable, false));
    assert_eq!(busy.retry_after, Some(2 * SECOND), "1 + .5, rounded");

    let classed = refusal(&shedder, &ctx(Priority::Sheddable));
    assert_eq!(classed.reason, "the load is too high for what is sheddable");
    assert_eq!((classed.used, classed.limit), (970, 600));

    let hurried = ctx(Priority::Sheddable).with_timeout(MS);
    assert_eq!(refusal(&shedder, &hurried).reason, "its deadline is nearer than most calls take");

    accepting.cancel(Cause::Shutdown);
    let stopping = refusal(&shedder, &hurried);
    assert_eq!(stopping.reason, "the service is shutting down");
    assert_eq!((stopping.retryable, stopping.retry_after), (true, None));
    assert_eq!(shedder.snapshot().state, "stopping");
    drop(flying);
}

#[tokio::test(start_paused = true)]
async fn clients_are_told_not_to_try_again_while_most_is_refused() {
    let load = Load::given();
    let shedder = shedder(&load);
    bears_ten(&shedder).await;
    let flying = flies(&shedder, 20, 20);
    load.set(0.95);
    for _ in 0..50 {
        assert!(!admits(&shedder));
    }
    tokio::time::advance(100 * MS).await;
    assert!(!shedder.discourages_retries(), "half of a hundred is not more than half");
    assert!(!admits(&shedder));
    tokio::time::advance(100 * MS).await;
    assert!(shedder.discourages_retries());
    tokio::time::advance(6 * SECOND).await;
    assert!(!shedder.discourages_retries(), "long ago");
    drop(flying);
}
