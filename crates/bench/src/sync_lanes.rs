//! Rows `lanes*`: the way of an item through memory, per item: a seat, its turn, its answer, its end.
//!
//! Beside it what somebody would write who wants no turns: one queue and a semaphore. In `lanes-next` an item is taken and
//! put back, among ten thousand lanes of a hundred groups that all have one; in `lanes-beside-hanging` 128 lanes
//! hang, which is all that may, and some three hundred wait behind them, while one that is well goes on.

use std::collections::VecDeque;
use std::hint::black_box;
use std::time::Duration;

use linchpin::sync::Mutex;
use linchpin::sync::lanes::{Lanes, Options, Started};
use linchpin::sync::semaphore::{self, Semaphore};

use crate::harness::Operation;
use crate::row::Role::{Ours, Peer};

type Items = Lanes<u64, u64, u64>;

const LINCHPIN: &str = "linchpin";
const QUEUE: &str = "one queue and a semaphore, no turns";
const PLACES: usize = 512;
const BYTES: usize = 1_000;
const LANES: u64 = 10_000;
const GROUPS: u64 = 100;

/// Every row of lanes.
pub fn operations() -> Vec<Operation> {
    vec![
        Operation::new("lanes").sync(Ours, LINCHPIN, through(ours(), 1)).sync(
            Peer,
            QUEUE,
            queued(),
        ),
        Operation::new("lanes-next").sync(Ours, LINCHPIN, next()),
        Operation::new("lanes-10k").sync(Ours, LINCHPIN, around()),
        Operation::new("lanes-beside-hanging").sync(Ours, LINCHPIN, {
            let (lanes, hanging) = hanging();
            let mut once = through(lanes, GROUPS + 1);
            move || (once(), hanging.len())
        }),
    ]
}

/// Lanes with room for all of them.
fn ours() -> Items {
    let options = Options::default().items(10 * LANES as usize).bytes(usize::MAX >> 1);
    // None is slow because the measurement stops.
    Lanes::new(PLACES, options.slow_after(Duration::from_hours(1))).expect("good options")
}

fn put(lanes: &Items, group: u64, key: u64) {
    lanes.lane(group, key).offer(BYTES).expect("there is room").put(key);
}

/// Ten thousand lanes that have one each.
fn crowded() -> Items {
    let lanes = ours();
    (0..LANES).for_each(|key| put(&lanes, key % GROUPS, key));
    lanes
}

/// What is next is taken, and put back where it was.
fn next() -> impl FnMut() {
    let lanes = crowded();
    move || lanes.try_next().expect("all have one").put_back()
}

/// What is next goes the rest of its way, and another of its lane comes.
fn around() -> impl FnMut() {
    let lanes = crowded();
    move || {
        let mut begun = lanes.try_next().expect("all have one");
        begun.answered();
        let key = *begun;
        drop(begun);
        put(&lanes, key % GROUPS, key);
    }
}

/// An item of one lane goes all its way.
fn through(lanes: Items, group: u64) -> impl FnMut() {
    move || {
        put(&lanes, group, 1);
        let mut begun = lanes.try_next().expect("there is one");
        begun.answered();
        black_box(*begun);
    }
}

/// Of four hundred slow lanes as many hang as may, and the others wait.
fn hanging() -> (Items, Vec<Started<u64, u64, u64>>) {
    let lanes = ours();
    for key in 0..400 {
        put(&lanes, key % GROUPS, key);
        lanes.try_next().expect("there is one").timed_out();
    }
    (0..400).for_each(|key| put(&lanes, key % GROUPS, key));
    let hanging = std::iter::from_fn(|| lanes.try_next()).collect();
    (lanes, hanging)
}

fn queued() -> impl FnMut() {
    let places = Semaphore::new(PLACES, semaphore::Options::default()).expect("good options");
    let queue = Mutex::new(VecDeque::new());
    move || {
        queue.lock().push_back(1_u64);
        let place = places.try_acquire(1).expect("there is one");
        black_box(queue.lock().pop_front());
        drop(place);
    }
}
