//! Whether the store is there, and who asks it again when it is not.

use std::time::Duration;

use crate::resilience::news::News;
use crate::shim::atomic::AtomicU64;
use crate::shim::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use crate::shim::{Fault, Mutex, lock, planted};
use crate::time::Instant;

/// A word of all visits: how often it has switched, odd while the store is away. Who switches has the lock, which keeps
/// the news in their order.
#[derive(Debug)]
pub(super) struct Line {
    word: AtomicU64,
    /// When somebody may ask a store that is away.
    next_probe: AtomicU64,
    switches: Mutex<News<Switch>>,
}

/// Whom a visit asks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Ask {
    /// The store, which was there at that word.
    Store(u64),
    /// The store, to see whether it is back.
    Probe(u64),
    /// Nobody: it is away, and will be asked again so soon.
    Nobody { again: Duration },
}

/// The store went or came back.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Switch {
    Away,
    Back,
}

impl Line {
    pub(super) fn new() -> Self {
        Self {
            word: AtomicU64::new(0),
            next_probe: AtomicU64::new(0),
            switches: Mutex::new(News::default()),
        }
    }

    /// Whom to ask. While the store is away one visit in each `every` asks it.
    pub(super) fn ask(&self, now: Instant, every: Duration) -> Ask {
        let word = self.word.load(Acquire);
        if word & 1 == 0 {
            return Ask::Store(word);
        }
        let due = self.next_probe.load(Acquire);
        if now.to_bits() < due {
            return Ask::Nobody { again: Instant::from_bits(due) - now };
        }
        let next = (now + every).to_bits();
        if planted(Fault::LimiterAllAskAgain) {
            self.next_probe.store(next, Release);
            return Ask::Probe(word);
        }
        match self.next_probe.compare_exchange(due, next, AcqRel, Acquire) {
            Ok(_) => Ask::Probe(word),
            Err(other) => Ask::Nobody { again: Instant::from_bits(other) - now },
        }
    }

    /// The store that was there at that word does not answer; whether that is news.
    pub(super) fn failed(&self, ask: Ask, now: Instant, every: Duration) -> bool {
        let Ask::Store(word) = ask else { return false };
        self.switch(word, Switch::Away, || {
            self.next_probe.store((now + every).to_bits(), Release);
        })
    }

    /// The store has answered; whether it was away.
    pub(super) fn answered(&self, ask: Ask) -> bool {
        let Ask::Probe(word) = ask else { return false };
        self.switch(word, Switch::Back, || {})
    }

    fn switch(&self, from: u64, switch: Switch, before: impl FnOnce()) -> bool {
        let mut news = lock(&self.switches);
        if self.word.load(Relaxed) != from && !planted(Fault::LimiterSwitchesTwice) {
            return false;
        }
        before();
        self.word.store(from + 1, Release);
        news.push(switch);
        true
    }

    /// Tells what has happened.
    pub(super) fn tell(&self, listener: impl FnMut(Switch)) {
        News::tell(&self.switches, |news| news, listener);
    }

    pub(super) fn is_away(&self) -> bool {
        self.word.load(Acquire) & 1 == 1
    }

    /// How often the store went.
    pub(super) fn switches(&self) -> u64 {
        self.word.load(Acquire).div_ceil(2)
    }
}
