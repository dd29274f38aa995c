//! One limiter behind its handles.

use super::counting::{Counting, Counts};
use super::decision::{Decision, No, Slot, Ticket};
use super::machine::{Kept as _, Machine as _};
use super::meters::Meters;
use super::options::{Options, Plan};
use super::paced::{Paced, Short};
use super::rate::Rate;
use super::reservation::Home;
use crate::resilience::BadOptions;
use crate::shim::atomic::AtomicU64;
use crate::shim::atomic::Ordering::Relaxed;
use crate::shim::{Mutex, lock};
use crate::time::Instant;

#[derive(Debug)]
pub(super) struct Core {
    pub(super) name: &'static str,
    pub(super) meters: Meters,
    /// How long calls wait at most.
    max_wait: AtomicU64,
    settings: Mutex<(Rate, Options)>,
    engine: Engine,
}

#[derive(Debug)]
enum Engine {
    Counted(Mutex<Counted>),
    Paced(Paced),
}

#[derive(Debug)]
struct Counted {
    plan: Counting,
    state: Counts,
    version: u64,
}

impl Core {
    pub(super) fn new(
        name: &'static str,
        rate: Rate,
        options: Options,
    ) -> Result<Self, BadOptions> {
        let engine = match options.plan(rate, Instant::now().to_bits())? {
            Plan::Counted(plan) => {
                Engine::Counted(Mutex::new(Counted { plan, state: plan.fresh(), version: 0 }))
            }
            Plan::Paced(pace) => Engine::Paced(Paced::new(pace)),
        };
        Ok(Self {
            name,
            meters: Meters::new(name),
            max_wait: AtomicU64::new(options.longest_wait()),
            settings: Mutex::new((rate, options)),
            engine,
        })
    }

    /// As [`take`](Self::take) for most of those who do not wait.
    #[inline]
    pub(super) fn pass(&self, now: Instant, cost: u32) -> Result<Slot, Short> {
        match &self.engine {
            Engine::Paced(paced) => paced.pass(now.to_bits(), cost),
            Engine::Counted(_) => Err(Short::Unsure),
        }
    }

    #[inline]
    pub(super) fn take(&self, now: Instant, cost: u32, max_wait: u64) -> Result<Slot, No> {
        match &self.engine {
            Engine::Paced(paced) => paced.take(now.to_bits(), cost, max_wait),
            Engine::Counted(counted) => {
                let Counted { plan, state, version } = &mut *lock(counted);
                let mut slot = plan.take(state, now.to_bits(), cost, max_wait)?;
                slot.ticket.version = *version;
                Ok(slot)
            }
        }
    }

    /// What there is.
    pub(super) fn look(&self, now: Instant) -> Decision {
        match &self.engine {
            Engine::Paced(paced) => {
                let (_, pace, word) = paced.read();
                pace.look(&word, now.to_bits())
            }
            Engine::Counted(counted) => {
                let counted = lock(counted);
                counted.plan.look(&counted.state, now.to_bits())
            }
        }
    }

    pub(super) fn penalize(&self, until: Instant) {
        match &self.engine {
            Engine::Paced(paced) => paced.penalize(until.to_bits()),
            Engine::Counted(counted) => {
                let Counted { plan, state, version } = &mut *lock(counted);
                plan.penalize(state, until.to_bits());
                *version += 1;
            }
        }
    }

    pub(super) fn reconfigure(&self, rate: Rate, options: Options) -> Result<(), BadOptions> {
        let now = Instant::now().to_bits();
        // One at a time.
        let mut settings = lock(&self.settings);
        match (&self.engine, options.plan(rate, now)?) {
            (Engine::Paced(paced), Plan::Paced(pace)) if paced.read().1.smooth == pace.smooth => {
                paced.reconfigure(pace, now);
            }
            (Engine::Counted(counted), Plan::Counted(plan)) => {
                let counted = &mut *lock(counted);
                if !plan.is_like(&counted.plan) {
                    return Err(another());
                }
                let plan = plan.aligned(&counted.plan);
                plan.carry(&counted.plan, &mut counted.state, now);
                counted.plan = plan;
                counted.version += 1;
            }
            _ => return Err(another()),
        }
        self.max_wait.store(options.longest_wait(), Relaxed);
        *settings = (rate, options);
        Ok(())
    }

    pub(super) fn max_wait(&self) -> u64 {
        self.max_wait.load(Relaxed)
    }

    pub(super) fn settings(&self) -> (Rate, Options) {
        lock(&self.settings).clone()
    }
}

/// What a limiter owes cannot be told in the terms of another algorithm.
pub(super) fn another() -> BadOptions {
    let why = "another algorithm; what is owed cannot be carried over, so build another limiter";
    BadOptions::new("Limiter", why)
}

impl Home for Core {
    fn undo(&self, ticket: &Ticket) -> bool {
        match &self.engine {
            Engine::Paced(paced) => paced.undo(ticket),
            Engine::Counted(counted) => {
                let Counted { plan, state, version } = &mut *lock(counted);
                *version == ticket.version && plan.undo(state, ticket)
            }
        }
    }
}
