//! The areas there are.

use linchpin::Result;

use crate::harness::Operation;
use crate::row::Row;
use crate::{
    context, context_tree, floor, registry, relay, resilience, resilience_limiter, sync, tasks,
};

/// Something to measure in one run.
#[derive(Clone, Copy, Debug)]
pub struct Area {
    /// The word on the command line, and the file's name.
    pub name: &'static str,
    /// What is in it.
    pub about: &'static str,
    /// What the harness measures; allocations are counted for these.
    pub operations: fn() -> Vec<Operation>,
    /// What measures itself; `true` for a short run.
    pub rest: fn(short: bool) -> Result<Report>,
}

/// What an area found out by itself.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Its rows.
    pub rows: Vec<Row>,
    /// The last line of the run: the figures against the aims.
    pub verdict: Option<String>,
}

/// Every area.
pub const AREAS: &[Area] = &[
    Area {
        name: "floor",
        about: "what nothing on this machine can be faster than",
        operations: floor::operations,
        rest: floor::disk,
    },
    Area {
        name: "context",
        about: "linchpin::Context beside tokio-util's CancellationToken",
        operations: context::operations,
        rest: |_| context_tree::bytes(),
    },
    Area {
        name: "registry",
        about: "what it costs to have every task listed and watched, beside bare tokio",
        operations: registry::operations,
        rest: |_| Ok(Report::default()),
    },
    Area {
        name: "tasks",
        about: "groups and what else runs many tasks, beside tokio's own means",
        operations: tasks::operations,
        rest: |_| Ok(Report::default()),
    },
    Area {
        name: "sync",
        about: "shared state: semaphores, once, buses, stripes, pools, batches, beside their crates",
        operations: sync::operations,
        rest: |_| Ok(Report::default()),
    },
    Area {
        name: "resilience",
        about: "policies around a call: breakers, limiters, beside their crates",
        operations: resilience::operations,
        rest: |_| resilience_limiter::bytes(),
    },
    Area {
        name: "relay",
        about: "the release binary under load: rate, latency, processor time, memory",
        operations: Vec::new,
        rest: relay::load,
    },
    Area {
        name: "relay-neighbours",
        about: "what healthy endpoints notice of 200 that hang and 20 that refuse",
        operations: Vec::new,
        rest: relay::neighbours,
    },
    Area {
        name: "relay-million",
        about: "what a million stored messages cost those that come after them",
        operations: Vec::new,
        rest: relay::million,
    },
];

impl Area {
    /// The area of that name.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        AREAS.iter().find(|area| area.name == name)
    }

    /// All areas, a line each.
    #[must_use]
    pub fn list() -> String {
        let line = |area: &Self| format!("  {:18}{}", area.name, area.about);
        AREAS.iter().map(line).collect::<Vec<_>>().join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::AREAS;

    /// The script must refuse a wrong word before it builds for minutes, so it has a list too.
    #[test]
    fn the_script_knows_the_same_areas() {
        let script = include_str!("../../../scripts/bench");
        let line = script.lines().find(|line| line.starts_with("readonly areas="));
        let names: Vec<&str> = AREAS.iter().map(|area| area.name).collect();
        assert_eq!(line, Some(format!("readonly areas='{}'", names.join(" ")).as_str()));
    }
}
