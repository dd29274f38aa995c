//! What the lock of the machine guards.

use super::machine::{Counts, No, Ticket};
use super::options::Options;
use super::pending::Pending;
use super::probes::Probes;
use super::state::{Cause, Change, Numbers, State};
use super::tally::{NEVER, Shape, Tally, floor, without_rules};
use super::window::Window;
use super::word::{self, Phase, Stamp, Word};
use crate::resilience::news::News;
use crate::time::Instant;

/// All that is not in the word.
#[derive(Debug)]
pub(super) struct Locked {
    pub(super) options: Options,
    pub(super) standing: Standing,
    /// Counts the transitions: what was let through in another is stale.
    pub(super) generation: u64,
    pub(super) pending: Pending,
    pub(super) news: News<Change>,
    /// What the options say of a frame.
    rules: word::Numbers,
    pub(super) window: Window,
    /// Calls that have left the word, since there is a time window.
    pub(super) totals: Tally,
    /// Where buckets of time begin.
    pub(super) origin: Instant,
    pub(super) since: Instant,
    pub(super) epoch: u64,
    pub(super) opens: u32,
    ids: u64,
}

/// How the breaker is.
#[derive(Debug)]
pub(super) enum Standing {
    Closed,
    ForcedClosed,
    ForcedOpen,
    HalfOpen(Probes),
    MetricsOnly {
        told: bool,
    },
    Open {
        until: Instant,
        cause: Cause,
        /// What opened it.
        used: u64,
        limit: u64,
    },
}

impl Locked {
    pub(super) fn new(options: Options, now: Instant) -> Self {
        Self {
            window: Window::new(&options, now, now),
            totals: Tally::default(),
            rules: rules(&options),
            options,
            standing: Standing::Closed,
            generation: 0,
            pending: Pending::default(),
            news: News::default(),
            origin: now,
            since: now,
            epoch: 0,
            opens: 0,
            ids: 0,
        }
    }

    pub(super) fn counts(&self) -> bool {
        matches!(self.standing, Standing::Closed | Standing::MetricsOnly { .. })
    }

    /// The calls of a word that is no more, for who counts all that ever ended.
    pub(super) fn ended(&mut self, count: u64) {
        if let Window::Time(_) = self.window {
            self.totals = self.totals.plus(&Tally::of_parts(count));
        }
    }

    pub(super) fn next_id(&mut self) -> u64 {
        self.ids += 1;
        self.ids
    }

    /// A call that was pending has ended.
    pub(super) fn no_more_pending(&mut self, ticket: &Ticket) {
        if let (Counts::Pending(id), Some(started)) = (ticket.place.counts(), ticket.started) {
            self.pending.end(started, id);
        }
    }

    /// How many calls are under way for too long.
    pub(super) fn overdue(&mut self, now: Instant) -> u64 {
        match self.options.slow {
            Some(slow) if slow.pending => self.pending.overdue(slow.threshold, now),
            _ => 0,
        }
    }

    /// Why nothing is let through now.
    pub(super) fn no(&self, now: Instant) -> No {
        let (cause, used, limit, until) = self.refusing();
        let retry_after = match self.standing {
            Standing::Open { .. } => Some(until - now),
            _ => None,
        };
        No { cause, compared: compared(used, limit), retry_after }
    }

    /// Why, by which numbers, and until when.
    fn refusing(&self) -> (Cause, u64, u64, Instant) {
        match &self.standing {
            Standing::Open { until, cause, used, limit } => (*cause, *used, *limit, *until),
            Standing::HalfOpen(probes) => {
                let never = Instant::from_bits(NEVER);
                let until = probes.lease_ends(self.options.max_probe).unwrap_or(never);
                (Cause::Waited, probes.ended() + probes.under_way(), probes.permits(), until)
            }
            _ => (Cause::Operator, 0, 0, Instant::from_bits(NEVER)),
        }
    }

    pub(super) fn numbers(&self, tally: &Tally, now: Instant) -> Numbers {
        let probes = match &self.standing {
            Standing::HalfOpen(probes) => Some(probes),
            _ => None,
        };
        Numbers {
            state: self.state(),
            since: self.since,
            generation: self.generation,
            calls: tally.calls,
            failures: tally.failures,
            slow: tally.slow,
            consecutive_failures: tally.run,
            probes: probes.map_or(0, Probes::under_way),
            probes_succeeded: probes.map_or(0, |probes| probes.succeeded.into()),
            probes_failed: probes.map_or(0, |probes| probes.failed.into()),
            opens: self.opens,
            retry_after: self.no(now).retry_after,
        }
    }

    pub(super) fn state(&self) -> State {
        match self.standing {
            Standing::Closed => State::Closed,
            Standing::ForcedClosed => State::ForcedClosed,
            Standing::ForcedOpen => State::ForcedOpen,
            Standing::HalfOpen(_) => State::HalfOpen,
            Standing::MetricsOnly { .. } => State::MetricsOnly,
            Standing::Open { .. } => State::Open,
        }
    }

    /// Other options, for a window that is theirs already.
    pub(super) fn take_options(&mut self, options: Options) {
        self.rules = rules(&options);
        self.options = options;
        self.pending.reconsider();
    }

    // ----- for those without the lock

    /// The word that says so, with that count.
    pub(super) fn word(&self, count: u64) -> Word {
        let (cause, ..) = self.refusing();
        let (phase, count) = match &self.standing {
            Standing::Closed => (Phase::Closed, count),
            Standing::MetricsOnly { .. } => (Phase::MetricsOnly, count),
            Standing::ForcedClosed => (Phase::ForcedClosed, 0),
            Standing::ForcedOpen => (Phase::ForcedOpen, cause as u64),
            Standing::Open { .. } => (Phase::Open, cause as u64),
            Standing::HalfOpen(probes) if probes.is_full() => (Phase::Full, cause as u64),
            Standing::HalfOpen(_) => (Phase::HalfOpen, 0),
        };
        Word::new(phase, self.epoch, count)
    }

    /// The frame that belongs to it.
    pub(super) fn frame(&self) -> word::Numbers {
        if !self.counts() {
            let (_, used, limit, until) = self.refusing();
            return word::Numbers {
                stamp: Stamp::new(self.generation, false, false).0,
                until: until.to_bits(),
                compared: compared(used, limit),
                ..word::Numbers::default()
            };
        }
        let slow = self.options.slow;
        let pending = slow.is_some_and(|slow| slow.pending);
        let numbers = self.window.add_to(self.rules);
        let trouble = numbers.failures
            | numbers.slow
            | numbers.tail_failures
            | numbers.tail_slow
            | numbers.run;
        let is_quiet = trouble == 0 && !pending;
        let shape = Shape(numbers.shape);
        let numbers = word::Numbers {
            stamp: Stamp::new(self.generation, slow.is_some(), pending).0,
            quiet_room: if is_quiet { shape.room() } else { 0 },
            quiet_wraps: (is_quiet && shape.is_full(numbers.calls)).into(),
            ..numbers
        };
        match self.standing {
            Standing::MetricsOnly { told: true } => without_rules(numbers),
            _ => numbers,
        }
    }
}

/// Two numbers in one.
fn compared(used: u64, limit: u64) -> u64 {
    let part = |number: u64| number.min(u32::MAX.into());
    (part(used) << 32) | part(limit)
}

/// What the options say of a frame.
fn rules(options: &Options) -> word::Numbers {
    let least = |ratio: Option<f64>| ratio.map_or(NEVER, |ratio| floor(ratio, options.min_calls));
    let slow = options.slow.map(|slow| slow.ratio);
    word::Numbers {
        min_calls: options.min_calls.into(),
        failure_floor: least(options.failures),
        failure_ratio: options.failures.unwrap_or(1.0).to_bits(),
        slow_floor: least(slow),
        slow_ratio: slow.unwrap_or(1.0).to_bits(),
        slow_threshold: options.slow.map_or(NEVER, |slow| slow.threshold.as_nanos() as u64),
        consecutive: options.consecutive.map_or(NEVER, u64::from),
        ..word::Numbers::default()
    }
}
