//! Why a call was not answered.

use std::error::Error as StdError;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use linchpin::context::Ended;
use linchpin::error::{self, Error, Kind};

use super::local::LocalFault;
use super::proxy::ProxyFault;

/// A call that was not answered. `Display` is for the operator who looks at it.
#[derive(Debug)]
#[non_exhaustive]
pub enum SendError {
    /// The address may not be dialled.
    Blocked(Blocked),
    /// The port may not be dialled.
    BlockedPort(BlockedPort),
    /// The body broke off.
    Body(Box<dyn StdError + Send + Sync>),
    /// No connection came about.
    Connect(Box<dyn StdError + Send + Sync>),
    /// The context ended.
    Ended(Ended),
    /// The call did not leave this machine. The other side was not asked.
    Local(LocalFault),
    /// The connection broke, or what came was not HTTP.
    Protocol(Box<dyn StdError + Send + Sync>),
    /// The proxy that the call had to go through failed. The other side was not asked.
    Proxy(ProxyFault),
    /// The time limit passed.
    TimedOut {
        /// What it was.
        limit: Duration,
    },
}

/// An address that may not be dialled.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Blocked {
    /// The host as it was asked for.
    pub host: String,
    /// The address it stands for.
    pub address: IpAddr,
    /// Why: the name of the range.
    pub range: &'static str,
}

/// A port that may not be dialled, since it is none of web servers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct BlockedPort {
    /// The host as it was asked for.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl SendError {
    pub(super) fn from_client(error: hyper_util::client::legacy::Error) -> Self {
        if let Some(blocked) = error::find::<Blocked>(&error) {
            return Self::Blocked(blocked.clone());
        }
        if let Some(blocked) = error::find::<BlockedPort>(&error) {
            return Self::BlockedPort(blocked.clone());
        }
        if let Some(fault) = error::find::<ProxyFault>(&error) {
            return Self::Proxy(fault.clone());
        }
        if let Some(fault) = error::find::<LocalFault>(&error) {
            return Self::Local(fault.clone());
        }
        if error.is_connect() { Self::Connect(error.into()) } else { Self::Protocol(error.into()) }
    }

    pub(super) fn body(error: hyper::Error) -> Self {
        Self::Body(error.into())
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Blocked(blocked) => blocked.fmt(f),
            Self::BlockedPort(blocked) => blocked.fmt(f),
            Self::Body(source) => write!(f, "the response broke off: {}", Innermost(&**source)),
            Self::Connect(source) => write!(f, "cannot connect: {}", Innermost(&**source)),
            Self::Ended(ended) => ended.fmt(f),
            Self::Local(fault) => write!(f, "no call was made: {fault}"),
            Self::Protocol(source) => write!(f, "no HTTP response: {}", Innermost(&**source)),
            Self::Proxy(fault) => fault.fmt(f),
            Self::TimedOut { limit } => write!(f, "no complete response within {limit:?}"),
        }
    }
}

impl StdError for SendError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Blocked(blocked) => Some(blocked),
            Self::BlockedPort(blocked) => Some(blocked),
            Self::Ended(ended) => Some(ended),
            Self::Local(fault) => Some(fault),
            Self::Proxy(fault) => Some(fault),
            // Their innermost cause is what `Display` shows already.
            Self::Body(_) | Self::Connect(_) | Self::Protocol(_) | Self::TimedOut { .. } => None,
        }
    }
}

impl From<SendError> for Error {
    fn from(error: SendError) -> Self {
        let kind = match &error {
            SendError::Blocked(_) | SendError::BlockedPort(_) => Kind::PermissionDenied,
            SendError::Ended(ended) => return ended.clone().into(),
            SendError::TimedOut { .. } => Kind::DeadlineExceeded,
            SendError::Body(_)
            | SendError::Connect(_)
            | SendError::Local(_)
            | SendError::Protocol(_)
            | SendError::Proxy(_) => Kind::Unavailable,
        };
        Self::new(kind, error)
    }
}

/// The last cause of a chain, which is the one that says something.
struct Innermost<'a>(&'a (dyn StdError + 'static));

impl fmt::Display for Innermost<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut last = self.0;
        while let Some(cause) = last.source() {
            last = cause;
        }
        fmt::Display::fmt(last, f)
    }
}

impl fmt::Display for Blocked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, address, range } = self;
        write!(f, "requests to `{host}` are blocked: {address} is {range}, not a public address")
    }
}

impl StdError for Blocked {}

impl fmt::Display for BlockedPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        write!(f, "requests to `{host}` are blocked: port {port} is not one of web servers")
    }
}

impl StdError for BlockedPort {}
