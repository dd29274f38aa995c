//! The queue of deliveries that wait in memory, in front of those that wait in the database.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use linchpin::context::{Context, Ended};
use linchpin::sync::Mutex;
use linchpin::sync::counter::{Gauge, Reading};
use linchpin::sync::lanes::{self, Class, Numbers, Options};
use linchpin::time::Timestamp;
use linchpin_data::sqlite::{Sql as _, Tx};

use super::clock::Clock;
use super::ready::{New, Ready};
use super::targets::{Handle, Target, Targets};
use crate::ids::{AppId, EndpointId};
use crate::store::operational::Listening;
use crate::vault::{Owner, Vault};

/// The way into the memory of the dispatcher, which has a lane for each endpoint. Clones share it.
///
/// What does not fit stays in the database, below its lane, which is visited when there is room for more of it.
#[derive(Clone)]
pub struct Queue {
    lanes: Lanes,
    clock: Clock,
    targets: Targets,
    listening: Listening,
    counts: Arc<Counts>,
}

/// A lane for each endpoint, and a group for each application.
type Lanes = lanes::Lanes<AppId, EndpointId, Held>;
/// A delivery whose turn has come.
pub(super) type Started = lanes::Started<AppId, EndpointId, Held>;
/// Room in memory for one delivery.
pub(super) type Seat = lanes::Seat<AppId, EndpointId, Held>;
/// An endpoint of which something in the database may come into memory.
pub(super) type Visit = lanes::Visit<AppId, EndpointId, Held>;

/// A delivery in memory that others need the room of.
pub(super) type Surplus = lanes::Surplus<AppId, EndpointId, Held>;

/// What is in memory, and what never comes to it.
#[derive(Debug)]
struct Counts {
    /// Messages that no endpoint wants.
    unrouted: metrics::Counter,
    deliveries: Gauge,
    /// The due time and row of each, for the age of the oldest.
    due: Mutex<BTreeSet<(i64, i64)>>,
}

/// A delivery in memory, until its attempt is recorded.
pub(super) struct Held {
    pub(super) ready: Ready,
    /// How many attempts in a row were none, by faults of ours.
    pub(super) abandoned: AtomicU32,
    counts: Arc<Counts>,
}

/// How much there may be of what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Attempts under way.
    pub(super) places: usize,
    /// Deliveries in memory, those under way included.
    pub(super) deliveries: usize,
    /// Bytes of payload in memory.
    pub(super) bytes: usize,
}

/// Of all that is in memory one endpoint has so much at most.
const PART: usize = 8;

const INSERT: &str = "INSERT INTO delivery (org, app, message, endpoint, attempt, due, leased)
                      VALUES (?1, ?2, ?3, ?4, 0, ?5, ?6)";

impl Queue {
    /// A queue with nothing in it.
    ///
    /// # Errors
    ///
    /// If there are no places, or there is no room.
    pub(super) fn new(bounds: Bounds, vault: Vault, clock: Clock) -> linchpin::Result<Self> {
        let Bounds { places, deliveries, bytes } = bounds;
        let own = clock.clone();
        let options = Options::default()
            .clock(move || own.now())
            .items(deliveries)
            .bytes(bytes)
            .lane_items((deliveries / PART).max(1))
            .lane_bytes((bytes / PART).max(1));
        let lanes = Lanes::new(places, options)?;
        let (targets, listening) = (Targets::new(vault), Listening::default());
        Ok(Self { lanes, clock, targets, listening, counts: Arc::new(Counts::new()) })
    }

    /// The clock by which deliveries are due.
    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The clock has gone forward by a step: what it passed is due, and who sleeps until then is to look.
    pub(super) fn clock_stepped(&self) {
        self.lanes.clock_stepped();
    }

    /// What seals and opens the secrets of endpoints.
    pub(crate) fn vault(&self) -> &Vault {
        self.targets.vault()
    }

    /// Which organisations are told of what becomes of their endpoints and deliveries.
    pub(crate) fn listening(&self) -> &Listening {
        &self.listening
    }

    /// Stores a delivery with the caller's transaction, and hands it over once that is committed. One that is due
    /// later, finds no room, or cannot be sent as its endpoint is, stays in the database.
    ///
    /// If the outcome of the commit is unknown nothing is handed over. The row is absent then until the next start, which
    /// voids its lease if it finds it after all: see [`CommitUnknown`](linchpin_data::sqlite::CommitUnknown).
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub(crate) fn enqueue(&self, tx: &mut Tx<'_>, new: New) -> linchpin::Result<()> {
        let New { org, app, message, endpoint, target, payload, raw_type, at } = new;
        let seat = || self.lanes.lane(app, endpoint).offer(payload.len()).ok();
        let now = self.clock.now();
        let due = at.map_or(now, |at| self.clock.due(at));
        let is_due = due <= now;
        let taken = target.ok().filter(|_| is_due).and_then(|target| Some((target, seat()?)));
        tx.prepare_cached(INSERT)
            .and_then(|mut insert| {
                insert.execute((org, app, message, endpoint, due.as_micros(), taken.is_some()))
            })
            .sql("store a delivery")?;
        let rowid = tx.last_insert_rowid();
        let Some((target, seat)) = taken else {
            self.stored(tx, (app, endpoint), due);
            return Ok(());
        };
        let target = self.hold(tx, (org, app, endpoint), target);
        let (attempt, manual) = (0, false);
        let ready = Ready {
            rowid,
            attempt,
            org,
            app,
            message,
            endpoint,
            target,
            payload,
            raw_type,
            due,
            manual,
        };
        let held = self.held(ready);
        tx.after_commit(move || seat.put(held));
        Ok(())
    }

    /// Counts a message that `tx` has stored and no endpoint wants.
    pub(crate) fn unrouted(&self, tx: &mut Tx<'_>) {
        let counts = self.counts.clone();
        tx.after_commit(move || counts.unrouted.increment(1));
    }

    /// A delivery that `tx` has stored, or found stored, is due at `due`.
    pub(crate) fn stored(&self, tx: &mut Tx<'_>, lane: (AppId, EndpointId), due: Timestamp) {
        let queue = self.clone();
        tx.after_commit(move || queue.below(lane, due));
    }

    /// Says of a lane that something in the database is due then: on the writer's thread, in the order of commits.
    pub(super) fn below(&self, (app, endpoint): (AppId, EndpointId), due: Timestamp) {
        // One lane more than can be known is found later, since it is not forgotten that there are such.
        let _unlisted = self.lanes.lane(app, endpoint).stored(due);
    }

    /// A handle for a delivery to `target`, which `tx` has read.
    pub(super) fn hold(&self, tx: &mut Tx<'_>, endpoint: Owner, target: Arc<Target>) -> Handle {
        self.targets.hold(tx, endpoint, target)
    }

    /// Has all attempts that begin after the commit of `tx` know what it has made of an endpoint.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub(crate) fn endpoint_changed(
        &self,
        tx: &mut Tx<'_>,
        (org, app, id): Owner,
    ) -> linchpin::Result<()> {
        self.targets.changed(tx, (org, app, id))?;
        // What could not be sent as it was may go now, and what may not go any more need not wait.
        let queue = self.clone();
        tx.after_commit(move || {
            queue.lanes.lane(app, id).release();
            queue.below((app, id), queue.clock.now());
        });
        Ok(())
    }

    /// The same, where nothing that waits may go the sooner for it.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub(super) fn targets_changed(&self, tx: &mut Tx<'_>, endpoint: Owner) -> linchpin::Result<()> {
        self.targets.changed(tx, endpoint)
    }

    /// The same of an application.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub(crate) fn application_changed(&self, tx: &mut Tx<'_>, app: AppId) -> linchpin::Result<()> {
        self.targets.application_changed(tx, app)?;
        let queue = self.clone();
        tx.after_commit(move || queue.lanes.release_group(&app));
        Ok(())
    }

    /// Whatever held an endpoint back may be over. Whether something of it may start now.
    pub(super) fn look(&self, app: AppId, endpoint: EndpointId) -> bool {
        self.lanes.lane(app, endpoint).release()
    }

    /// The same for who does not know its application.
    pub(crate) fn look_for(&self, endpoint: EndpointId) {
        self.lanes.release_key(&endpoint);
    }

    /// The delivery whose turn it is.
    pub(super) async fn next(&self, ctx: &Context) -> Result<Started, Ended> {
        self.lanes.next(ctx).await
    }

    /// Endpoints of which something in the database may come into memory, by turns.
    pub(super) async fn visits(&self, ctx: &Context, most: usize) -> Result<Vec<Visit>, Ended> {
        self.lanes.visits(ctx, most).await
    }

    /// Deliveries of endpoints that became slow or are held, which go back to the database.
    pub(super) async fn surplus(&self, ctx: &Context, most: usize) -> Result<Vec<Surplus>, Ended> {
        self.lanes.surplus(ctx, most).await
    }

    /// Waits until there is room to know endpoints that were too many before.
    pub(super) async fn unlisted(&self, ctx: &Context) -> Result<(), Ended> {
        self.lanes.unlisted(ctx).await
    }

    /// A delivery as it is in memory.
    pub(super) fn held(&self, ready: Ready) -> Held {
        self.counts.due.lock().insert(ready.key());
        self.counts.deliveries.up(1);
        Held { ready, abandoned: AtomicU32::new(0), counts: self.counts.clone() }
    }

    /// How many deliveries are in memory, their attempts under way included; and how many there were at most since this was
    /// last asked.
    #[must_use]
    pub fn in_memory(&self) -> Reading {
        self.counts.deliveries.restart()
    }

    /// The same without the peak, which is whoever's that asks for it.
    #[must_use]
    pub fn level(&self) -> u32 {
        self.counts.deliveries.read().level
    }

    /// What the lanes of a class have.
    #[must_use]
    pub fn numbers(&self, class: Class) -> Numbers {
        self.lanes.numbers(class)
    }

    /// For how long the oldest delivery in memory, or the oldest known of in the database, has been due; `None` if none is.
    #[must_use]
    pub fn oldest_due(&self) -> Option<Duration> {
        let now = self.clock.now();
        let in_memory = self.counts.due.lock().first().map(|(due, _)| Timestamp::from_micros(*due));
        let below = self.lanes.oldest_below().filter(|due| *due <= now);
        in_memory.into_iter().chain(below).min().map(|due| now.since(due))
    }
}

impl Counts {
    fn new() -> Self {
        Self {
            unrouted: metrics::counter!("relay_messages_unrouted_total"),
            deliveries: Gauge::default(),
            due: Mutex::default(),
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.counts.due.lock().remove(&self.ready.key());
        self.counts.deliveries.down(1);
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Held").field(&self.ready).finish()
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").finish_non_exhaustive()
    }
}
