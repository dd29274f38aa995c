//! Requests made of the OpenAPI document, right ones and wrong ones, and a judgement of each answer.
//!
//! An answer must be one that the document lists for the operation, with a body of the schema that it lists and nothing
//! else in it; in time, on a connection that is not cut, never an error of the server, and with nothing of another
//! organisation in it. `grammar` makes what is right, `mutate` and `cases` bend it, `judge` looks at what came, and
//! `known` learns from it what there is to name. `raw` sends what is no HTTP.
//!
//! Nothing here knows a route: one that is new is tried like all others. The requests of an operation follow from the seed
//! and its name, but for the ids in them.

mod cases;
mod document;
mod grammar;
mod judge;
mod known;
mod mutate;
mod plant;
pub(crate) mod raw;
mod receiver;
mod request;
mod run;
mod schema;
mod target;
pub(crate) mod well;
mod wire;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

pub(crate) use self::plant::Plant;
pub(crate) use self::receiver::Receiver;
pub(crate) use self::run::run;
pub(crate) use self::target::Target;

/// How much to try.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) seed: u64,
    /// For each operation.
    pub(crate) requests: usize,
    /// Only operations with this in their name.
    pub(crate) operation: String,
    /// The time for an answer.
    pub(crate) within: Duration,
    /// A fault to put into the answers, which must be found.
    pub(crate) plant: Option<Plant>,
}

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// How often each operation was answered with each status.
    pub(crate) answers: BTreeMap<String, BTreeMap<u16, usize>>,
    pub(crate) faults: Vec<Fault>,
    pub(crate) slowest: Duration,
}

/// Something that must not be.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) operation: String,
    /// What was wrong with the request, if anything was.
    pub(crate) kind: String,
    pub(crate) what: String,
    /// Sends the request again.
    pub(crate) curl: String,
}

impl Report {
    pub(crate) fn requests(&self) -> usize {
        self.answers.values().flat_map(BTreeMap::values).sum()
    }

    /// The operations that have never succeeded, of which little was tried.
    pub(crate) fn unreached(&self) -> Vec<&str> {
        let reached = |answers: &BTreeMap<u16, usize>| {
            answers.keys().any(|status| (200..300).contains(status))
        };
        self.answers
            .iter()
            .filter(|(_, answers)| !reached(answers))
            .map(|(id, _)| id.as_str())
            .collect()
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { operation, kind, what, curl } = self;
        write!(f, "{operation}, {kind}: {what}\n    {curl}")
    }
}
