//! The variants: what stands around the calls of a client, and before the service.

use std::time::Duration;

use linchpin::Result;
use linchpin::resilience::BadOptions;
use linchpin::resilience::adaptive;
use linchpin::resilience::breaker;
use linchpin::resilience::hedge;
use linchpin::resilience::limiter::{self, Rate};
use linchpin::resilience::retry::{self, Budget, Jitter, Schedule};
use linchpin::resilience::shed::{self, Load};
use linchpin::resilience::stack::{Builder, Stack};
use linchpin::resilience::throttle;

use super::Plan;

/// A variant of the storm.
#[derive(Clone, Copy, Debug)]
pub struct Variant {
    /// One word.
    pub name: &'static str,
    /// What it has, in a line.
    pub what: &'static str,
    client: fn(Builder) -> Result<Builder, BadOptions>,
    /// What the service has, which is told how busy its workers are.
    server: fn(Builder, &Plan, &Load) -> Builder,
}

/// How long clients wait for an attempt, in all variants.
const ATTEMPT: Duration = Duration::from_secs(1);

/// How long a breaker is open that looks again soon.
const SOON: Duration = Duration::from_secs(2);

/// All of them. Every one has a time limit of a second for an attempt.
#[must_use]
pub fn variants() -> Vec<Variant> {
    let plain = Variant {
        name: "none",
        what: "no policy but the time limit",
        client: Ok,
        server: |builder, _, _| builder,
    };
    vec![
        plain,
        Variant {
            name: "naive",
            what: "four attempts, 10 ms apart, without a budget",
            client: |builder| Ok(builder.retry(naive()?)),
            ..plain
        },
        Variant {
            name: "retry",
            what: "three attempts with backoff, full jitter and a budget",
            client: |builder| Ok(builder.retry(retry::Options::default().idempotent())),
            ..plain
        },
        Variant {
            name: "hedge",
            what: "a second attempt when the first is slower than 95 of a hundred, for one call in twenty",
            client: |builder| Ok(builder.hedge(hedge::Options::default().idempotent())),
            ..plain
        },
        Variant {
            name: "breaker",
            what: "a breaker in each client",
            client: |builder| Ok(builder.breaker(by_share())),
            ..plain
        },
        Variant {
            name: "throttle",
            what: "an adaptive throttle in each client",
            client: |builder| Ok(builder.throttle(by_load())),
            ..plain
        },
        Variant {
            name: "limiter",
            what: "a client begins eight calls a second at most",
            client: |builder| {
                Ok(builder.limiter((Rate::per_second(8), limiter::Options::default())))
            },
            ..plain
        },
        Variant {
            name: "bulkhead",
            what: "a client has two calls under way at most",
            client: |builder| Ok(builder.bulkhead(2)),
            ..plain
        },
        Variant {
            name: "adaptive",
            what: "the service finds out by itself how many it can let in",
            server: |builder, _, _| builder.adaptive(adaptive::Options::default().max(1_000)),
            ..plain
        },
        Variant {
            name: "shed",
            what: "the service sheds what is more than it bears while nine tenths of its workers are busy",
            server: |builder, _, load| builder.shed(shed::Options::default().load(load.clone())),
            ..plain
        },
        Variant {
            name: "server",
            what: "the service lets twice its workers in, and refuses the rest at once",
            server: |builder, plan, _| builder.bulkhead(2 * plan.workers as usize),
            ..plain
        },
        Variant {
            name: "stack",
            what: "all in each client, a breaker that looks again soon; the service refuses what is too much",
            client: |builder| {
                Ok(builder
                    .retry(retry::Options::default().idempotent())
                    .breaker(by_share().open_for(SOON).max_open_for(SOON))
                    .bulkhead(8))
            },
            server: |builder, plan, _| builder.bulkhead(2 * plan.workers as usize),
        },
    ]
}

fn naive() -> Result<retry::Options, BadOptions> {
    let schedule = Schedule::constant(Duration::from_millis(10))?.jitter(Jitter::None)?;
    let options = retry::Options::default().idempotent().max_attempts(4).backoff(schedule);
    Ok(options.budget(Budget::unlimited()))
}

/// A client makes five calls a second: ten of them are two seconds.
fn by_share() -> breaker::Options {
    breaker::Options::default().time_window(Duration::from_secs(10)).min_calls(10)
}

/// The default looks back two minutes, which is longer than the storm.
fn by_load() -> throttle::Options {
    throttle::Options::default().window(Duration::from_secs(20))
}

impl Variant {
    pub(super) fn client(&self) -> Result<Stack> {
        Ok((self.client)(Stack::client("storm").timeout(ATTEMPT))?.build()?)
    }

    pub(super) fn server(&self, plan: &Plan, load: &Load) -> Result<Stack> {
        Ok((self.server)(Stack::server("service"), plan, load).build()?)
    }
}
