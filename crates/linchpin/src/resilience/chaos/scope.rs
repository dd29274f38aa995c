//! One call into which something may be injected.

use std::sync::Arc;

use super::core::Core;
use super::injected::{Injected, Kind};
use super::options::{Options, Rate};
use crate::context::{Context, Ended};

pub(super) struct Scope<T, E> {
    core: Arc<Core<T, E>>,
    options: Arc<Options<T, E>>,
    /// Ends when it is off.
    live: Context,
    draws: Draws,
}

/// Where the chance of a call comes from: a seed, the id of the request and the number of the attempt, or nowhere.
#[derive(Clone, Copy, Debug)]
struct Draws(Option<(u64, u64, u32)>);

impl<T, E> Scope<T, E> {
    pub(super) fn new(
        core: Arc<Core<T, E>>,
        options: Arc<Options<T, E>>,
        live: Context,
        ctx: &Context,
        attempt: u32,
    ) -> Self {
        let attempt = if options.sticky { 0 } else { attempt };
        let seeded = options.seed.as_ref().and_then(|(seed, id)| Some((*seed, id(ctx)?, attempt)));
        Self { core, options, live, draws: Draws(seeded) }
    }

    /// What happens before the call; something if it is not made at all.
    pub(super) async fn before(&self, ctx: &Context) -> Result<Option<Result<T, E>>, Ended> {
        if let Some(error) = self.fault(ctx) {
            return Ok(Some(Err(error)));
        }
        self.wait(ctx).await?;
        Ok(self.after_the_wait(ctx).map(Ok))
    }

    pub(super) fn fault(&self, ctx: &Context) -> Option<E> {
        let (rate, error) = self.options.fault.as_ref()?;
        self.injects(Kind::Fault, rate, ctx).then(|| error(self.mark(Kind::Fault)))
    }

    /// The wait that is injected: it ends at once when it is switched off, and no later than the time it is on for.
    pub(super) async fn wait(&self, ctx: &Context) -> Result<(), Ended> {
        if let Some((rate, latency)) = self.options.latency.as_ref()
            && self.injects(Kind::Latency, rate, ctx)
        {
            let sleep = ctx.run_on(tokio::time::sleep(*latency));
            if let Ok(slept) = self.live.run(sleep).await {
                slept?;
            }
            ctx.check()?;
        }
        Ok(())
    }

    pub(super) fn after_the_wait(&self, ctx: &Context) -> Option<T> {
        if let Some((rate, answer)) = &self.options.outcome
            && self.injects(Kind::Outcome, rate, ctx)
        {
            return Some(answer(self.mark(Kind::Outcome)));
        }
        if let Some((rate, behaviour)) = &self.options.behaviour
            && self.injects(Kind::Behaviour, rate, ctx)
        {
            behaviour(ctx);
        }
        None
    }

    /// Whether answers are cut, so that somebody has to ask when there is one.
    pub(super) fn cuts(&self) -> bool {
        self.options.cut.is_some()
    }

    /// What comes back of the answer.
    pub(super) fn after_the_call(&self, ctx: &Context, answer: T) -> Result<T, E> {
        match &self.options.cut {
            Some((rate, cut)) if self.injects(Kind::Cut, rate, ctx) => {
                cut(answer, self.mark(Kind::Cut))
            }
            _ => Ok(answer),
        }
    }

    fn mark(&self, kind: Kind) -> Injected {
        Injected { chaos: self.core.name, kind }
    }

    fn injects(&self, kind: Kind, rate: &Rate, ctx: &Context) -> bool {
        // It may be off since the last look.
        if self.live.check().is_err() {
            return false;
        }
        let rate = match rate.of(ctx) {
            Ok(rate) => rate,
            Err(rate) => {
                self.core.meters.bad_rate(kind, rate);
                return false;
            }
        };
        let injects = self.draws.unit(kind, self.options.random) < rate && self.core.has_room(kind);
        if injects {
            self.core.meters.injected(kind);
        }
        injects
    }
}

impl Draws {
    /// From 0.0 up to 1.0, without it: for each kind another.
    fn unit(self, kind: Kind, random: fn() -> f64) -> f64 {
        let Some((seed, id, attempt)) = self.0 else { return random() };
        let mixed = [id, attempt.into(), kind as u64]
            .into_iter()
            .fold(mix(seed), |so_far, next| mix(so_far ^ next));
        (mixed >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// A step of Steele, Lea and Flood's `SplitMix64`: each bit of the input changes about half of those that come out.
fn mix(word: u64) -> u64 {
    let word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}
