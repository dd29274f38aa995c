//! What there is of the dispatcher before it runs.

use std::sync::Arc;

use linchpin::resilience::retry::Schedule;
use linchpin_data::sqlite::{Tx, Writer};
use linchpin_http::lifecycle::Lifecycle;

use super::claim;
use super::dispatch::{Dispatcher, FOUND};
use super::health::HealthSettings;
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
    /// Deliveries that wait in memory, at most.
    pub queue: usize,
    /// When to try again.
    pub schedule: Schedule,
    /// When to give an endpoint up.
    pub health: HealthSettings,
    /// When not to try.
    pub policies: PolicySettings,
    /// What opens the secrets that attempts are signed with.
    pub vault: Vault,
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
        let queue = Queue::new(bounds, settings.vault.clone())?;
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

    /// Voids the leases of the last process, finds who is told of what, and starts sending.
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
        let queue = self.queue.clone();
        writer.submit(life.accepting(), move |tx| operational::load(tx, &queue)).await?;
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
