//! The list of live tasks.
//!
//! A task enters a shard chosen by the thread that spawns it, so that threads seldom meet, and leaves it from wherever
//! it ends. Each shard is a table under a lock: to enter and to leave are O(1), whoever looks holds up one shard at a
//! time. On two virtual Xeon cores both together cost 63 ns, of which 34 are the two locks and 18 the clock, for a
//! hundred thousand live tasks as for one.

use std::cell::Cell;
use std::fmt;
use std::panic::Location;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

#[cfg(feature = "testing")]
use super::home::Home;
use super::slab::Slab;
use crate::shim::{Fault, Mutex, MutexGuard, lock, planted};
use crate::time::Instant;

/// A task that is alive.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Live {
    /// Unique in the process. Says nothing about who came first; the age does.
    pub id: u64,
    /// The name given at spawn.
    pub name: &'static str,
    /// The line that spawned it.
    pub site: &'static Location<'static>,
    /// What it runs on.
    pub kind: Kind,
    /// How long it has been alive.
    pub age: Duration,
    /// Whose it is, for a leak check.
    #[cfg(feature = "testing")]
    pub home: Home,
}

/// What a listed task runs on.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Kind {
    /// The workers of a runtime.
    Async,
    /// A runtime's pool for work that blocks.
    Blocking,
    /// A thread of its own.
    Thread,
}

/// Every live task of the process, oldest first. Stale as soon as it is read.
#[must_use]
pub fn live() -> Vec<Live> {
    live_older_than(Duration::ZERO)
}

/// The tasks that have been alive for `age` or longer, oldest first.
///
/// What is meant to live as long as the process is among them; [`watch`](super::watch) tells each once.
#[must_use]
pub fn live_older_than(age: Duration) -> Vec<Live> {
    REGISTRY.older_than(age)
}

/// The tasks `of` which it is true and that are alive still when `grace` is over, oldest first; none as soon as none is.
///
/// For the end of a program or a test, where what was told to go may take a moment: whoever then is left was forgotten.
/// Looks again every five milliseconds of tokio's clock, since a task leaves the list by being dropped, which tells
/// nobody.
///
/// # Panics
///
/// Outside a tokio runtime with timers, if one is alive at first.
///
/// # Cancel safety
///
/// Safe: it only looks.
pub async fn left_within(grace: Duration, of: impl Fn(&Live) -> bool) -> Vec<Live> {
    const LOOK_AGAIN: Duration = Duration::from_millis(5);
    let look = || live().into_iter().filter(&of).collect::<Vec<_>>();
    let mut left = look();
    if !left.is_empty() {
        let deadline = tokio::time::Instant::now() + grace;
        while !left.is_empty() && tokio::time::Instant::now() < deadline {
            tokio::time::sleep(LOOK_AGAIN).await;
            left = look();
        }
    }
    left
}

/// How many tasks are alive. Takes the lock of each shard once and copies nothing.
#[must_use]
pub fn count() -> usize {
    REGISTRY.count()
}

/// The task at `key` at this moment.
pub(super) fn find(key: Key) -> Option<Live> {
    REGISTRY.find(key)
}

/// A task's place in the list, held by the task itself: it leaves by being dropped, whatever ends the task.
#[derive(Debug)]
pub(super) struct Place {
    key: Key,
    #[cfg(feature = "testing")]
    home: Home,
}

/// Where a task stands in the list, for as long as it does; then another may stand there. Never zero.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Key(pub(crate) u32);

/// The list itself. There is one; models make their own.
pub(crate) struct Registry {
    shards: [Shard; SHARDS],
}

/// A row of its own cache lines (two, since processors fetch them in pairs), or neighbours would slow one another.
#[repr(align(128))]
struct Shard(Mutex<Table>);

struct Table {
    entries: Slab<Entry>,
    /// How many have entered.
    entered: u64,
}

#[derive(Clone, Copy)]
struct Entry {
    id: u64,
    name: &'static str,
    site: &'static Location<'static>,
    kind: Kind,
    since: Instant,
    #[cfg(feature = "testing")]
    home: Home,
}

const SHARDS: usize = 16;
const SHARD_BITS: u32 = SHARDS.trailing_zeros();

#[cfg(not(linchpin_loom))]
static REGISTRY: Registry = Registry::new();
#[cfg(linchpin_loom)]
loom::lazy_static! {
    static ref REGISTRY: Registry = Registry::new();
}

// ===== impl Place =====

impl Place {
    pub(super) fn new(name: &'static str, site: &'static Location<'static>, kind: Kind) -> Self {
        Self {
            key: REGISTRY.enter(shard_of_this_thread(), name, site, kind),
            #[cfg(feature = "testing")]
            home: Home::here(),
        }
    }

    pub(super) fn key(&self) -> Key {
        self.key
    }

    /// Runs `work`, the whole of a task, and leaves the list, be it by a panic.
    pub(super) fn keep_while<T>(self, work: impl FnOnce() -> T) -> T {
        #[cfg(feature = "testing")]
        let _home = self.hand_home_on();
        let output = work();
        drop(self);
        output
    }

    /// Makes what is spawned while this lives stem from the same code as this task.
    #[cfg(feature = "testing")]
    pub(super) fn hand_home_on(&self) -> super::home::Inside {
        self.home.enter()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        REGISTRY.leave(self.key);
    }
}

// ===== impl Registry =====

impl Registry {
    #[cfg(not(linchpin_loom))]
    const fn new() -> Self {
        Self { shards: [const { Shard(Mutex::new(Table::new())) }; SHARDS] }
    }

    #[cfg(linchpin_loom)]
    pub(crate) fn new() -> Self {
        Self { shards: std::array::from_fn(|_| Shard(Mutex::new(Table::new()))) }
    }

    pub(crate) fn enter(
        &self,
        shard: u32,
        name: &'static str,
        site: &'static Location<'static>,
        kind: Kind,
    ) -> Key {
        // Both are read before the lock is taken.
        let since = Instant::now();
        #[cfg(feature = "testing")]
        let home = Home::here();
        let mut table = self.shard(shard);
        let entered = table.entered;
        if planted(Fault::RegistryCountsOutsideItsLock) {
            drop(table);
            table = self.shard(shard);
        }
        table.entered = entered + 1;
        let entry = Entry {
            id: (entered << SHARD_BITS) | u64::from(shard),
            name,
            site,
            kind,
            since,
            #[cfg(feature = "testing")]
            home,
        };
        Key::new(shard, table.entries.insert(entry))
    }

    pub(crate) fn leave(&self, key: Key) {
        self.shard(key.shard()).entries.remove(key.number());
    }

    pub(crate) fn find(&self, key: Key) -> Option<Live> {
        let now = Instant::now();
        self.shard(key.shard()).entries.get(key.number()).map(|entry| entry.live(now))
    }

    pub(crate) fn count(&self) -> usize {
        (0..SHARDS as u32).map(|shard| self.shard(shard).entries.len()).sum()
    }

    pub(crate) fn older_than(&self, age: Duration) -> Vec<Live> {
        let now = Instant::now();
        let mut found: Vec<Entry> = Vec::new();
        for shard in 0..SHARDS as u32 {
            let table = self.shard(shard);
            found.extend(table.entries.iter().filter(|entry| now - entry.since >= age));
        }
        found.sort_unstable_by_key(|entry| (entry.since, entry.id));
        found.iter().map(|entry| entry.live(now)).collect()
    }

    fn shard(&self, shard: u32) -> MutexGuard<'_, Table> {
        lock(&self.shards[shard as usize].0)
    }
}

impl Table {
    const fn new() -> Self {
        Self { entries: Slab::new(), entered: 0 }
    }
}

impl Entry {
    fn live(&self, now: Instant) -> Live {
        Live {
            id: self.id,
            name: self.name,
            site: self.site,
            kind: self.kind,
            age: now - self.since,
            #[cfg(feature = "testing")]
            home: self.home,
        }
    }
}

// ===== impl Key =====

impl Key {
    /// Numbers beyond 28 bits do not occur: their rows alone would fill 13 gigabytes of one shard.
    fn new(shard: u32, number: u32) -> Self {
        Self(((number << SHARD_BITS) | shard) + 1)
    }

    fn shard(self) -> u32 {
        (self.0 - 1) % SHARDS as u32
    }

    fn number(self) -> u32 {
        (self.0 - 1) >> SHARD_BITS
    }
}

// ===== impl Live =====

impl fmt::Display for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` from {}", self.name, self.site)
    }
}

fn shard_of_this_thread() -> u32 {
    /// Deals the shards out in turn. Not part of a protocol, hence std's and relaxed.
    static NEXT: AtomicU32 = AtomicU32::new(0);
    thread_local! {
        static MINE: Cell<Option<u32>> = const { Cell::new(None) };
    }
    MINE.get().unwrap_or_else(|| {
        let shard = NEXT.fetch_add(1, Ordering::Relaxed) % SHARDS as u32;
        MINE.set(Some(shard));
        shard
    })
}
