//! The counter with a cell for each seat, the seats, and a state in one word.

use std::sync::Arc;

use loom::thread;

use super::{catches, holds};
use crate::shim::Fault;
use crate::sync::counter::Cells;
use crate::sync::packed::{Pack, Packed};
use crate::sync::seat::Hall;

/// Two threads with a seat and one without add twice each; a sum in between is never more and never goes back.
fn what_is_added_is_in_the_sum() {
    let cells = Arc::new(Cells::new(2));
    let adding = [1, 2].map(|seat| {
        let cells = cells.clone();
        thread::spawn(move || {
            cells.add(seat, 1);
            cells.add(seat, 1);
        })
    });
    cells.add(0, 1);
    let first = cells.sum();
    let second = cells.sum();
    assert!((1..=5).contains(&first) && (first..=5).contains(&second), "{first}, then {second}");
    adding.map(|thread| thread.join().unwrap());
    assert_eq!(cells.sum(), 5);
}

#[test]
fn counter_sums() {
    holds("counter_sums", what_is_added_is_in_the_sum);
    catches(Fault::CounterAddsInAnothersCell, what_is_added_is_in_the_sum);
}

/// Three threads take a seat, add, and leave it: whoever gets a seat adds to what is there.
fn a_seat_has_one_holder_and_its_cell_is_handed_on() {
    let (hall, cells) = (Arc::new(Hall::new()), Arc::new(Cells::new(2)));
    let one = |hall: &Hall, cells: &Cells| {
        let seat = hall.take().unwrap();
        cells.add(seat, 1);
        hall.give(seat);
    };
    let others = [(); 2].map(|()| {
        let (hall, cells) = (hall.clone(), cells.clone());
        thread::spawn(move || one(&hall, &cells))
    });
    one(&hall, &cells);
    others.map(|thread| thread.join().unwrap());
    assert_eq!(cells.sum(), 3);
    assert_eq!(hall.take(), Some(0), "the lowest free seat is given out");
}

#[test]
fn counter_seats() {
    holds("counter_seats", a_seat_has_one_holder_and_its_cell_is_handed_on);
    catches(Fault::SeatIsGivenTwice, a_seat_has_one_holder_and_its_cell_is_handed_on);
}

/// A level below three, and how often it has changed.
#[derive(Clone, Copy)]
struct Level {
    level: u32,
    turn: u32,
}

impl Pack for Level {
    fn pack(self) -> u64 {
        u64::from(self.level) << 32 | u64::from(self.turn)
    }

    fn unpack(word: u64) -> Self {
        Self { level: (word >> 32) as u32, turn: word as u32 }
    }
}

fn each_step_is_taken_from_the_state_it_judged() {
    let state = Arc::new(Packed::new(Level { level: 0, turn: 0 }));
    let raise = |state: &Packed<Level>| {
        let next =
            |Level { level, turn }| (level < 2).then(|| Level { level: level + 1, turn: turn + 1 });
        state.update(next).is_ok()
    };
    let others = [(); 2].map(|()| {
        let state = state.clone();
        thread::spawn(move || raise(&state))
    });
    let mut raised = usize::from(raise(&state));
    for thread in others {
        raised += usize::from(thread.join().unwrap());
    }
    let Level { level, turn } = state.load();
    assert_eq!((raised, level, turn), (2, 2, 2));
}

#[test]
fn packed_steps() {
    holds("packed_steps", each_step_is_taken_from_the_state_it_judged);
    catches(Fault::PackedStoresUnseen, each_step_is_taken_from_the_state_it_judged);
}
