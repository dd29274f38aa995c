//! The children of a supervisor while it runs: one loop that waits for their ends and their times to be started.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context as Poller, Poll};
use std::time::Duration;

use super::{GaveUp, Health, Options, Restart, Spec, State};
use crate::context::{Cause, Child, Context, Ended};
use crate::error::{Error, Kind, Panicked, catch_async};
use crate::sync::watched::Watched;
use crate::task::{Fault, Listed, Task, raw};
use crate::time::{Instant, Nap};

/// All of them.
pub(super) struct Running {
    name: &'static str,
    options: Options,
    slots: Vec<Slot>,
    board: Watched<Health>,
    /// What the children's contexts descend from.
    base: Context,
    /// When the latest restarts were, no more than may be.
    restarts: VecDeque<Instant>,
    random: fastrand::Rng,
    nap: Nap,
}

/// One of them.
struct Slot {
    spec: Spec,
    phase: Phase,
    /// Failures in a row, which its back-off counts by.
    row: usize,
}

enum Phase {
    Running { task: Task<Result<(), Error>>, context: Child, since: Instant },
    BackingOff { until: Instant },
    Over,
}

/// What the loop waits for.
enum Event {
    /// This one ended, after so long.
    Ended(usize, Result<(), Error>, Duration),
    /// It is time for this one.
    Due(usize),
    /// None runs and none waits.
    Quiet,
}

impl Running {
    pub(super) fn new(
        name: &'static str,
        options: Options,
        children: Vec<Spec>,
        board: Watched<Health>,
        base: Context,
    ) -> Self {
        let slot = |spec| Slot { spec, phase: Phase::Over, row: 0 };
        Self {
            name,
            slots: children.into_iter().map(slot).collect(),
            board,
            base,
            restarts: VecDeque::new(),
            random: options.seed.map_or_else(fastrand::Rng::new, fastrand::Rng::with_seed),
            nap: Nap::default(),
            options,
        }
    }

    /// Starts all of them and keeps them running: until the context ends, with its cause, or all are done.
    pub(super) async fn keep(&mut self, ctx: &Context) -> Result<Option<Cause>, Error> {
        if let Some(cause) = ctx.cause() {
            return Ok(Some(cause));
        }
        (0..self.slots.len()).for_each(|index| self.start(index));
        let mut end = pin!(ctx.cancelled());
        loop {
            let event = poll_fn(|cx| {
                if let Poll::Ready(cause) = end.as_mut().poll(cx) {
                    return Poll::Ready(Err(cause));
                }
                self.poll_event(cx).map(Ok)
            });
            match event.await {
                Ok(Event::Ended(index, result, ran)) => self.ended(index, result, ran)?,
                Ok(Event::Due(index)) => self.start(index),
                Ok(Event::Quiet) => return Ok(None),
                Err(cause) => return Ok(Some(cause)),
            }
        }
    }

    /// Stops all that are left, the last first. Who had to be aborted.
    pub(super) async fn stop(&mut self, cause: Cause) -> Vec<&'static str> {
        let mut aborted = Vec::new();
        for index in (0..self.slots.len()).rev() {
            match std::mem::replace(&mut self.slots[index].phase, Phase::Over) {
                Phase::Running { mut task, context, .. } => {
                    context.cancel(cause.clone());
                    let limit = self.options.stop_within;
                    let ended = tokio::time::timeout(limit, &mut task.handle).await;
                    let outcome = match ended {
                        Ok(outcome) => outcome,
                        Err(_) => {
                            let (owner, child) = (self.name, self.slots[index].spec.name);
                            tracing::warn!(owner, child, ?limit, "a child did not stop in time");
                            aborted.push(child);
                            task.abort();
                            (&mut task.handle).await
                        }
                    };
                    // That it was stopped is no failure; what went wrong meanwhile is.
                    if let Err(error) =
                        outcome.unwrap_or_else(|error| Err(Fault::from(error).into()))
                        && error.kind() != Kind::Cancelled
                        && error.find::<Ended>().is_none()
                    {
                        self.failed(index, error);
                    }
                    self.post(index, State::Stopped);
                }
                Phase::BackingOff { .. } => self.post(index, State::Stopped),
                Phase::Over => {}
            }
        }
        aborted
    }

    pub(super) fn health(&self) -> Health {
        Health::clone(&self.board.get())
    }

    fn start(&mut self, index: usize) {
        let slot = &mut self.slots[index];
        let (context, work) = (self.base.child(), slot.spec.work.clone());
        let handed = (*context).clone();
        // Called within the boundary, so that a panic in the making of the future is caught there, too.
        let run = async move { catch_async(async { work(handed).await }).await.flatten() };
        let task = Task { handle: raw(Listed::at(slot.spec.name, slot.spec.site, run)) };
        slot.phase = Phase::Running { task, context, since: Instant::now() };
        self.post(index, State::Running);
    }

    fn poll_event(&mut self, cx: &mut Poller<'_>) -> Poll<Event> {
        let mut next: Option<(Instant, usize)> = None;
        let mut quiet = true;
        for (index, slot) in self.slots.iter_mut().enumerate() {
            match &mut slot.phase {
                Phase::Running { task, since, .. } => {
                    quiet = false;
                    if let Poll::Ready(outcome) = Pin::new(&mut task.handle).poll(cx) {
                        let ran = since.elapsed();
                        slot.phase = Phase::Over;
                        let result = outcome.map_err(Fault::from).map_err(Error::from);
                        return Poll::Ready(Event::Ended(index, result.flatten(), ran));
                    }
                }
                Phase::BackingOff { until } => {
                    next = Some(next.map_or((*until, index), |first| first.min((*until, index))));
                }
                Phase::Over => {}
            }
        }
        match next {
            Some((until, index)) => self.nap.poll(until, cx).map(|_| Event::Due(index)),
            None if quiet => Poll::Ready(Event::Quiet),
            None => Poll::Pending,
        }
    }

    /// Decides what becomes of a child that ended by itself.
    fn ended(
        &mut self,
        index: usize,
        result: Result<(), Error>,
        ran: Duration,
    ) -> Result<(), Error> {
        let failure = result.err();
        if let Some(failure) = &failure {
            self.failed(index, failure.clone());
        }
        match (self.slots[index].spec.restart, &failure) {
            (Restart::Transient | Restart::Temporary, None) => self.post(index, State::Done),
            (Restart::Temporary, Some(_)) => self.post(index, State::Failed),
            (Restart::Permanent, _) | (Restart::Transient, Some(_)) => {
                self.admit_restart(index, failure)?;
                self.back_off(index, ran);
            }
        }
        Ok(())
    }

    /// Whether there may be one more restart.
    fn admit_restart(&mut self, index: usize, failure: Option<Error>) -> Result<(), Error> {
        let now = Instant::now();
        let Options { restarts: most, within, .. } = self.options;
        while self.restarts.front().is_some_and(|restart| now - *restart >= within) {
            self.restarts.pop_front();
        }
        if self.restarts.len() < most {
            self.restarts.push_back(now);
            return Ok(());
        }
        self.post(index, State::Failed);
        let (supervisor, child) = (self.name, self.slots[index].spec.name);
        let error =
            Error::from(GaveUp { supervisor, child, restarts: most, within, last: failure });
        tracing::error!(owner = supervisor, child, error = %error.report(), "a supervisor gave up");
        Err(error)
    }

    fn back_off(&mut self, index: usize, ran: Duration) {
        let Options { backoff, settled_after, .. } = &self.options;
        let slot = &mut self.slots[index];
        slot.row = if ran >= *settled_after { 0 } else { slot.row };
        let last = |delays: usize| delays.saturating_sub(1);
        let retry = slot.row.min(backoff.retries().map_or(usize::MAX, last));
        let delay = backoff.delay(retry, self.random.f64()).unwrap_or_default();
        slot.row += 1;
        slot.phase = Phase::BackingOff { until: Instant::now() + delay };
        let (owner, child) = (self.name, slot.spec.name);
        tracing::warn!(owner, child, ?delay, "a child is started again");
        metrics::counter!("linchpin_supervisor_restarts_total", "owner" => owner, "task" => child)
            .increment(1);
        self.post(index, State::BackingOff);
    }

    fn failed(&mut self, index: usize, failure: Error) {
        let (owner, task) = (self.name, self.slots[index].spec.name);
        if failure.find::<Panicked>().is_some() {
            metrics::counter!("linchpin_task_panics_total", "owner" => owner).increment(1);
            tracing::error!(owner, task, error = %failure.report(), "a child panicked");
        } else {
            tracing::warn!(owner, task, error = %failure.report(), "a child failed");
        }
        self.board.modify(|health| health.children[index].last_failure = Some(failure));
    }

    fn post(&self, index: usize, state: State) {
        self.board.modify(|health| {
            let child = &mut health.children[index];
            let again = child.state == State::BackingOff && state == State::Running;
            child.restarts += u64::from(again);
            (child.state, child.since) = (state, Instant::now());
        });
    }
}
