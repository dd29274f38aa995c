//! A level that goes up and down, and its peak.

use crate::sync::packed::{Field, Pack, Packed};

/// How much of something there is, and how much there was at most since somebody asked.
///
/// Level and peak stand in one word, so that they fit each other at any moment and no peak is lost between two who ask.
///
/// ```
/// # use linchpin::sync::counter::Gauge;
/// static OPEN: Gauge = Gauge::new();
/// let one = OPEN.hold(1);
/// let more = OPEN.hold(2);
/// drop(one);
/// assert_eq!((OPEN.read().level, OPEN.read().peak), (2, 3));
/// drop(more);
/// assert_eq!(OPEN.restart().peak, 3);
/// assert_eq!(OPEN.read().peak, 0);
/// ```
#[derive(Debug)]
pub struct Gauge(Packed<Reading>);

/// What a [`Gauge`] shows.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Reading {
    /// How much there is.
    pub level: u32,
    /// How much there was at most.
    pub peak: u32,
}

/// What is counted by a [`Gauge`] until this is dropped.
#[derive(Debug)]
#[must_use = "dropping it takes it off the gauge"]
pub struct Held<'a> {
    gauge: &'a Gauge,
    amount: u32,
}

impl Gauge {
    /// A gauge at zero.
    #[cfg(not(linchpin_loom))]
    #[must_use]
    pub const fn new() -> Self {
        Self(Packed::at(0))
    }

    /// The same, as loom can have it.
    #[cfg(linchpin_loom)]
    #[must_use]
    pub fn new() -> Self {
        Self(Packed::at(0))
    }

    /// Counts `amount` in until what is returned is dropped.
    ///
    /// # Panics
    ///
    /// As [`up`](Self::up).
    pub fn hold(&self, amount: u32) -> Held<'_> {
        self.up(amount);
        Held { gauge: self, amount }
    }

    /// Raises the level, and returns what is reached.
    ///
    /// # Panics
    ///
    /// If that is more than a `u32` holds.
    pub fn up(&self, amount: u32) -> Reading {
        self.change(|now| {
            let level = now.level.checked_add(amount).expect("a gauge goes to u32::MAX");
            Reading { level, peak: now.peak.max(level) }
        })
    }

    /// Lowers the level, and returns what is reached.
    ///
    /// # Panics
    ///
    /// If less than `amount` is there: it was counted out twice.
    pub fn down(&self, amount: u32) -> Reading {
        self.change(|now| {
            let level = now.level.checked_sub(amount).expect("counted out what was not counted in");
            Reading { level, ..now }
        })
    }

    /// What it shows now.
    #[must_use]
    pub fn read(&self) -> Reading {
        self.0.load()
    }

    /// What it shows now; the peak begins anew at the level.
    pub fn restart(&self) -> Reading {
        let fresh = |now: Reading| Some(Reading { peak: now.level, ..now });
        self.0.update(fresh).map_or_else(|now| now, |step| step.from)
    }

    fn change(&self, change: impl Fn(Reading) -> Reading) -> Reading {
        self.0.update(|now| Some(change(now))).map_or_else(|now| now, |step| step.to)
    }
}

impl Default for Gauge {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.gauge.down(self.amount);
    }
}

const LEVEL: Field = Field::first(32);
const PEAK: Field = LEVEL.then(32);

impl Pack for Reading {
    fn pack(self) -> u64 {
        LEVEL.of(self.level.into()) | PEAK.of(self.peak.into())
    }

    fn unpack(word: u64) -> Self {
        Self { level: LEVEL.get(word) as u32, peak: PEAK.get(word) as u32 }
    }
}
