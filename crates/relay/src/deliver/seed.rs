//! What there is of the dispatcher before it runs.

use std::sync::Arc;
use std::time::Duration;

use linchpin::resilience::retry::Schedule;
use linchpin_data::sqlite::{Tx, Writer};
use linchpin_http::lifecycle::Lifecycle;

use super::claim;
use super::clock::Clock;
use super::dispatch::{Dispatcher, FOUND};
use super::health::HealthSettings;
use super::lead::Lead;
use super::ours::Patience;
use super::policies::{Policies, PolicySettings};
use super::queue::{Bounds, Queue};
use super::send::Sender;
use crate::events::Events;
use crate::store::operational;
use crate::vault::Vault;

/// How the dispatcher works.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Attempts under way at once.
    pub concurrency: usize,
    /// Those of them to one host and port.
    pub per_host: usize,
    /// Deliveries that wait in memory, at most.
    pub queue: usize,
    /// When to try again.
    pub schedule: Schedule,
    /// When to give an endpoint up.
    pub health: HealthSettings,
    /// When not to try.
    pub policies: PolicySettings,
    /// How often to try again what did not leave this machine.
    pub patience: Patience,
    /// What opens the secrets that attempts are signed with.
    pub vault: Vault,
    /// By what they are due.
    pub clock: Clock,
}

/// A dispatcher that does not run yet: the store needs its queue before it can.
#[derive(Debug)]
pub struct Seed {
    pub(super) queue: Queue,
    pub(super) events: Events,
    pub(super) policies: Arc<Policies>,
    pub(super) settings: Settings,
}

/// The most payload in memory, in bytes.
const MEMORY: usize = 64 << 20;

impl Seed {
    /// The seed of a dispatcher, and the queue that it will serve once [started](Self::start).
    ///
    /// # Errors
    ///
    /// If the queue has no places.
    pub fn new(settings: Settings) -> linchpin::Result<Self> {
        let (places, deliveries) = (settings.concurrency, settings.queue);
        let bounds = Bounds { places, deliveries, bytes: MEMORY };
        let queue = Queue::new(bounds, settings.vault.clone(), settings.clock.clone())?;
        let policies = Arc::new(Policies::new(settings.policies)?);
        Ok(Self { queue, events: Events::new()?, policies, settings })
    }

    /// Where what is stored is handed over.
    #[must_use]
    pub fn queue(&self) -> &Queue {
        &self.queue
    }

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

    /// Voids the leases of the last process, goes on with its clock, brings back what it has left due beyond reason, finds who is told of what, and starts
    /// sending.
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
        let voided = writer.submit(life.accepting(), claim::void_leases).await?;
        if voided > 0 {
            tracing::info!(deliveries = voided, "taken over from the last run");
        }
        let last = writer.submit(life.accepting(), |tx| Lead::load(tx)).await?;
        if let Some(kept) = self.queue.clock().resume(last) {
            writer.submit(life.accepting(), move |tx| kept.keep(tx)).await?;
        }
        let queue = self.queue.clone();
        writer.submit(life.accepting(), move |tx| operational::load(tx, &queue)).await?;
        let (now, longest) = (self.queue.clock().now(), longest(&self.settings.schedule));
        let back = move |tx: &mut Tx<'_>| claim::bring_back(tx, now, longest);
        let brought = writer.submit(life.accepting(), back).await?;
        if brought > 0 {
            tracing::warn!(deliveries = brought, "brought back: they were due beyond all reason");
        }
        let mut last = None;
        loop {
            let queue = self.queue.clone();
            let found = move |tx: &mut Tx<'_>| claim::find(tx, &queue, last, FOUND);
            last = writer.submit(life.accepting(), found).await?;
            if last.is_none() {
                break;
            }
        }
        Dispatcher::begin(self, (writer, sender, life.clone()))
    }
}

/// The longest delay of a schedule, with what chance may add.
fn longest(schedule: &Schedule) -> Duration {
    // One that never ends has no delay at its end that is much longer than these.
    (0..1_000).map_while(|attempt| schedule.delay(attempt, 1.0)).max().unwrap_or_default()
}
