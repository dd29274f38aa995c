//! What is wrong with a configuration.

use std::fmt;

use linchpin::{Error, Kind};

use super::Source;

/// One fault: which setting, where it was written, what is wrong, what would be right.
///
/// The value is shown unless the setting is a secret.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Fault(Box<Detail>);

/// Every fault of a configuration; never none. `Display` gives one line each.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Faults(Vec<Fault>);

/// Boxed, so that a result that may hold a fault stays small.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Detail {
    pub(super) key: String,
    pub(super) source: Source,
    pub(super) value: Option<String>,
    pub(super) problem: String,
    pub(super) remedy: Option<String>,
}

// ===== impl Fault =====

impl Fault {
    pub(super) fn new(detail: Detail) -> Self {
        Self(Box::new(detail))
    }

    /// The setting, as it was spelled.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.0.key
    }

    /// Where it was written. [`Source::Default`] also stands for a value that is required and missing.
    #[must_use]
    pub fn source(&self) -> &Source {
        &self.0.source
    }

    /// What is wrong.
    #[must_use]
    pub fn problem(&self) -> &str {
        &self.0.problem
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Detail { key, source, value, problem, remedy } = &*self.0;
        f.write_str(key)?;
        if *source != Source::Default {
            write!(f, " ({source})")?;
        }
        if let Some(value) = value {
            write!(f, " = `{value}`")?;
        }
        write!(f, ": {problem}")?;
        match remedy {
            Some(remedy) => write!(f, "; {remedy}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Fault {}

// ===== impl Faults =====

impl Faults {
    /// `None` if there are none.
    pub(super) fn new(mut faults: Vec<Fault>) -> Option<Self> {
        faults.sort_by(|a, b| a.key().cmp(b.key()));
        (!faults.is_empty()).then_some(Self(faults))
    }

    /// The faults, ordered by key.
    pub fn iter(&self) -> impl Iterator<Item = &Fault> {
        self.0.iter()
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            1 => f.write_str("1 setting is wrong:")?,
            many => write!(f, "{many} settings are wrong:")?,
        }
        self.0.iter().try_for_each(|fault| write!(f, "\n  {fault}"))
    }
}

impl std::error::Error for Faults {}

impl From<Fault> for Faults {
    fn from(fault: Fault) -> Self {
        Self(vec![fault])
    }
}

impl From<Faults> for Error {
    fn from(faults: Faults) -> Self {
        Self::new(Kind::InvalidArgument, faults)
    }
}
