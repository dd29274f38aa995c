//! The dispatcher: who sends, how many at once, and what happens when it must stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use linchpin::context::Context;
use linchpin::resilience::breaker::Permit;
use linchpin::resilience::retry::Schedule;
use linchpin::sync::Mutex;
use linchpin::task::{self, Task, Tracker};
use linchpin::time::{Instant, Timestamp};
use linchpin_data::sqlite::Writer;
use linchpin_http::lifecycle::Lifecycle;

use super::claim::{self, Visits};
use super::clock::Step;
use super::health::Health;
use super::hosts::{Hosts, Place};
use super::ours::Ours;
use super::policies::{HeldBack, Policies, Whom, Why};
use super::queue::{Queue, Started};
use super::ready::Ready;
use super::record::{self, Attempt, Next};
use super::records::{Kept, Record, Records};
use super::seed::Seed;
use super::send::{Sender, Sent};
use super::targets::Barred;
use super::told::{self, Meters};
use crate::events::Events;

/// Sends what is due. It stops taking up work when the service stops accepting, and gives up what is under way when the
/// service's work must end.
#[derive(Debug)]
pub struct Dispatcher {
    shared: Arc<Shared>,
    tasks: [Task<()>; 5],
}

#[derive(Debug)]
struct Shared {
    queue: Queue,
    events: Events,
    writer: Writer,
    records: Records,
    policies: Arc<Policies>,
    hosts: Hosts,
    ours: Ours,
    sender: Sender,
    schedule: Schedule,
    health: Health,
    tracker: Tracker,
    life: Lifecycle,
    returned: AtomicUsize,
    meters: Meters,
}

/// So many endpoints are visited in one submission: enough to fill a commit, not to hold up the writer.
const VISITS: usize = 16;
/// So many deliveries are laid down in one submission.
const SURPLUS: usize = 256;
/// So many endpoints are found in one submission.
pub(super) const FOUND: usize = 1_024;
/// The waits between tries to record an attempt while storage fails.
const RECORD_RETRY: [Duration; 2] = [Duration::from_millis(50), Duration::from_secs(2)];

impl Dispatcher {
    /// Begins to send for `seed`, whose work goes by `life`.
    pub(super) fn begin(
        seed: Seed,
        (writer, sender, life): (Writer, Sender, Lifecycle),
    ) -> linchpin::Result<Self> {
        let Seed { queue, events, policies, settings } = seed;
        let health = Health::new(settings.health);
        let kept = Kept { queue: queue.clone(), health: health.clone() };
        let records = Records::new(writer.clone(), kept)?;
        let hosts = Hosts::new(settings.per_host, queue.clone());
        let shared = Arc::new(Shared {
            queue,
            events,
            writer,
            records,
            policies,
            hosts,
            ours: Ours::new(settings.patience),
            sender,
            schedule: settings.schedule,
            health,
            tracker: Tracker::new("deliveries"),
            life,
            returned: AtomicUsize::new(0),
            meters: Meters::new(),
        });
        let tasks = [
            task::spawn("dispatch", shared.clone().dispatch()),
            task::spawn("claim", shared.clone().claim()),
            task::spawn("find", shared.clone().find()),
            task::spawn("lay down", shared.clone().lay_down()),
            task::spawn("clock", shared.clone().watch_clock()),
        ];
        Ok(Self { shared, tasks })
    }

    /// Waits until nothing is under way; call it once the service has stopped accepting.
    ///
    /// Attempts under way finish and are recorded, or are abandoned and given back when the service's work must end.
    /// Returns how many deliveries were given back to the database.
    pub async fn drain(self) -> usize {
        for task in self.tasks {
            task.join().await;
        }
        self.shared.tracker.close();
        self.shared.tracker.wait().await;
        if let Err(ended) = self.shared.records.close(&Context::root()).await {
            tracing::warn!(%ended, "records were left unwritten");
        }
        self.shared.keep_clock(&Context::root()).await;
        self.shared.returned.load(Ordering::Relaxed)
    }
}

impl Shared {
    /// Starts a task for each delivery in memory, by turns, as places become free.
    async fn dispatch(self: Arc<Self>) {
        while let Ok(started) = self.queue.next(self.life.accepting()).await {
            self.begin(started);
        }
        // What is left is taken up at the next start, which voids its leases.
    }

    /// Sends a delivery that may go. One that may not goes back to its lane, which is held, or is dropped.
    fn begin(self: &Arc<Self>, mut started: Started) {
        let (shared, guard) = (self.clone(), self.life.guard());
        let target = match started.ready.target.now() {
            Ok(target) => target,
            Err(Barred::Unreadable) => {
                let held = self.policies.unreadable(started.ready.endpoint);
                return self.put_back(started, held);
            }
            Err(barred) => {
                // Nobody was asked, and nobody will be.
                started.answered();
                self.tracker.spawn("give up", async move {
                    shared.give_up(&started.ready, barred).await;
                    drop((started, guard));
                });
                return;
            }
        };
        let (at, lane) = (self.hosts.destination(&target.url), started.ready.lane());
        let Some(place) = self.hosts.enter(at, lane.1) else {
            self.put_back(started, self.policies.crowded());
            return self.hosts.wait(at, lane);
        };
        match self.policies.admit(&started.ready, target.rates) {
            Ok(permit) => {
                self.tracker.spawn("delivery", async move {
                    shared.deliver(started, permit, place).await;
                    drop(guard);
                });
            }
            // After that its place is free for another.
            Err(held) => self.put_back(started, held),
        }
    }

    /// Puts a delivery back in front of its lane, which waits with it.
    fn put_back(&self, started: Started, held: HeldBack) {
        let ready = &started.ready;
        let (app, endpoint, target) = (ready.app, ready.endpoint, ready.target.clone());
        let (msg, why) = (ready.message, held.why.as_str());
        tracing::debug!(%msg, %endpoint, why, wait = ?held.wait, "postponed");
        let until = Instant::now() + held.wait;
        match held.whom {
            Whom::Endpoint => started.hold(until),
            Whom::Application => started.hold_group(until),
        }
        started.put_back();
        // Who let it go meanwhile found nothing that was held.
        let is_free = match held.why {
            Why::Unreadable => target.now().is_ok(),
            Why::Asked | Why::Breaker => self.policies.lets_go(&endpoint),
            // Who waits in the line of its host is called by that.
            Why::Host | Why::Ours | Why::Proxy | Why::Throttle => false,
        };
        if is_free {
            self.queue.look(app, endpoint);
        }
    }

    /// Brings due deliveries from the database into memory, as there is room.
    async fn claim(self: Arc<Self>) {
        let accepting = self.life.accepting();
        while let Ok(visits) = self.queue.visits(accepting, VISITS).await {
            let visits: Visits = visits.into_iter().map(|visit| Mutex::new(Some(visit))).collect();
            let queue = self.queue.clone();
            let claimed = {
                let visits = visits.clone();
                self.writer.submit(accepting, move |tx| claim::claim(tx, &queue, &visits)).await
            };
            match claimed {
                Ok(claimed) => {
                    self.meters.dropped.increment(claimed.dropped as u64);
                    for endpoint in claimed.unreadable {
                        self.policies.unreadable(endpoint);
                    }
                }
                // Before the visits are dropped, which are made again then.
                Err(error) => self.storage_failed("cannot take up due deliveries", &error).await,
            }
        }
    }

    /// Brings deliveries of endpoints that became slow or are held back into the database: others need the room.
    async fn lay_down(self: Arc<Self>) {
        let accepting = self.life.accepting();
        while let Ok(surplus) = self.queue.surplus(accepting, SURPLUS).await {
            let surplus: claim::Leaving =
                surplus.into_iter().map(|one| Mutex::new(Some(one))).collect();
            let laid = {
                let surplus = surplus.clone();
                self.writer.submit(accepting, move |tx| claim::lay_down(tx, &surplus)).await
            };
            match laid {
                Ok(()) => self.meters.laid.increment(surplus.len() as u64),
                // Before they go back to their lanes, which call for them again.
                Err(error) => self.storage_failed("cannot lay deliveries down", &error).await,
            }
        }
    }

    /// Has whoever sleeps until something is due look again when the clock was set forward, and each step known to the next
    /// process.
    async fn watch_clock(self: Arc<Self>) {
        let accepting = self.life.accepting();
        while let Ok(step) = self.queue.clock().stepped(accepting).await {
            if matches!(step, Step::Forward(_)) {
                self.queue.clock_stepped();
            }
            self.keep_clock(accepting).await;
        }
    }

    async fn keep_clock(&self, ctx: &Context) {
        let kept = self.queue.clock().kept();
        if let Err(error) = self.writer.submit(ctx, move |tx| kept.keep(tx)).await
            && !ctx.is_cancelled()
        {
            tracing::warn!(error = %error.report(), "cannot keep the clock for the next start");
        }
    }

    /// Finds endpoints with deliveries in the database when there is room to know them, if there were too many.
    async fn find(self: Arc<Self>) {
        let (accepting, mut last) = (self.life.accepting(), None);
        while self.queue.unlisted(accepting).await.is_ok() {
            let queue = self.queue.clone();
            let found =
                self.writer.submit(accepting, move |tx| claim::find(tx, &queue, last, FOUND)).await;
            match found {
                Ok(end) => last = end,
                Err(error) => self.storage_failed("cannot find who has deliveries", &error).await,
            }
        }
    }

    /// Waits until storage may have healed, unless nothing is taken up any more.
    async fn storage_failed(&self, what: &'static str, error: &linchpin::Error) {
        let accepting = self.life.accepting();
        if !accepting.is_cancelled() {
            tracing::error!(error = %error.report(), "{what}");
            drop(accepting.sleep(RECORD_RETRY[1]).await);
        }
    }

    async fn deliver(&self, mut started: Started, permit: Permit<'static>, place: Place) {
        let target = match started.ready.target.now() {
            Ok(target) => target,
            Err(barred) => {
                drop(permit);
                started.answered();
                return self.barred(&started.ready, barred).await;
            }
        };
        let sent = self.sender.send(self.life.work(), &started.ready, &target).await;
        drop(place);
        let (mut attempt, asked) = match sent {
            Sent::Made(attempt, asked) => (attempt, asked),
            Sent::Ours(fault, attempt) => match self.ours.wait(&started, &fault) {
                Some(wait) => {
                    // Without a record it says that there was no call.
                    drop(permit);
                    return self.put_back(started, self.policies.ours(fault.holds(), wait));
                }
                None => (attempt, None),
            },
            Sent::Abandoned => return self.give_back(&started.ready, started.ready.due).await,
        };
        let is_probe = permit.is_probe();
        if attempt.is_ours {
            drop(permit);
        } else {
            self.policies.heard(permit, &started.ready, attempt.status_code, asked);
        }
        // Free before the record is written: the receiver has nothing to do with that.
        started.answered();
        let ready = &started.ready;
        if is_probe {
            // There may be room for another, or for all.
            self.queue.look(ready.app, ready.endpoint);
        }
        // One that has moved meanwhile is gone from where it was.
        let is_there = || ready.target.now().is_ok_and(|now| now.url == attempt.url);
        let is_gone = self.health.is_final(attempt.status_code) && is_there();
        if !attempt.success && !is_gone {
            let schedule = target.schedule.as_ref().unwrap_or(&self.schedule);
            let delay = schedule.delay(ready.attempt as usize, fastrand::f64());
            // Counted from the end of the attempt, and not before the receiver wants it.
            let delay = delay.map(|delay| delay.max(asked.unwrap_or_default()));
            attempt.next = delay.map(|delay| self.next(delay));
        }
        self.meters.count(&attempt);
        told::log(ready, &attempt);
        self.record(ready, &attempt).await;
    }

    /// The attempt after this wait.
    fn next(&self, wait: Duration) -> Next {
        let clock = self.queue.clock();
        let due = clock.now() + wait;
        Next { due, shown: clock.shown(due) }
    }

    /// Records the attempt and tells of it. One that was on record under the same number was told of then.
    async fn record(&self, ready: &Ready, attempt: &Attempt) {
        let record = || Record::Attempted(Box::new((ready.clone(), attempt.clone())));
        if self.write(record).await {
            self.events.tell(attempt.outcome(), told::attempted(ready, attempt));
        }
    }

    /// What becomes of a delivery whose endpoint is not what it was when its turn came.
    async fn barred(&self, ready: &Ready, barred: Barred) {
        if barred == Barred::Unreadable {
            let held = self.policies.unreadable(ready.endpoint);
            return self.give_back(ready, self.queue.clock().now() + held.wait).await;
        }
        self.give_up(ready, barred).await;
    }

    async fn give_up(&self, ready: &Ready, barred: Barred) {
        let (msg, endpoint, why) = (&ready.message, ready.endpoint, barred.as_str());
        tracing::debug!(%msg, %endpoint, why, "dropped");
        let skipped = ready.skipped(barred);
        if self.write(|| Record::Skipped(skipped)).await {
            self.meters.dropped.increment(1);
        }
    }

    /// Writes a record down, however long storage takes to heal: the alternative is to send again. Whether it was new.
    async fn write(&self, record: impl Fn() -> Record) -> bool {
        let mut wait = RECORD_RETRY[0];
        loop {
            let error = match self.records.write(record()).await {
                Ok(new) => return new,
                Err(error) => error,
            };
            tracing::error!(error = %error.report(), "cannot record what became of a delivery");
            if self.life.work().sleep(wait).await.is_err() {
                return false;
            }
            wait = (wait * 2).min(RECORD_RETRY[1]);
        }
    }

    /// Gives a delivery back to the database, to be looked at again then.
    async fn give_back(&self, ready: &Ready, due: Timestamp) {
        self.returned.fetch_add(1, Ordering::Relaxed);
        let (queue, taken, lane) = (self.queue.clone(), ready.taken(), (ready.app, ready.endpoint));
        let root = Context::root();
        let given = self.writer.submit(&root, move |tx| {
            if record::give_back(tx, &taken)? {
                queue.stored(tx, lane, due);
            }
            Ok(())
        });
        if let Err(error) = given.await {
            // Harmless: the leases are void at the next start.
            tracing::warn!(error = %error.report(), "cannot give deliveries back");
        }
    }
}
