//! The dispatcher: who sends, how many at once, and what happens when it must stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use linchpin::context::Context;
use linchpin::resilience::breaker::Permit;
use linchpin::resilience::bulkhead::{self, Bulkhead};
use linchpin::resilience::retry::Schedule;
use linchpin::sync::channel::Receiver;
use linchpin::task::{self, Task, Tracker};
use linchpin::time::Timestamp;
use linchpin_data::sqlite::Writer;
use linchpin_http::lifecycle::Lifecycle;

use super::claim;
use super::policies::{Policies, PolicySettings, Postponed};
use super::queue::{Held, Queue, Ready};
use super::record::{self, Attempt, Taken};
use super::records::{Record, Records};
use super::send::{Sender, Sent};
use super::targets::Barred;
use super::told::{self, Meters};
use crate::events::Events;

/// How the dispatcher works.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Attempts under way at once.
    pub concurrency: usize,
    /// Deliveries that wait in memory, at most.
    pub queue: usize,
    /// When to try again.
    pub schedule: Schedule,
    /// When not to try.
    pub policies: PolicySettings,
}

/// Sends what is due. It stops taking up work when the service stops accepting, and gives up what is under way when the
/// service's work must end.
#[derive(Debug)]
pub struct Dispatcher {
    shared: Arc<Shared>,
    tasks: [Task<()>; 2],
}

#[derive(Debug)]
struct Shared {
    queue: Queue,
    events: Events,
    writer: Writer,
    records: Records,
    policies: Arc<Policies>,
    sender: Sender,
    schedule: Schedule,
    places: Bulkhead,
    tracker: Tracker,
    life: Lifecycle,
    returned: AtomicUsize,
    meters: Meters,
}

/// Why a delivery does not go.
#[derive(Clone, Copy)]
enum Stays {
    Postponed(Postponed),
    Dropped(Barred),
}

/// The most payload in memory, in KiB.
const MEMORY_KIB: usize = 64 * 1024;
/// The most deliveries taken in one claim: enough to fill a commit, few enough not to hold up the writer.
const CLAIM: usize = 64;
/// The waits between tries to record an attempt while storage fails.
const RECORD_RETRY: [Duration; 2] = [Duration::from_millis(50), Duration::from_secs(2)];

impl Dispatcher {
    /// The queue, and the seed of a dispatcher that serves it once [started](Seed::start).
    ///
    /// # Errors
    ///
    /// If the queue has no places.
    pub fn prepare(settings: &Settings) -> linchpin::Result<(Queue, Seed)> {
        let (queue, receiver) = Queue::new(settings.queue, MEMORY_KIB)?;
        let (events, settings) = (Events::new()?, settings.clone());
        let policies = Arc::new(Policies::new(settings.policies)?);
        let seed = Seed { queue: queue.clone(), events, policies, receiver, settings };
        Ok((queue, seed))
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
        self.shared.returned.load(Ordering::Relaxed)
    }
}

/// A dispatcher that does not run yet: the store needs its queue before it can.
#[derive(Debug)]
pub struct Seed {
    queue: Queue,
    events: Events,
    policies: Arc<Policies>,
    receiver: Receiver<Held>,
    settings: Settings,
}

impl Seed {
    /// Where attempts will be told of.
    #[must_use]
    pub fn events(&self) -> &Events {
        &self.events
    }

    /// What will hold deliveries back.
    #[must_use]
    pub fn policies(&self) -> &Arc<Policies> {
        &self.policies
    }

    /// Voids the leases of the last process and starts sending.
    ///
    /// # Errors
    ///
    /// Those of the database, and settings that make no sense.
    pub async fn start(
        self,
        writer: Writer,
        sender: Sender,
        life: &Lifecycle,
    ) -> linchpin::Result<Dispatcher> {
        let (voided, next) = writer.submit(life.accepting(), claim::void_leases).await?;
        if voided > 0 {
            tracing::info!(deliveries = voided, "taken over from the last run");
        }
        if let Some(due) = next {
            self.queue.due_at(due);
        }
        let waiting = bulkhead::Options::default().max_queue(1).max_wait(Duration::MAX);
        let records = Records::new(writer.clone(), self.queue.clone())?;
        let shared = Arc::new(Shared {
            queue: self.queue,
            events: self.events,
            writer,
            records,
            policies: self.policies,
            sender,
            schedule: self.settings.schedule,
            places: Bulkhead::new("deliveries", self.settings.concurrency, waiting)?,
            tracker: Tracker::new("deliveries"),
            life: life.clone(),
            returned: AtomicUsize::new(0),
            meters: Meters::new(),
        });
        let tasks = [
            task::spawn("dispatch", shared.clone().dispatch(self.receiver)),
            task::spawn("claim", shared.clone().claim()),
        ];
        Ok(Dispatcher { shared, tasks })
    }
}

impl Shared {
    /// Starts a task for each delivery in memory, as places become free.
    async fn dispatch(self: Arc<Self>, mut receiver: Receiver<Held>) {
        while let Ok(place) = self.places.enter_owned(self.life.accepting()).await {
            let Some((held, permit)) = self.next(&mut receiver).await else { break };
            let (shared, guard) = (self.clone(), self.life.guard());
            self.tracker.spawn("delivery", async move {
                shared.deliver(&held.ready, permit).await;
                drop((held, place, guard));
            });
        }
        // Whatever commits from here on finds the channel closed and stays in the database.
        receiver.close();
        let mut left = Vec::new();
        while let Ok(held) = receiver.try_recv() {
            left.push(held.ready.taken());
        }
        self.give_back(left).await;
    }

    /// The next delivery that may go; those that may not are put off. `None` at the end.
    async fn next(
        self: &Arc<Self>,
        receiver: &mut Receiver<Held>,
    ) -> Option<(Held, Permit<'static>)> {
        loop {
            let held = receiver.recv(self.life.accepting()).await.ok()?;
            let stays = match held.ready.target.now() {
                Ok(target) => match self.policies.admit(&held.ready, target.rates) {
                    Ok(permit) => return Some((held, permit)),
                    Err(postponed) => Stays::Postponed(postponed),
                },
                Err(barred) => self.barred(barred),
            };
            if let Stays::Postponed(postponed) = stays {
                // If it was let in as a probe, its place is free again.
                self.queue.look(held.ready.endpoint, postponed.until);
            }
            let (shared, guard) = (self.clone(), self.life.guard());
            // As many as there is memory for; they share submissions.
            self.tracker.spawn("postpone", async move {
                shared.keep(&held.ready, stays).await;
                drop((held, guard));
            });
        }
    }

    /// Brings due deliveries from the database into memory, at their time.
    async fn claim(self: Arc<Self>) {
        while self.queue.wake().due(self.life.accepting()).await.is_ok() {
            if let Err(error) = self.claim_due().await {
                if self.life.accepting().is_cancelled() {
                    return;
                }
                tracing::error!(error = %error.report(), "cannot take up due deliveries");
                self.queue.due_at(Timestamp::now() + RECORD_RETRY[1]);
            }
        }
    }

    async fn claim_due(&self) -> linchpin::Result<()> {
        let accepting = self.life.accepting();
        // In turns, so that neither what is due nor what is released has to wait for the end of the other.
        let mut released_first = false;
        loop {
            released_first = !released_first;
            // Places first: what is claimed must have somewhere to go.
            let mut places = vec![self.queue.place(accepting).await?];
            places.extend(std::iter::from_fn(|| self.queue.try_place()).take(CLAIM - 1));
            let (limit, now) = (places.len(), Timestamp::now());
            let released = self.queue.parked().release(now, limit, |one| self.policies.room(one));
            let wanted = claim::Wanted { now, limit, released, released_first };
            let queue = self.queue.clone();
            let claimed =
                self.writer.submit(accepting, move |tx| claim::claim(tx, &queue, &wanted)).await?;
            self.meters.dropped.increment(claimed.dropped as u64);
            for (endpoint, deliveries) in &claimed.unreadable {
                self.policies.unreadable(*deliveries);
                tracing::error!(%endpoint, deliveries, "waiting, as the endpoint's secret cannot be read");
            }
            for (ready, place) in claimed.ready.into_iter().zip(places) {
                // This wait ends early only with the service; what is still leased then is void at the next start.
                let room = self.queue.weigh(accepting, place, ready.payload.len()).await?;
                self.queue.hand_over(ready, room);
            }
            let next = claimed.next.into_iter().chain(self.queue.parked().next()).min();
            let Some(next) = next else { return Ok(()) };
            if next > Timestamp::now() {
                self.queue.due_at(next);
                return Ok(());
            }
        }
    }

    async fn deliver(&self, ready: &Ready, permit: Permit<'static>) {
        let target = match ready.target.now() {
            Ok(target) => target,
            Err(barred) => {
                drop(permit);
                self.queue.look(ready.endpoint, Timestamp::now());
                return self.keep(ready, self.barred(barred)).await;
            }
        };
        let (mut attempt, asked) = match self.sender.send(self.life.work(), ready, &target).await {
            Sent::Made(attempt, asked) => (attempt, asked),
            Sent::Abandoned => return self.give_back(vec![ready.taken()]).await,
        };
        self.policies.heard(permit, ready, attempt.status_code, asked);
        self.queue.look(ready.endpoint, Timestamp::now());
        if !attempt.success {
            let delay = self.schedule.delay(ready.attempt as usize, fastrand::f64());
            // Counted from the end of the attempt, and not before the receiver wants it.
            let delay = delay.map(|delay| delay.max(asked.unwrap_or_default()));
            attempt.next = delay.map(|delay| Timestamp::now() + delay);
        }
        self.meters.count(&attempt);
        told::log(ready, &attempt);
        self.record(ready, &attempt).await;
    }

    /// Records the attempt and tells of it. One that was on record under the same number was told of then.
    async fn record(&self, ready: &Ready, attempt: &Attempt) {
        let record = || Record::Attempted(Box::new((ready.clone(), attempt.clone())));
        if self.write(record).await {
            self.events.tell(attempt.outcome(), told::attempted(ready, attempt));
        }
    }

    /// What becomes of a delivery whose endpoint gets nothing as it is now.
    fn barred(&self, barred: Barred) -> Stays {
        match barred {
            Barred::Unreadable => Stays::Postponed(self.policies.unreadable(1)),
            Barred::Application | Barred::Deleted | Barred::Disabled => Stays::Dropped(barred),
        }
    }

    async fn keep(&self, ready: &Ready, stays: Stays) {
        match stays {
            Stays::Postponed(postponed) => self.postpone(ready, postponed).await,
            Stays::Dropped(barred) => {
                let (msg, endpoint, why) = (&ready.message, ready.endpoint, barred.as_str());
                tracing::debug!(%msg, %endpoint, why, "dropped");
                let taken = ready.taken();
                if self.write(|| Record::Dropped(taken)).await {
                    self.meters.dropped.increment(1);
                }
            }
        }
    }

    async fn postpone(&self, ready: &Ready, postponed: Postponed) {
        let (msg, endpoint, why) = (&ready.message, ready.endpoint, postponed.why.as_str());
        tracing::debug!(%msg, %endpoint, why, until = %postponed.until, "postponed");
        let taken = ready.taken();
        if !postponed.why.is_of_endpoint() {
            self.write(|| Record::Postponed(taken, postponed)).await;
            return;
        }
        self.write(|| Record::Parked(taken, postponed.until)).await;
        // Who let the endpoint go meanwhile has not seen that there is anything parked.
        if self.policies.room(&endpoint).0.is_some() {
            self.queue.look(endpoint, Timestamp::now());
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

    async fn give_back(&self, all: Vec<Taken>) {
        if all.is_empty() {
            return;
        }
        self.returned.fetch_add(all.len(), Ordering::Relaxed);
        let given =
            self.writer.submit(&Context::root(), move |tx| record::give_back(tx, &all)).await;
        if let Err(error) = given {
            // Harmless: the leases are void at the next start.
            tracing::warn!(error = %error.report(), "cannot give deliveries back");
        }
    }
}
