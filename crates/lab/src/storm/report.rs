//! What was seen, second by second.

use std::time::Duration;

use linchpin::sync::Mutex;
use linchpin::time::Instant;

use super::{Plan, Variant};

/// One second of a storm.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Second {
    /// Calls that began in it.
    pub offered: u32,
    /// Calls that ended in it with an answer in time ...
    pub good: u32,
    /// ... that a policy of the client refused ...
    pub refused: u32,
    /// ... that failed otherwise.
    pub bad: u32,
    /// Attempts that reached the service in it.
    pub load: u32,
    /// Answers that nobody waited for any more.
    pub wasted: u32,
    /// How long the calls took that ended in it.
    pub took: Vec<Duration>,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Ended {
    Badly,
    Refused,
    Well,
}

/// Counts by seconds.
#[derive(Debug)]
pub(super) struct Meter {
    start: Instant,
    seconds: Mutex<Vec<Second>>,
}

/// What became of a variant.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Its name.
    pub name: &'static str,
    /// Second by second.
    pub seconds: Vec<Second>,
    /// Good answers a second before the storm, while it lasts, and after it.
    pub goodput: [f64; 3],
    /// Attempts that reached the service while the storm lasted, for each call.
    pub load: f64,
    /// How long it took 99 of 100 calls at most, while the storm lasted.
    pub p99: Duration,
    /// Answers that nobody waited for any more.
    pub wasted: u32,
    /// How many seconds after the service was well the goodput was what it had been, for good; `None` if never.
    pub recovers: Option<u32>,
}

impl Meter {
    pub(super) fn new(start: Instant, seconds: u32) -> Self {
        Self { start, seconds: Mutex::new(vec![Second::default(); seconds as usize]) }
    }

    fn note(&self, at: Instant, note: impl FnOnce(&mut Second)) {
        let second = (at - self.start).as_secs() as usize;
        if let Some(second) = self.seconds.lock().get_mut(second) {
            note(second);
        }
    }

    pub(super) fn offered(&self, at: Instant) {
        self.note(at, |second| second.offered += 1);
    }

    pub(super) fn asked(&self, at: Instant) {
        self.note(at, |second| second.load += 1);
    }

    pub(super) fn wasted(&self, at: Instant) {
        self.note(at, |second| second.wasted += 1);
    }

    pub(super) fn ended(&self, begun: Instant, how: Ended) {
        let now = Instant::now();
        self.note(now, |second| {
            second.took.push(now - begun);
            match how {
                Ended::Badly => second.bad += 1,
                Ended::Refused => second.refused += 1,
                Ended::Well => second.good += 1,
            }
        });
    }
}

impl Report {
    pub(super) fn new(plan: &Plan, variant: &Variant, meter: &Meter) -> Self {
        let seconds = meter.seconds.lock().clone();
        let [slows, _, recovers, end] = plan.phases.map(|at| at as usize);
        let goodput = |from: usize, to: usize| {
            let good: u32 = seconds[from..to].iter().map(|second| second.good).sum();
            f64::from(good) / (to - from) as f64
        };
        // The first seconds are not yet as the rest.
        let before = goodput(slows / 4, slows);
        let storm = &seconds[slows..recovers];
        let load: u32 = storm.iter().map(|second| second.load).sum();
        let offered: u32 = storm.iter().map(|second| second.offered).sum();
        let mut took: Vec<Duration> =
            storm.iter().flat_map(|second| second.took.iter().copied()).collect();
        took.sort_unstable();
        let p99 = took.get(took.len() * 99 / 100).copied().unwrap_or_default();
        let wasted = seconds.iter().map(|second| second.wasted).sum();
        Self {
            name: variant.name,
            goodput: [before, goodput(slows, recovers), goodput(recovers, end)],
            load: f64::from(load) / f64::from(offered.max(1)),
            p99,
            wasted,
            recovers: recovery(&seconds[recovers..], before),
            seconds,
        }
    }
}

/// The first second from which on three in a row are as good as before, by a tenth, on average and each by a fifth.
fn recovery(after: &[Second], before: f64) -> Option<u32> {
    let good: Vec<f64> = after.iter().map(|second| f64::from(second.good)).collect();
    let well = |three: &[f64]| {
        three.iter().sum::<f64>() >= 0.9 * 3.0 * before
            && three.iter().all(|good| *good >= 0.8 * before)
    };
    good.windows(3).position(well).map(|at| at as u32)
}
