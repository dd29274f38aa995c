//! Scripts: what they consist of, how they are drawn so that their outcome in Go is no matter of luck, and shrunk.

use std::collections::BTreeSet;
use std::fmt;

use clap::ValueEnum;
use fastrand::Rng;
use serde::Serialize;

/// What a script is played on.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum What {
    Semaphore,
    Flights,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Script {
    pub(crate) what: What,
    /// The permits of the semaphore.
    pub(crate) size: usize,
    pub(crate) steps: Vec<Step>,
}

/// One operation. A caller has a name; a step that names one that is not there does nothing, so any can be left out.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub(crate) enum Step {
    /// A caller takes permits, waiting for so many milliseconds if that is not zero; under a context that has ended.
    Acquire {
        id: usize,
        n: usize,
        ms: u64,
        done: bool,
    },
    /// A caller takes permits if they are there.
    Try {
        id: usize,
        n: usize,
    },
    Release {
        id: usize,
    },
    Cancel {
        id: usize,
    },
    Advance {
        ms: u64,
    },
    /// A caller wants what a key stands for.
    Do {
        id: usize,
        key: &'static str,
    },
    /// The work of a caller comes to something.
    Finish {
        id: usize,
        fate: Fate,
    },
    Forget {
        key: &'static str,
    },
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Fate {
    Value,
    Error,
    Panic,
}

/// The longest script, in steps; the longest timeout and the longest advance, in milliseconds.
const LONGEST: usize = 40;
const TIMEOUT: u64 = 60;
const ADVANCE: u64 = 30;

pub(crate) fn random(what: What, rng: &mut Rng) -> Script {
    let size = rng.usize(1..=6);
    let mut writer = Writer { size, now: 0, deadlines: BTreeSet::new() };
    let steps = (0..rng.usize(1..=LONGEST)).map(|id| match what {
        What::Semaphore => writer.semaphore(id, rng),
        What::Flights => flights(id, rng),
    });
    Script { what, size, steps: steps.collect() }
}

struct Writer {
    size: usize,
    now: u64,
    deadlines: BTreeSet<u64>,
}

impl Writer {
    fn semaphore(&mut self, id: usize, rng: &mut Rng) -> Step {
        let other = rng.usize(..=id);
        match rng.u8(..100) {
            0..40 => {
                let ms = if rng.u8(..3) == 0 { self.timeout(rng) } else { 0 };
                Step::Acquire { id, n: rng.usize(1..=self.size), ms, done: rng.u8(..12) == 0 }
            }
            40..52 => Step::Try { id, n: rng.usize(1..=self.size) },
            52..80 => Step::Release { id: other },
            80..92 => Step::Cancel { id: other },
            _ => {
                let ms = rng.u64(1..=ADVANCE);
                self.now += ms;
                Step::Advance { ms }
            }
        }
    }

    /// A timeout whose deadline is nobody else's: two at once would race in Go.
    fn timeout(&mut self, rng: &mut Rng) -> u64 {
        let mut deadline = self.now + rng.u64(1..TIMEOUT);
        while !self.deadlines.insert(deadline) {
            deadline += 1;
        }
        deadline - self.now
    }
}

fn flights(id: usize, rng: &mut Rng) -> Step {
    let key = ["a", "b", "c"][rng.usize(..3)];
    match rng.u8(..100) {
        0..55 => Step::Do { id, key },
        55..90 => {
            let fate = [Fate::Value, Fate::Value, Fate::Error, Fate::Panic][rng.usize(..4)];
            Step::Finish { id: rng.usize(..=id), fate }
        }
        _ => Step::Forget { key },
    }
}

impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.what == What::Semaphore {
            writeln!(f, "  a semaphore of {}", self.size)?;
        }
        self.steps.iter().try_for_each(|step| writeln!(f, "  {step:?}"))
    }
}
