//! Whatever is done in whatever order: a plain model says the same after every step.
//!
//! The model has no word, no lock and no lists: a vector of who waits and of who was told and has not come.

use std::task::Poll;

use linchpin::Context;
use linchpin::resilience::Failed;
use linchpin::resilience::bulkhead::{Bulkhead, Discipline, Permit};
use linchpin_testing::steps::{Poller, poll_by_hand};
use proptest::prelude::*;

use super::{bulkhead, patient};

#[derive(Clone, Copy, Debug)]
enum Step {
    Enter(usize),
    Try(usize),
    Leave(usize),
    DropWaiter(usize),
    Resize(usize),
    NewestFirst(bool),
    /// Those who were told come in.
    Come,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (1..4_usize).prop_map(Step::Enter),
        2 => (1..4_usize).prop_map(Step::Try),
        8 => any::<usize>().prop_map(Step::Leave),
        4 => any::<usize>().prop_map(Step::DropWaiter),
        2 => (3..7_usize).prop_map(Step::Resize),
        2 => any::<bool>().prop_map(Step::NewestFirst),
        8 => Just(Step::Come),
    ]
}

/// How many may wait.
const QUEUE: usize = 6;

type Entering = std::pin::Pin<Box<dyn Future<Output = Result<Permit<'static>, Failed>>>>;

struct World {
    bulkhead: Bulkhead,
    inside: Vec<Permit<'static>>,
    waiters: Vec<(Waiter, Poller<Entering>)>,
    places: usize,
    newest_first: bool,
}

#[derive(Clone, Copy, Debug)]
struct Waiter {
    weight: usize,
    granted: bool,
}

impl World {
    fn new() -> Self {
        let bulkhead = bulkhead(4, patient(QUEUE));
        Self { bulkhead, inside: Vec::new(), waiters: Vec::new(), places: 4, newest_first: false }
    }

    fn taken(&self) -> usize {
        let granted = self.waiters.iter().filter(|(waiter, _)| waiter.granted);
        self.inside.iter().map(Permit::weight).sum::<usize>()
            + granted.map(|(waiter, _)| waiter.weight).sum::<usize>()
    }

    fn waiting(&self) -> usize {
        self.waiters.iter().filter(|(waiter, _)| !waiter.granted).count()
    }

    /// The model lets in whom it may.
    fn settle(&mut self) {
        loop {
            let taken = self.taken();
            let mut waiting = self.waiters.iter_mut().filter(|(waiter, _)| !waiter.granted);
            let next = if self.newest_first { waiting.next_back() } else { waiting.next() };
            match next {
                Some((waiter, _)) if taken + waiter.weight <= self.places => waiter.granted = true,
                _ => return,
            }
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Enter(weight) => self.enter(weight),
            Step::Try(weight) => {
                let has = self.bulkhead.weighing(weight).try_enter_owned();
                let free = self.waiting() == 0 && self.taken() + weight <= self.places;
                assert_eq!(has.is_ok(), free);
                self.inside.extend(has);
            }
            Step::Leave(which) => {
                if !self.inside.is_empty() {
                    drop(self.inside.swap_remove(which % self.inside.len()));
                }
            }
            Step::DropWaiter(which) => {
                if !self.waiters.is_empty() {
                    drop(self.waiters.remove(which % self.waiters.len()));
                }
            }
            Step::Resize(places) => {
                self.places = places;
                self.bulkhead.resize(places).unwrap();
            }
            Step::NewestFirst(newest_first) => {
                let discipline = if newest_first { Discipline::Lifo } else { Discipline::Fifo };
                self.bulkhead.reconfigure(patient(QUEUE).discipline(discipline)).unwrap();
                self.newest_first = newest_first;
            }
            Step::Come => {
                for (waiter, mut poller) in std::mem::take(&mut self.waiters) {
                    if !waiter.granted {
                        self.waiters.push((waiter, poller));
                        continue;
                    }
                    assert!(poller.wakes() > 0, "it was not told");
                    let Poll::Ready(Ok(permit)) = poller.poll() else { panic!("told in vain") };
                    self.inside.push(permit);
                }
            }
        }
        self.settle();
        self.agrees();
    }

    fn enter(&mut self, weight: usize) {
        let bulkhead = self.bulkhead.clone();
        let mut poller = poll_by_hand(Box::pin(async move {
            bulkhead.weighing(weight).enter_owned(&Context::root()).await
        }) as Entering);
        // The newest is before all, if that is the order.
        let is_next = self.newest_first || self.waiting() == 0;
        let has = is_next && self.taken() + weight <= self.places;
        match poller.poll() {
            Poll::Ready(Ok(permit)) => {
                assert!(has, "it went before others");
                self.inside.push(permit);
            }
            Poll::Ready(Err(_)) => assert!(!has && self.waiting() == QUEUE),
            Poll::Pending => {
                assert!(!has && self.waiting() < QUEUE);
                self.waiters.push((Waiter { weight, granted: false }, poller));
            }
        }
    }

    fn agrees(&self) {
        let numbers = self.bulkhead.numbers();
        assert_eq!((numbers.in_use, numbers.queued), (self.taken(), self.waiting()));
        for (waiter, poller) in &self.waiters {
            assert_eq!(waiter.granted, poller.wakes() > 0, "{waiter:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn the_bulkhead_is_its_model(steps in prop::collection::vec(step(), 1..120)) {
        let mut world = World::new();
        for step in steps {
            world.take(step);
        }
        world.waiters.clear();
        world.inside.clear();
        prop_assert_eq!(super::crowd(&world.bulkhead), (0, 0));
    }
}
