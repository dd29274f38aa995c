//! State in one word: fields do not touch each other, a step is taken from the state it was judged by.

use std::panic::catch_unwind;
use std::thread;

use linchpin::sync::packed::{Field, Flag, Flags, Pack, Packed, Step};
use proptest::prelude::*;

const LOW: Field = Field::first(3);
const MIDDLE: Field = LOW.then(40);
const HIGH: Field = MIDDLE.then(21);

#[derive(Clone, Copy, Debug, PartialEq)]
struct Three(u64, u64, u64);

impl Pack for Three {
    fn pack(self) -> u64 {
        LOW.of(self.0) | MIDDLE.of(self.1) | HIGH.of(self.2)
    }

    fn unpack(word: u64) -> Self {
        Self(LOW.get(word), MIDDLE.get(word), HIGH.get(word))
    }
}

#[test]
fn what_was_packed_is_unpacked() {
    proptest!(|(low in 0..8_u64, middle in 0..1_u64 << 40, high in 0..1_u64 << 21)| {
        let state = Three(low, middle, high);
        prop_assert_eq!(Three::unpack(state.pack()), state);
    });
}

#[test]
fn a_value_too_large_for_its_field_is_a_panic_and_no_neighbours() {
    assert_eq!((LOW.most(), HIGH.most(), Field::first(64).most()), (7, (1 << 21) - 1, u64::MAX));
    assert!(catch_unwind(|| LOW.of(8)).is_err());
    assert!(catch_unwind(|| HIGH.then(1)).is_err());
    assert!(catch_unwind(|| Field::first(0)).is_err());
}

#[test]
fn a_step_is_judged_by_the_state_it_changes() {
    let state = Packed::new(Three(0, 0, 0));
    let next = |Three(low, middle, high)| (low < 7).then_some(Three(low + 1, middle, high));
    assert_eq!(state.update(next), Ok(Step { from: Three(0, 0, 0), to: Three(1, 0, 0) }));
    assert_eq!(state.replace(Three(7, 1, 1)), Three(1, 0, 0));
    assert_eq!(state.update(next), Err(Three(7, 1, 1)));
    assert_eq!(state.load(), Three(7, 1, 1));
    assert_eq!(format!("{state:?}"), "Packed(Three(7, 1, 1))");
}

#[test]
fn no_step_is_lost_between_threads() {
    let state = Packed::new(Three(0, 0, 0));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..1000 {
                    state
                        .update(|Three(_, middle, high)| Some(Three(1, middle + 1, high + 2)))
                        .unwrap();
                }
            });
        }
    });
    assert_eq!(state.load(), Three(1, 4000, 8000));
}

#[derive(Clone, Copy)]
struct Bit(u8);

impl Flag for Bit {
    fn bit(self) -> u8 {
        self.0
    }
}

#[test]
fn flags_are_set_and_cleared_one_by_one() {
    let flags = Flags::new();
    assert!(flags.load().is_empty());
    assert!(flags.set(Bit(0)) && flags.set(Bit(63)) && !flags.set(Bit(63)));
    assert!(flags.has(Bit(0)) && flags.has(Bit(63)) && !flags.has(Bit(1)));
    assert!(flags.clear(Bit(0)) && !flags.clear(Bit(0)));
    let seen = flags.load();
    assert_eq!(
        (seen.len(), seen.has(Bit(63)), flags.take(), flags.load().len()),
        (1, true, seen, 0)
    );
    assert!(catch_unwind(|| Flags::new().set(Bit(64))).is_err());
}

#[test]
fn one_of_several_sets_or_takes_a_flag() {
    let flags = Flags::new();
    let count = |work: fn(&Flags<Bit>) -> bool| {
        thread::scope(|scope| {
            let threads = [(); 4].map(|()| scope.spawn(|| work(&flags)));
            threads.into_iter().map(|one| usize::from(one.join().unwrap())).sum::<usize>()
        })
    };
    assert_eq!(count(|flags| flags.set(Bit(5))), 1);
    assert_eq!(count(|flags| flags.take().has(Bit(5))), 1);
    flags.set(Bit(5));
    assert_eq!(count(|flags| flags.clear(Bit(5))), 1);
}
