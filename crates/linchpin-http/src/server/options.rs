//! The bounds of a server.

use std::time::Duration;

use linchpin::{Error, Kind};

use super::pace::Pace;
use super::seat::Limits;

/// The bounds of a server.
#[derive(Clone, Debug)]
pub struct Options {
    header_read: Duration,
    idle: Duration,
    body_read: Duration,
    write: Duration,
    min_rate: u64,
    pub(super) max_connections: usize,
    /// Whether it ends as a server does that nobody has thought about; only a planted fault does.
    pub(super) hasty: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            header_read: Duration::from_secs(10),
            idle: Duration::from_secs(75),
            body_read: Duration::from_secs(30),
            write: Duration::from_secs(30),
            min_rate: 64 << 10,
            max_connections: 10_000,
            hasty: false,
        }
    }
}

impl Options {
    /// The time for a whole header, from its first byte on; for that of the first request, from the accept on. Two seconds
    /// at most while more than four of five places for connections are taken. Default 10 s.
    #[must_use]
    pub fn header_read(mut self, duration: Duration) -> Self {
        self.header_read = duration;
        self
    }

    /// The time for the first byte of another request, from the end of the answer before. Default 75 s, which is longer than
    /// proxies commonly keep a connection: who closes first must not be the side that does not know of the next request.
    #[must_use]
    pub fn idle(mut self, duration: Duration) -> Self {
        self.idle = duration;
        self
    }

    /// The patience with a body: as much time without any of it, or at less than [`min_rate`](Self::min_rate) on the whole.
    /// It counts while a handler waits for more, and not while the handler is busy. Default 30 s.
    #[must_use]
    pub fn body_read(mut self, duration: Duration) -> Self {
        self.body_read = duration;
        self
    }

    /// The patience with a client that does not read its answer, or reads it at less than [`min_rate`](Self::min_rate).
    /// Default 30 s.
    #[must_use]
    pub fn write(mut self, duration: Duration) -> Self {
        self.write = duration;
        self
    }

    /// The bytes a second from which on a client is never too slow. They are counted as they come and go: what a body
    /// announces buys it no time. Default 64 KiB, so that a body has 30 s and a second for each 64 KiB of it.
    #[must_use]
    pub fn min_rate(mut self, bytes: u64) -> Self {
        self.min_rate = bytes;
        self
    }

    /// How many connections are open at once. Default 10,000.
    #[must_use]
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.max_connections = connections;
        self
    }

    /// Whether it ends as a server does that nobody has thought about: the fault that a drill must find.
    #[cfg(feature = "planted-faults")]
    #[must_use]
    pub fn hasty(mut self, hasty: bool) -> Self {
        self.hasty = hasty;
        self
    }

    pub(super) fn check(&self) -> linchpin::Result<()> {
        if self.min_rate == 0 {
            let why = "min_rate is zero: a client would earn endless time with each byte";
            return Err(Error::new(Kind::InvalidArgument, why).context("bad options for Server"));
        }
        Ok(())
    }

    pub(super) fn limits(&self) -> Limits {
        Limits { header: self.header_read, idle: self.idle }
    }

    pub(super) fn reading(&self) -> Pace {
        Pace { patience: self.body_read, rate: self.min_rate }
    }

    pub(super) fn writing(&self) -> Pace {
        Pace { patience: self.write, rate: self.min_rate }
    }
}
