//! The rounds that a watch makes, and how it tells what it finds.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use super::overdue::Overdue;
use super::slot::{self, Thread};
use super::stall::{Finding, Spell};
use super::{Event, LOOKS, Options, Stall};
use crate::task::registry::{find, live_older_than};
use crate::task::{Live, tell_panic};
use crate::time::Instant;

/// What the thread knows.
pub(super) struct Rounds {
    options: Options,
    threads: BTreeMap<usize, (Arc<Thread>, Spell)>,
    overdue: Overdue,
    /// When to look for overdue tasks next.
    next: Instant,
}

impl Rounds {
    pub(super) fn new(options: Options) -> Self {
        Self {
            options,
            threads: BTreeMap::new(),
            overdue: Overdue::default(),
            next: Instant::now(),
        }
    }

    /// Looks once a period until the other end of `stopped` is gone.
    pub(super) fn run(mut self, period: Duration, stopped: &Receiver<()>) {
        while stopped.recv_timeout(period) == Err(RecvTimeoutError::Timeout) {
            for event in self.look(Instant::now()) {
                self.tell(&event);
            }
        }
    }

    fn look(&mut self, now: Instant) -> Vec<Event> {
        let mut events = Vec::new();
        if let Some(bound) = self.options.stall {
            self.look_for_stalls(now, bound, &mut events);
        }
        if let Some(bound) = self.options.overdue
            && now >= self.next
        {
            self.next = now + bound / LOOKS;
            let overdue = self.overdue.look(&live_older_than(bound), &self.options.long_lived);
            events.extend(overdue.into_iter().map(Event::Overdue));
        }
        events
    }

    fn look_for_stalls(&mut self, now: Instant, bound: Duration, events: &mut Vec<Event>) {
        let current = slot::threads();
        for thread in &current {
            let spell = || (thread.clone(), Spell::new(now, thread.slot.read()));
            self.threads.entry(thread.number).or_insert_with(spell);
        }
        for (thread, spell) in self.threads.values_mut() {
            let word = thread.slot.read();
            let stall = |task, lasted| Stall { task, thread: thread.name.clone(), lasted };
            match spell.look(now, word, bound) {
                Finding::Nothing => {}
                Finding::Stalls(lasted) => {
                    // If the poll ended just now there is no name to tell, and no need.
                    if let Some(task) = thread.slot.find(word, find) {
                        spell.tell(task);
                        events.push(Event::Stalled(stall(task, lasted)));
                    }
                }
                Finding::Resumed(task, lasted) => events.push(Event::Resumed(stall(task, lasted))),
            }
        }
        // Looked at for a last time above: a thread that ended has ended its stall.
        self.threads.retain(|number, _| current.iter().any(|thread| thread.number == *number));
    }

    fn tell(&self, event: &Event) {
        let count = |name: &'static str, task: &Live| {
            metrics::counter!(name, "task" => task.name).increment(1);
        };
        match event {
            Event::Stalled(Stall { task, thread, lasted }) => {
                count("linchpin_task_stalls_total", task);
                let (task, site) = (task.name, task.site);
                tracing::warn!(task, %site, thread, ?lasted, "a task blocks its thread");
            }
            Event::Resumed(Stall { task, thread, lasted }) => {
                let (task, site) = (task.name, task.site);
                tracing::warn!(task, %site, thread, ?lasted, "a task blocked its thread");
            }
            Event::Overdue(task) => {
                count("linchpin_task_overdue_total", task);
                let Live { name, site, age, .. } = task;
                tracing::warn!(task = name, %site, ?age, "a task is alive for too long");
            }
        }
        let Some(hook) = &self.options.hook else { return };
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| hook(event))) {
            tell_panic("task watch", "the hook of the task watch panicked", payload.as_ref());
        }
    }
}
