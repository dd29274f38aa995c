//! How a throttle is set.

use std::time::Duration;

use crate::resilience::BadOptions;
use crate::resilience::bad_options::YEAR;

/// How a [`Throttle`](super::Throttle) judges. The default is meant for a remote callee with many clients.
///
/// ```
/// # use std::time::Duration;
/// # use linchpin::resilience::throttle::{Options, Throttle};
/// let options = Options::default().multiplier(1.1).window(Duration::from_secs(30));
/// let throttle = Throttle::new("search", options)?;
/// # drop(throttle);
/// # Ok::<(), linchpin::resilience::BadOptions>(())
/// ```
#[derive(Clone, Debug)]
pub struct Options {
    pub(super) multiplier: f64,
    pub(super) aggression: f64,
    pub(super) window: Duration,
    pub(super) min_requests: u32,
    pub(super) most_refused: f64,
    pub(super) pending_grace: Option<Duration>,
    pub(super) probe_after: Option<Duration>,
    pub(super) random: fn() -> f64,
}

const SHORTEST: Duration = Duration::from_millis(10);

impl Default for Options {
    fn default() -> Self {
        Self {
            multiplier: 2.0,
            aggression: 1.0,
            window: Duration::from_mins(2),
            min_requests: 10,
            most_refused: 0.9,
            pending_grace: Some(Duration::from_secs(1)),
            probe_after: Some(Duration::from_secs(1)),
            random: fastrand::f64,
        }
    }
}

impl Options {
    /// How many requests it makes for each that the callee takes on. Default: 2.0, so that a callee which takes fewer than
    /// half of them is spared. Nearer to 1.0 spares it sooner, and lets this side learn later that it is well again.
    ///
    /// Who thinks in rates of success, as Envoy does, says one by that rate.
    #[must_use]
    pub fn multiplier(mut self, requests: f64) -> Self {
        self.multiplier = requests;
        self
    }

    /// How steeply the chance of a refusal rises: the share that is too much, to the power of one by this. Default: 1.0,
    /// which is the share itself; 2.0 is its root, and so more.
    #[must_use]
    pub fn aggression(mut self, aggression: f64) -> Self {
        self.aggression = aggression;
        self
    }

    /// Counts the requests of the last `window`, by twelfths of it. Default: 2 minutes.
    ///
    /// Make it much longer than a call takes: what is counted when it ends must meet what was counted when it began.
    #[must_use]
    pub fn window(mut self, window: Duration) -> Self {
        self.window = window;
        self
    }

    /// With fewer requests in the window nobody is refused. Default: 10.
    #[must_use]
    pub fn min_requests(mut self, requests: u32) -> Self {
        self.min_requests = requests;
        self
    }

    /// The highest chance of a refusal. Default: 0.9. What is let through all the same is how it learns that the callee
    /// is well again.
    #[must_use]
    pub fn most_refused(mut self, chance: f64) -> Self {
        self.most_refused = chance;
        self
    }

    /// A call that is under way for so long counts as a request that is not accepted, until it ends. Default: 1 s.
    ///
    /// A callee that hangs is spared though no call ends; one that is merely asked for the first time is not. By
    /// sixteenths of it: a call may count so much too early.
    #[must_use]
    pub fn pending_grace(mut self, grace: Duration) -> Self {
        self.pending_grace = Some(grace);
        self
    }

    /// Calls count when they end, and not before. It saves an exchange at each call.
    #[must_use]
    pub fn no_pending(mut self) -> Self {
        self.pending_grace = None;
        self
    }

    /// If no call was let through for so long, the next one is. Default: 1 s.
    #[must_use]
    pub fn probe_after(mut self, silence: Duration) -> Self {
        self.probe_after = Some(silence);
        self
    }

    /// Nobody is let through for that reason: chance and the end of the window must do.
    #[must_use]
    pub fn no_probe(mut self) -> Self {
        self.probe_after = None;
        self
    }

    /// Where chance comes from: a number from 0.0 up to 1.0, without it. Default: a fast generator of the thread. Asked
    /// only while calls are refused; a throttle that is reconfigured keeps the one it was built with.
    #[must_use]
    pub fn random(mut self, random: fn() -> f64) -> Self {
        self.random = random;
        self
    }

    pub(super) fn check(&self) -> Result<(), BadOptions> {
        let wrong = |why: String| Err(BadOptions::new("Throttle", why));
        if !(1.0..=1_000.0).contains(&self.multiplier) {
            let requests = self.multiplier;
            return wrong(format!(
                "{requests} requests for one that is accepted; say at least 1.0 and at most 1000.0"
            ));
        }
        if !(self.aggression > 0.0 && self.aggression <= 100.0) {
            let aggression = self.aggression;
            return wrong(format!(
                "an aggression of {aggression}; say above 0.0 and at most 100.0"
            ));
        }
        if !(self.most_refused > 0.0 && self.most_refused <= 1.0) {
            let chance = self.most_refused;
            return wrong(format!("a chance of {chance} at most; say above 0.0 and at most 1.0"));
        }
        if self.min_requests == 0 {
            return wrong("no request is too few to judge by; say at least 1".into());
        }
        let times = [
            ("window", Some(self.window)),
            ("pending_grace", self.pending_grace),
            ("probe_after", self.probe_after),
        ];
        for (what, time) in times {
            if let Some(time) = time
                && !(SHORTEST..=YEAR).contains(&time)
            {
                return wrong(format!(
                    "`{what}` is {time:?}; say at least 10 ms and at most a year"
                ));
            }
        }
        Ok(())
    }
}
