//! Outlier ejection and the choice among targets: Envoy's rules and Finagle's choice as cases, the rules of all policies,
//! a set that changes while it is used.

mod choice;
mod eject;
mod events;
mod life;
mod rules;
mod service;

use std::time::Duration;

use linchpin::resilience::Outcome;
use linchpin::resilience::outlier::{Balancer, Options, TargetNumbers};
use linchpin::resilience::retry::Tried;
use linchpin::time::Instant;

pub(crate) const SECOND: Duration = Duration::from_secs(1);

pub(crate) const NAMES: [&str; 10] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];

/// No chance: ejections are as long as they are at least.
pub(crate) fn exact() -> Options {
    Options::default().random(|| 0.0)
}

pub(crate) fn hosts(many: usize, options: Options) -> Balancer<&'static str> {
    Balancer::new("test", NAMES[..many].iter().copied(), options).unwrap()
}

/// A call to the target of that name, which ends at once; whether calls go there.
pub(crate) fn give(hosts: &Balancer<&'static str>, name: &str, outcome: Outcome) -> bool {
    let now = Instant::now();
    for step in 0..200 {
        let picked = hosts.pick(now, f64::from(step) / 200.0, &Tried::default()).unwrap();
        if **picked == name {
            picked.record_at(now, outcome);
            return true;
        }
    }
    false
}

pub(crate) fn times(
    hosts: &Balancer<&'static str>,
    name: &str,
    outcome: Outcome,
    times: usize,
) -> bool {
    (0..times).all(|_| give(hosts, name, outcome))
}

pub(crate) fn known(hosts: &Balancer<&'static str>, name: &str) -> TargetNumbers<&'static str> {
    let found = hosts.targets().into_iter().find(|target| **target.target == *name);
    found.expect("a target of that name")
}

/// The names of those that are ejected.
pub(crate) fn ejected(hosts: &Balancer<&'static str>) -> Vec<&'static str> {
    let targets = hosts.targets();
    let ejected = targets.iter().filter(|target| target.ejected_for.is_some());
    ejected.map(|target| *target.target).collect()
}

pub(crate) async fn pass(duration: Duration) {
    tokio::time::advance(duration).await;
}
