//! Lanes: whose turn it is, who may start beside whom, what is in memory and what below.

use std::time::Duration;

use linchpin::sync::lanes::{Class, Full, Lanes, Options, Started};
use linchpin::time::{Instant, Timestamp};

mod below;
mod classes;
mod listed;
mod memory;
mod random;
mod surplus;
mod turns;
mod waits;

type Group = &'static str;
type Numbered = Lanes<Group, u32, u32>;
type Begun = Started<Group, u32, u32>;

const SECOND: Duration = Duration::from_secs(1);
const MS: Duration = Duration::from_millis(1);

/// Lanes with so many places, and days that go on with the paused clock.
fn lanes(places: usize, options: Options) -> Numbered {
    Lanes::new(places, options.clock(clock())).unwrap()
}

/// The paused clock as a clock of days, which are counted from its beginning.
fn clock() -> impl Fn() -> Timestamp + Send + Sync {
    let begin = Instant::now();
    move || Timestamp::default() + begin.elapsed()
}

/// So long after the beginning.
fn day(since: Duration) -> Timestamp {
    Timestamp::default() + since
}

fn offer(lanes: &Numbered, group: Group, key: u32, item: u32) -> Result<(), Full> {
    lanes.lane(group, key).offer(1).map(|seat| seat.put(item))
}

#[track_caller]
fn put(lanes: &Numbered, group: Group, key: u32, item: u32) {
    offer(lanes, group, key, item).unwrap();
}

/// All that may start now, in its turn.
fn all(lanes: &Numbered) -> Vec<Begun> {
    std::iter::from_fn(|| lanes.try_next()).collect()
}

/// Which items these are.
fn items(begun: &[Begun]) -> Vec<u32> {
    begun.iter().map(|begun| **begun).collect()
}

/// Has a lane answer `times` in time.
#[track_caller]
fn prove(lanes: &Numbered, group: Group, key: u32, times: usize) {
    for _ in 0..times {
        put(lanes, group, key, 0);
        lanes.try_next().unwrap().answered();
    }
}

/// What is under way of each class, the proven first.
fn under_way(lanes: &Numbered) -> [usize; 3] {
    [Class::Proven, Class::Fresh, Class::Slow].map(|class| lanes.numbers(class).under_way)
}

/// What is in memory of all classes.
fn in_memory(lanes: &Numbered) -> (usize, usize) {
    let numbers = [Class::Proven, Class::Fresh, Class::Slow].map(|class| lanes.numbers(class));
    (numbers.iter().map(|one| one.items).sum(), numbers.iter().map(|one| one.bytes).sum())
}

async fn pass(time: Duration) {
    tokio::time::advance(time).await;
}

#[test]
fn what_makes_no_sense_is_refused_with_a_reason() {
    let options = Options::default;
    let cases = [
        (0, options(), "no place"),
        (1, options().items(0), "no room for an item"),
        (1, options().bytes(0), "no room for a byte"),
        (1, options().lane_items(0), "no room for an item of a lane"),
        (1, options().lane_bytes(0), "no room for a byte of a lane"),
        (1, options().lane_places(0), "no place for anything of a lane"),
        (4, options().lane_places(5), "there are 4 places"),
        (1, options().max_lanes(0), "no lane"),
        (1, options().slow_after(Duration::ZERO), "every lane is slow"),
    ];
    for (places, options, why) in cases {
        let bad = Numbered::new(places, options).map(drop).unwrap_err();
        assert!(bad.to_string().contains(why), "{bad}");
    }
}
