//! Why a context ended.

use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, LazyLock};

use crate::error::Error;

/// Why a [`Context`](super::Context) ended. Cheap to clone.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Cause {
    /// Its owner ended it and gave a reason in words.
    Because(Reason),
    /// Its owner ended it and gave no reason.
    Cancelled,
    /// Its deadline passed.
    Deadline,
    /// Its owner was dropped: a caller went away, a scope was left, a task panicked.
    Dropped,
    /// A sibling failed with this error, so the rest has no point.
    Failed(Error),
    /// The program is shutting down.
    Shutdown,
}

/// Why, in words: a literal, or a text that was made for it and is shared by its clones. Dereferences to the text.
#[derive(Clone)]
pub struct Reason(Words);

#[derive(Clone)]
enum Words {
    Literal(&'static str),
    Shared(Arc<str>),
}

/// The refusal of everything that waits under a context that has ended.
#[derive(Clone, Debug)]
pub struct Ended {
    // A pointer, so that the `Err` side of hot results stays small.
    cause: Arc<Cause>,
}

// ===== impl Cause =====

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Because(reason) => f.write_str(reason),
            Self::Cancelled => f.write_str("cancelled"),
            Self::Deadline => f.write_str("the deadline has passed"),
            Self::Dropped => f.write_str("its owner was dropped"),
            Self::Failed(error) => write!(f, "a sibling failed: {error}"),
            Self::Shutdown => f.write_str("shutting down"),
        }
    }
}

impl From<&'static str> for Cause {
    fn from(reason: &'static str) -> Self {
        Self::Because(Reason(Words::Literal(reason)))
    }
}

impl From<String> for Cause {
    fn from(reason: String) -> Self {
        Self::Because(Reason(Words::Shared(reason.into())))
    }
}

impl From<Error> for Cause {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

// ===== impl Reason =====

impl Deref for Reason {
    type Target = str;

    fn deref(&self) -> &str {
        match &self.0 {
            Words::Literal(text) => text,
            Words::Shared(text) => text,
        }
    }
}

impl fmt::Debug for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

// ===== impl Ended =====

impl From<Cause> for Ended {
    /// Allocates only for a cause that carries something.
    fn from(cause: Cause) -> Self {
        static CANCELLED: LazyLock<Arc<Cause>> = LazyLock::new(|| Arc::new(Cause::Cancelled));
        static DEADLINE: LazyLock<Arc<Cause>> = LazyLock::new(|| Arc::new(Cause::Deadline));
        static DROPPED: LazyLock<Arc<Cause>> = LazyLock::new(|| Arc::new(Cause::Dropped));
        static SHUTDOWN: LazyLock<Arc<Cause>> = LazyLock::new(|| Arc::new(Cause::Shutdown));
        let cause = match cause {
            Cause::Cancelled => Arc::clone(&CANCELLED),
            Cause::Deadline => Arc::clone(&DEADLINE),
            Cause::Dropped => Arc::clone(&DROPPED),
            Cause::Shutdown => Arc::clone(&SHUTDOWN),
            cause @ (Cause::Because(_) | Cause::Failed(_)) => Arc::new(cause),
        };
        Self { cause }
    }
}

impl Ended {
    /// Why the context ended.
    #[must_use]
    pub fn cause(&self) -> &Cause {
        &self.cause
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ended: {}", self.cause)
    }
}

impl std::error::Error for Ended {}
