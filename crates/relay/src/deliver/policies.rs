//! Who may be sent to now: a breaker for each endpoint, the pauses that receivers ask for, and the rates of the API.
//!
//! A delivery that may not go is put back in front of its lane, and no attempt is used up. The lane waits with it, in memory,
//! and nobody writes anything down: of what lies below nothing is read before that. Nothing is hedged, and nothing kept in
//! order.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use linchpin::resilience::breaker::{self, Breaker, Permit, Registry, RegistryOptions, State};
use linchpin::resilience::limiter::{self, Keyed, KeyedOptions, Rate};
use linchpin::resilience::{Outcome, Refusal, Snapshot};
use linchpin::sync::Mutex;
use linchpin::time::Instant;

use super::ready::Ready;
use super::targets::Rates;
use crate::ids::{AppId, EndpointId};

/// The policies of deliveries.
pub struct Policies {
    breakers: Registry<EndpointId>,
    /// What receivers asked for.
    pauses: Keyed<EndpointId>,
    endpoints: Keyed<EndpointId>,
    applications: Keyed<AppId>,
    settings: PolicySettings,
    /// Breakers that an operator has in hand. Held, so that the registry does not forget them.
    forced: Mutex<BTreeMap<EndpointId, Breaker>>,
    postponed: [metrics::Counter; Why::ALL.len()],
}

/// How deliveries are held back.
#[derive(Clone, Copy, Debug)]
pub struct PolicySettings {
    /// The longest attempt.
    pub request_timeout: Duration,
    /// How long a breaker stays open the first time.
    pub open_for: Duration,
    /// The longest that it does.
    pub max_open_for: Duration,
}

/// What an operator wants of a breaker.
#[derive(Clone, Copy, Debug, Eq, PartialEq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Force {
    /// Everything passes and nothing is counted.
    Closed,
    /// The same as `Open`, by its other name.
    Isolated,
    /// Everything passes and is counted.
    MetricsOnly,
    /// Nothing passes.
    Open,
    /// Closed, and on its own again.
    Reset,
}

/// So many breakers are in an operator's hand already.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TooMany(usize);

/// Deliveries that may not go yet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct HeldBack {
    pub(super) whom: Whom,
    /// For so long, if nobody lets them go before.
    pub(super) wait: Duration,
    pub(super) why: Why,
}

/// Whose deliveries.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Whom {
    Application,
    Endpoint,
}

/// What kept a delivery.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Why {
    /// The receiver asked to be left alone.
    Asked,
    Breaker,
    /// As many attempts as may be are under way to its host.
    Host,
    /// Something is lacking on this side.
    Ours,
    /// The proxy of ours failed.
    Proxy,
    Throttle,
    /// Nothing can be signed for the endpoint.
    Unreadable,
}

/// Failures in a row that open the breaker of an endpoint that has too few calls for a share.
const IN_A_ROW: u32 = 10;
/// Deliveries that show whether an endpoint is well again.
const PROBES: u32 = 3;
/// The window of the share of failures, at least; twice a time limit must fit.
const WINDOW: Duration = Duration::from_mins(1);
/// Allowances are counted in nanoseconds: to an endpoint of rate `r` a delivery costs the `r`th part of its second. So one
/// limiter serves all rates, and a new rate needs nothing but a new price.
const SECOND: u32 = 1_000_000_000;
/// How long an endpoint is left alone whose secret cannot be read, if nobody changes it.
pub(super) const UNREADABLE: Duration = Duration::from_mins(1);
/// How long a delivery waits for a place at its host, if nobody calls it. No longer than an endpoint may keep an attempt waiting
/// before it is slow: else its lane would be laid down.
const CROWDED: Duration = Duration::from_secs(1);
/// What is added by chance to a wait that many have in common: a quarter of it, at most so much.
const SPREAD: Duration = Duration::from_secs(5);
/// The most breakers. Of more endpoints at a time than that, the open breakers of some would be forgotten.
const BREAKERS: usize = 100_000;
/// The most breakers in operators' hands.
const FORCED: usize = 1_000;

// ===== impl Policies =====

impl Policies {
    /// Nobody is held back.
    ///
    /// # Errors
    ///
    /// If the settings do not fit together.
    pub(super) fn new(settings: PolicySettings) -> linchpin::Result<Self> {
        let longest = settings.request_timeout.saturating_mul(2);
        let options = breaker::Options::default()
            .time_window(WINDOW.max(longest))
            .consecutive_failures(IN_A_ROW)
            .probes(PROBES)
            .open_for(settings.open_for)
            .max_open_for(settings.max_open_for)
            .max_probe(longest);
        let kept = RegistryOptions::default().max_keys(BREAKERS);
        // Longer than it is open: one that is forgotten comes back closed.
        let kept = kept.idle(Duration::from_mins(10).max(settings.max_open_for.saturating_mul(2)));
        let by_time = Rate::per_second(SECOND);
        let (options_of, keys) = (limiter::Options::default, KeyedOptions::default);
        Ok(Self {
            breakers: Registry::new("endpoint", options, kept)?,
            pauses: Keyed::new("endpoint-pause", by_time, options_of(), keys())?,
            endpoints: Keyed::new("endpoint-throttle", by_time, options_of(), keys())?,
            applications: Keyed::new("application-throttle", by_time, options_of(), keys())?,
            settings,
            forced: Mutex::default(),
            postponed: Why::ALL.map(
                |why| metrics::counter!("relay_deliveries_postponed_total", "why" => why.as_str()),
            ),
        })
    }

    /// Lets a delivery go, or says who must wait.
    pub(super) fn admit(&self, ready: &Ready, rates: Rates) -> Result<Permit<'static>, HeldBack> {
        let now = Instant::now();
        let permit = self.breakers.get(&ready.endpoint).admit_owned(now);
        // Nobody knows how long while probes are under way, or an operator holds it open.
        let wait = |no: &Refusal| no.retry_after.unwrap_or(self.settings.open_for);
        let permit =
            permit.map_err(|no| self.hold(Whom::Endpoint, Why::Breaker, spread(wait(&no))))?;
        // From here on a refusal drops the permit, which says that there was no call.
        if let Err(no) = self.pauses.try_acquire_at(now, &ready.endpoint, 1) {
            return Err(self.hold(Whom::Endpoint, Why::Asked, spread(wait(&no))));
        }
        let turn = rates
            .endpoint
            .map(|rate| self.endpoints.reserve(&ready.endpoint, price(rate), Duration::ZERO));
        // If the other says no it is dropped, and the turn given back.
        let turn =
            turn.transpose().map_err(|no| self.hold(Whom::Endpoint, Why::Throttle, wait(&no)))?;
        if let Some(rate) = rates.application {
            let passes = self.applications.try_acquire(&ready.app, price(rate));
            passes.map_err(|no| self.hold(Whom::Application, Why::Throttle, wait(&no)))?;
        }
        if let Some(turn) = turn {
            turn.keep();
        }
        Ok(permit)
    }

    /// Whether a delivery may go, as far as that is seen without a permit.
    pub(super) fn lets_go(&self, endpoint: &EndpointId) -> bool {
        let numbers = self.breakers.get(endpoint).numbers();
        let passes = match numbers.state {
            State::Closed | State::ForcedClosed | State::MetricsOnly => true,
            State::HalfOpen => {
                numbers.probes + numbers.probes_succeeded + numbers.probes_failed
                    < u64::from(PROBES)
            }
            _ => false,
        };
        passes && self.pauses.try_acquire_at(Instant::now(), endpoint, 1).is_ok()
    }

    /// Nothing can be signed for an endpoint, until somebody changes it.
    pub(super) fn unreadable(&self, endpoint: EndpointId) -> HeldBack {
        tracing::error!(%endpoint, "deliveries wait, as the secret of their endpoint cannot be read");
        self.hold(Whom::Endpoint, Why::Unreadable, UNREADABLE)
    }

    /// The host of an endpoint has as many attempts under way as it may. Who ends one lets the next go; this is for whom nobody
    /// calls.
    pub(super) fn crowded(&self) -> HeldBack {
        self.hold(Whom::Endpoint, Why::Host, CROWDED)
    }

    /// Something was lacking on this side, so that nobody was asked: the endpoint's deliveries wait for so long.
    pub(super) fn ours(&self, why: Why, wait: Duration) -> HeldBack {
        self.hold(Whom::Endpoint, why, spread(wait))
    }

    fn hold(&self, whom: Whom, why: Why, wait: Duration) -> HeldBack {
        self.postponed[why as usize].increment(1);
        HeldBack { whom, wait, why }
    }

    /// Takes in how an attempt ended, and for how long the receiver asks to be left alone: its other deliveries, too. One that
    /// says it is overrun and not for how long is left alone as by a breaker.
    pub(super) fn heard(
        &self,
        permit: Permit<'_>,
        ready: &Ready,
        status: u16,
        asked: Option<Duration>,
    ) {
        let outcome = match status {
            200..300 => Outcome::Success,
            // It is well, and says so.
            429 => Outcome::Ignored,
            _ => Outcome::Failure,
        };
        let now = Instant::now();
        permit.record_at(now, outcome, asked);
        let overrun = (status == 429).then_some(self.settings.open_for);
        if let Some(wait) = asked.or(overrun) {
            self.pauses.penalize(&ready.endpoint, now + wait);
        }
    }

    /// Every breaker and limiter as it is now.
    #[must_use]
    pub fn snapshots(&self) -> Vec<Snapshot> {
        let mut all = self.breakers.snapshots();
        all.extend([
            self.pauses.snapshot(),
            self.endpoints.snapshot(),
            self.applications.snapshot(),
        ]);
        all
    }

    /// Does with the breaker of `endpoint` what an operator wants, until the operator says otherwise or the process ends. To
    /// let it go ends the pause that its receiver has asked for, too.
    ///
    /// # Errors
    ///
    /// If operators have a thousand in hand.
    pub fn force(&self, endpoint: EndpointId, to: Force) -> Result<Snapshot, TooMany> {
        let breaker = self.breakers.get(&endpoint);
        {
            let mut forced = self.forced.lock();
            if to == Force::Reset {
                forced.remove(&endpoint);
            } else if forced.len() < FORCED || forced.contains_key(&endpoint) {
                forced.insert(endpoint, breaker.clone());
            } else {
                return Err(TooMany(FORCED));
            }
        }
        if !matches!(to, Force::Isolated | Force::Open) {
            self.pauses.forget(&endpoint);
        }
        match to {
            Force::Closed => breaker.force_closed(),
            Force::Isolated | Force::Open => breaker.force_open(),
            Force::MetricsOnly => breaker.metrics_only(),
            Force::Reset => breaker.reset(),
        }
        Ok(breaker.snapshot())
    }
}

/// What a delivery costs where so many may go in a second.
fn price(rate: u16) -> u32 {
    SECOND / u32::from(rate.max(1))
}

/// Longer by chance and never shorter, so that not all come back at once.
fn spread(wait: Duration) -> Duration {
    wait + (wait / 4).min(SPREAD).mul_f64(fastrand::f64())
}

impl fmt::Debug for Policies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policies").field("breakers", &self.breakers).finish_non_exhaustive()
    }
}

// ===== impl Why =====

impl Why {
    const ALL: [Self; 7] = [
        Self::Asked,
        Self::Breaker,
        Self::Host,
        Self::Ours,
        Self::Proxy,
        Self::Throttle,
        Self::Unreadable,
    ];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Breaker => "breaker",
            Self::Host => "host",
            Self::Ours => "ours",
            Self::Proxy => "proxy",
            Self::Throttle => "throttle",
            Self::Unreadable => "unreadable",
        }
    }
}

impl fmt::Display for TooMany {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "operators have {} breakers in hand already; reset some first", self.0)
    }
}

impl std::error::Error for TooMany {}
