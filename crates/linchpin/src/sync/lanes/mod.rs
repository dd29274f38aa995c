//! Fair lanes: many share a few places, and nobody who is slow takes them from the others.
//!
//! ```
//! # use linchpin::{Context, sync::lanes::{Lanes, Options}, time::Timestamp};
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> linchpin::Result<()> {
//! # let ctx = Context::root();
//! # let send = async |_: &String| {};
//! # let record = async |_: &String| {};
//! let lanes = Lanes::new(512, Options::default())?;
//! // Group, lane and size; what finds no room is to be laid below, in a database.
//! match lanes.lane("tenant", "https://example.com").offer(5) {
//!     Ok(seat) => seat.put("hello".to_owned()),
//!     Err(_full) => lanes.lane("tenant", "https://example.com").stored(Timestamp::now())?,
//! }
//! let mut message = lanes.next(&ctx).await?; // by turns
//! send(&message).await;
//! message.answered(); // its place is free for another
//! record(&message).await;
//! drop(message); // and so is its room in memory
//! # Ok(())
//! # }
//! ```
//!
//! # Who is next
//!
//! Items belong to a lane, and lanes to a group: receivers to a tenant, say. Every start goes to the groups by turns, and
//! inside one to its lanes by turns; in a lane the oldest item goes first. Nobody who may start is passed twice by the same
//! other. A lane has as many under way as its window lets it, and belongs to a [`Class`] by what it costs:
//!
//! | the lane | class | window |
//! |---|---|---|
//! | is new | [`Fresh`](Class::Fresh) | 1 |
//! | has answered in time, whatever the answer was | [`Proven`](Class::Proven) | 2, and one more with each such answer, up to a [bound](Options::lane_places) |
//! | has had something under way for [too long](Options::slow_after), or timed out | [`Slow`](Class::Slow) | 1 |
//!
//! A lane is slow while it keeps others waiting, not when it answers at last: all that it has under way counts as slow from
//! that moment on. It is well again with the next answer in time, if nothing late is under way any more.
//!
//! # What is in memory, and what below
//!
//! Memory is bounded by items and bytes, which are shared like the places; a group never has more than half. What does not
//! fit belongs into a database, *below*. It is told of by [`stored`](Lane::stored) and costs no memory but for its lane.
//! [`visits`](Lanes::visits) call the lanes, by turns again, whose turn it is to bring some up. While something of a lane is
//! due below, what comes anew is laid below, too, so that the older goes first.
//!
//! A lane that was well and becomes slow, or is held for long, has more in memory than it is worth then: that is its
//! [`surplus`](Lanes::surplus), which goes below, so that it keeps nobody else out.
//!
//! | you have | use |
//! |---|---|
//! | calls that wait by themselves, of one kind | [`Bulkhead`](crate::resilience::bulkhead::Bulkhead) |
//! | jobs of a few owners who are known beforehand | [`Pool`](crate::task::pool) with pools below it |
//! | items to be handled in the order in which they come | [`channel::bounded`](super::channel::bounded) |

mod below;
mod class;
mod lane;
mod machine;
mod numbers;
mod options;
mod order;
mod rows;
mod seat;
mod started;
mod state;
mod surplus;
mod visit;
mod work;

use std::fmt;
use std::hash::{BuildHasher as _, Hash};
use std::sync::Arc;

use hashbrown::DefaultHashBuilder;

pub use self::class::Class;
pub use self::lane::Lane;
use self::machine::Machine;
pub use self::numbers::{Listed, Numbers};
pub use self::options::Options;
pub use self::seat::Seat;
pub use self::started::Started;
use self::state::{Here, Idle, State, Wants};
pub use self::surplus::Surplus;
use self::visit::Guard;
pub use self::visit::Visit;
use crate::context::{Context, Ended};
use crate::error::{Error, Kind};
use crate::resilience::BadOptions;
use crate::shim::{Mutex, lock};
use crate::sync::select;
use crate::sync::waiters::{Wait, Within};
use crate::time::{Instant, Timestamp};

/// Items of many lanes that share places, by turns. See the [module](self).
///
/// Clones share the same lanes. Any number may wait for what is next. One lock guards all, for the time of a few looks into
/// tables; nothing of an item runs under it, and of keys a comparison or a clone.
pub struct Lanes<G, K, T>(Arc<Shared<G, K, T>>);

struct Shared<G, K, T> {
    options: Options,
    hasher: DefaultHashBuilder,
    state: Mutex<State<G, K, T>>,
}

/// There is no room in memory for another item of this lane, or for another lane.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Full;

// ===== impl Lanes =====

impl<G: Clone + Eq + Hash, K: Clone + Eq + Hash, T> Lanes<G, K, T> {
    /// Lanes of which so many items together may be under way at once.
    ///
    /// # Errors
    ///
    /// If there is no place, or no room.
    pub fn new(places: usize, options: Options) -> Result<Self, BadOptions> {
        options.check(places)?;
        let machine = Machine::new(places, options.clone(), Instant::now());
        let state = Mutex::new(State::new(machine));
        let hasher = DefaultHashBuilder::default();
        Ok(Self(Arc::new(Shared { options, hasher, state })))
    }

    /// The lane `key` of `group`.
    pub fn lane(&self, group: G, key: K) -> Lane<'_, G, K, T> {
        Lane::new(self, group, key)
    }

    /// Lets a group go on, if it was [held](Started::hold_group).
    pub fn release_group(&self, group: &G) {
        let hash = self.0.hasher.hash_one(group);
        self.with(|machine| machine.release_group(group, hash));
    }

    /// Lets a lane go on, for who does not know its group. Looks at each lane that is held.
    pub fn release_key(&self, key: &K) {
        self.with(|machine| machine.release_key(key));
    }

    /// Waits for the item whose turn it is.
    ///
    /// # Errors
    ///
    /// [`Ended`], if the context ends first, or had ended before, whether or not there is one.
    ///
    /// # Cancel safety
    ///
    /// Safe: what was not returned was not started.
    pub async fn next(&self, ctx: &Context) -> Result<Started<G, K, T>, Ended> {
        loop {
            ctx.check()?;
            match self.start() {
                Ok(started) => return Ok(started),
                Err(idle) => self.wait(ctx, idle).await?,
            }
        }
    }

    /// The item whose turn it is, if one may start now.
    #[must_use]
    pub fn try_next(&self) -> Option<Started<G, K, T>> {
        self.start().ok()
    }

    /// Waits until something below may come up, and gives up to `most` lanes of which it may: one at least.
    ///
    /// # Errors
    ///
    /// [`Ended`], if the context ends first, or had ended before.
    ///
    /// # Cancel safety
    ///
    /// Safe: a lane that was not returned was not visited.
    pub async fn visits(&self, ctx: &Context, most: usize) -> Result<Vec<Visit<G, K, T>>, Ended> {
        loop {
            ctx.check()?;
            match self.call(most.max(1)) {
                Ok(visits) => return Ok(visits),
                Err(idle) => self.wait(ctx, idle).await?,
            }
        }
    }

    /// Waits until lanes have more in memory than they are worth, and gives up to `most` items that are to be laid below: one at
    /// least.
    ///
    /// Such a lane has become slow, or is [held](Started::hold) for longer than a lane may be slow, and has more than two
    /// items; or the slow ones have more than their share, and the held ones leave little to all others. Without anybody who
    /// lays it below, what they took when they were well stays in memory and keeps others out.
    ///
    /// # Errors
    ///
    /// [`Ended`], if the context ends first, or had ended before.
    ///
    /// # Cancel safety
    ///
    /// Safe: what was not returned stays where it is.
    pub async fn surplus(
        &self,
        ctx: &Context,
        most: usize,
    ) -> Result<Vec<Surplus<G, K, T>>, Ended> {
        loop {
            ctx.check()?;
            let (taken, round) = self.look(Wants::Surplus, |machine| machine.surplus(most.max(1)));
            if !taken.is_empty() {
                return Ok(taken.into_iter().map(|one| Surplus::new(self.clone(), one)).collect());
            }
            self.wait(ctx, Idle { wants: Wants::Surplus, round, until: None }).await?;
        }
    }

    /// Waits until it is time to look for lanes that have something below and are not known, since there are too many.
    ///
    /// Say of each lane that is found, and of those that are known, what it has [stored](Lane::stored); those that still
    /// cannot be known are not forgotten. Go on where the last look has ended, so that each lane has its turn.
    ///
    /// # Errors
    ///
    /// [`Ended`], if the context ends first, or had ended before.
    ///
    /// # Cancel safety
    ///
    /// Safe: it is still time for who asks next.
    pub async fn unlisted(&self, ctx: &Context) -> Result<(), Ended> {
        loop {
            ctx.check()?;
            match self.find() {
                Ok(()) => return Ok(()),
                Err(idle) => self.wait(ctx, idle).await?,
            }
        }
    }

    /// The [clock](Options::clock) has gone forward by a step: whoever waits until something below is due looks again.
    ///
    /// Between two looks waits are measured by the monotonic clock, which knows nothing of steps.
    pub fn clock_stepped(&self) {
        self.with(|machine| machine.is_news = true);
    }

    /// What the lanes of a class have now.
    #[must_use]
    pub fn numbers(&self, class: Class) -> Numbers {
        self.with(|machine| machine.numbers(class))
    }

    /// The lanes of what has been under way for longest, that first, at most so many.
    #[must_use]
    pub fn slowest(&self, most: usize) -> Vec<Listed<G, K>> {
        self.with(|machine| machine.slowest(most))
    }

    /// When the first of all that is known to lie below is due, or was. Looks at each lane.
    #[must_use]
    pub fn oldest_below(&self) -> Option<Timestamp> {
        self.with(|machine| machine.oldest_below())
    }

    /// Works under the lock, at the time of now, and calls those who have something to look for then.
    fn with<R>(&self, work: impl FnOnce(&mut Machine<G, K, T>) -> R) -> R {
        self.look(Wants::Starts, work).0
    }

    /// The same for one who waits if there is nothing.
    fn look<R>(&self, wants: Wants, work: impl FnOnce(&mut Machine<G, K, T>) -> R) -> (R, usize) {
        let now = Instant::now();
        let mut state = lock(&self.0.state);
        state.machine.at(now);
        let result = work(&mut state.machine);
        let calls = state.calls();
        let round = state.line(wants).round();
        drop(state);
        drop(calls);
        (result, round)
    }

    fn today(&self) -> Timestamp {
        (self.0.options.clock)()
    }

    fn start(&self) -> Result<Started<G, K, T>, Idle> {
        let ((begun, until), round) = self.look(Wants::Starts, |machine| {
            let begun = machine.next();
            (begun, machine.held_until())
        });
        let idle = Idle { wants: Wants::Starts, round, until };
        begun.map(|begun| Started::new(self.clone(), begun)).ok_or(idle)
    }

    fn call(&self, most: usize) -> Result<Vec<Visit<G, K, T>>, Idle> {
        let today = self.today();
        let ((called, until), round) = self.look(Wants::Visits, |machine| {
            let called = machine.visit(most, today);
            let due = machine.due().map(|due| machine.now + due.since(today));
            (called, machine.held_until().into_iter().chain(due).min())
        });
        if called.is_empty() {
            return Err(Idle { wants: Wants::Visits, round, until });
        }
        // Guarded before anything of a user's is cloned, since that may panic.
        let guarded = called.into_iter().map(|(lane, room)| (Guard::new(self.clone(), lane), room));
        let guarded: Vec<_> = guarded.collect();
        Ok(guarded.into_iter().map(|(guard, room)| Visit::new(guard, room)).collect())
    }

    fn find(&self) -> Result<(), Idle> {
        let today = self.today();
        let ((found, until), round) = self.look(Wants::Visits, |machine| {
            let found = machine.take_unlisted(today);
            // If it is due there is no vacancy, and who makes one calls.
            let later = machine.unlisted.filter(|due| *due > today);
            (found, later.map(|due| machine.now + due.since(today)))
        });
        if found { Ok(()) } else { Err(Idle { wants: Wants::Visits, round, until }) }
    }

    async fn wait(&self, ctx: &Context, idle: Idle) -> Result<(), Ended> {
        let here = Here { state: &self.0.state, idle };
        match idle.until {
            None => Within::new(ctx, here).await.map(drop),
            Some(until) => {
                let wait = until - Instant::now();
                select::within(ctx, wait, Wait::at(here)).await.map(drop)
            }
        }
    }
}

impl<G, K, T> Clone for Lanes<G, K, T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<G, K, T> fmt::Debug for Lanes<G, K, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lanes").field("options", &self.0.options).finish_non_exhaustive()
    }
}

// ===== impl Full =====

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("there is no room in memory for another item of this lane")
    }
}

impl std::error::Error for Full {}

impl From<Full> for Error {
    fn from(full: Full) -> Self {
        Self::new(Kind::ResourceExhausted, full)
    }
}
