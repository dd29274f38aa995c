//! A service slows, fails and recovers under the calls of many clients: with and without each policy.

mod client;
mod draw;
mod report;
mod service;
mod table;
mod variant;

use std::sync::Arc;
use std::time::Duration;

pub use self::draw::draw;
pub use self::report::{Report, Second};
pub use self::table::table;
pub use self::variant::{Variant, variants};
use linchpin::task::Tracker;
use linchpin::time::Instant;
use linchpin::{Context, Error, Kind, Result};

use self::report::Meter;
use self::service::Service;

/// What it is about.
pub const TITLE: &str =
    "a service slows, fails and recovers: what each policy does for its clients, and to it";

/// What it asks and how to read it.
pub const EXPLAINED: &str = "\
A storm: 200 clients call one service, each five times a second, by chance. The service has 32 workers, an answer takes
20 ms, so it could give 1,600 answers a second and is asked for 1,000. Who finds no worker free waits in a line of 3,000.

   0 s  all is well
  20 s  it slows: an answer takes ten times as long
  35 s  it fails: nine answers of ten are errors
  45 s  it is well again
  90 s  the end

A call is good if its answer comes within two seconds. Clients stop waiting for an attempt after one second; the service
does not know, and works for nobody. That is how a storm feeds itself: the line is full of calls that nobody waits for, all
that it gives comes too late, and those who try again lengthen the line.

  goodput      good answers a second: before the storm, while it lasts, after it
  load         attempts that reach the service, for each call
  p99          how long a call took, good or bad, while the storm lasts
  wasted       answers for which nobody waited any more
  recovers     after how many seconds the service is well the goodput is what it was before, for good
";

/// How large, how long, and where chance begins.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where chance begins.
    pub seed: u64,
    /// How many clients there are.
    pub clients: u32,
    /// How many workers the service has.
    pub workers: u32,
    /// How many may wait for a worker.
    pub line: u32,
    /// When it slows, fails, is well again, and ends, in seconds.
    pub phases: [u32; 4],
}

impl Plan {
    /// As it is explained.
    #[must_use]
    pub fn whole(seed: u64) -> Self {
        Self { seed, clients: 200, workers: 32, line: 3_000, phases: [20, 35, 45, 90] }
    }

    /// A tenth of all, and shorter: the same shape.
    #[must_use]
    pub fn short(seed: u64) -> Self {
        Self { seed, clients: 25, workers: 4, line: 375, phases: [10, 16, 20, 40] }
    }

    /// How long it lasts, in seconds.
    #[must_use]
    pub fn seconds(&self) -> u32 {
        self.phases[3]
    }
}

/// Runs a variant under a clock that moves when nobody has anything to do.
///
/// # Errors
///
/// If the policies of the variant do not fit together, or there is no runtime to be had.
pub fn run(plan: &Plan, variant: &Variant) -> Result<Report> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .map_err(|error| Error::new(Kind::Internal, error).context("a runtime"))?;
    // The policies' own chance, on this thread.
    fastrand::seed(plan.seed);
    runtime.block_on(perform(plan, variant))
}

async fn perform(plan: &Plan, variant: &Variant) -> Result<Report> {
    let start = Instant::now();
    let meter = Arc::new(Meter::new(start, plan.seconds()));
    let tasks = Tracker::new("storm");
    let service = Service::new(plan, variant, meter.clone(), tasks.clone())?;
    let mut stacks = Vec::new();
    for number in 0..plan.clients {
        let stack = variant.client()?;
        stacks.push(stack.clone());
        let chance = fastrand::Rng::with_seed(plan.seed ^ (u64::from(number) << 32 | 0x5EED));
        let (service, meter, own) = (service.clone(), meter.clone(), tasks.clone());
        let end = start + Duration::from_secs(plan.seconds().into());
        tasks.spawn("client", client::live(stack, service, meter, own, chance, end));
    }
    let all = Duration::from_secs(u64::from(plan.seconds()) + 5);
    Context::root().sleep(all).await?;
    tasks.abort_all();
    Ok(Report::new(plan, variant, &meter))
}
