//! The word of a policy that does not let a call through.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::error::{Error, Kind};

/// A refusal that explains itself. The callee was never asked.
///
/// Policies around the one that refused count it in nothing ([`Outcome::Ignored`](super::Outcome::Ignored)).
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Refusal {
    /// Which kind of policy refused ("bulkhead").
    pub policy: &'static str,
    /// Which one of them.
    pub instance: &'static str,
    /// For whom, if there is one for each key. For people and logs, never a label of a metric.
    pub key: Option<Arc<str>>,
    /// What was full, spent or broken, in words.
    pub reason: &'static str,
    /// The number that was compared ...
    pub used: u64,
    /// ... with this bound. Both are zero where there is nothing to compare.
    pub limit: u64,
    /// When another call makes sense, if that is known: at the earliest so long after the refusal.
    pub retry_after: Option<Duration>,
    /// Whether the same call makes sense once more, at once or after `retry_after`: `false` tells a retry around the
    /// policy to stop, since it would only wear down what the policy protects.
    pub retryable: bool,
    /// What it is to who asked.
    pub kind: Kind,
}

impl Refusal {
    /// One that tells no numbers, makes no sense to repeat, and says that something is used up.
    pub(crate) fn new(policy: &'static str, instance: &'static str, reason: &'static str) -> Self {
        Self {
            policy,
            instance,
            key: None,
            reason,
            used: 0,
            limit: 0,
            retry_after: None,
            retryable: false,
            kind: Kind::ResourceExhausted,
        }
    }

    /// The status of a response that says so: that of the [`kind`](Self::kind), but 503 and not 429 if something on this
    /// side is full. 429 says that the one who asks asks for too much, which nobody has counted then.
    #[must_use]
    pub fn http_status(&self) -> u16 {
        match (self.policy, self.kind) {
            ("bulkhead" | "semaphore", Kind::ResourceExhausted) => 503,
            (_, kind) => kind.http_status(),
        }
    }

    /// With the number that was compared, and its bound.
    pub(crate) fn compared(self, used: u64, limit: u64) -> Self {
        Self { used, limit, ..self }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { policy, instance, key, reason, used, limit, retry_after, .. } = self;
        write!(f, "{policy} `{instance}` refused")?;
        if let Some(key) = key {
            write!(f, " `{key}`")?;
        }
        write!(f, ": {reason}")?;
        if (*used, *limit) != (0, 0) {
            write!(f, " ({used} of {limit})")?;
        }
        match retry_after {
            Some(wait) => write!(f, ", try again in {wait:?}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Refusal {}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::new(refusal.kind, refusal)
    }
}
