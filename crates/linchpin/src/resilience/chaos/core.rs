//! What all handles share, and how they are set.

use std::sync::Arc;
use std::time::Duration;

use super::Chaos;
use super::injected::Kind;
use super::meters::Meters;
use super::options::{Options, wrong};
use super::scope::Scope;
use super::switch::Switch;
use crate::context::Context;
use crate::resilience::limiter::{self, Limiter, Rate};
use crate::resilience::{BadOptions, Snapshot};
use crate::shim::atomic::AtomicU64;
use crate::shim::atomic::Ordering::Relaxed;
use crate::shim::{Mutex, lock};

pub(super) struct Core<T, E> {
    pub(super) name: &'static str,
    pub(super) meters: Meters,
    switch: Switch,
    is_allowed: Box<dyn Fn(&Context) -> bool + Send + Sync>,
    settings: Mutex<Arc<Options<T, E>>>,
    /// How often something is injected in any minute.
    cap: Limiter,
}

/// The numbers of a [`Chaos`].
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Numbers {
    /// For how long it is still on, if it is.
    pub enabled_for: Option<Duration>,
    /// Errors that were injected.
    pub faults: u64,
    /// Waits that were injected.
    pub latencies: u64,
    /// Answers that were injected.
    pub outcomes: u64,
    /// How often something was done.
    pub behaviours: u64,
    /// Answers that were cut.
    pub cuts: u64,
    /// Injections that were left out, since there were enough for a minute.
    pub capped: u64,
    /// Rates by the call that were no shares.
    pub bad_rates: u64,
}

/// It ends by itself after that at the latest.
const LONGEST: Duration = Duration::from_hours(1);

/// Only with the feature `chaos`.
impl<T, E> Chaos<T, E> {
    /// What injects, once it is enabled, into the calls whose context `is_allowed`: those of a route, of a tenant, of a
    /// request that carries a token. `name` tells it apart in logs and metrics.
    ///
    /// # Errors
    ///
    /// If the options do not fit together; the error says which and why.
    pub fn new(
        name: &'static str,
        is_allowed: impl Fn(&Context) -> bool + Send + Sync + 'static,
        options: Options<T, E>,
    ) -> Result<Self, BadOptions> {
        options.check()?;
        let core = Core {
            name,
            meters: Meters::new(name),
            switch: Switch::default(),
            is_allowed: Box::new(is_allowed),
            cap: cap(name, options.max_per_min)?,
            settings: Mutex::new(Arc::new(options)),
        };
        Ok(Self { core: Some(Arc::new(core)) })
    }

    /// On, for so long from now. What is on already is so for that long from now on.
    ///
    /// # Errors
    ///
    /// If that is no time, or longer than an hour; nothing has changed then.
    pub fn enable(&self, time: Duration) -> Result<(), BadOptions> {
        if time.is_zero() || time > LONGEST {
            return wrong(format!("on for {time:?}; say above zero and at most an hour"));
        }
        if let Some(core) = &self.core
            && core.switch.on(time)
        {
            core.meters.switched(true);
        }
        Ok(())
    }

    /// Off, at once: waits that are injected end, and what waited goes on to the callee.
    pub fn disable(&self) {
        if let Some(core) = &self.core
            && core.switch.off()
        {
            core.meters.switched(false);
        }
    }

    /// Whether it is on.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.core.as_ref().is_some_and(|core| core.live().is_some())
    }

    /// Injects something else from now on. It stays on or off, and what was injected within the minute counts.
    ///
    /// # Errors
    ///
    /// If the options do not fit together; nothing has changed then.
    pub fn reconfigure(&self, options: Options<T, E>) -> Result<(), BadOptions> {
        options.check()?;
        if let Some(core) = &self.core {
            let (rate, log) = most(options.max_per_min);
            core.cap.reconfigure(rate, log)?;
            let before = std::mem::replace(&mut *lock(&core.settings), Arc::new(options));
            drop(before);
        }
        Ok(())
    }

    /// Its numbers now; all zero for what is built by [`off`](Self::off).
    #[must_use]
    pub fn numbers(&self) -> Numbers {
        self.core.as_ref().map(|core| core.numbers()).unwrap_or_default()
    }

    /// It as people look at it.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let numbers = self.numbers();
        Snapshot {
            policy: "chaos",
            instance: self.core.as_ref().map_or("off", |core| core.name),
            key: None,
            state: if numbers.enabled_for.is_some() { "on" } else { "off" },
            numbers: vec![
                ("enabled_for", numbers.enabled_for.unwrap_or_default().as_secs_f64()),
                ("faults", numbers.faults as f64),
                ("latencies", numbers.latencies as f64),
                ("outcomes", numbers.outcomes as f64),
                ("behaviours", numbers.behaviours as f64),
                ("cuts", numbers.cuts as f64),
                ("capped", numbers.capped as f64),
                ("bad_rates", numbers.bad_rates as f64),
            ],
        }
    }
}

impl<T, E> Core<T, E> {
    /// For a call into which something may be injected.
    pub(super) fn scope(self: &Arc<Self>, ctx: &Context, attempt: u32) -> Option<Scope<T, E>> {
        let live = self.live()?;
        if !(self.is_allowed)(ctx) {
            return None;
        }
        let options = lock(&self.settings).clone();
        Some(Scope::new(self.clone(), options, live, ctx, attempt))
    }

    fn live(&self) -> Option<Context> {
        let (live, is_over) = self.switch.live();
        if is_over {
            self.meters.switched(false);
        }
        live
    }

    /// Whether there is room for one more in this minute.
    pub(super) fn has_room(&self, kind: Kind) -> bool {
        let is_room = self.cap.try_acquire(1).is_ok();
        if !is_room {
            self.meters.capped(kind);
        }
        is_room
    }

    pub(super) fn numbers(&self) -> Numbers {
        let count = |number: &AtomicU64| number.load(Relaxed);
        let injected = |kind: Kind| count(&self.meters.injected[kind as usize]);
        Numbers {
            enabled_for: self.live().and_then(|live| live.remaining()),
            faults: injected(Kind::Fault),
            latencies: injected(Kind::Latency),
            outcomes: injected(Kind::Outcome),
            behaviours: injected(Kind::Behaviour),
            cuts: injected(Kind::Cut),
            capped: count(&self.meters.capped),
            bad_rates: count(&self.meters.bad_rates),
        }
    }
}

impl<T, E> Drop for Core<T, E> {
    fn drop(&mut self) {
        if self.switch.off() {
            self.meters.switched(false);
        }
    }
}

/// A limiter that is none in metrics: it is a part.
fn cap(name: &'static str, max_per_min: u32) -> Result<Limiter, BadOptions> {
    let (rate, log) = most(max_per_min);
    metrics::with_local_recorder(&metrics::NoopRecorder, || Limiter::new(name, rate, log))
}

fn most(max_per_min: u32) -> (Rate, limiter::Options) {
    (Rate::per_minute(max_per_min), limiter::Options::default().sliding_log())
}
