//! The machine, and who waits for it.

use std::task::Waker;

use super::machine::Machine;
use crate::shim::{Fault, Mutex, lock, planted};
use crate::sync::waiters::{Calls, Place, Ticket, Waiters};
use crate::time::Instant;

pub(super) struct State<G, K, T> {
    pub(super) machine: Machine<G, K, T>,
    /// Who waits for something to start.
    starters: Waiters,
    /// Who waits for something below.
    visitors: Waiters,
    /// Who waits for something to be laid below.
    layers: Waiters,
}

/// What one who waits waits for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Wants {
    Starts,
    Visits,
    Surplus,
}

/// Nothing is there, before that moment if there is one, unless one is called.
#[derive(Clone, Copy, Debug)]
pub(super) struct Idle {
    pub(super) wants: Wants,
    /// How often those who wait had been called.
    pub(super) round: usize,
    pub(super) until: Option<Instant>,
}

/// Where one waits who has seen a round of calls.
pub(super) struct Here<'a, G, K, T> {
    pub(super) state: &'a Mutex<State<G, K, T>>,
    pub(super) idle: Idle,
}

// ===== impl State =====

impl<G: Clone + Eq, K: Clone + Eq, T> State<G, K, T> {
    pub(super) fn new(machine: Machine<G, K, T>) -> Self {
        let [starters, visitors, layers] = std::array::from_fn(|_| Waiters::default());
        Self { machine, starters, visitors, layers }
    }

    /// Whoever has something to look for since the last look.
    pub(super) fn calls(&mut self) -> [Calls; 3] {
        let is_news = std::mem::take(&mut self.machine.is_news);
        let starts = is_news || self.machine.can_start();
        let visits = is_news || self.machine.can_visit();
        let call = |is_called: bool, line: &mut Waiters| {
            if is_called { line.call() } else { Calls::default() }
        };
        [
            call(starts, &mut self.starters),
            call(visits, &mut self.visitors),
            call(self.machine.has_surplus(), &mut self.layers),
        ]
    }
}

impl<G, K, T> State<G, K, T> {
    pub(super) fn line(&self, wants: Wants) -> &Waiters {
        match wants {
            Wants::Starts => &self.starters,
            Wants::Visits => &self.visitors,
            Wants::Surplus => &self.layers,
        }
    }

    fn line_mut(&mut self, wants: Wants) -> &mut Waiters {
        match wants {
            Wants::Starts => &mut self.starters,
            Wants::Visits => &mut self.visitors,
            Wants::Surplus => &mut self.layers,
        }
    }
}

impl<G, K, T> Place for Here<'_, G, K, T> {
    fn enter(&self, waker: Waker) -> Option<Ticket> {
        let mut state = lock(self.state);
        let line = state.line_mut(self.idle.wants);
        if line.round() != self.idle.round && !planted(Fault::LanesLookBeforeTheyWait) {
            drop(state);
            return None;
        }
        Some(line.enter(waker))
    }

    fn list<R>(&self, work: impl FnOnce(&mut Waiters) -> R) -> R {
        work(lock(self.state).line_mut(self.idle.wants))
    }
}
