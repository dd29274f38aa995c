//! How a shedder is set.

use std::fmt;

use super::load::Load;
use crate::context::Context;
use crate::resilience::{BadOptions, Priority};

/// When a [`Shedder`](super::Shedder) refuses. By default what is more than the service has shown that it bears, while the
/// processors are nine tenths busy.
///
/// ```
/// # use linchpin::resilience::{Priority, shed::{Options, Shedder}};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> linchpin::Result<()> {
/// let options = Options::default().by_priority().window(Priority::Sheddable, 0.5, 0.7).in_time();
/// let shedder = Shedder::new("api", options)?;
/// # drop(shedder);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Options {
    pub(super) threshold: f64,
    pub(super) windows: Option<[Window; CLASSES]>,
    pub(super) in_time: bool,
    pub(super) no_retry_above: f64,
    pub(super) load: Option<Load>,
    pub(super) accepting: Option<Context>,
    pub(super) random: fn() -> f64,
}

/// Between which loads a class is shed: below none of it, above all, between them by the cube of how far it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Window {
    /// Below that share of the processors none is shed.
    pub low: f64,
    /// Above that all is.
    pub high: f64,
}

const CLASSES: usize = Priority::ALL.len();

/// Netflix's, as they are told: the least critical first, and a few of the most critical at the very end.
const WINDOWS: [Window; CLASSES] = [
    Window { low: 0.6, high: 0.8 },
    Window { low: 0.7, high: 0.85 },
    Window { low: 0.8, high: 0.95 },
    Window { low: 0.9, high: 1.0 },
];

impl Window {
    /// The share that is shed at that load.
    ///
    /// ```
    /// # use linchpin::resilience::shed::Window;
    /// let window = Window { low: 0.8, high: 0.95 };
    /// assert_eq!((window.shed(0.8), window.shed(0.875), window.shed(1.0)), (0.0, 0.125, 1.0));
    /// ```
    #[must_use]
    pub fn shed(&self, load: f64) -> f64 {
        ((load - self.low) / (self.high - self.low)).clamp(0.0, 1.0).powi(3)
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            threshold: 0.9,
            windows: None,
            in_time: false,
            no_retry_above: 0.5,
            load: None,
            accepting: None,
            random: fastrand::f64,
        }
    }
}

impl Options {
    /// From which share of the processors on there is too much to do. Default: 0.9.
    ///
    /// That alone refuses nothing: what is under way must also be more than the service has done lately in its best time.
    /// Keep it above the target of an autoscaler, or that never sees a reason to scale.
    #[must_use]
    pub fn threshold(mut self, share: f64) -> Self {
        self.threshold = share;
        self
    }

    /// Also sheds by criticality, whatever is under way: from 60 % of the processors on what is
    /// [`Sheddable`](Priority::Sheddable), all of it from 80 %; then 70 to 85, 80 to 95 and 90 to 100 % for the more
    /// critical. Default: off.
    #[must_use]
    pub fn by_priority(mut self) -> Self {
        self.windows.get_or_insert(WINDOWS);
        self
    }

    /// The same with another window for a class.
    #[must_use]
    pub fn window(mut self, class: Priority, low: f64, high: f64) -> Self {
        self.windows.get_or_insert(WINDOWS)[class as usize] = Window { low, high };
        self
    }

    /// Also refuses what cannot be done in time: whose deadline is nearer than half of all calls take. Default: off.
    #[must_use]
    pub fn in_time(mut self) -> Self {
        self.in_time = true;
        self
    }

    /// If a larger share of what came in the last five seconds was refused, clients are told not to try again
    /// ([`Shedder::discourages_retries`](super::Shedder::discourages_retries)). Default: 0.5.
    #[must_use]
    pub fn no_retry_above(mut self, share: f64) -> Self {
        self.no_retry_above = share;
        self
    }

    /// Where the load is read. Default: a [`Load::of_process`] of its own.
    #[must_use]
    pub fn load(mut self, load: Load) -> Self {
        self.load = Some(load);
        self
    }

    /// Once `ctx` has ended everything is refused, since the service is shutting down. Default: never.
    #[must_use]
    pub fn accepting(mut self, ctx: Context) -> Self {
        self.accepting = Some(ctx);
        self
    }

    /// Where accidents come from, uniform in `[0, 1)`. Default: [`fastrand`]'s, for a test something else.
    #[must_use]
    pub fn random(mut self, random: fn() -> f64) -> Self {
        self.random = random;
        self
    }

    /// From which loads on each class is shed.
    pub(super) fn low(&self) -> impl Iterator<Item = f64> {
        self.windows.iter().flatten().map(|window| window.low)
    }

    pub(super) fn check(&self) -> Result<(), BadOptions> {
        let wrong = |why: String| Err(BadOptions::new("Shedder", why));
        let threshold = self.threshold;
        if !(threshold > 0.0 && threshold < 1.0) {
            return wrong(format!(
                "a threshold of {threshold} of the processors; say between 0.0 and 1.0"
            ));
        }
        let share = self.no_retry_above;
        if !(0.0..=1.0).contains(&share) {
            return wrong(format!("`no_retry_above` is {share}; say from 0.0 to 1.0"));
        }
        for (class, window) in Priority::ALL.iter().zip(self.windows.iter().flatten()) {
            let Window { low, high } = *window;
            if !(low >= 0.0 && low < high && high <= 1.0) {
                return wrong(format!(
                    "what is {class} is shed from {low} to {high}; say from 0.0 up to 1.0, low before high"
                ));
            }
        }
        Ok(())
    }
}

impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = |share: f64| (share * 100.0 * 1e6).round() / 1e6;
        write!(f, "more than it bears, from {} % of the processors on", percent(self.threshold))?;
        if let Some(low) = self.low().reduce(f64::min) {
            write!(f, "; by criticality, from {} % on", percent(low))?;
        }
        f.write_str(if self.in_time { "; what comes too late" } else { "" })
    }
}
