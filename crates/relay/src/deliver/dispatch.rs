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
use crate::events::{Attempted, Events};
use crate::model::time::Time;

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

#[derive(Debug)]
struct Meters {
    success: metrics::Counter,
    failure: metrics::Counter,
    exhausted: metrics::Counter,
    dropped: metrics::Counter,
    seconds: metrics::Histogram,
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
            let postponed = match self.policies.admit(&held.ready) {
                Ok(permit) => return Some((held, permit)),
                Err(postponed) => postponed,
            };
            // If it was let in as a probe, its place is free again.
            self.queue.look(held.ready.endpoint, postponed.until);
            let (shared, guard) = (self.clone(), self.life.guard());
            // As many as there is memory for; they share submissions.
            self.tracker.spawn("postpone", async move {
                shared.postpone(&held.ready, postponed).await;
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
        let (mut attempt, asked) = match self.sender.send(self.life.work(), ready).await {
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
        log(ready, &attempt);
        self.record(ready, &attempt).await;
    }

    /// Records the attempt and tells of it. One that was on record under the same number was told of then.
    async fn record(&self, ready: &Ready, attempt: &Attempt) {
        let record = || Record::Attempted(Box::new((ready.clone(), attempt.clone())));
        if self.write(record).await {
            self.events.tell(attempt.outcome(), attempted(ready, attempt));
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

fn log(ready: &Ready, attempt: &Attempt) {
    let (msg, endpoint) = (&ready.message, &ready.endpoint);
    let (number, status, ms) = (ready.attempt + 1, attempt.status_code, attempt.duration_ms);
    if attempt.success {
        tracing::debug!(%msg, %endpoint, attempt = number, status, ms, "delivered");
    } else if let Some(next) = attempt.next {
        tracing::info!(%msg, %endpoint, attempt = number, status, ms, %next, "not delivered, will retry");
    } else {
        tracing::warn!(%msg, %endpoint, attempt = number, status, ms, "not delivered, given up");
    }
}

fn attempted(ready: &Ready, attempt: &Attempt) -> Attempted {
    Attempted {
        app_id: ready.app,
        msg_id: ready.message,
        endpoint_id: ready.endpoint,
        attempt: ready.attempt + 1,
        response_status_code: attempt.status_code,
        response_duration_ms: attempt.duration_ms,
        timestamp: Time(attempt.at),
        next_attempt: attempt.next.map(Time),
    }
}

impl Meters {
    fn new() -> Self {
        let attempts =
            |outcome: &'static str| metrics::counter!("relay_attempts_total", "outcome" => outcome);
        Self {
            success: attempts("success"),
            failure: attempts("failure"),
            exhausted: metrics::counter!("relay_deliveries_exhausted_total"),
            dropped: metrics::counter!("relay_deliveries_dropped_total"),
            seconds: metrics::histogram!("relay_attempt_seconds"),
        }
    }

    fn count(&self, attempt: &Attempt) {
        if attempt.success { &self.success } else { &self.failure }.increment(1);
        if !attempt.success && attempt.next.is_none() {
            self.exhausted.increment(1);
        }
        self.seconds.record(attempt.duration_ms as f64 / 1_000.0);
    }
}
