//! What is wrong with options.

use std::fmt;
use std::time::Duration;

use crate::error::{Error, Kind};

/// No time in options is longer: who says more means something else.
pub(super) const YEAR: Duration = Duration::from_hours(365 * 24);

/// Options that do not fit together, found when a component is built.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct BadOptions {
    component: &'static str,
    why: String,
}

// ===== impl BadOptions =====

impl BadOptions {
    pub(crate) fn new(component: &'static str, why: impl Into<String>) -> Self {
        Self { component, why: why.into() }
    }
}

impl fmt::Display for BadOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bad options for {}: {}", self.component, self.why)
    }
}

impl std::error::Error for BadOptions {}

impl From<BadOptions> for Error {
    fn from(bad: BadOptions) -> Self {
        Self::new(Kind::InvalidArgument, bad)
    }
}
