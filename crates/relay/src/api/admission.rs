//! Who is let in while there is more to do than the service bears.

use axum::http::request::Parts;
use linchpin::resilience::Snapshot;
use linchpin::resilience::adaptive::{self, Adaptive};
use linchpin::resilience::shed::{self, Shedder};
use linchpin_http::middleware::Admission;

/// What stands before all routes but those of health: a [`Shedder`], and an [`Adaptive`] limit inside of it. Clones share
/// both.
///
/// What is refused is a 503 that says when to come back, before anybody looks at its token or its body. It knows no
/// criticality: reads go past the writer, and whoever posts a message or makes an endpoint has the same right to be heard.
/// A service that shuts down refuses nobody: what has come in before its listener is closed is answered.
#[derive(Clone, Debug)]
pub struct Gate {
    shedder: Shedder,
    limit: Adaptive,
}

/// So many requests at a time are served whatever the limit learns: a commit holds as many as wait for it, so a few that
/// wait longer are no sign of trouble ...
const LEAST: u32 = 64;
/// ... so many at first ...
const FIRST: u32 = 256;
/// ... and so many at most: bodies of that many are what there is memory for.
const MOST: u32 = 1_000;
/// Below it the process has room left.
const BUSY: f64 = 0.95;

impl Gate {
    /// One for a process.
    ///
    /// # Errors
    ///
    /// If the load of the process cannot be read.
    pub fn new() -> linchpin::Result<Self> {
        let shedder = Shedder::new("api", shed::Options::default().threshold(BUSY))?;
        let limits = adaptive::Options::default().min(LEAST).initial(FIRST).max(MOST);
        Ok(Self::of(shedder, Adaptive::new("api", limits)?))
    }

    /// One of these two.
    #[must_use]
    pub fn of(shedder: Shedder, limit: Adaptive) -> Self {
        Self { shedder, limit }
    }

    /// It as the middleware has it.
    #[must_use]
    pub fn admission(&self) -> Admission {
        Admission::default()
            .shedder(self.shedder.clone())
            .adaptive(&self.limit)
            .bypass(is_of_health)
    }

    /// It as people look at it.
    #[must_use]
    pub fn snapshots(&self) -> [Snapshot; 2] {
        [self.shedder.snapshot(), self.limit.snapshot()]
    }
}

fn is_of_health(request: &Parts) -> bool {
    request.uri.path().starts_with("/api/v1/health")
}
