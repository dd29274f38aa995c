//! What every store of rates keeps to. A row is an async function of a store and a key that nobody else has.
//!
//! Most rows give the time, so that nothing is waited for. What a row asks for is written out and not computed: who judges
//! by the rules of the port is [`random`](super::random), by other means.

use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt as _, join_all};
use linchpin::resilience::limiter::Rate;
use linchpin::resilience::limiter::shared::{Answer, DynRateStore, Left, Quota, Visit};

pub(crate) type Store<'a> = &'a dyn DynRateStore;
pub(crate) type Row = for<'a> fn(Store<'a>, String) -> BoxFuture<'a, Result<(), String>>;

/// Some time in 2023, in microseconds.
pub(crate) const THEN: u64 = 1_700_000_000_000_000;
const MS: u64 = 1000;
const SECOND: u64 = 1000 * MS;
const HOUR: u64 = 3600 * SECOND;

macro_rules! rows {
    ($($row:ident)*) => {
        /// All rows, by name.
        pub(crate) const ROWS: &[(&str, Row)] = &[$((stringify!($row), |store, key| $row(store, key).boxed()),)*];
    };
}

rows! {
    a_burst_passes_and_then_one_at_each_interval
    turns_stand_in_line_up_to_the_wait
    a_cost_is_taken_whole_or_not_at_all
    a_pause_saves_no_more_than_the_burst
    who_is_refused_leaves_no_trace
    a_look_leaves_no_trace
    a_visit_is_charged_once
    all_quotas_are_taken_or_none
    a_penalty_lets_nothing_pass_and_then_one
    a_penalty_of_a_part_uses_up_that_once
    keys_are_apart
    a_clock_that_goes_back_locks_nobody_out
    a_burst_that_shrank_owes_no_more_than_a_new_one
    at_once_no_more_pass_than_the_burst
    its_own_clock_judges
    it_says_that_it_remembers
}

/// Fails the row if the two differ.
fn same<T: Copy + PartialEq + std::fmt::Debug>(
    what: &str,
    seen: T,
    expected: T,
) -> Result<(), String> {
    if seen == expected { Ok(()) } else { Err(format!("{what}: {seen:?}, not {expected:?}")) }
}

/// A burst of that many, one more in each `interval_us`.
fn quota(interval_us: u64, burst: u32, longest_wait_us: u64) -> Quota {
    let rate = Rate::new(1, Duration::from_micros(interval_us));
    Quota::new(rate, Some(burst), Duration::from_micros(longest_wait_us)).expect("a quota")
}

async fn ask(store: Store<'_>, visit: Visit<'_>) -> Result<Answer, String> {
    store.take_boxed(&visit).await.map_err(|error| error.report().to_string())
}

async fn takes(
    store: Store<'_>,
    visit: Visit<'_>,
    passed: bool,
    remaining: u32,
    wait_us: u64,
    reset_us: u64,
) -> Result<(), String> {
    let answer = ask(store, visit).await?;
    let expected = Answer { passed, quota: 0, left: Left { remaining, wait_us, reset_us } };
    same(&format!("{visit:?}"), answer, expected)
}

// L1
async fn a_burst_passes_and_then_one_at_each_interval(
    store: Store<'_>,
    key: String,
) -> Result<(), String> {
    let five = [quota(100 * MS, 5, 0)];
    let visit = |at| Visit::new(&key, &five, 1).at(at);
    for (taken, remaining) in (1..).zip([4, 3, 2, 1, 0]) {
        takes(store, visit(THEN), true, remaining, 0, taken * 100 * MS).await?;
    }
    takes(store, visit(THEN), false, 0, 100 * MS, 500 * MS).await?;
    takes(store, visit(THEN + 99_999), false, 0, 1, 400_001).await?;
    takes(store, visit(THEN + 100 * MS), true, 0, 0, 500 * MS).await?;
    takes(store, visit(THEN + 100 * MS), false, 0, 100 * MS, 500 * MS).await
}

// L2
async fn turns_stand_in_line_up_to_the_wait(store: Store<'_>, key: String) -> Result<(), String> {
    let five = [quota(100 * MS, 5, 250 * MS)];
    takes(store, Visit::new(&key, &five, 5).at(THEN), true, 0, 0, 500 * MS).await?;
    let later = THEN + 100 * MS;
    let patient = Visit::new(&key, &five, 1).wait(Duration::from_micros(250 * MS)).at(later);
    for wait in [0, 100 * MS, 200 * MS] {
        takes(store, patient, true, 0, wait, 500 * MS + wait).await?;
    }
    takes(store, patient, false, 0, 300 * MS, 700 * MS).await?;
    takes(store, Visit::new(&key, &five, 1).at(later), false, 0, 300 * MS, 700 * MS).await
}

// L3
async fn a_cost_is_taken_whole_or_not_at_all(store: Store<'_>, key: String) -> Result<(), String> {
    let five = [quota(100 * MS, 5, 0)];
    let cost = |cost| Visit::new(&key, &five, cost).at(THEN);
    takes(store, cost(3), true, 2, 0, 300 * MS).await?;
    takes(store, cost(3), false, 2, 100 * MS, 300 * MS).await?;
    takes(store, cost(2), true, 0, 0, 500 * MS).await
}

// L4
async fn a_pause_saves_no_more_than_the_burst(store: Store<'_>, key: String) -> Result<(), String> {
    let five = [quota(100 * MS, 5, 0)];
    takes(store, Visit::new(&key, &five, 5).at(THEN), true, 0, 0, 500 * MS).await?;
    takes(store, Visit::new(&key, &five, 1).at(THEN + 10 * SECOND), true, 4, 0, 100 * MS).await
}

async fn who_is_refused_leaves_no_trace(store: Store<'_>, key: String) -> Result<(), String> {
    let two = [quota(100 * MS, 2, 0)];
    let one = Visit::new(&key, &two, 1).at(THEN);
    takes(store, Visit::new(&key, &two, 2).at(THEN), true, 0, 0, 200 * MS).await?;
    for _ in 0..10 {
        takes(store, one, false, 0, 100 * MS, 200 * MS).await?;
    }
    takes(store, Visit::new(&key, &two, 1).at(THEN + 100 * MS), true, 0, 0, 200 * MS).await
}

async fn a_look_leaves_no_trace(store: Store<'_>, key: String) -> Result<(), String> {
    let two = [quota(100 * MS, 2, 0)];
    let look = Visit::new(&key, &two, 0).at(THEN);
    for _ in 0..3 {
        takes(store, look, true, 2, 0, 0).await?;
    }
    takes(store, Visit::new(&key, &two, 2).at(THEN), true, 0, 0, 200 * MS).await?;
    for _ in 0..3 {
        takes(store, look, true, 0, 0, 200 * MS).await?;
    }
    Ok(())
}

async fn a_visit_is_charged_once(store: Store<'_>, key: String) -> Result<(), String> {
    let many = [quota(HOUR, 100, 0)];
    for taken in 1..=10 {
        ask(store, Visit::new(&key, &many, 1).at(THEN)).await?;
        let look = ask(store, Visit::new(&key, &many, 0).at(THEN)).await?;
        same("left", look.left.remaining, 100 - taken)?;
    }
    Ok(())
}

async fn all_quotas_are_taken_or_none(store: Store<'_>, key: String) -> Result<(), String> {
    let both = [quota(100 * MS, 3, 0), quota(HOUR, 5, 0)];
    let visit = |cost, at| Visit::new(&key, &both, cost).at(at);
    let seen = |answer: Answer| (answer.passed, answer.quota, answer.left.remaining);
    same("the first", seen(ask(store, visit(3, THEN)).await?), (true, 0, 0))?;
    // The second has two left, the first none.
    same("refused by the first", seen(ask(store, visit(1, THEN)).await?), (false, 0, 0))?;
    let later = THEN + SECOND;
    same("refused by the second", seen(ask(store, visit(3, later)).await?), (false, 1, 2))?;
    same("nothing was taken of the first", seen(ask(store, visit(2, later)).await?), (true, 1, 0))?;
    same("nor of the second", seen(ask(store, visit(1, later)).await?), (false, 1, 0))
}

async fn a_penalty_lets_nothing_pass_and_then_one(
    store: Store<'_>,
    key: String,
) -> Result<(), String> {
    let five = [quota(100 * MS, 5, 10 * SECOND)];
    let penalty = Visit::new(&key, &five, 0).wait(Duration::from_secs(1)).at(THEN);
    store.penalize_boxed(&penalty).await.map_err(|error| error.report().to_string())?;
    let visit = |at| Visit::new(&key, &five, 1).at(at);
    takes(store, visit(THEN), false, 0, SECOND, SECOND + 400 * MS).await?;
    takes(store, visit(THEN + SECOND), true, 0, 0, 500 * MS).await?;
    takes(store, visit(THEN + SECOND), false, 0, 100 * MS, 500 * MS).await
}

/// As a process tells of what has passed without the store.
async fn a_penalty_of_a_part_uses_up_that_once(
    store: Store<'_>,
    key: String,
) -> Result<(), String> {
    let five = [quota(100 * MS, 5, 10 * SECOND)];
    let visit = |cost| Visit::new(&key, &five, cost).at(THEN);
    let used = [quota(MS, 201, 10 * SECOND + 299 * MS)];
    for _ in 0..2 {
        let penalty = Visit::new(&key, &used, 0).at(THEN);
        store.penalize_boxed(&penalty).await.map_err(|error| error.report().to_string())?;
        takes(store, visit(0), true, 3, 0, 200 * MS).await?;
    }
    takes(store, visit(3), true, 0, 0, 500 * MS).await?;
    // What is ahead already stays so.
    let penalty = Visit::new(&key, &used, 0).at(THEN);
    store.penalize_boxed(&penalty).await.map_err(|error| error.report().to_string())?;
    takes(store, visit(1), false, 0, 100 * MS, 500 * MS).await
}

async fn keys_are_apart(store: Store<'_>, key: String) -> Result<(), String> {
    let one = [quota(HOUR, 1, 0)];
    // Nothing in a key is special.
    for odd in ["", "}", "{a}", ":", "*", "é", "a b\n", "'; --"] {
        let key = format!("{key}{odd}");
        takes(store, Visit::new(&key, &one, 1).at(THEN), true, 0, 0, HOUR).await?;
        takes(store, Visit::new(&key, &one, 1).at(THEN), false, 0, HOUR, HOUR).await?;
    }
    Ok(())
}

// L5
async fn a_clock_that_goes_back_locks_nobody_out(
    store: Store<'_>,
    key: String,
) -> Result<(), String> {
    let five = [quota(100 * MS, 5, 0)];
    takes(store, Visit::new(&key, &five, 5).at(THEN), true, 0, 0, 500 * MS).await?;
    let before = THEN - HOUR;
    takes(store, Visit::new(&key, &five, 1).at(before), false, 0, 100 * MS, 500 * MS).await?;
    // And from then on time passes, though nobody has.
    let visit = |at| Visit::new(&key, &five, 1).at(at);
    takes(store, visit(before + 50 * MS), false, 0, 50 * MS, 450 * MS).await?;
    takes(store, visit(before + 100 * MS), true, 0, 0, 500 * MS).await?;
    takes(store, visit(before + 100 * MS), false, 0, 100 * MS, 500 * MS).await
}

// L5
async fn a_burst_that_shrank_owes_no_more_than_a_new_one(
    store: Store<'_>,
    key: String,
) -> Result<(), String> {
    let (large, small) = ([quota(100 * MS, 1000, 0)], [quota(100 * MS, 5, 0)]);
    takes(store, Visit::new(&key, &large, 1000).at(THEN), true, 0, 0, 100 * SECOND).await?;
    takes(store, Visit::new(&key, &small, 1).at(THEN), false, 0, 100 * MS, 500 * MS).await
}

async fn at_once_no_more_pass_than_the_burst(store: Store<'_>, key: String) -> Result<(), String> {
    let fifty = [quota(HOUR, 50, 0)];
    let visits = (0..200).map(|_| ask(store, Visit::new(&key, &fifty, 1)));
    let answers: Result<Vec<Answer>, String> = join_all(visits).await.into_iter().collect();
    same("passed", answers?.iter().filter(|answer| answer.passed).count(), 50)
}

async fn its_own_clock_judges(store: Store<'_>, key: String) -> Result<(), String> {
    // So short an interval that a look at any clock is a later one.
    let one = [quota(1, 1, 0)];
    let visit = Visit::new(&key, &one, 1);
    let mut passed = 0;
    for _ in 0..1000 {
        passed += u32::from(ask(store, visit).await?.passed);
    }
    same("more than the first", passed > 1, true)?;
    // And so long a one that it is not over.
    let key = format!("{key}:long");
    let one = [quota(HOUR, 1, 0)];
    same("first", ask(store, Visit::new(&key, &one, 1)).await?.passed, true)?;
    let answer = ask(store, Visit::new(&key, &one, 1)).await?;
    same("second", answer.passed, false)?;
    let wait = answer.left.wait_us;
    same(
        "the wait is shorter by what has passed",
        (HOUR - 60 * SECOND..=HOUR).contains(&wait),
        true,
    )
}

async fn it_says_that_it_remembers(store: Store<'_>, _: String) -> Result<(), String> {
    let epoch = async || store.epoch_boxed().await.map_err(|error| error.report().to_string());
    let first = epoch().await?;
    same("the epoch", epoch().await?, first)
}
