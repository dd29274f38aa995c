//! The errors that tests of errors wrap and look for.

use std::error::Error as StdError;
use std::fmt;

use linchpin::{Error, Kind};

/// A sentinel: a unit error that can be compared, with its kind given once.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Exhausted;

impl fmt::Display for Exhausted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the pool is exhausted")
    }
}

impl StdError for Exhausted {}

impl From<Exhausted> for Error {
    fn from(sentinel: Exhausted) -> Self {
        Self::new(Kind::ResourceExhausted, sentinel)
    }
}

/// Another one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Closed;

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("closed")
    }
}

impl StdError for Closed {}

/// An error with a value to be found by.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Row(pub(crate) u32);

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "row {}", self.0)
    }
}

impl StdError for Row {}

/// Somebody else's error around anything.
#[derive(Debug)]
pub(crate) struct Wrapped<E>(pub(crate) E);

impl<E> fmt::Display for Wrapped<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a foreign layer")
    }
}

impl<E: StdError + 'static> StdError for Wrapped<E> {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&self.0)
    }
}

/// The same around a boxed one.
#[derive(Debug)]
pub(crate) struct Boxed(pub(crate) Box<dyn StdError + Send + Sync>);

impl fmt::Display for Boxed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a foreign box")
    }
}

impl StdError for Boxed {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&*self.0)
    }
}
