//! The mark of what is injected.

use std::fmt;

/// What is injected.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Kind {
    /// An error instead of the call.
    Fault,
    /// A wait before the call.
    Latency,
    /// An answer instead of the call.
    Outcome,
    /// Something is done before the call.
    Behaviour,
    /// The call is made, and its answer is lost or mangled on the way back.
    Cut,
}

/// The mark of an error or an answer that is injected, for the source of an error: whoever reads its chain finds it, and
/// nobody takes it for a real one.
///
/// ```
/// # use linchpin::{Error, resilience::chaos::Injected};
/// fn is_real(error: &Error) -> bool {
///     error.find::<Injected>().is_none()
/// }
/// # assert!(is_real(&Error::new(linchpin::Kind::Unavailable, "down")));
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Injected {
    /// Which chaos it is of.
    pub chaos: &'static str,
    /// What is injected.
    pub kind: Kind,
}

impl Kind {
    pub(super) const ALL: [Self; 5] =
        [Self::Fault, Self::Latency, Self::Outcome, Self::Behaviour, Self::Cut];

    /// The word for logs and labels.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fault => "fault",
            Self::Latency => "latency",
            Self::Outcome => "outcome",
            Self::Behaviour => "behaviour",
            Self::Cut => "cut",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Injected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "x-chaos: {} by `{}`", self.kind, self.chaos)
    }
}

impl std::error::Error for Injected {}
