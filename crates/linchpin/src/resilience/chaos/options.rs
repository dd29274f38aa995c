//! What is injected, and how often.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::injected::{Injected, Kind};
use crate::context::Context;
use crate::error::{self, Error};
use crate::resilience::BadOptions;
use crate::resilience::bad_options::YEAR;

/// What a [`Chaos`](super::Chaos) injects into calls that answer with `T` or fail with `E`. The default injects nothing.
///
/// ```
/// # use std::io;
/// # use std::time::Duration;
/// # use linchpin::resilience::chaos::{Chaos, Options};
/// let options: Options<u32, io::Error> = Options::default()
///     .fault(0.02, |mark| io::Error::other(mark))
///     .latency(0.5, Duration::from_millis(300));
/// let chaos = Chaos::new("search", |ctx| ctx.get::<u32>() == Some(&17), options)?;
/// assert!(!chaos.is_enabled());
/// # Ok::<(), linchpin::resilience::BadOptions>(())
/// ```
pub struct Options<T, E> {
    pub(super) fault: Option<(Rate, Maker<E>)>,
    pub(super) latency: Option<(Rate, Duration)>,
    pub(super) outcome: Option<(Rate, Maker<T>)>,
    pub(super) behaviour: Option<(Rate, Behaviour)>,
    pub(super) cut: Option<(Rate, Cut<T, E>)>,
    pub(super) max_per_min: u32,
    pub(super) seed: Option<(u64, Id)>,
    pub(super) sticky: bool,
    pub(super) random: fn() -> f64,
}

pub(super) type Maker<V> = Arc<dyn Fn(Injected) -> V + Send + Sync>;
type Cut<T, E> = Arc<dyn Fn(T, Injected) -> Result<T, E> + Send + Sync>;
type Behaviour = Arc<dyn Fn(&Context) + Send + Sync>;
type Id = Arc<dyn Fn(&Context) -> Option<u64> + Send + Sync>;

/// How often: a share of the calls, from 0.0 to 1.0, the same for all or by the call.
#[derive(Clone)]
pub struct Rate(Kinds);

#[derive(Clone)]
enum Kinds {
    By(Arc<dyn Fn(&Context) -> f64 + Send + Sync>),
    Fixed(f64),
}

const MOST_PER_MIN: u32 = 100_000;

// ===== impl Rate =====

impl Rate {
    /// A rate that is asked for at each call; 0.0 is not at all. What is no share from 0.0 to 1.0 injects nothing, is
    /// logged and counted.
    pub fn by(rate: impl Fn(&Context) -> f64 + Send + Sync + 'static) -> Self {
        Self(Kinds::By(Arc::new(rate)))
    }

    /// The rate for a call, or what is none.
    pub(super) fn of(&self, ctx: &Context) -> Result<f64, f64> {
        let rate = match &self.0 {
            Kinds::By(rate) => rate(ctx),
            Kinds::Fixed(rate) => *rate,
        };
        if is_share(rate) { Ok(rate) } else { Err(rate) }
    }
}

impl From<f64> for Rate {
    fn from(rate: f64) -> Self {
        Self(Kinds::Fixed(rate))
    }
}

impl fmt::Debug for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kinds::By(_) => f.write_str("Rate(by the call)"),
            Kinds::Fixed(rate) => write!(f, "Rate({rate})"),
        }
    }
}

fn is_share(rate: f64) -> bool {
    (0.0..=1.0).contains(&rate)
}

// ===== impl Options =====

impl<T, E> Default for Options<T, E> {
    fn default() -> Self {
        Self {
            fault: None,
            latency: None,
            outcome: None,
            behaviour: None,
            cut: None,
            max_per_min: 60,
            seed: None,
            sticky: false,
            random: fastrand::f64,
        }
    }
}

impl<T, E> Options<T, E> {
    /// Such a share of the calls fails with what `error` makes. Put the mark into its source, or its text: whoever finds it
    /// is to know that it is none of the callee's. What the classifier says of the error is what it counts as.
    #[must_use]
    pub fn fault(
        mut self,
        rate: impl Into<Rate>,
        error: impl Fn(Injected) -> E + Send + Sync + 'static,
    ) -> Self {
        self.fault = Some((rate.into(), Arc::new(error)));
        self
    }

    /// Such a share of the calls waits for so long before it is made. A time limit around it is obeyed, and whoever turns
    /// it off ends the wait.
    #[must_use]
    pub fn latency(mut self, rate: impl Into<Rate>, latency: Duration) -> Self {
        self.latency = Some((rate.into(), latency));
        self
    }

    /// Such a share of the calls is answered with what `answer` makes.
    #[must_use]
    pub fn outcome(
        mut self,
        rate: impl Into<Rate>,
        answer: impl Fn(Injected) -> T + Send + Sync + 'static,
    ) -> Self {
        self.outcome = Some((rate.into(), Arc::new(answer)));
        self
    }

    /// At such a share of the calls `behaviour` is called before: a cache is emptied, a connection closed. Must be quick.
    #[must_use]
    pub fn behaviour(
        mut self,
        rate: impl Into<Rate>,
        behaviour: impl Fn(&Context) + Send + Sync + 'static,
    ) -> Self {
        self.behaviour = Some((rate.into(), Arc::new(behaviour)));
        self
    }

    /// Of such a share of the calls that succeed the answer does not come back whole: `cut` gets it and gives what comes
    /// instead, an error as of a connection that broke, or the answer with a body that ends too early.
    ///
    /// The callee has done its work by then, which no other injection has it do: whoever tries again does it twice.
    #[must_use]
    pub fn cut(
        mut self,
        rate: impl Into<Rate>,
        cut: impl Fn(T, Injected) -> Result<T, E> + Send + Sync + 'static,
    ) -> Self {
        self.cut = Some((rate.into(), Arc::new(cut)));
        self
    }

    /// In any 60 s it injects at most so often; further calls pass untouched. Default: 60.
    #[must_use]
    pub fn max_per_min(mut self, injections: u32) -> Self {
        self.max_per_min = injections;
        self
    }

    /// Draws from `seed` and the id of the request, so that the same seed decides the same for the same requests, in
    /// whatever order they come. Default, and for a request without id: by chance.
    #[must_use]
    pub fn seed(
        mut self,
        seed: u64,
        id: impl Fn(&Context) -> Option<u64> + Send + Sync + 'static,
    ) -> Self {
        self.seed = Some((seed, Arc::new(id)));
        self
    }

    /// With a seed: all attempts of a request share a draw, so that one that fails goes on to fail. Default: each draws
    /// anew, and of three attempts at 50 % all fail in one case of eight.
    #[must_use]
    pub fn sticky(mut self) -> Self {
        self.sticky = true;
        self
    }

    /// Where chance comes from: a number from 0.0 up to 1.0, without it. Default: a fast generator of the thread.
    #[must_use]
    pub fn random(mut self, random: fn() -> f64) -> Self {
        self.random = random;
        self
    }

    pub(super) fn check(&self) -> Result<(), BadOptions> {
        let rates = [
            (Kind::Fault, self.fault.as_ref().map(|(rate, _)| rate)),
            (Kind::Latency, self.latency.as_ref().map(|(rate, _)| rate)),
            (Kind::Outcome, self.outcome.as_ref().map(|(rate, _)| rate)),
            (Kind::Behaviour, self.behaviour.as_ref().map(|(rate, _)| rate)),
            (Kind::Cut, self.cut.as_ref().map(|(rate, _)| rate)),
        ];
        for (kind, rate) in rates {
            if let Some(Rate(Kinds::Fixed(rate))) = rate
                && !is_share(*rate)
            {
                return wrong(format!("a rate of {rate} of {kind}; say from 0.0 to 1.0"));
            }
        }
        if let Some((_, latency)) = self.latency
            && (latency.is_zero() || latency > YEAR)
        {
            return wrong(format!("a latency of {latency:?}; say above zero and at most a year"));
        }
        if self.max_per_min == 0 || self.max_per_min > MOST_PER_MIN {
            let most = self.max_per_min;
            return wrong(format!(
                "at most {most} injections a minute; say at least 1 and at most {MOST_PER_MIN}"
            ));
        }
        Ok(())
    }
}

impl<T> Options<T, Error> {
    /// Such a share of the calls fails with an error of that kind, whose source is the mark.
    #[must_use]
    pub fn fault_of(self, rate: impl Into<Rate>, kind: error::Kind) -> Self {
        self.fault(rate, move |mark| Error::new(kind, mark))
    }
}

pub(super) fn wrong<R>(why: String) -> Result<R, BadOptions> {
    Err(BadOptions::new("Chaos", why))
}

impl<T, E> Clone for Options<T, E> {
    fn clone(&self) -> Self {
        Self {
            fault: self.fault.clone(),
            latency: self.latency.clone(),
            outcome: self.outcome.clone(),
            behaviour: self.behaviour.clone(),
            cut: self.cut.clone(),
            max_per_min: self.max_per_min,
            seed: self.seed.clone(),
            sticky: self.sticky,
            random: self.random,
        }
    }
}

impl<T, E> fmt::Debug for Options<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("fault", &self.fault.as_ref().map(|(rate, _)| rate))
            .field("latency", &self.latency)
            .field("outcome", &self.outcome.as_ref().map(|(rate, _)| rate))
            .field("behaviour", &self.behaviour.as_ref().map(|(rate, _)| rate))
            .field("cut", &self.cut.as_ref().map(|(rate, _)| rate))
            .field("max_per_min", &self.max_per_min)
            .finish_non_exhaustive()
    }
}
