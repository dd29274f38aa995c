//! Whatever is done in whatever order: a plain count says the same after every step.

use linchpin::sync::object_pool::{
    Buffer, BufferOptions, BufferPool, ObjectPool, Options, Pooled, Stats,
};
use proptest::prelude::*;

#[derive(Clone, Copy, Debug)]
enum Step {
    Take(usize),
    Return(usize),
    Grow(usize, usize),
    Detach(usize),
    Give(usize),
    Forget(usize),
    Clear,
}

fn step() -> impl Strategy<Value = Step> {
    let which = || any::<prop::sample::Index>().prop_map(|index| index.index(1 << 16));
    let size = || prop_oneof![4 => 0..5_000_usize, 1 => 5_000..40_000_usize];
    prop_oneof![
        24 => size().prop_map(Step::Take),
        20 => which().prop_map(Step::Return),
        6 => (which(), size()).prop_map(|(which, size)| Step::Grow(which, size)),
        3 => which().prop_map(Step::Detach),
        3 => size().prop_map(Step::Give),
        1 => which().prop_map(Step::Forget),
        1 => Just(Step::Clear),
    ]
}

// ===== objects =====

/// Everything that is counted, by hand.
#[derive(Debug, Default)]
struct Model {
    out: u64,
    kept: u64,
    made: u64,
    reused: u64,
    discarded: u64,
}

impl Model {
    fn take(&mut self) {
        self.out += 1;
        if self.kept > 0 {
            (self.kept, self.reused) = (self.kept - 1, self.reused + 1);
        } else {
            self.made += 1;
        }
    }

    fn has_back(&mut self, most: u64) {
        if self.kept < most { self.kept += 1 } else { self.discarded += 1 }
    }

    #[track_caller]
    fn says(&self, stats: Stats) {
        let Self { out, kept, made, reused, discarded } = *self;
        assert_eq!(
            (stats.out, stats.kept, stats.made, stats.reused, stats.discarded),
            (out, kept, made, reused, discarded)
        );
    }
}

fn objects(most: usize, steps: Vec<Step>) {
    let options = Options::default().per_thread(0).max_kept(most);
    let pool = ObjectPool::new(|| 0_u64, options).unwrap();
    let (mut held, mut model): (Vec<Pooled<u64>>, Model) = Default::default();
    let most = most as u64;
    for (at, step) in steps.into_iter().enumerate() {
        let some = (!held.is_empty()).then_some(held.len());
        match (step, some) {
            (Step::Take(_), _) => {
                model.take();
                let mut object = pool.take_owned();
                // Nobody else may have it now.
                *object = at as u64 + 1;
                assert!(held.iter().all(|other| **other != *object));
                held.push(object);
            }
            (Step::Give(_), _) => {
                model.made += 1;
                model.has_back(most);
                pool.give(0);
            }
            (Step::Clear, _) => {
                model.discarded += std::mem::take(&mut model.kept);
                pool.clear();
            }
            (Step::Return(which), Some(len)) => {
                model.out -= 1;
                model.has_back(most);
                drop(held.swap_remove(which % len));
            }
            (Step::Detach(which), Some(len)) => {
                model.out -= 1;
                held.swap_remove(which % len).detach();
            }
            (Step::Forget(which), Some(len)) => std::mem::forget(held.swap_remove(which % len)),
            (Step::Grow(..), _) | (_, None) => {}
        }
        model.says(pool.stats());
    }
}

// ===== buffers =====

const SMALLEST: usize = 512;
const LARGEST: usize = 8192;
const MOST_BYTES: usize = 20_000;

/// The capacities that are kept.
#[derive(Debug, Default)]
struct Shelf(Vec<usize>, Model);

impl Shelf {
    /// The most room that is worth `bytes`, by the size that it was kept for.
    fn take(&mut self, bytes: usize) -> Option<usize> {
        self.1.out += 1;
        let class = bytes.max(SMALLEST).next_power_of_two();
        let fits = |capacity: &usize| *capacity >= class && *capacity < 2 * class;
        let at = if bytes > LARGEST { None } else { self.0.iter().rposition(fits) };
        match at {
            Some(at) => {
                (self.1.kept, self.1.reused) = (self.1.kept - 1, self.1.reused + 1);
                Some(self.0.remove(at))
            }
            None => {
                self.1.made += 1;
                None
            }
        }
    }

    fn has_back(&mut self, capacity: usize) {
        let kept: usize = self.0.iter().sum();
        if (SMALLEST..=LARGEST).contains(&capacity) && kept + capacity <= MOST_BYTES {
            self.0.push(capacity);
            self.1.kept += 1;
        } else {
            self.1.discarded += 1;
        }
    }
}

fn buffers(steps: Vec<Step>) {
    let options =
        BufferOptions::default().per_thread(0).sizes(SMALLEST, LARGEST).max_bytes(MOST_BYTES);
    let pool = BufferPool::new(options).unwrap();
    let (mut held, mut model): (Vec<Buffer>, Shelf) = Default::default();
    for step in steps {
        let some = (!held.is_empty()).then_some(held.len());
        match (step, some) {
            (Step::Take(bytes), _) => {
                let kept = model.take(bytes);
                let buffer = pool.take_owned(bytes);
                assert!(buffer.is_empty() && buffer.capacity() >= bytes);
                assert!(kept.is_none_or(|capacity| capacity == buffer.capacity()));
                held.push(buffer);
            }
            (Step::Give(bytes), _) => {
                let buffer = Vec::with_capacity(bytes);
                model.1.made += 1;
                model.has_back(buffer.capacity());
                pool.give(buffer);
            }
            (Step::Clear, _) => {
                model.0.clear();
                model.1.discarded += std::mem::take(&mut model.1.kept);
                pool.clear();
            }
            (Step::Grow(which, bytes), Some(len)) => held[which % len].resize(bytes, 1),
            (Step::Return(which), Some(len)) => {
                let buffer = held.swap_remove(which % len);
                model.1.out -= 1;
                model.has_back(buffer.capacity());
                drop(buffer);
            }
            (Step::Detach(which), Some(len)) => {
                model.1.out -= 1;
                drop(held.swap_remove(which % len).detach());
            }
            (Step::Forget(_), _) | (_, None) => {}
        }
        model.1.says(pool.stats());
    }
}

/// With places for each thread the caps are not exact, and nothing is lost all the same.
fn with_seats(most: usize, steps: Vec<Step>) {
    let options = BufferOptions::default().sizes(SMALLEST, LARGEST).max_kept(most);
    let pool = BufferPool::new(options).unwrap();
    let (mut held, mut gone): (Vec<Buffer>, u64) = Default::default();
    for step in steps {
        let some = (!held.is_empty()).then_some(held.len());
        match (step, some) {
            (Step::Take(bytes), _) => held.push(pool.take_owned(bytes)),
            (Step::Give(bytes), _) => pool.give(Vec::with_capacity(bytes)),
            (Step::Clear, _) => pool.clear(),
            (Step::Grow(which, bytes), Some(len)) => held[which % len].resize(bytes, 1),
            (Step::Return(which), Some(len)) => drop(held.swap_remove(which % len)),
            (Step::Detach(which), Some(len)) => {
                gone += 1;
                drop(held.swap_remove(which % len).detach());
            }
            (Step::Forget(_), _) | (_, None) => {}
        }
        let stats = pool.stats();
        assert_eq!(stats.out, held.len() as u64);
        assert_eq!(stats.made, stats.out + stats.kept + stats.discarded + gone, "{stats:?}");
        // Five sizes, sixteen of each for this thread at most.
        assert!(stats.kept <= (most + 80) as u64, "{stats:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn a_plain_count_says_the_same_after_every_step(
        most in 0..6_usize,
        steps in prop::collection::vec(step(), 1..150),
    ) {
        objects(most, steps.clone());
        buffers(steps.clone());
        with_seats(most, steps);
    }
}
