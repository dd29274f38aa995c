//! The counts of nodes within a process, for tests.

use std::collections::HashMap;
use std::fmt;

use super::store::{CountStore, Counts, Told};
use crate::shim::{Mutex, lock};
use crate::time::Instant;

/// Counts in the memory of this process: for tests, and for several runtimes in one.
#[derive(Default)]
pub struct Memory {
    groups: Mutex<HashMap<String, Nodes>>,
}

/// What each node said last, and when.
type Nodes = HashMap<u64, (Instant, Counts)>;

impl CountStore for Memory {
    async fn exchange<'a>(&'a self, told: &'a Told<'a>) -> crate::Result<Vec<Counts>> {
        let now = Instant::now();
        let mut groups = lock(&self.groups);
        let nodes = groups.entry(told.group.to_owned()).or_default();
        nodes.insert(told.counts.node, (now, told.counts));
        nodes.retain(|_, (at, _)| now - *at < told.forget_after);
        let others = nodes.values().map(|(_, counts)| *counts);
        Ok(others.filter(|counts| counts.node != told.counts.node).collect())
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").field("groups", &lock(&self.groups).len()).finish()
    }
}
