//! A client: calls by chance, each through its policies.

use std::sync::Arc;
use std::time::Duration;

use linchpin::Context;
use linchpin::resilience::stack::Stack;
use linchpin::task::Tracker;
use linchpin::time::Instant;

use super::report::{Ended, Meter};
use super::service::Service;

/// How many calls a client makes a second, on average.
pub(super) const CALLS_A_SECOND: f64 = 5.0;

/// How long an answer is worth something.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);

/// Makes calls until `end`, each a task: a client does not wait for one before it makes the next.
pub(super) async fn live(
    stack: Stack,
    service: Service,
    meter: Arc<Meter>,
    tasks: Tracker,
    mut chance: fastrand::Rng,
    end: Instant,
) {
    let root = Context::root();
    loop {
        let pause = -(1.0 - chance.f64()).ln() / CALLS_A_SECOND;
        if root.sleep(Duration::from_secs_f64(pause)).await.is_err() || Instant::now() >= end {
            return;
        }
        tasks.spawn("call", call(stack.clone(), service.clone(), meter.clone()));
    }
}

async fn call(stack: Stack, service: Service, meter: Arc<Meter>) {
    let begun = Instant::now();
    meter.offered(begun);
    let ctx = Context::root().with_timeout(PATIENCE);
    let result = stack.call(&ctx, |_| service.ask()).await;
    let ended = match result {
        Ok(()) => Ended::Well,
        Err(failed) => match failed.kind() {
            linchpin::resilience::FailedKind::Refused(_) => Ended::Refused,
            _ => Ended::Badly,
        },
    };
    meter.ended(begun, ended);
}
