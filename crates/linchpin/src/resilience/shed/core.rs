//! What all handles of a shedder share, and how it decides.

use std::time::Duration;

use super::flight::Flight;
use super::level::{LEVELS, Level};
use super::load::Load;
use super::median::Median;
use super::meters::Meters;
use super::options::Options;
use super::recent::Recent;
use super::state::{Ask, Cause, No, Numbers};
use crate::resilience::Outcome;
use crate::shim::atomic::Ordering::{Acquire, Relaxed, Release};
use crate::shim::atomic::{AtomicBool, AtomicU64};
use crate::shim::{Mutex, lock};
use crate::time::Instant;

#[derive(Debug)]
pub(super) struct Core {
    pub(super) name: &'static str,
    pub(super) meters: Meters,
    load: Load,
    flight: Flight,
    recent: Recent,
    median: Median,
    /// From which load on somebody has to look closer, as bits of a float.
    looks_at: AtomicU64,
    in_time: AtomicBool,
    /// When there was last too much to do; zero for never.
    hot: AtomicU64,
    /// Whether something was refused since there was too much to do.
    dropped: AtomicBool,
    shed: AtomicU64,
    options: Mutex<Options>,
}

/// For so long after the load has gone down it is taken to be high still, if something was refused.
const COOLS_OFF: Duration = Duration::from_secs(1);
/// However high the load is, so much is let in of what the service bears.
const LEAST: f64 = 0.1;

impl Core {
    pub(super) fn new(name: &'static str, options: Options, load: Load, now: Instant) -> Self {
        Self {
            name,
            meters: Meters::new(name),
            load,
            flight: Flight::new(),
            recent: Recent::new(now),
            median: Median::new(),
            looks_at: AtomicU64::new(looks_at(&options).to_bits()),
            in_time: AtomicBool::new(options.in_time),
            hot: AtomicU64::new(0),
            dropped: AtomicBool::new(false),
            shed: AtomicU64::new(0),
            options: Mutex::new(options),
        }
    }

    /// Lets a call in, if it may.
    #[inline]
    pub(super) fn admit(&self, ask: &Ask, now: Instant) -> Result<(), No> {
        if let Some(deadline) = ask.deadline
            && self.in_time.load(Relaxed)
        {
            self.judge_time(ask, deadline - now)?;
        }
        let load = self.load.read();
        let looks_at = f64::from_bits(self.looks_at.load(Relaxed));
        if load.share < looks_at && !load.throttled && !self.dropped.load(Relaxed) {
            self.flight.enter();
            return Ok(());
        }
        self.look_closer(ask, now)
    }

    #[cold]
    fn look_closer(&self, ask: &Ask, now: Instant) -> Result<(), No> {
        let load = self.load.read();
        let (threshold, windows, random) = {
            let options = lock(&self.options);
            (options.threshold, options.windows, options.random)
        };
        let no = |cause, used, limit| No { cause, class: ask.class, used, limit };
        if let Some(windows) = windows {
            let window = windows[ask.class as usize];
            if is_shed(window.shed(load.share), ask.level, random) {
                return Err(no(Cause::Priority, milli(load.share), milli(window.low)));
            }
        }
        let hot = load.share >= threshold || load.throttled;
        if hot {
            self.hot.store(now.to_bits(), Release);
        }
        if !hot && !self.is_hot_still(now) {
            self.flight.enter();
            return Ok(());
        }
        let factor = ((1.0 - load.share) / (1.0 - threshold)).clamp(LEAST, 1.0);
        let most = self.recent.most(now) * factor;
        self.flight.enter_up_to(most).map_err(|seen| {
            self.dropped.store(true, Release);
            no(Cause::Busy, seen.inside.into(), most.round() as u64)
        })
    }

    /// What has less time left than half of all calls take comes too late.
    fn judge_time(&self, ask: &Ask, left: Duration) -> Result<(), No> {
        match self.median.get() {
            Some(median) if left < median => {
                let (used, limit) = (left.as_millis() as u64, median.as_millis() as u64);
                Err(No { cause: Cause::Late, class: ask.class, used, limit })
            }
            _ => Ok(()),
        }
    }

    /// Something was refused, and it is not long ago that there was too much to do. A refusal makes it no longer.
    fn is_hot_still(&self, now: Instant) -> bool {
        let hot = self.hot.load(Acquire);
        if hot == 0 || !self.dropped.load(Acquire) {
            return false;
        }
        let still = now - Instant::from_bits(hot) < COOLS_OFF;
        if !still {
            self.dropped.store(false, Release);
        }
        still
    }

    pub(super) fn refused(&self, no: &No) {
        self.shed.fetch_add(1, Relaxed);
        self.recent.shed();
        self.meters.refused(self.name, no, self.load.read().share);
    }

    /// A call has ended that began at `started`; its place is given back by [`leave`](Self::leave).
    #[inline]
    pub(super) fn end(&self, outcome: Outcome, started: Instant, now: Instant) {
        let nanos = now.nanos_since(started);
        if outcome == Outcome::Success {
            self.recent.passed(nanos, now);
            if self.in_time.load(Relaxed) {
                self.median.add(nanos);
            }
        }
        self.meters.ended(outcome, nanos);
    }

    #[inline]
    pub(super) fn leave(&self) {
        self.flight.leave();
    }

    pub(super) fn options(&self) -> Options {
        lock(&self.options).clone()
    }

    pub(super) fn reconfigure(&self, options: Options) {
        let mut held = lock(&self.options);
        self.looks_at.store(looks_at(&options).to_bits(), Relaxed);
        self.in_time.store(options.in_time, Relaxed);
        *held = options;
    }

    /// Whole seconds, and not all at once: one or two.
    pub(super) fn retry_after(&self) -> Duration {
        let random = lock(&self.options).random;
        Duration::from_secs((1.0 + random()).round() as u64)
    }

    pub(super) fn discourages_retries(&self, now: Instant) -> bool {
        let above = lock(&self.options).no_retry_above;
        self.recent.shed_share(now) > above
    }

    pub(super) fn numbers(&self, now: Instant) -> Numbers {
        let (load, flying) = (self.load.read(), self.flight.look());
        Numbers {
            load: load.share,
            throttled: load.throttled,
            inflight: flying.inside,
            average: flying.average.into(),
            most: self.recent.most(now),
            median: self.median.get(),
            shed_share: self.recent.shed_share(now),
            shed: self.shed.load(Relaxed),
        }
    }
}

/// The least load at which anything is refused.
fn looks_at(options: &Options) -> f64 {
    options.low().fold(options.threshold, f64::min)
}

/// Those of a low level first; who has none is drawn.
fn is_shed(share: f64, level: Option<Level>, random: fn() -> f64) -> bool {
    match level {
        _ if share <= 0.0 => false,
        Some(level) => f64::from(level.get()) < f64::from(LEVELS) * share,
        None => random() < share,
    }
}

fn milli(share: f64) -> u64 {
    (share * 1_000.0).round() as u64
}
