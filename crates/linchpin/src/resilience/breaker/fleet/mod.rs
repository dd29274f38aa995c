//! Breakers of many processes that judge by what all of them see.
//!
//! ```text
//!   node 1:  calls ──▶ window, state        each 250 ms: tells its counts ──▶ ┌───────┐
//!   node 2:  calls ──▶ window, state  ◀── and hears those of the others ───── │ store │
//!   node 3:  calls ──▶ window, state                                          └───────┘
//! ```
//!
//! No call waits for the store, and none takes a lock for it. Each node has its own window and its own state, and opens by
//! itself as ever; and it opens when its calls and those of the others *together* say so. That is sooner where each node
//! alone has seen too few. How long it stays open and what its probes show is each node's own.
//!
//! [`Fleet`] is the node's membership, [`CountStore`] the port to the store, [`Memory`] that within a process; those of
//! Redis and Postgres are in `linchpin_data::counts`.

mod memory;
mod merge;
mod store;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use metrics::{Counter, Gauge};
use tokio::time::timeout;

pub use self::memory::Memory;
use self::merge::Merge;
pub use self::store::{CountStore, Counts, DynCountStore, Told};
use super::Breaker;
use super::locked::Standing;
use super::machine::Core;
use super::options::Window as Kind;
use super::tally::Tally;
use super::window::Window;
use super::word::Word;
use crate::context::Context;
use crate::error::catch_async;
use crate::resilience::BadOptions;
use crate::resilience::news::told;
use crate::shim::atomic::Ordering::Acquire;
use crate::shim::{Mutex, lock};
use crate::task::ticker::{self, Ticker};
use crate::task::{Task, spawn};
use crate::time::Instant;

/// The membership of a breaker in a fleet: a task that tells and hears. Dropping it leaves.
///
/// ```
/// # use std::sync::Arc;
/// # use linchpin::resilience::breaker::{self, Breaker};
/// use linchpin::resilience::breaker::fleet::{Fleet, Memory, Options};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> linchpin::Result<()> {
/// let breaker = Breaker::new("payments", breaker::Options::default())?;
/// let store = Memory::default(); // or Redis, or Postgres
/// let fleet = Fleet::join(&breaker, store, Options::default())?;
/// assert_eq!(fleet.numbers().nodes, 0); // that it has heard of
/// # Ok(())
/// # }
/// ```
///
/// What the others have counted before this node's breaker was last closed does not count, so that it does not open again
/// by what opened it. When the store is away each node goes on by its own calls, and asks again at its next turn; each
/// switch is one event. What was longer ago than a window by then is not made up for.
///
/// The breaker must count by time. Breakers of one name are one fleet; give all of them the same options.
#[must_use = "dropping it leaves the fleet"]
pub struct Fleet {
    shared: Arc<Shared>,
    _task: Task<()>,
}

/// How a [`Fleet`] keeps in touch.
#[derive(Clone, Debug)]
pub struct Options {
    every: Duration,
    timeout: Duration,
}

/// The numbers of a [`Fleet`].
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Numbers {
    /// Whether the store is away.
    pub away: bool,
    /// How often it went.
    pub switches: u64,
    /// How many other nodes were last heard of.
    pub nodes: usize,
    /// Calls of the others that count now.
    pub calls: u64,
    /// Failures among them.
    pub failures: u64,
    /// Slow calls among them.
    pub slow: u64,
}

struct Shared {
    core: Arc<Core>,
    numbers: Mutex<Numbers>,
    nodes: Gauge,
    away: Gauge,
    switches: Counter,
}

// ===== impl Fleet =====

impl Fleet {
    /// Joins the fleet of breakers of that name.
    ///
    /// # Errors
    ///
    /// If the breaker counts calls and not time, or the options do not fit.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn join<C>(
        breaker: &Breaker<C>,
        store: impl CountStore + 'static,
        options: Options,
    ) -> Result<Self, BadOptions> {
        let core = breaker.core.clone();
        if core.share(Instant::now()).is_none() {
            let why =
                "the breaker counts calls; whose are the last of many nodes is nobody's to know";
            return Err(BadOptions::new("breaker::Fleet", why));
        }
        if options.timeout.is_zero() {
            return Err(BadOptions::new("breaker::Fleet", "a timeout of nothing at all"));
        }
        // Nodes that start together do not ask together.
        let spread = ticker::Options::default().start(ticker::Start::Spread).jitter(0.1);
        let ticker = Ticker::new(options.every, spread)?;
        let name = core.name;
        let shared = Arc::new(Shared {
            core,
            numbers: Mutex::new(Numbers::default()),
            nodes: metrics::gauge!("linchpin_breaker_fleet_nodes", "breaker" => name),
            away: metrics::gauge!("linchpin_breaker_fleet_away", "breaker" => name),
            switches: metrics::counter!("linchpin_breaker_fleet_switches_total", "breaker" => name),
        });
        let task =
            spawn("fleet of a breaker", keep_in_touch(shared.clone(), store, ticker, options));
        Ok(Self { shared, _task: task })
    }

    /// Its numbers, as they were at its last turn.
    #[must_use]
    pub fn numbers(&self) -> Numbers {
        *lock(&self.shared.numbers)
    }
}

async fn keep_in_touch(
    shared: Arc<Shared>,
    store: impl CountStore,
    mut ticker: Ticker,
    options: Options,
) {
    let core = &shared.core;
    let group = match &core.key {
        Some(key) => format!("{}:{key}", core.name),
        None => core.name.to_owned(),
    };
    let node = fastrand::u64(..);
    let mut merge = Merge::default();
    // The root never ends.
    while ticker.tick(&Context::root()).await.is_ok() {
        // With a window of calls since then it has nothing to say, until it has one of time again.
        let Some(share) = core.share(Instant::now()) else { continue };
        let Tally { calls, failures, slow, .. } = share.totals;
        let counts = Counts { node, calls, failures, slow };
        let told = Told { group: &group, counts, forget_after: share.window };
        let why = match catch_async(timeout(options.timeout, store.exchange(&told))).await {
            Ok(Ok(Ok(others))) => {
                let now = Instant::now();
                merge.hear(now, &others, share.window);
                let lately = merge.lately(share.since);
                shared.heard(merge.nodes(), &lately);
                core.judge_with(&lately, now);
                continue;
            }
            Ok(Ok(Err(error))) | Err(error) => error.report().to_string(),
            Ok(Err(_)) => format!("no answer within {:?}", options.timeout),
        };
        merge.forget();
        shared.missed(&why);
    }
}

// ===== impl Shared =====

impl Shared {
    fn heard(&self, nodes: usize, lately: &Tally) {
        let was_away = {
            let mut numbers = lock(&self.numbers);
            let was_away = numbers.away;
            let switches = numbers.switches;
            let Tally { calls, failures, slow, .. } = *lately;
            *numbers = Numbers { away: false, switches, nodes, calls, failures, slow };
            was_away
        };
        told(|| {
            self.nodes.set(nodes as f64);
            if was_away {
                self.switches.increment(1);
                self.away.set(0.0);
                tracing::info!(breaker = self.core.name, nodes, "the fleet is heard of again");
            }
        });
    }

    fn missed(&self, why: &str) {
        let was_away = {
            let mut numbers = lock(&self.numbers);
            let was_away = numbers.away;
            let switches = numbers.switches + u64::from(!was_away);
            *numbers = Numbers { away: true, switches, ..Numbers::default() };
            was_away
        };
        if !was_away {
            told(|| {
                self.switches.increment(1);
                self.away.set(1.0);
                self.nodes.set(0.0);
                tracing::warn!(breaker = self.core.name, why, "the fleet is not heard of");
            });
        }
    }
}

// ===== impl Core =====

/// What a node has to tell.
pub(super) struct Share {
    pub(super) totals: Tally,
    window: Duration,
    /// What the others counted before does not count.
    since: Instant,
}

impl Core {
    /// What it has counted ever, if it counts by time.
    pub(super) fn share(&self, now: Instant) -> Option<Share> {
        let share = {
            let mut state = lock(&self.state);
            self.advance(&mut state, now);
            match (state.options.window, &state.window) {
                (Kind::Time(window), Window::Time(_)) => {
                    let word = Word(self.word.load(Acquire));
                    let now = if word.counts() { word.count() } else { 0 };
                    let totals = state.totals.plus(&Tally::of_parts(now));
                    // While it is not closed all of them are shown, and none is judged.
                    let since = if state.counts() { state.since } else { Instant::from_bits(0) };
                    Some(Share { totals, window, since })
                }
                _ => None,
            }
        };
        self.tell();
        share
    }

    /// Opens if its own calls and those of others together are too much.
    fn judge_with(&self, others: &Tally, now: Instant) {
        {
            let mut state = lock(&self.state);
            self.advance(&mut state, now);
            if others.calls > 0
                && matches!(state.standing, Standing::Closed | Standing::MetricsOnly { .. })
            {
                let tally = self.tally(&mut state, now).plus(others);
                let rule = tally.judge(&self.frames[Word(self.word.load(Acquire)).frame()], 0);
                if let Some(rule) = rule {
                    self.reached(&mut state, rule, &tally, None, now);
                }
            }
        }
        self.tell();
    }
}

// ===== impl Options =====

impl Options {
    /// How often it tells and hears. Default: 250 ms.
    #[must_use]
    pub fn every(mut self, every: Duration) -> Self {
        self.every = every;
        self
    }

    /// How long it waits for the store; then the store is away. Default: 200 ms.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }
}

impl Default for Options {
    fn default() -> Self {
        Self { every: Duration::from_millis(250), timeout: Duration::from_millis(200) }
    }
}

impl fmt::Debug for Fleet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fleet")
            .field("breaker", &self.shared.core.name)
            .field("numbers", &self.numbers())
            .finish_non_exhaustive()
    }
}
