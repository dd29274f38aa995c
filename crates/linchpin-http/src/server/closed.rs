//! Why connections are closed, counted.

/// Why a connection was closed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Reason {
    /// By the client, or after an answer that said so.
    Done,
    /// The client was silent, or sent its header too slowly.
    Header,
    /// No further request came.
    Idle,
    /// A body came too slowly.
    Body,
    /// The client did not read.
    Write,
    /// Others needed its place.
    Crowded,
    /// The server ends.
    Shutdown,
    /// What came was no HTTP, or the network failed.
    Fault,
}

/// The counters of closed connections.
pub(super) struct Meters([metrics::Counter; Reason::ALL.len()]);

impl Reason {
    const ALL: [(Self, &str); 8] = [
        (Self::Done, "done"),
        (Self::Header, "header"),
        (Self::Idle, "idle"),
        (Self::Body, "body"),
        (Self::Write, "write"),
        (Self::Crowded, "crowded"),
        (Self::Shutdown, "shutdown"),
        (Self::Fault, "fault"),
    ];
}

impl Meters {
    pub(super) fn new() -> Self {
        Self(Reason::ALL.map(|(_, reason)| {
            metrics::counter!("linchpin_http_connections_closed_total", "reason" => reason)
        }))
    }

    pub(super) fn count(&self, reason: Reason) {
        self.0[reason as usize].increment(1);
    }
}
