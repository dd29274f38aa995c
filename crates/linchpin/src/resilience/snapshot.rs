//! A policy as people look at it.

use std::fmt;
use std::sync::Arc;

/// A policy at one moment, for a page, a log line or a console: which it is, how it is, and its numbers.
///
/// The same shape for every policy. Code that acts on numbers takes those of the policy itself, which have types.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Snapshot {
    /// Which kind of policy ("breaker").
    pub policy: &'static str,
    /// Which one of them.
    pub instance: &'static str,
    /// For whom, if there is one for each key.
    pub key: Option<Arc<str>>,
    /// How it is, in a word.
    pub state: &'static str,
    /// Its live numbers, in the order in which people want them. Durations are in seconds.
    pub numbers: Vec<(&'static str, f64)>,
}

impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { policy, instance, key, state, numbers } = self;
        write!(f, "{policy} `{instance}`")?;
        if let Some(key) = key {
            write!(f, " of `{key}`")?;
        }
        write!(f, ": {state}")?;
        numbers.iter().try_for_each(|(name, number)| write!(f, ", {name} {number}"))
    }
}
