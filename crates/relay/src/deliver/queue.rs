//! The queue of deliveries that wait in memory, in front of those that wait in the database.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use linchpin::Context;
use linchpin::resilience::Failed;
use linchpin::sync::Mutex;
use linchpin::sync::channel::{self, Receiver, Sender};
use linchpin::sync::counter::{Gauge, Reading};
use linchpin::sync::lock::MutexGuard;
use linchpin::sync::semaphore::{Options, Permit, Semaphore};
use linchpin::time::Timestamp;
use linchpin_data::sqlite::{Sql as _, Tx};

use super::parked::Parked;
use super::record::Taken;
use super::targets::{Barred, Handle, Target, Targets};
use super::wake::Wake;
use crate::ids::{AppId, EndpointId, MessageId, OrgId};

/// A delivery that is not stored yet.
#[derive(Debug)]
pub(crate) struct New {
    pub(crate) org: OrgId,
    /// The application of the message.
    pub(crate) app: AppId,
    /// What is delivered.
    pub(crate) message: MessageId,
    /// Where to.
    pub(crate) endpoint: EndpointId,
    /// The same, as the caller's transaction has read it.
    pub(crate) target: Result<Arc<Target>, Barred>,
    /// The body, byte for byte.
    pub(crate) payload: Bytes,
    /// When the message was accepted.
    pub(crate) due: Timestamp,
}

/// A delivery with all that its next attempt needs.
#[derive(Clone, Debug)]
pub(super) struct Ready {
    /// Its row in `delivery`.
    pub(super) rowid: i64,
    /// How many attempts are recorded. It fences: an attempt sent under an older number is not recorded.
    pub(super) attempt: u32,
    pub(super) org: OrgId,
    pub(super) app: AppId,
    pub(super) message: MessageId,
    pub(super) endpoint: EndpointId,
    /// What the endpoint is now.
    pub(super) target: Handle,
    pub(super) payload: Bytes,
    /// When this attempt is due: at first, when the message was accepted.
    pub(super) due: Timestamp,
    /// Whether its first attempt is made because somebody asked for it.
    pub(super) manual: bool,
    /// Whether `due` is a turn that a limiter has given it.
    pub(super) turn: bool,
}

/// The way into the memory of the dispatcher, bounded by count and bytes. Clones share it.
///
/// What does not fit stays in the database, due at once, and is claimed when a place becomes free.
#[derive(Clone)]
pub struct Queue {
    shared: Arc<Shared>,
}

struct Shared {
    ready: Sender<Held>,
    places: Semaphore,
    kibibytes: Semaphore,
    wake: Wake,
    parked: Parked,
    targets: Targets,
    in_memory: Gauge,
    /// The due time and row of every delivery in memory, for the age of the oldest.
    due: Mutex<BTreeSet<(i64, i64)>>,
}

/// A delivery in memory and the room it takes, until its attempt is recorded.
pub(super) struct Held {
    pub(super) ready: Ready,
    shared: Arc<Shared>,
    _room: Room,
}

/// Room in memory for one delivery.
#[derive(Debug)]
pub(super) struct Room {
    _place: Place,
    _bytes: Permit,
}

/// A place in memory for one delivery, whatever its size.
#[derive(Debug)]
pub(super) struct Place(#[expect(dead_code, reason = "held for its drop")] Permit);

const INSERT: &str = "INSERT INTO delivery (org, app, message, endpoint, attempt, due, leased)
                      VALUES (?1, ?2, ?3, ?4, 0, ?5, ?6)";

impl Queue {
    /// A queue for at most `places` deliveries with together at most `kibibytes` of payload, and its far end.
    ///
    /// # Errors
    ///
    /// If there are no places, or none for a byte.
    pub(super) fn new(places: usize, kibibytes: usize) -> linchpin::Result<(Self, Receiver<Held>)> {
        // As many seats as places: whoever has a place has a seat, so handing over never waits.
        let (ready, receiver) = channel::bounded(places)?;
        let shared = Shared {
            ready,
            places: Semaphore::new(places, Options::default().name("deliveries in memory"))?,
            kibibytes: Semaphore::new(kibibytes, Options::default().name("payloads in memory"))?,
            wake: Wake::new(),
            parked: Parked::default(),
            targets: Targets::default(),
            in_memory: Gauge::new(),
            due: Mutex::default(),
        };
        Ok((Self { shared: Arc::new(shared) }, receiver))
    }

    /// Stores a delivery with the caller's transaction, and hands it over once that is committed. One that finds no room, or
    /// cannot be sent as its endpoint is, stays in the database and is due.
    ///
    /// If the outcome of the commit is unknown nothing is handed over. The row is absent then until the next start, which
    /// voids its lease if it finds it after all: see [`CommitUnknown`](linchpin_data::sqlite::CommitUnknown).
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub(crate) fn enqueue(&self, tx: &mut Tx<'_>, new: New) -> linchpin::Result<()> {
        let New { org, app, message, endpoint, target, payload, due } = new;
        let taken = target.ok().and_then(|target| Some((target, self.try_room(payload.len())?)));
        tx.prepare_cached(INSERT)
            .and_then(|mut insert| {
                insert.execute((org, app, message, endpoint, due.as_micros(), taken.is_some()))
            })
            .sql("store a delivery")?;
        let (rowid, queue) = (tx.last_insert_rowid(), self.clone());
        let Some((target, room)) = taken else {
            tx.after_commit(move || queue.due_at(due));
            return Ok(());
        };
        let target = self.hold(tx, (org, app, endpoint), target);
        let (attempt, manual, turn) = (0, false, false);
        let ready = Ready {
            rowid,
            attempt,
            org,
            app,
            message,
            endpoint,
            target,
            payload,
            due,
            manual,
            turn,
        };
        tx.after_commit(move || queue.hand_over(ready, room));
        Ok(())
    }

    /// A handle for a delivery to `target`, which `tx` has read.
    pub(super) fn hold(
        &self,
        tx: &mut Tx<'_>,
        endpoint: (OrgId, AppId, EndpointId),
        target: Arc<Target>,
    ) -> Handle {
        self.shared.targets.hold(tx, endpoint, target)
    }

    /// Has all attempts that begin after the commit of `tx` know what it has made of an endpoint.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub(crate) fn endpoint_changed(
        &self,
        tx: &mut Tx<'_>,
        (org, app, id): (OrgId, AppId, EndpointId),
    ) -> linchpin::Result<()> {
        self.shared.targets.changed(tx, (org, app, id))?;
        // What could not be sent as it was may go now.
        let queue = self.clone();
        tx.after_commit(move || queue.look(id, Timestamp::now()));
        Ok(())
    }

    /// The same of an application.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub(crate) fn application_changed(&self, tx: &mut Tx<'_>, app: AppId) -> linchpin::Result<()> {
        self.shared.targets.application_changed(tx, app)
    }

    /// Something in the database is due at `due`.
    pub(crate) fn due_at(&self, due: Timestamp) {
        self.shared.wake.at(due);
    }

    pub(super) fn wake(&self) -> &Wake {
        &self.shared.wake
    }

    /// A delivery of `endpoint` is parked in the database, and looked at again at `at`.
    pub(super) fn park(&self, endpoint: EndpointId, at: Timestamp) {
        self.shared.parked.add(endpoint, at);
        self.due_at(at);
    }

    /// What is parked of `endpoint`, if anything is, may go from `at` on.
    pub(crate) fn look(&self, endpoint: EndpointId, at: Timestamp) {
        if self.shared.parked.look(endpoint, at) {
            self.due_at(at);
        }
    }

    pub(super) fn parked(&self) -> &Parked {
        &self.shared.parked
    }

    /// How many places are free now.
    pub(super) fn free(&self) -> usize {
        self.shared.places.available()
    }

    /// Waits for a place; its payload is [weighed](Self::weigh) when it is known.
    pub(super) async fn place(&self, ctx: &Context) -> Result<Place, Failed> {
        self.shared.places.acquire_owned(ctx, 1).await.map(Place)
    }

    pub(super) fn try_place(&self) -> Option<Place> {
        self.shared.places.try_acquire_owned(1).ok().map(Place)
    }

    /// Waits until a payload of so many bytes fits, too. Those in memory make room as they are delivered.
    pub(super) async fn weigh(
        &self,
        ctx: &Context,
        place: Place,
        bytes: usize,
    ) -> Result<Room, Failed> {
        let bytes = self.shared.kibibytes.acquire_owned(ctx, self.weight(bytes)).await?;
        Ok(Room { _place: place, _bytes: bytes })
    }

    fn try_room(&self, bytes: usize) -> Option<Room> {
        let place = self.try_place()?;
        let bytes = self.shared.kibibytes.try_acquire_owned(self.weight(bytes)).ok()?;
        Some(Room { _place: place, _bytes: bytes })
    }

    /// A payload larger than all of the memory has it for itself.
    fn weight(&self, bytes: usize) -> usize {
        bytes.div_ceil(1024).min(self.shared.kibibytes.limit())
    }

    pub(super) fn hand_over(&self, ready: Ready, room: Room) {
        self.shared.due().insert(ready.key());
        self.shared.in_memory.up(1);
        let held = Held { ready, shared: self.shared.clone(), _room: room };
        // Closed means that the dispatcher has stopped: the lease is void at the next start.
        if self.shared.ready.try_send(held).is_err() {
            tracing::debug!("a delivery stays in the database");
        }
    }

    /// How many deliveries are in memory, their attempts under way included; and how many there were at most since this was
    /// last asked.
    #[must_use]
    pub fn in_memory(&self) -> Reading {
        self.shared.in_memory.restart()
    }

    /// When the oldest delivery in memory, or the oldest told of in the database, was due; `None` if none is due.
    #[must_use]
    pub fn oldest_due(&self) -> Option<Timestamp> {
        let in_memory = self.shared.due().first().map(|(due, _)| Timestamp::from_micros(*due));
        let told = Some(self.shared.wake.earliest()).filter(|due| *due <= Timestamp::now());
        in_memory.into_iter().chain(told).min()
    }
}

impl Shared {
    fn due(&self) -> MutexGuard<'_, BTreeSet<(i64, i64)>> {
        self.due.lock()
    }
}

impl Ready {
    pub(super) fn taken(&self) -> Taken {
        let Self { rowid, attempt, endpoint, message, .. } = *self;
        Taken { rowid, attempt, endpoint, message }
    }

    fn key(&self) -> (i64, i64) {
        (self.due.as_micros(), self.rowid)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.shared.due().remove(&self.ready.key());
        self.shared.in_memory.down(1);
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Held").field(&self.ready).finish()
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").field("free", &self.free()).finish_non_exhaustive()
    }
}
