//! The rules of all policies.

use std::cell::Cell;
use std::time::Duration;

use linchpin::Context;
use linchpin::resilience::chaos::{Chaos, Options};
use linchpin::resilience::{BadOptions, Failed};

use super::{MINUTE, SECOND};
use crate::policy_rules::{Sick, Subject};

/// On, and what it injects does no harm.
struct Harmless(Chaos<(), Sick>);

/// On, without anything to inject.
struct Idle(Chaos<(), Sick>);

fn build(options: Options<(), Sick>) -> Chaos<(), Sick> {
    let chaos = Chaos::new("test", |_| true, options).unwrap();
    chaos.enable(MINUTE).unwrap();
    chaos
}

async fn call<T, Fut>(
    chaos: &Chaos<(), Sick>,
    ctx: &Context,
    work: impl FnOnce() -> Fut,
) -> Result<T, Failed<Sick>>
where
    Fut: Future<Output = Result<T, Sick>>,
{
    let answer = Cell::new(None);
    let work = || async {
        answer.set(Some(work().await?));
        Ok(())
    };
    chaos.call(ctx, work).await?;
    Ok(answer.take().expect("the callee has answered"))
}

impl Subject for Harmless {
    fn narrow() -> Self {
        Self(build(Options::default().behaviour(1.0, |_| ()).max_per_min(10_000)))
    }

    async fn call<T, Fut>(
        &self,
        ctx: &Context,
        work: impl FnOnce() -> Fut,
    ) -> Result<T, Failed<Sick>>
    where
        Fut: Future<Output = Result<T, Sick>>,
    {
        call(&self.0, ctx, work).await
    }

    /// It takes nothing.
    fn is_untouched(&self) -> bool {
        self.0.numbers().faults == 0
    }

    /// It counts none.
    fn counted_a_failure(&self) -> bool {
        true
    }

    fn extremes() -> Vec<(&'static str, Result<Self, BadOptions>)> {
        let year = Duration::from_hours(365 * 24);
        let off = |options| Chaos::new("extreme", |_| true, options).map(Self);
        vec![
            ("nothing", off(Options::default())),
            ("a rate below zero", off(Options::default().fault(-0.1, |_| Sick))),
            ("a rate above one", off(Options::default().outcome(1.1, |_| ()))),
            ("no rate", off(Options::default().behaviour(f64::NAN, |_| ()))),
            ("a rate of zero", off(Options::default().fault(0.0, |_| Sick))),
            ("no latency", off(Options::default().latency(1.0, Duration::ZERO))),
            ("a latency of a year", off(Options::default().latency(1.0, year))),
            ("a latency of all time", off(Options::default().latency(1.0, Duration::MAX))),
            ("no injection a minute", off(Options::default().max_per_min(0))),
            ("one injection a minute", off(Options::default().max_per_min(1))),
            ("all injections a minute", off(Options::default().max_per_min(u32::MAX))),
        ]
    }
}

impl Subject for Idle {
    fn narrow() -> Self {
        Self(build(Options::default()))
    }

    async fn call<T, Fut>(
        &self,
        ctx: &Context,
        work: impl FnOnce() -> Fut,
    ) -> Result<T, Failed<Sick>>
    where
        Fut: Future<Output = Result<T, Sick>>,
    {
        call(&self.0, ctx, work).await
    }

    fn is_untouched(&self) -> bool {
        self.0.numbers().latencies == 0
    }

    fn counted_a_failure(&self) -> bool {
        true
    }

    /// The same, on.
    fn extremes() -> Vec<(&'static str, Result<Self, BadOptions>)> {
        let on = |(name, built): (&'static str, Result<Harmless, BadOptions>)| {
            let built = built.map(|Harmless(chaos)| {
                // A wait of a year is not waited for here.
                if name != "a latency of a year" {
                    chaos.enable(SECOND).unwrap();
                }
                Self(chaos)
            });
            (name, built)
        };
        Harmless::extremes().into_iter().map(on).collect()
    }
}

mod harmless {
    crate::policy_rules::rules!(super::Harmless);
}

mod on {
    crate::policy_rules::rules!(super::Idle);
}
