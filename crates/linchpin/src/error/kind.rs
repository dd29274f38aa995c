//! What an error is.

use std::fmt;

/// What an error *is*, so that every layer can act on it: gRPC's canonical codes without `Ok`.
///
/// The one mapping to HTTP is [`http_status`](Kind::http_status).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Kind {
    /// A concurrent change got in the way; the whole operation may be tried again.
    Aborted,
    /// What should be created exists.
    AlreadyExists,
    /// The caller went away or gave up.
    Cancelled,
    /// Data is lost or corrupt for good.
    DataLoss,
    /// The time allowed ran out; the work may have been done all the same.
    DeadlineExceeded,
    /// The system is not in the state that the operation needs.
    FailedPrecondition,
    /// An invariant of ours is broken.
    Internal,
    /// The request is wrong, whatever the state of the system.
    InvalidArgument,
    /// What was asked for is not there, or not for this caller.
    NotFound,
    /// The request goes past the end of what there is.
    OutOfRange,
    /// The caller is known and may not.
    PermissionDenied,
    /// A quota, a rate or a queue is used up.
    ResourceExhausted,
    /// Nobody knows the caller.
    Unauthenticated,
    /// The service cannot answer now; trying again later makes sense.
    Unavailable,
    /// The operation does not exist here.
    Unimplemented,
    /// Nothing better is known.
    Unknown,
}

impl Kind {
    /// The HTTP status of the kind; 499 (nginx's "client closed request") for [`Cancelled`](Self::Cancelled).
    #[must_use]
    pub fn http_status(self) -> u16 {
        self.row().0
    }

    /// The name in snake case, for logs, labels and machine-readable bodies.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.row().1
    }

    /// A text that is always safe to show to a client.
    #[must_use]
    pub fn text(self) -> &'static str {
        self.row().2
    }

    fn row(self) -> (u16, &'static str, &'static str) {
        match self {
            Self::Aborted => (409, "aborted", "a concurrent change got in the way"),
            Self::AlreadyExists => (409, "already_exists", "it exists already"),
            Self::Cancelled => (499, "cancelled", "the request was cancelled"),
            Self::DataLoss => (500, "data_loss", "data is lost"),
            Self::DeadlineExceeded => (504, "deadline_exceeded", "the time allowed ran out"),
            Self::FailedPrecondition => (400, "failed_precondition", "not possible in this state"),
            Self::Internal => (500, "internal", "something went wrong on our side"),
            Self::InvalidArgument => (400, "invalid_argument", "the request is not valid"),
            Self::NotFound => (404, "not_found", "not found"),
            Self::OutOfRange => (400, "out_of_range", "out of range"),
            Self::PermissionDenied => (403, "permission_denied", "not permitted"),
            Self::ResourceExhausted => (429, "resource_exhausted", "too much is asked"),
            Self::Unauthenticated => (401, "unauthenticated", "not authenticated"),
            Self::Unavailable => (503, "unavailable", "not available for the moment"),
            Self::Unimplemented => (501, "unimplemented", "not implemented"),
            Self::Unknown => (500, "unknown", "something went wrong"),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
