//! Attempts that were none, as something was lacking on this side: files, a route, a name server, the proxy.
//!
//! Nobody was asked, so nothing is recorded, and no endpoint is charged with it: neither its breaker nor its health. The delivery
//! waits in front of its lane and is tried again, a few times; then it counts as a failed attempt and goes on by its schedule, so that
//! whoever looks at it sees why nothing comes. The count is kept in memory alone.

use std::fmt;
use std::sync::atomic::Ordering;
use std::time::Duration;

use linchpin::sync::Mutex;
use linchpin::time::Instant;
use linchpin_http::client::{Lack, LocalFault, ProxyFault};

use super::policies::Why;
use super::queue::Held;

/// How often an attempt is made again that was none.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// The wait after the first; each further is twice as long ...
    pub first: Duration,
    /// ... up to this.
    pub longest: Duration,
    /// So many in a row are one failed attempt.
    pub most: u32,
}

/// Why an attempt was none.
#[derive(Debug)]
pub(super) enum Fault {
    Local(LocalFault),
    Proxy(ProxyFault),
}

/// What is done about faults of ours.
#[derive(Debug)]
pub(super) struct Ours {
    patience: Patience,
    abandoned: [(Lack, metrics::Counter); Lack::ALL.len()],
    abandoned_by_proxy: metrics::Counter,
    told: Mutex<Told>,
}

/// What the log has been told.
#[derive(Debug, Default)]
struct Told {
    last: Option<Instant>,
    /// So many since then of which it was not.
    untold: u64,
}

/// How often the log is told: what is lacking is so for all.
const TELL: Duration = Duration::from_mins(1);
const PROXY: &str = "proxy";

impl Ours {
    pub(super) fn new(patience: Patience) -> Self {
        let counter =
            |why: &'static str| metrics::counter!("relay_attempts_abandoned_total", "why" => why);
        Self {
            patience,
            abandoned: Lack::ALL.map(|lack| (lack, counter(lack.as_str()))),
            abandoned_by_proxy: counter(PROXY),
            told: Mutex::default(),
        }
    }

    /// How long a delivery waits of which another attempt was none; `None` if that is to count as a failed one.
    pub(super) fn wait(&self, held: &Held, fault: &Fault) -> Option<Duration> {
        let count = match fault {
            Fault::Local(fault) => {
                let mut counts = self.abandoned.iter();
                counts.find(|(lack, _)| *lack == fault.lack()).map(|(_, count)| count)
            }
            Fault::Proxy(_) => Some(&self.abandoned_by_proxy),
        };
        if let Some(count) = count {
            count.increment(1);
        }
        self.tell(fault, Instant::now());
        let before = held.abandoned.fetch_add(1, Ordering::Relaxed);
        self.patience.wait(before)
    }

    fn tell(&self, fault: &Fault, now: Instant) {
        let Some(others) = self.told.lock().due(now) else { return };
        let why = fault.as_str();
        tracing::error!(%fault, why, others, "attempts could not be made, by no fault of their receivers");
    }
}

impl Fault {
    /// What holds the delivery back.
    pub(super) fn holds(&self) -> Why {
        match self {
            Self::Local(_) => Why::Ours,
            Self::Proxy(_) => Why::Proxy,
        }
    }

    /// What whoever sees the attempt may read of it: where the proxy is, is nobody's affair.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Local(fault) => format!("no call was made: {fault}"),
            Self::Proxy(_) => "no call was made: the proxy of the service failed".to_owned(),
        }
    }

    fn as_str(&self) -> &'static str {
        match self {
            Self::Local(fault) => fault.lack().as_str(),
            Self::Proxy(_) => PROXY,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(fault) => fault.fmt(f),
            Self::Proxy(fault) => fault.fmt(f),
        }
    }
}

impl Patience {
    /// After so many before.
    fn wait(&self, before: u32) -> Option<Duration> {
        let wait = self.first.saturating_mul(1 << before.min(16)).min(self.longest);
        (before + 1 < self.most).then_some(wait)
    }
}

impl Default for Patience {
    /// A second, a minute and twelve: six minutes in all.
    fn default() -> Self {
        Self { first: Duration::from_secs(1), longest: Duration::from_mins(1), most: 12 }
    }
}

impl Told {
    /// How many others there were since the last time, if it is time to tell again.
    fn due(&mut self, now: Instant) -> Option<u64> {
        if self.last.is_some_and(|last| now - last < TELL) {
            self.untold += 1;
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.untold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[linchpin_testing::test]
    fn a_delivery_waits_longer_each_time_and_not_for_ever() {
        let patience = Patience::default();
        let waits = (0..20).map_while(|before| patience.wait(before));
        let waits: Vec<_> = waits.map(|wait| wait.as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60, 60, 60]);
    }

    #[linchpin_testing::test]
    fn the_log_is_told_once_a_minute() {
        let (mut told, begun) = (Told::default(), Instant::now());
        let seconds: Vec<_> = (0..130)
            .filter_map(|second| {
                let others = told.due(begun + Duration::from_secs(second))?;
                Some((second, others))
            })
            .collect();
        assert_eq!(seconds, [(0, 0), (60, 59), (120, 59)]);
    }
}
