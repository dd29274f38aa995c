//! Why nothing was received.

use std::fmt;

use crate::context::Ended;
use crate::error::{Error, Kind};

/// Why nothing was received, by one who would have waited.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum RecvError {
    /// All was received, and nothing more can come.
    Closed,
    /// It was too slow, by [`Policy::Disconnect`](super::Policy::Disconnect), and has read what it had room for.
    Disconnected,
    /// The context ended before something came.
    Ended(Ended),
}

/// Why nothing was received, by one who does not wait.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum TryRecvError {
    /// There is nothing now.
    Empty,
    /// All was received, and nothing more can come.
    Closed,
    /// As [`RecvError::Disconnected`].
    Disconnected,
}

const CLOSED: &str = "the bus is closed";
const DISCONNECTED: &str = "the subscriber was too slow and is disconnected";

impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str(CLOSED),
            Self::Disconnected => f.write_str(DISCONNECTED),
            Self::Ended(ended) => ended.fmt(f),
        }
    }
}

impl std::error::Error for RecvError {}

impl From<Ended> for RecvError {
    fn from(ended: Ended) -> Self {
        Self::Ended(ended)
    }
}

impl From<RecvError> for Error {
    fn from(error: RecvError) -> Self {
        match error {
            RecvError::Closed => Self::new(Kind::Unavailable, CLOSED),
            RecvError::Disconnected => Self::new(Kind::DataLoss, DISCONNECTED),
            RecvError::Ended(ended) => ended.into(),
        }
    }
}

impl fmt::Display for TryRecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "there is no message",
            Self::Closed => CLOSED,
            Self::Disconnected => DISCONNECTED,
        })
    }
}

impl std::error::Error for TryRecvError {}
