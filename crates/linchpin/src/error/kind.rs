//! What an error is.

use std::fmt;

/// What an error *is*, so that every layer can act on it: gRPC's canonical codes without `Ok`.
///
/// The one mapping to HTTP is [`http_status`](Kind::http_status), the one to gRPC [`grpc_code`](Kind::grpc_code).
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

    /// The number of gRPC's status code of this name; 0, which is gRPC's `OK`, is none of them.
    #[must_use]
    pub fn grpc_code(self) -> i32 {
        match self {
            Self::Cancelled => 1,
            Self::Unknown => 2,
            Self::InvalidArgument => 3,
            Self::DeadlineExceeded => 4,
            Self::NotFound => 5,
            Self::AlreadyExists => 6,
            Self::PermissionDenied => 7,
            Self::ResourceExhausted => 8,
            Self::FailedPrecondition => 9,
            Self::Aborted => 10,
            Self::OutOfRange => 11,
            Self::Unimplemented => 12,
            Self::Internal => 13,
            Self::Unavailable => 14,
            Self::DataLoss => 15,
            Self::Unauthenticated => 16,
        }
    }

    /// Which of several kinds stands for all: no two are equal.
    pub(super) fn severity(self) -> u8 {
        match self {
            // On our side, the worst news last.
            Self::DataLoss => 15,
            Self::Internal => 14,
            Self::Unknown => 13,
            Self::Unimplemented => 12,
            Self::Unavailable => 11,
            Self::DeadlineExceeded => 10,
            Self::ResourceExhausted => 9,
            Self::Aborted => 8,
            // On the caller's, in the order in which a request is judged.
            Self::Unauthenticated => 7,
            Self::PermissionDenied => 6,
            Self::InvalidArgument => 5,
            Self::OutOfRange => 4,
            Self::NotFound => 3,
            Self::AlreadyExists => 2,
            Self::FailedPrecondition => 1,
            // As a rule the echo of another failure.
            Self::Cancelled => 0,
        }
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
