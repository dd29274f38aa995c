//! Why a channel did not do it. What was to be sent comes back.

use std::fmt;

use crate::context::Ended;
use crate::error::{Error, Kind};

/// Nothing receives any more; the value comes back.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct Closed<T = ()>(pub T);

/// Why a value was not sent, by one who would have waited.
#[derive(Clone)]
pub enum SendError<T> {
    /// Nothing receives any more.
    Closed(T),
    /// The context ended before there was room.
    Ended(T, Ended),
}

/// Why a value was not sent, by one who does not wait.
#[derive(Clone, Copy, Eq, PartialEq)]
pub enum TrySendError<T> {
    /// There is no room now.
    Full(T),
    /// Nothing receives any more.
    Closed(T),
}

/// Why nothing was received, by one who would have waited.
#[derive(Clone, Debug)]
pub enum RecvError {
    /// All was received, and nothing more can come.
    Closed,
    /// The context ended before something came.
    Ended(Ended),
}

/// Why nothing was received, by one who does not wait.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TryRecvError {
    /// There is nothing now.
    Empty,
    /// All was received, and nothing more can come.
    Closed,
}

const CLOSED: &str = "the channel is closed";
const FULL: &str = "the channel is full";

// ===== impl Closed =====

impl<T> fmt::Debug for Closed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Closed(..)")
    }
}

impl<T> fmt::Display for Closed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(CLOSED)
    }
}

impl<T> std::error::Error for Closed<T> {}

impl<T> From<Closed<T>> for Error {
    /// The value is dropped.
    fn from(_: Closed<T>) -> Self {
        Self::new(Kind::Unavailable, CLOSED)
    }
}

// ===== impl SendError =====

impl<T> SendError<T> {
    /// The value.
    pub fn into_value(self) -> T {
        match self {
            Self::Closed(value) | Self::Ended(value, _) => value,
        }
    }
}

impl<T> fmt::Debug for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed(_) => f.write_str("Closed(..)"),
            Self::Ended(_, ended) => write!(f, "Ended(.., {ended:?})"),
        }
    }
}

impl<T> fmt::Display for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed(_) => f.write_str(CLOSED),
            Self::Ended(_, ended) => ended.fmt(f),
        }
    }
}

impl<T> std::error::Error for SendError<T> {}

impl<T> From<SendError<T>> for Error {
    /// The value is dropped.
    fn from(error: SendError<T>) -> Self {
        match error {
            SendError::Closed(_) => Self::new(Kind::Unavailable, CLOSED),
            SendError::Ended(_, ended) => ended.into(),
        }
    }
}

// ===== impl TrySendError =====

impl<T> TrySendError<T> {
    /// The value.
    pub fn into_value(self) -> T {
        match self {
            Self::Full(value) | Self::Closed(value) => value,
        }
    }
}

impl<T> fmt::Debug for TrySendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "Full(..)",
            Self::Closed(_) => "Closed(..)",
        })
    }
}

impl<T> fmt::Display for TrySendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => FULL,
            Self::Closed(_) => CLOSED,
        })
    }
}

impl<T> std::error::Error for TrySendError<T> {}

impl<T> From<TrySendError<T>> for Error {
    /// The value is dropped.
    fn from(error: TrySendError<T>) -> Self {
        match error {
            TrySendError::Full(_) => Self::new(Kind::ResourceExhausted, FULL),
            TrySendError::Closed(_) => Self::new(Kind::Unavailable, CLOSED),
        }
    }
}

// ===== impl RecvError, TryRecvError =====

impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str(CLOSED),
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
            RecvError::Ended(ended) => ended.into(),
        }
    }
}

impl fmt::Display for TryRecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the channel is empty",
            Self::Closed => CLOSED,
        })
    }
}

impl std::error::Error for TryRecvError {}
