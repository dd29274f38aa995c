//! Whatever is done in whatever order: a plain model of the rules says the same after every step.
//!
//! The model has no word, no lock and no lists: a vector of waiters, and signed numbers. Who has been told and has not
//! come yet is a part of it, so that what was granted is dropped, ended and given on, too.

mod model;

use std::task::Poll;

use linchpin::Context;
use linchpin::context::Child;
use linchpin::resilience::{Failed, FailedKind};
use linchpin::sync::semaphore::{Options, Permit, Semaphore};
use linchpin::task::pool::Priority;
use linchpin_testing::steps::{Poller, poll_by_hand};
use proptest::prelude::*;

use self::model::{Fate, Model, Waiting};

const PRIORITIES: [Priority; 3] = [Priority::High, Priority::Normal, Priority::Low];

#[derive(Clone, Copy, Debug)]
enum Step {
    Acquire {
        permits: usize,
        level: usize,
    },
    Try(usize),
    Release(usize),
    ReleasePart {
        which: usize,
        permits: usize,
    },
    Merge(usize, usize),
    Forget(usize),
    Resize(usize),
    DropWaiter(usize),
    EndWaiter(usize),
    Close,
    /// Those who were woken come for their turn.
    Come,
}

fn step() -> impl Strategy<Value = Step> {
    let which = || any::<prop::sample::Index>().prop_map(|index| index.index(1 << 16));
    prop_oneof![
        24 => (1..8_usize, prop_oneof![1 => Just(0_usize), 3 => Just(1), 1 => Just(2)])
            .prop_map(|(permits, level)| Step::Acquire { permits, level }),
        4 => (0..8_usize).prop_map(Step::Try),
        16 => which().prop_map(Step::Release),
        4 => (which(), 0..5_usize).prop_map(|(which, permits)| Step::ReleasePart { which, permits }),
        2 => (which(), which()).prop_map(|(one, other)| Step::Merge(one, other)),
        1 => which().prop_map(Step::Forget),
        4 => (1..9_usize).prop_map(Step::Resize),
        5 => which().prop_map(Step::DropWaiter),
        4 => which().prop_map(Step::EndWaiter),
        1 => prop::bool::weighted(0.1).prop_map(|close| if close { Step::Close } else { Step::Come }),
        20 => Just(Step::Come),
    ]
}

// ===== the semaphore, beside the model =====

type Acquire = std::pin::Pin<Box<dyn Future<Output = Result<Permit, Failed>>>>;

struct Waiter {
    id: usize,
    ctx: Child,
    poller: Poller<Acquire>,
    seen: usize,
}

struct World {
    semaphore: Semaphore,
    model: Model,
    waiters: Vec<Waiter>,
    held: Vec<Permit>,
}

impl World {
    fn step(&mut self, step: Step, id: usize) {
        match step {
            Step::Acquire { permits, level } => self.acquire(id, permits, level),
            Step::Try(permits) => {
                let permit = self.semaphore.try_acquire_owned(permits).ok();
                assert_eq!(permit.is_some(), self.model.try_acquire(permits), "try {permits}");
                self.held.extend(permit);
            }
            Step::Release(which) => {
                let Some(permit) = self.take(which) else { return };
                self.model.release(permit.permits());
                drop(permit);
            }
            Step::ReleasePart { which, permits } => {
                let Some(mut permit) = self.take(which) else { return };
                if let Some(part) = permit.split(permits) {
                    self.model.release(permits);
                    drop(part);
                }
                self.held.push(permit);
            }
            Step::Merge(one, other) => {
                let Some(mut one) = self.take(one) else { return };
                if let Some(other) = self.take(other) {
                    one.merge(other);
                }
                self.held.push(one);
            }
            Step::Forget(which) => {
                let Some(permit) = self.take(which) else { return };
                self.model.forget(permit.permits());
                permit.forget();
            }
            Step::Resize(limit) => {
                self.model.resize(limit as i64);
                self.semaphore.resize(limit).unwrap();
            }
            Step::DropWaiter(which) => {
                if !self.waiters.is_empty() {
                    let waiter = self.waiters.remove(which % self.waiters.len());
                    self.model.leave(waiter.id);
                    drop(waiter);
                }
            }
            Step::EndWaiter(which) => {
                if !self.waiters.is_empty() {
                    self.waiters[which % self.waiters.len()].ctx.cancel("planted");
                }
            }
            Step::Close => {
                self.model.close();
                self.semaphore.close();
            }
            Step::Come => self.come(),
        }
        self.compare();
    }

    fn acquire(&mut self, id: usize, permits: usize, level: usize) {
        let ctx = Context::root().child();
        let (semaphore, own) = (self.semaphore.clone(), Context::clone(&ctx));
        let acquire: Acquire =
            Box::pin(
                async move { semaphore.at(PRIORITIES[level]).acquire_owned(&own, permits).await },
            );
        let mut poller = poll_by_hand(acquire);
        let polled = poller.poll();
        let fate = match &polled {
            Poll::Pending => Fate::Waits,
            Poll::Ready(Ok(_)) => Fate::Granted,
            Poll::Ready(Err(_)) => Fate::Refused,
        };
        assert_eq!(fate, self.model.acquire(id, permits, level), "acquire {permits}");
        match polled {
            Poll::Pending => self.waiters.push(Waiter { id, ctx, poller, seen: 0 }),
            Poll::Ready(result) => self.held.extend(result.ok()),
        }
    }

    /// Those who were woken come, in the order in which they were made, until nobody was.
    fn come(&mut self) {
        let mut at = 0;
        while at < self.waiters.len() {
            let waiter = &mut self.waiters[at];
            let woken = waiter.poller.wakes() > waiter.seen;
            waiter.seen = waiter.poller.wakes();
            let is_it = |other: &&Waiting| other.id == waiter.id;
            let fate = self.model.waiters.iter().find(is_it).unwrap().fate;
            let told = fate != Fate::Waits || waiter.ctx.is_cancelled();
            assert_eq!(
                woken, told,
                "{fate:?}: who has something to come for is woken, and nobody else"
            );
            if !woken {
                at += 1;
                continue;
            }
            let Poll::Ready(result) = waiter.poller.poll() else { panic!("woken for nothing") };
            let (kept, expected) = match (fate, waiter.ctx.is_cancelled()) {
                (Fate::Granted, false) => (true, "granted"),
                (Fate::Refused, _) => (false, "refused"),
                _ => (false, "ended"),
            };
            let got = match result.as_ref().map_err(Failed::kind) {
                Ok(_) => "granted",
                Err(FailedKind::Refused(_)) => "refused",
                Err(_) => "ended",
            };
            assert_eq!(got, expected);
            let id = waiter.id;
            self.waiters.remove(at);
            if kept {
                self.model.waiters.retain(|waiter| waiter.id != id);
            } else {
                self.model.leave(id);
            }
            self.held.extend(result.ok());
            self.compare();
            at = 0;
        }
    }

    fn take(&mut self, which: usize) -> Option<Permit> {
        (!self.held.is_empty()).then(|| self.held.swap_remove(which % self.held.len()))
    }

    #[track_caller]
    fn compare(&self) {
        let free = (self.model.limit - self.model.held).max(0) as usize;
        let ours = (self.semaphore.available(), self.semaphore.limit(), self.semaphore.waiting());
        assert_eq!(
            ours,
            (free, self.model.limit as usize, self.model.waiting()),
            "{:?}",
            self.model
        );
    }
}

fn play(permits: usize, most: usize, overtaking: usize, steps: Vec<Step>) {
    let options = Options::default().max_waiting(most).overtaking(overtaking);
    let mut world = World {
        semaphore: Semaphore::new(permits, options).unwrap(),
        model: Model {
            limit: permits as i64,
            held: 0,
            closed: false,
            most,
            overtaking,
            waiters: Vec::new(),
            patience: [0; 3],
        },
        waiters: Vec::new(),
        held: Vec::new(),
    };
    for (id, step) in steps.into_iter().enumerate() {
        world.step(step, id);
    }
    // In the end all that is held is given back, and whoever waits is served, refused or ended.
    while !(world.held.is_empty() && world.waiters.is_empty()) {
        world.step(Step::Come, 0);
        world.step(Step::Release(0), 0);
    }
    assert_eq!(world.semaphore.available(), world.semaphore.limit());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn a_plain_model_says_the_same_after_every_step(
        permits in 1..8_usize,
        most in prop_oneof![4 => Just(usize::MAX), 1 => 0..4_usize],
        overtaking in prop_oneof![2 => Just(0_usize), 3 => 1..5_usize],
        steps in prop::collection::vec(step(), 1..150),
    ) {
        play(permits, most, overtaking, steps);
    }
}
