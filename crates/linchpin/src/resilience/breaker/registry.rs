//! A breaker for each key.

use std::collections::VecDeque;
use std::fmt;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use super::machine::Core;
use super::meters::Meters;
use super::{Breaker, Options};
use crate::resilience::{BadOptions, ByResult, Snapshot};
use crate::shim::atomic::AtomicU64;
use crate::shim::atomic::Ordering::Relaxed;
use crate::shim::{Mutex, lock};
use crate::sync::striped::Map;
use crate::time::Instant;

/// A breaker for each key, made when it is asked for, and forgotten when it was not for a while.
///
/// For keys that fail apart and are not known beforehand: the endpoints of customers, hosts. Not for URLs with ids in
/// them: each would be judged by a single call.
///
/// Bounded: with [`max_keys`](RegistryOptions::max_keys) breakers the one that was asked for longest ago goes, of those
/// that nobody holds; if all are held, a key gets a breaker that is not kept. What goes is forgotten: a key that comes
/// back begins closed. Breakers that are idle are let go of when others come; no task and no timer does it.
///
/// All share their options, their name and the series of their metrics; the key is in refusals and logs.
///
/// ```
/// # use linchpin::resilience::breaker::{Options, Registry, RegistryOptions};
/// let endpoints: Registry<u64> = Registry::new("endpoint", Options::default(), RegistryOptions::default())?;
/// let breaker = endpoints.get(&17);
/// breaker.force_open();
/// assert!(endpoints.get(&17).call_sync(|| Ok::<_, ()>(1)).is_err());
/// assert!(endpoints.get(&18).call_sync(|| Ok::<_, ()>(1)).is_ok());
/// # Ok::<(), linchpin::resilience::BadOptions>(())
/// ```
pub struct Registry<K, C = ByResult> {
    name: &'static str,
    meters: Arc<Meters>,
    limits: RegistryOptions,
    breakers: Map<K, Entry>,
    newcomers: Mutex<Newcomers<K>>,
    classify: C,
}

/// How many breakers a [`Registry`] keeps, and for how long.
#[derive(Clone, Debug)]
pub struct RegistryOptions {
    max_keys: usize,
    idle: Duration,
}

struct Entry {
    core: Arc<Core>,
    /// When it was asked for last.
    used: AtomicU64,
}

/// What only those change who bring a new key.
struct Newcomers<K> {
    options: Options,
    /// All keys, in the order in which they are looked at, and when they were used when they were looked at last.
    line: VecDeque<(K, u64)>,
}

/// How many breakers are looked at for each that is made, if there is room.
const LOOKS: usize = 2;

// ===== impl Registry =====

impl<K: Clone + Eq + Hash + fmt::Display> Registry<K> {
    /// A registry without a breaker; `name` is that of all.
    ///
    /// # Errors
    ///
    /// If options do not fit together.
    pub fn new(
        name: &'static str,
        options: Options,
        limits: RegistryOptions,
    ) -> Result<Self, BadOptions> {
        options.check()?;
        limits.check()?;
        let newcomers = Mutex::new(Newcomers { options, line: VecDeque::new() });
        let meters = Arc::new(Meters::new(name));
        Ok(Self { name, meters, limits, breakers: Map::new(), newcomers, classify: ByResult })
    }
}

impl<K, C> Registry<K, C> {
    /// The same registry, whose breakers read results in another way.
    #[must_use]
    pub fn classified<D>(self, classify: D) -> Registry<K, D> {
        let Self { name, meters, limits, breakers, newcomers, classify: _ } = self;
        Registry { name, meters, limits, breakers, newcomers, classify }
    }

    /// How many breakers it keeps now.
    #[must_use]
    pub fn len(&self) -> usize {
        self.breakers.len()
    }

    /// Whether it keeps none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All its breakers as people look at them, in no order.
    #[must_use]
    pub fn snapshots(&self) -> Vec<Snapshot> {
        self.all().iter().map(Breaker::snapshot).collect()
    }

    /// Takes other options for all breakers, those it keeps and those to come. See [`Breaker::reconfigure`].
    ///
    /// # Errors
    ///
    /// If the options do not fit together; nothing has changed then.
    pub fn reconfigure(&self, options: &Options) -> Result<(), BadOptions> {
        options.check()?;
        // First, so that whoever comes meanwhile begins with them.
        lock(&self.newcomers).options = options.clone();
        self.all().iter().try_for_each(|breaker| breaker.reconfigure(options.clone()))
    }

    fn all(&self) -> Vec<Breaker<()>> {
        let mut all = Vec::new();
        self.breakers.for_each(|_, entry| {
            all.push(Breaker { core: entry.core.clone(), classify: () });
        });
        all
    }
}

impl<K: Clone + Eq + Hash + fmt::Display, C: Clone> Registry<K, C> {
    /// The breaker of `key`.
    ///
    /// Reads the clock, and clones a handle under the lock of a stripe: keep the breaker of a key that is asked for
    /// often.
    pub fn get(&self, key: &K) -> Breaker<C> {
        let now = Instant::now();
        let core = self.breakers.read(key, |entry| entry.touch(now));
        let core = core.unwrap_or_else(|| self.introduce(key, now));
        Breaker { core, classify: self.classify.clone() }
    }

    #[cold]
    fn introduce(&self, key: &K, now: Instant) -> Arc<Core> {
        let text: Arc<str> = key.to_string().into();
        let (ours, theirs) = (key.clone(), key.clone());
        // Dropped after the lock is free.
        let mut gone = Vec::new();
        let mut newcomers = lock(&self.newcomers);
        if let Some(core) = self.breakers.read(key, |entry| entry.touch(now)) {
            return core;
        }
        let is_room = self.make_room(&mut newcomers.line, now, &mut gone);
        let options = newcomers.options.clone();
        let core = Arc::new(Core::new(self.name, Some(text), self.meters.clone(), options, now));
        if is_room {
            let entry = Entry { core: core.clone(), used: AtomicU64::new(now.to_bits()) };
            newcomers.line.push_back((ours, now.to_bits()));
            self.breakers.insert(theirs, entry);
        } else {
            tracing::debug!(
                breaker = self.name,
                max_keys = self.limits.max_keys,
                "no room for a key"
            );
        }
        drop(newcomers);
        drop(gone);
        core
    }

    /// Lets go of breakers that are idle, and of one that is not if there are too many; whether there is room.
    fn make_room(
        &self,
        line: &mut VecDeque<(K, u64)>,
        now: Instant,
        gone: &mut Vec<(K, Option<Entry>)>,
    ) -> bool {
        // All may be looked at twice: once to see when they were used, once to see that they were not since.
        for look in 0..2 * line.len() {
            let is_full = line.len() >= self.limits.max_keys;
            if look >= LOOKS && !is_full {
                break;
            }
            let Some((key, seen)) = line.front() else { break };
            let (seen, mut last) = (*seen, 0);
            let entry = self.breakers.remove_if(key, |entry| {
                last = entry.used.load(Relaxed);
                let idle = now - Instant::from_bits(last) >= self.limits.idle;
                // Who is held elsewhere is in use, and its state is shared.
                Arc::strong_count(&entry.core) == 1 && (idle || (is_full && last == seen))
            });
            let Some((key, _)) = line.pop_front() else { break };
            match entry {
                Some(entry) => gone.push((key, Some(entry))),
                None => line.push_back((key, last)),
            }
        }
        line.len() < self.limits.max_keys
    }
}

impl Entry {
    fn touch(&self, now: Instant) -> Arc<Core> {
        self.used.store(now.to_bits(), Relaxed);
        self.core.clone()
    }
}

impl<K, C> fmt::Debug for Registry<K, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("name", &self.name)
            .field("breakers", &self.len())
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

// ===== impl RegistryOptions =====

impl RegistryOptions {
    /// The most breakers it keeps. Default: 10,000.
    #[must_use]
    pub fn max_keys(mut self, keys: usize) -> Self {
        self.max_keys = keys;
        self
    }

    /// A breaker that nobody holds and that was not asked for during so long is let go of. Default: 10 minutes.
    ///
    /// Make it longer than an open breaker stays open at most, or one that is forgotten is closed too early.
    #[must_use]
    pub fn idle(mut self, idle: Duration) -> Self {
        self.idle = idle;
        self
    }

    fn check(&self) -> Result<(), BadOptions> {
        if self.max_keys == 0 {
            let why = "it would keep no breaker, and so none would ever open";
            return Err(BadOptions::new("breaker::Registry", why));
        }
        Ok(())
    }
}

impl Default for RegistryOptions {
    fn default() -> Self {
        Self { max_keys: 10_000, idle: Duration::from_mins(10) }
    }
}
