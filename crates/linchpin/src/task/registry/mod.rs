//! The list of live tasks.
//!
//! A thread hands out the rows of a [`chunk`] that is its own, so to enter costs a few plain stores; to leave, from
//! wherever a task ends, is one exchange. Locks are taken for whole chunks alone, and by whoever looks. It is the same
//! for a hundred thousand live tasks as for one.

mod chunk;
mod label;
mod table;

use std::cell::RefCell;
use std::fmt;
use std::panic::Location;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use self::label::Label;
use self::table::SHARDS;
pub(crate) use self::table::{Hand, Registry};
#[cfg(feature = "testing")]
use super::home::Home;

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

/// How many tasks are alive. Looks at a word or two for every sixty-three of them, and copies nothing.
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

/// A thread's hand, which gives its chunk free when the thread ends.
struct Here(RefCell<Hand>);

#[cfg(not(linchpin_loom))]
static REGISTRY: Registry = Registry::new();
#[cfg(linchpin_loom)]
loom::lazy_static! {
    static ref REGISTRY: Registry = Registry::new();
}

thread_local! {
    static HERE: Here = Here(RefCell::new(Hand::new(next_shard())));
}

/// Does something with this thread's hand.
///
/// A thread that is about to end has none any more, nor has what a lock reports from within.
#[inline]
fn with_hand<T>(work: impl Fn(&mut Hand) -> T) -> T {
    let at_hand =
        HERE.try_with(|here| here.0.try_borrow_mut().ok().map(|mut hand| work(&mut hand)));
    at_hand.ok().flatten().unwrap_or_else(|| {
        let mut hand = Hand::new(next_shard());
        let done = work(&mut hand);
        REGISTRY.release(&mut hand);
        done
    })
}

/// Deals the shards out in turn. Not part of a protocol, hence std's and relaxed.
fn next_shard() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed) % SHARDS as u32
}

// ===== impl Place, Here =====

impl Place {
    pub(super) fn new(name: &'static str, site: &'static Location<'static>, kind: Kind) -> Self {
        #[cfg(feature = "testing")]
        let home = Home::here();
        let enter = |hand: &mut Hand| {
            REGISTRY.enter(
                hand,
                Label { name, site, kind },
                #[cfg(feature = "testing")]
                home,
            )
        };
        Self {
            key: with_hand(enter),
            #[cfg(feature = "testing")]
            home,
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
        with_hand(|hand| REGISTRY.leave(hand, self.key));
    }
}

impl Drop for Here {
    fn drop(&mut self) {
        REGISTRY.release(self.0.get_mut());
    }
}

// ===== impl Live =====

impl fmt::Display for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` from {}", self.name, self.site)
    }
}
