//! How a breaker is set.

use std::fmt;
use std::time::Duration;

use crate::resilience::BadOptions;
use crate::resilience::bad_options::YEAR;

/// How a [`Breaker`](super::Breaker) judges and how long it waits. The default is meant for a remote dependency.
///
/// Any rule that is on opens it: the share of failures (on), failures in a row (off), the share of slow calls (off).
///
/// ```
/// # use std::time::Duration;
/// # use linchpin::resilience::breaker::{Breaker, Options};
/// let options = Options::default()
///     .count_window(100)
///     .slow_calls(Duration::from_secs(2), 0.8)
///     .open_for(Duration::from_secs(1));
/// let breaker = Breaker::new("search", options)?;
/// # drop(breaker);
/// # Ok::<(), linchpin::resilience::BadOptions>(())
/// ```
#[derive(Clone, Debug)]
pub struct Options {
    pub(super) window: Window,
    pub(super) min_calls: u32,
    pub(super) failures: Option<f64>,
    pub(super) consecutive: Option<u32>,
    pub(super) slow: Option<Slow>,
    pub(super) open_for: Duration,
    pub(super) open_factor: f64,
    pub(super) max_open_for: Duration,
    pub(super) jitter: f64,
    pub(super) probes: u32,
    pub(super) max_probe: Duration,
    pub(super) random: fn() -> f64,
}

/// Which calls count.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Window {
    Count(u32),
    Time(Duration),
}

/// Which calls are slow, and what share of them is too many.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slow {
    pub(super) threshold: Duration,
    pub(super) ratio: f64,
    pub(super) pending: bool,
}

/// The most calls that a count window holds, and the most probes.
const MOST_CALLS: u32 = 1_000_000;
const MOST_PROBES: u32 = 10_000;
const SHORTEST_WINDOW: Duration = Duration::from_millis(10);

impl Default for Options {
    fn default() -> Self {
        Self {
            window: Window::Time(Duration::from_secs(30)),
            min_calls: 20,
            failures: Some(0.5),
            consecutive: None,
            slow: None,
            open_for: Duration::from_secs(5),
            open_factor: 2.0,
            max_open_for: Duration::from_mins(1),
            jitter: 0.2,
            probes: 3,
            max_probe: Duration::from_secs(30),
            random: fastrand::f64,
        }
    }
}

impl Options {
    /// Counts the last `calls` calls, however long ago they were. Costs no look at the clock.
    ///
    /// For a dependency that is called all the time. One that is called now and then is judged by old news.
    #[must_use]
    pub fn count_window(mut self, calls: u32) -> Self {
        self.window = Window::Count(calls);
        self
    }

    /// Counts the calls that ended within `window`, by tenths of it. Default: 30 s.
    ///
    /// Make it at least twice the time limit of a call, or calls that hang never meet in it.
    #[must_use]
    pub fn time_window(mut self, window: Duration) -> Self {
        self.window = Window::Time(window);
        self
    }

    /// With fewer calls in the window no share is judged. Default: 20.
    #[must_use]
    pub fn min_calls(mut self, calls: u32) -> Self {
        self.min_calls = calls;
        self
    }

    /// Opens when so large a share of the calls in the window failed. Default: 0.5. It is also the share of the probes
    /// that opens it again.
    #[must_use]
    pub fn failure_ratio(mut self, ratio: f64) -> Self {
        self.failures = Some(ratio);
        self
    }

    /// Does not judge the share of failures; another rule must be on. Probes are judged by a share of 0.5.
    #[must_use]
    pub fn no_failure_ratio(mut self) -> Self {
        self.failures = None;
        self
    }

    /// Opens after so many failures in a row, whatever the window holds. A success begins anew, an ignored call does
    /// neither. Default: off.
    #[must_use]
    pub fn consecutive_failures(mut self, failures: u32) -> Self {
        self.consecutive = Some(failures);
        self
    }

    /// Opens when so large a share of the calls in the window took longer than `threshold`, failed or not. Default: off.
    ///
    /// A slow probe then counts as a failure. Costs a look at the clock when a call begins, and one when it ends.
    #[must_use]
    pub fn slow_calls(mut self, threshold: Duration, ratio: f64) -> Self {
        let pending = self.slow.is_some_and(|slow| slow.pending);
        self.slow = Some(Slow { threshold, ratio, pending });
        self
    }

    /// Counts calls that are under way for longer than the threshold of [`slow_calls`](Self::slow_calls) as slow already,
    /// so that a callee that hangs opens the breaker though no call ends. Default: no; without `slow_calls`: refused.
    ///
    /// Each admission then takes a lock and looks at those under way, and so costs much more.
    #[must_use]
    pub fn count_pending(mut self) -> Self {
        let slow = Slow { threshold: Duration::ZERO, ratio: 0.8, pending: true };
        self.slow = Some(Slow { pending: true, ..self.slow.unwrap_or(slow) });
        self
    }

    /// How long it stays open the first time. Default: 5 s.
    #[must_use]
    pub fn open_for(mut self, duration: Duration) -> Self {
        self.open_for = duration;
        self
    }

    /// How much longer it stays open each time it opens without having been closed in between. Default: 2.0.
    #[must_use]
    pub fn open_factor(mut self, factor: f64) -> Self {
        self.open_factor = factor;
        self
    }

    /// The longest it stays open, before jitter; what a callee asks for (`Retry-After`) is not obeyed beyond it either.
    /// Default: 60 s.
    #[must_use]
    pub fn max_open_for(mut self, duration: Duration) -> Self {
        self.max_open_for = duration;
        self
    }

    /// Up to what share the time is shortened or prolonged by chance, so that many clients do not come back at once.
    /// Default: 0.2. What a callee asks for is only prolonged.
    #[must_use]
    pub fn jitter(mut self, share: f64) -> Self {
        self.jitter = share;
        self
    }

    /// How many calls are let through to see whether the callee is well again. Default: 3.
    #[must_use]
    pub fn probes(mut self, calls: u32) -> Self {
        self.probes = calls;
        self
    }

    /// A probe that is under way for so long opens the breaker again. Default: 30 s.
    #[must_use]
    pub fn max_probe(mut self, duration: Duration) -> Self {
        self.max_probe = duration;
        self
    }

    /// Where the jitter comes from: a number from 0.0 up to 1.0, without it. Default: a fast generator of the thread.
    #[must_use]
    pub fn random(mut self, random: fn() -> f64) -> Self {
        self.random = random;
        self
    }

    // ----- for the breaker

    pub(super) fn time_window_length(&self) -> Option<Duration> {
        match self.window {
            Window::Count(_) => None,
            Window::Time(length) => Some(length),
        }
    }

    /// The share of failed probes that opens it again.
    pub(super) fn probe_ratio(&self) -> f64 {
        self.failures.unwrap_or(0.5)
    }

    /// Whether a call that took so long was slow.
    pub(super) fn is_slow(&self, took: Duration) -> bool {
        self.slow.is_some_and(|slow| took > slow.threshold)
    }

    /// How long it is open for the `opens`th time in a row, if the callee asked for `hint`.
    pub(super) fn open_time(&self, opens: u32, hint: Option<Duration>, u: f64) -> Duration {
        let u = u.clamp(0.0, 1.0);
        match hint {
            Some(hint) => hint.min(self.max_open_for).mul_f64(1.0 + self.jitter * u),
            None => self.backoff(opens).mul_f64(1.0 + self.jitter * (2.0 * u - 1.0)),
        }
    }

    /// Capped before the jitter, never after: clients must not pile up on the cap.
    fn backoff(&self, opens: u32) -> Duration {
        let exponent = i32::try_from(opens.saturating_sub(1)).unwrap_or(i32::MAX);
        let seconds = self.open_for.as_secs_f64() * self.open_factor.powi(exponent);
        let grown = Duration::try_from_secs_f64(seconds).unwrap_or(self.max_open_for);
        grown.min(self.max_open_for)
    }

    pub(super) fn check(&self) -> Result<(), BadOptions> {
        let wrong = |why: String| Err(BadOptions::new("Breaker", why));
        match self.window {
            Window::Count(0) => return wrong("a window of no call at all".into()),
            Window::Count(calls) if calls > MOST_CALLS => {
                return wrong(format!("a window of {calls} calls, the most is {MOST_CALLS}"));
            }
            Window::Count(calls) if calls < self.min_calls => {
                let least = self.min_calls;
                return wrong(format!(
                    "a window of {calls} calls never holds the least of {least}"
                ));
            }
            Window::Time(window) if window < SHORTEST_WINDOW => {
                return wrong(format!(
                    "a window of {window:?}, the shortest is {SHORTEST_WINDOW:?}"
                ));
            }
            _ => {}
        }
        if self.min_calls == 0 {
            return wrong("no call is too few to judge by; `min_calls` is at least 1".into());
        }
        self.check_rules()?;
        if !(self.open_factor >= 1.0 && self.open_factor.is_finite()) {
            let factor = self.open_factor;
            return wrong(format!("a factor of {factor} would open it for shorter each time"));
        }
        if !(0.0..1.0).contains(&self.jitter) {
            let jitter = self.jitter;
            return wrong(format!("a jitter of {jitter} is not a share from 0.0 up to 1.0"));
        }
        if self.probes == 0 || self.probes > MOST_PROBES {
            let probes = self.probes;
            return wrong(format!("{probes} probes; say at least 1 and at most {MOST_PROBES}"));
        }
        self.check_durations()
    }

    fn check_rules(&self) -> Result<(), BadOptions> {
        let wrong = |why: String| Err(BadOptions::new("Breaker", why));
        let ratios =
            [("failures", self.failures), ("slow calls", self.slow.map(|slow| slow.ratio))];
        for (what, ratio) in ratios {
            if let Some(ratio) = ratio
                && !(ratio > 0.0 && ratio <= 1.0)
            {
                return wrong(format!("a share of {ratio} {what}; say above 0.0 and at most 1.0"));
            }
        }
        if self.slow.is_some_and(|slow| slow.threshold.is_zero()) {
            return wrong("calls are slow above which duration? `slow_calls` says".into());
        }
        if self.consecutive == Some(0) {
            return wrong("no failure in a row would open it at once; say at least 1".into());
        }
        if self.failures.is_none() && self.consecutive.is_none() && self.slow.is_none() {
            return wrong("no rule is on, so nothing would open it".into());
        }
        Ok(())
    }

    fn check_durations(&self) -> Result<(), BadOptions> {
        let window = match self.window {
            Window::Count(_) => Duration::from_secs(1),
            Window::Time(window) => window,
        };
        let slow = self.slow.map_or(Duration::from_secs(1), |slow| slow.threshold);
        let durations = [
            ("time_window", window),
            ("slow_calls", slow),
            ("open_for", self.open_for),
            ("max_open_for", self.max_open_for),
            ("max_probe", self.max_probe),
        ];
        for (what, duration) in durations {
            if duration.is_zero() || duration > YEAR {
                let why = format!("`{what}` is {duration:?}; say above zero and at most a year");
                return Err(BadOptions::new("Breaker", why));
            }
        }
        if self.open_for > self.max_open_for {
            let (first, most) = (self.open_for, self.max_open_for);
            let why = format!("open for {first:?} at first and for {most:?} at most");
            return Err(BadOptions::new("Breaker", why));
        }
        Ok(())
    }
}

/// The rules in words: "opens at 50 % failures of 20 or more calls within 30s, for 5s up to 60s".
impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = |share: f64| (share * 100.0 * 1e6).round() / 1e6;
        f.write_str("opens at ")?;
        let mut between = "";
        if let Some(share) = self.failures {
            write!(f, "{} % failures", percent(share))?;
            between = " or ";
        }
        if let Some(slow) = self.slow {
            write!(f, "{between}{} % above {:?}", percent(slow.ratio), slow.threshold)?;
            between = " or ";
        }
        if self.failures.is_some() || self.slow.is_some() {
            write!(f, " of {} or more calls", self.min_calls)?;
            match self.window {
                Window::Count(calls) => write!(f, " among the last {calls}")?,
                Window::Time(window) => write!(f, " within {window:?}")?,
            }
        }
        if let Some(failures) = self.consecutive {
            write!(f, "{between}{failures} failures in a row")?;
        }
        write!(f, ", for {:?} up to {:?}", self.open_for, self.max_open_for)
    }
}
