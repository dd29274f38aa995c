//! The service: workers, a line before them, and bad days.

use std::sync::Arc;
use std::time::Duration;

use linchpin::resilience::shed::Load;
use linchpin::resilience::stack::Stack;
use linchpin::resilience::{Failed, FailedKind};
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

/// How often somebody looks how busy the workers are, and what of the average stays then: as the shedder's own source.
const LOOKS: Duration = Duration::from_millis(250);
const KEPT: f64 = 0.95;

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
        let load = Load::given();
        let shared = Shared {
            plan: plan.clone(),
            start: Instant::now(),
            workers: Semaphore::new(plan.workers as usize, line)?,
            policies: variant.server(plan, &load)?,
            chance: Mutex::new(fastrand::Rng::with_seed(plan.seed)),
            meter,
            tasks,
        };
        let shared = Arc::new(shared);
        if shared.policies.shedder().is_some() {
            let watched = shared.clone();
            shared.tasks.spawn("load", async move { watched.watch(&load).await });
        }
        Ok(Self { shared })
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
    /// Tells how busy the workers are, as the kernel tells it of processors: an average, four times a second.
    async fn watch(&self, load: &Load) {
        let (root, all, mut average) = (Context::root(), f64::from(self.plan.workers), 0.0);
        while root.sleep(LOOKS).await.is_ok() {
            let busy = 1.0 - self.workers.available() as f64 / all;
            average = average * KEPT + busy * (1.0 - KEPT);
            load.set(average);
        }
    }

    async fn answer(&self) -> Result<(), Sick> {
        let root = Context::root();
        let answered = self.policies.call(&root, |_| async {
            let Ok(_worker) = self.workers.acquire(&root, 1).await else { return Err(Sick::Busy) };
            let (takes, fails) = self.work();
            // The root never ends.
            drop(root.sleep(takes).await);
            if fails { Err(Sick::Failed) } else { Ok(()) }
        });
        answered.await.map_err(sick)
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

/// Whatever a policy refused is busy.
fn sick(failed: Failed<Sick>) -> Sick {
    match failed.into_kind() {
        FailedKind::Callee(sick) => sick,
        _ => Sick::Busy,
    }
}
