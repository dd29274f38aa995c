//! What was seen, held against what was promised.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::bad::{End, Kind};
use crate::good::Met;

/// One phase without the bad clients and one beside them.
pub(crate) struct Round {
    pub(crate) alone: Met,
    pub(crate) beside: Met,
    pub(crate) closed: Vec<End>,
    /// By how much its memory grew, in KiB.
    pub(crate) grown: u64,
}

/// The rounds so far.
pub(crate) struct Verdict {
    /// Whether percentiles are held against the bound.
    is_judged: bool,
    ratios: Vec<f64>,
    bad: BTreeMap<&'static str, usize>,
    sent: usize,
    grown: u64,
    last_grown: u64,
    faults: Vec<String>,
}

/// The most that the 99th percentile of the good may be beside the bad, as a multiple of what it is without them.
const MOST: f64 = 1.5;
/// The most that memory may grow, in KiB ...
const GROWTH: u64 = 100 << 10;
/// ... and the most that it may grow in the last round.
const AGAIN: u64 = GROWTH / 4;
const KINDS: [(Kind, &str, &str); 4] = [
    (Kind::Silent, "silent", "header"),
    (Kind::SlowHeader, "slow header", "header"),
    (Kind::SlowBody, "slow body", "body"),
    (Kind::Deaf, "never read", "write"),
];

impl Verdict {
    pub(crate) fn new(is_judged: bool) -> Self {
        Self {
            is_judged,
            ratios: Vec::new(),
            bad: BTreeMap::new(),
            sent: 0,
            grown: 0,
            last_grown: 0,
            faults: Vec::new(),
        }
    }

    pub(crate) fn tell(&mut self, round: Round) {
        let Round { alone, beside, closed, grown } = round;
        let ratio = beside.p99().as_secs_f64() / alone.p99().as_secs_f64();
        println!(
            "round {}: p99 {:.2} ms alone, {:.2} ms beside the bad, ratio {ratio:.2}; memory grew by {:.1} MiB",
            self.ratios.len() + 1,
            millis(alone.p99()),
            millis(beside.p99()),
            mib(grown),
        );
        self.ratios.push(ratio);
        self.sent += alone.took.len() + beside.took.len();
        self.grown = self.grown.max(grown);
        self.last_grown = grown;
        for refused in alone.refused.iter().chain(&beside.refused) {
            self.faults.push(format!("a good client: {refused}"));
        }
        for (kind, name, _) in KINDS {
            let ends = || closed.iter().filter(|end| end.kind == kind);
            let (all, open) = (ends().count(), ends().filter(|end| end.closed.is_none()).count());
            let longest = ends().filter_map(|end| end.closed).max().unwrap_or_default();
            println!(
                "  {name}: {all}, open too long {open}, closed within {:.2} s of {:?}",
                longest.as_secs_f64(),
                kind.limit(),
            );
            *self.bad.entry(name).or_default() += all;
            if open > 0 {
                self.faults.push(format!("{open} of {all} ({name}) were not closed in time"));
            }
        }
        if grown > GROWTH {
            self.faults.push(format!("memory grew by {:.1} MiB", mib(grown)));
        }
    }

    /// Whether Relay says of all that it closed them, and why. It may have closed more: the pool of the good clients opens a connection
    /// now and then that it does not need.
    pub(crate) fn closed_by(&mut self, closed: &BTreeMap<String, usize>) {
        println!("closed by reason: {closed:?}");
        let mut expected = BTreeMap::<_, usize>::new();
        for (_, name, reason) in KINDS {
            *expected.entry(reason).or_default() += self.bad.get(name).copied().unwrap_or(0);
        }
        for (reason, expected) in expected {
            let counted = closed.get(reason).copied().unwrap_or(0);
            if counted < expected {
                self.faults.push(format!("{counted} closed for `{reason}` and not {expected}"));
            }
        }
    }

    /// Whether the last round found the memory that the others had used: an allocator keeps it, and must not need more.
    pub(crate) fn used_again(&mut self) {
        if self.last_grown > AGAIN {
            let grown = mib(self.last_grown);
            self.faults.push(format!("memory grew by {grown:.1} MiB once more in the last round"));
        }
    }

    /// Prints all of it, the figures last, and says whether it held.
    pub(crate) fn held(mut self) -> bool {
        self.ratios.sort_by(f64::total_cmp);
        let median = self.ratios[self.ratios.len() / 2];
        if self.is_judged && median > MOST {
            self.faults.push(format!("the median of the ratios is {median:.2}"));
        }
        self.faults.iter().take(20).for_each(|fault| println!("FAULT: {fault}"));
        println!(
            "slow-clients: {} bad clients, {} good messages, {} faults, memory grew by {:.1} MiB, ratio of p99 {median:.2} \
             ({:.2} to {:.2})",
            self.bad.values().sum::<usize>(),
            self.sent,
            self.faults.len(),
            mib(self.grown),
            self.ratios[0],
            self.ratios[self.ratios.len() - 1],
        );
        self.faults.is_empty()
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

fn mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}
