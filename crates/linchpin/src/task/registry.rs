//! The list of live tasks.

use std::panic::Location;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::time::Instant;

/// A task that is alive.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Live {
    /// Unique in the process, ascending in order of spawning.
    pub id: u64,
    /// The name given at spawn.
    pub name: &'static str,
    /// The line that spawned it.
    pub site: &'static Location<'static>,
    /// How long it has been alive.
    pub age: Duration,
}

/// Every live task of the process, oldest first. Stale as soon as it is read.
#[must_use]
pub fn live() -> Vec<Live> {
    let now = Instant::now();
    let mut tasks: Vec<Live> = Vec::new();
    for shard in &SHARDS {
        let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.extend(shard.iter().map(|entry| Live {
            id: entry.id,
            name: entry.name,
            site: entry.site,
            age: now - entry.since,
        }));
    }
    tasks.sort_unstable_by_key(|task| task.id);
    tasks
}

/// A task's place in the list, held by the task itself: it leaves by being dropped, whatever ends the task.
#[derive(Debug)]
pub(super) struct Listed {
    id: u64,
}

struct Entry {
    id: u64,
    name: &'static str,
    site: &'static Location<'static>,
    since: Instant,
}

/// Enough that two cores spawning at full speed seldom meet.
const SHARD_COUNT: usize = 16;
static SHARDS: [Mutex<Vec<Entry>>; SHARD_COUNT] = [const { Mutex::new(Vec::new()) }; SHARD_COUNT];
/// Only uniqueness matters, so relaxed is enough.
static NEXT: AtomicU64 = AtomicU64::new(1);

impl Listed {
    pub(super) fn new(name: &'static str, site: &'static Location<'static>) -> Self {
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        let entry = Entry { id, name, site, since: Instant::now() };
        shard(id).lock().unwrap_or_else(PoisonError::into_inner).push(entry);
        Self { id }
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        let mut shard = shard(self.id).lock().unwrap_or_else(PoisonError::into_inner);
        // Young tasks die first as a rule, and they stand at the end.
        if let Some(index) = shard.iter().rposition(|entry| entry.id == self.id) {
            shard.swap_remove(index);
        }
    }
}

fn shard(id: u64) -> &'static Mutex<Vec<Entry>> {
    &SHARDS[id as usize % SHARD_COUNT]
}
