//! The service: workers, a line before them, and bad days.

use std::sync::Arc;
use std::time::Duration;

use linchpin::resilience::stack::Stack;
use linchpin::sync::semaphore::{self, Semaphore};
use linchpin::sync::{Mutex, channel};
use linchpin::task::Tracker;
use linchpin::time::Instant;
use linchpin::{Context, Result};

use super::report::Meter;
use super::{Plan, Variant};

/// How long an answer takes while all is well, on average.
const ANSWER: Duration = Duration::from_millis(20);

/// How many times as long while it is slow.
const SLOW: f64 = 10.0;

/// What share of the answers are errors while it fails.
const FAILING: f64 = 0.9;

/// The service refused or failed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Sick {
    /// The line is full, or a policy of the service refused.
    Busy,
    Failed,
}

/// Clones are the same service.
#[derive(Clone)]
pub(super) struct Service {
    shared: Arc<Shared>,
}

struct Shared {
    plan: Plan,
    start: Instant,
    workers: Semaphore,
    /// The service's own policies.
    policies: Stack,
    chance: Mutex<fastrand::Rng>,
    meter: Arc<Meter>,
    tasks: Tracker,
}

impl Service {
    pub(super) fn new(
        plan: &Plan,
        variant: &Variant,
        meter: Arc<Meter>,
        tasks: Tracker,
    ) -> Result<Self> {
        let line = semaphore::Options::default().name("workers").max_waiting(plan.line as usize);
        let shared = Shared {
            plan: plan.clone(),
            start: Instant::now(),
            workers: Semaphore::new(plan.workers as usize, line)?,
            policies: variant.server(plan)?,
            chance: Mutex::new(fastrand::Rng::with_seed(plan.seed)),
            meter,
            tasks,
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Asks, and waits for the answer. Whoever goes away is worked for all the same.
    pub(super) async fn ask(&self) -> Result<(), Sick> {
        let shared = self.shared.clone();
        shared.meter.asked(Instant::now());
        let (answer, mut answered) = channel::bounded(1).expect("room for one");
        self.shared.tasks.spawn("answer", async move {
            let result = shared.answer().await;
            if answer.try_send(result).is_err() {
                shared.meter.wasted(Instant::now());
            }
        });
        answered.recv(&Context::root()).await.unwrap_or(Err(Sick::Failed))
    }
}

impl Shared {
    async fn answer(&self) -> Result<(), Sick> {
        let root = Context::root();
        let answered = self.policies.call(&root, |_| async {
            let Ok(_worker) = self.workers.acquire(&root, 1).await else { return Err(Sick::Busy) };
            let (takes, fails) = self.work();
            // The root never ends.
            drop(root.sleep(takes).await);
            if fails { Err(Sick::Failed) } else { Ok(()) }
        });
        answered.await.map_err(|failed| match failed.into_kind() {
            linchpin::resilience::FailedKind::Callee(sick) => sick,
            _ => Sick::Busy,
        })
    }

    /// How long the next answer takes, and whether it is an error.
    fn work(&self) -> (Duration, bool) {
        let second = self.start.elapsed().as_secs() as u32;
        let [slows, fails, recovers, _] = self.plan.phases;
        let mut chance = self.chance.lock();
        let spread = 0.5 + chance.f64();
        match second {
            at if at >= slows && at < fails => (ANSWER.mul_f64(SLOW * spread), false),
            at if at >= fails && at < recovers => (ANSWER.mul_f64(spread), chance.f64() < FAILING),
            _ => (ANSWER.mul_f64(spread), false),
        }
    }
}
