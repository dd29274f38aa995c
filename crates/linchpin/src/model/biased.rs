//! The lock whose readers sit: nobody reads what is being written, and a writer that waits is woken.

use std::sync::Arc;

use loom::thread;

use super::{catches, holds};
use crate::shim::Fault;
use crate::sync::biased::{Biased, Seat};

/// A lock around two numbers that are the same between any two writes, and seats for two readers.
struct World {
    pair: Biased<(u8, u8)>,
    seats: [Seat; 2],
}

impl World {
    fn new() -> Arc<Self> {
        Arc::new(Self { pair: Biased::new((0, 0)), seats: [Seat::new(), Seat::new()] })
    }

    /// As it is after a read.
    fn calm() -> Arc<Self> {
        let world = Self::new();
        world.read(None);
        world
    }

    fn read(&self, seat: Option<usize>) -> u8 {
        self.pair.read(seat.map(|seat| &self.seats[seat]), |(one, other)| {
            assert_eq!(one, other, "half a write");
            *one
        })
    }

    fn write(&self) {
        let mut pair = self.pair.lock(None, || self.seats.iter());
        pair.0 += 1;
        pair.1 += 1;
    }
}

/// Loom's cell finds a read and a write that are not in order, whatever the numbers are.
fn a_reader_and_a_writer_meet_in_the_calm() {
    let world = World::calm();
    let reader = thread::spawn({
        let world = world.clone();
        move || {
            let first = world.read(Some(0));
            assert!(world.read(Some(0)) >= first, "time went back");
        }
    });
    world.write();
    reader.join().unwrap();
    assert_eq!(world.read(None), 1);
}

#[test]
fn biased_excludes() {
    holds("biased_excludes", a_reader_and_a_writer_meet_in_the_calm);
    catches(Fault::BiasedLooksBeforeItSits, a_reader_and_a_writer_meet_in_the_calm);
}

#[test]
fn biased_wakes() {
    holds("biased_wakes", two_readers_and_a_writer_meet);
    catches(Fault::BiasedLeavesInSilence, two_readers_and_a_writer_meet);
    catches(Fault::BiasedSitsWhileItQueues, two_readers_and_a_writer_meet);
}

/// Both sit, or come too late and queue, while the writer looks at one after the other.
fn two_readers_and_a_writer_meet() {
    let world = World::calm();
    let readers = [0, 1].map(|seat| {
        let world = world.clone();
        thread::spawn(move || world.read(Some(seat)))
    });
    world.write();
    for reader in readers {
        assert!(reader.join().unwrap() <= 1);
    }
    assert_eq!(world.read(None), 1);
}

/// The calm ends, comes back by a reader in the queue, and ends again.
fn calms_follow_each_other() {
    let world = World::calm();
    let writer = thread::spawn({
        let world = world.clone();
        move || world.write()
    });
    let reader = thread::spawn({
        let world = world.clone();
        move || {
            let first = world.read(Some(0));
            assert!(world.read(Some(0)) >= first, "time went back");
        }
    });
    world.write();
    writer.join().unwrap();
    reader.join().unwrap();
    assert_eq!(world.read(Some(1)), 2);
}

#[test]
fn biased_calms_again() {
    holds("biased_calms_again", calms_follow_each_other);
    catches(Fault::BiasedLooksBeforeItSits, calms_follow_each_other);
}
