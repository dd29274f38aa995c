//! One error for the seams: what it is, how it came about, and what a client may read.
//!
//! Components have small error types of their own. Where layers meet, an error becomes an [`Error`]: it has a
//! [`Kind`], keeps the whole chain, and separates the text for a client from the text for the log.
//!
//! | Go | here |
//! |---|---|
//! | `fmt.Errorf("load invoice: %w", err)` | [`error.context("load invoice")`](Error::context) |
//! | `errors.Is(err, ErrClosed)` | [`error.is(&Closed)`](Error::is), or [`is`] for an error of another type |
//! | `errors.As(err, &target)` | [`error.find::<Target>()`](Error::find), or [`find`] |
//! | `errors.Join(a, b)` | [`Error::join([a, b])`](Error::join) |
//! | `recover()` | [`catch`], [`catch_async`] |
//!
//! ```
//! use linchpin::error::ResultExt as _;
//! use linchpin::{Error, Kind};
//!
//! fn load() -> linchpin::Result<String> {
//!     std::fs::read_to_string("/no/such/file").kind(Kind::NotFound).context("load invoice")
//! }
//!
//! let error = load().unwrap_err();
//! assert_eq!(error.kind(), Kind::NotFound);
//! assert_eq!(error.to_string(), "load invoice");
//! assert_eq!(error.find::<std::io::Error>().unwrap().kind(), std::io::ErrorKind::NotFound);
//! assert_eq!(error.public(), "not found");
//! ```

mod ext;
mod inspect;
mod join;
mod kind;
mod panic;
pub mod panic_hook;
mod report;

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

pub use self::ext::ResultExt;
pub use self::inspect::{find, is};
pub use self::kind::Kind;
pub use self::panic::{Panicked, catch, catch_async};
use crate::context::{Cause, Ended};

/// An error with a [`Kind`], a chain of causes and a text for clients.
///
/// One pointer wide, so that a `Result<(), Error>` is one too, and cheap to clone (clones share the chain). `Display`
/// shows the outermost text only; [`report`](Error::report) shows all of it, one line a cause. There is no blanket
/// `From`: a foreign error gets its kind by hand at the seam ([`ResultExt::kind`]), or by a `From` beside its type.
#[derive(Clone)]
pub struct Error(Arc<Repr>);

struct Repr {
    kind: Kind,
    public: Option<Cow<'static, str>>,
    body: Body,
}

enum Body {
    /// One step further out than another error of ours. Without a message it speaks through that one.
    Layer { message: Option<Cow<'static, str>>, inner: Error },
    /// What somebody else's code said.
    Foreign(Box<dyn StdError + Send + Sync>),
    /// Several side by side.
    Joined(Box<[Error]>),
}

// ===== impl Error =====

impl Error {
    /// An error of `kind` caused by `source`; a string will do as one.
    ///
    /// An `Error` given as `source` loses its kind and its public text to this one, and stays in the chain.
    pub fn new(kind: Kind, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::from_body(kind, Body::Foreign(source.into()))
    }

    /// This error seen from one step further out. Keeps the kind and the public text.
    ///
    /// `message` names the operation ("load invoice") and does not repeat what it wraps. Go's `%w`, except that the
    /// text of the cause is not copied into this one.
    #[must_use]
    pub fn context(self, message: impl Into<Cow<'static, str>>) -> Self {
        Self::from_body(self.kind(), Body::Layer { message: Some(message.into()), inner: self })
    }

    /// This error with a text that a client may read. It must not tell internals.
    #[must_use]
    pub fn with_public(mut self, text: impl Into<Cow<'static, str>>) -> Self {
        // Of one that is shared, the others keep what they have.
        if Arc::get_mut(&mut self.0).is_none() {
            self = Self::from_body(self.kind(), Body::Layer { message: None, inner: self });
        }
        if let Some(repr) = Arc::get_mut(&mut self.0) {
            repr.public = Some(text.into());
        }
        self
    }

    /// What the error is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// What a client may read: the outermost public text, or the kind's own.
    ///
    /// Of joined errors it is that of the first one which has the kind of the whole and a text.
    #[must_use]
    pub fn public(&self) -> &str {
        self.own_public().unwrap_or_else(|| self.kind().text())
    }

    /// The whole tree of causes for a log: the outermost text first, one line a cause, none twice.
    pub fn report(&self) -> impl fmt::Display + '_ {
        report::Report(self)
    }

    fn from_body(kind: Kind, body: Body) -> Self {
        Self(Arc::new(Repr { kind, public: None, body }))
    }

    /// This error and those of ours that it wraps, down to the one that wraps none.
    fn layers(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |error| match &error.0.body {
            Body::Layer { inner, .. } => Some(inner),
            Body::Foreign(_) | Body::Joined(_) => None,
        })
    }

    fn innermost(&self) -> &Self {
        self.layers().last().unwrap_or(self)
    }

    /// The layer whose text this error shows.
    fn speaker(&self) -> &Self {
        self.layers()
            .find(|error| !matches!(error.0.body, Body::Layer { message: None, .. }))
            .unwrap_or(self)
    }

    fn own_public(&self) -> Option<&str> {
        self.layers().find_map(|layer| layer.0.public.as_deref()).or_else(|| {
            let mut alike = self.joined().iter().filter(|branch| branch.kind() == self.kind());
            alike.find_map(Self::own_public)
        })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.speaker().0.body {
            Body::Layer { message, .. } => f.write_str(message.as_deref().unwrap_or_default()),
            Body::Foreign(source) => fmt::Display::fmt(source, f),
            Body::Joined(branches) => join::fmt(branches, f),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind(), self.report())
    }
}

impl StdError for Error {
    /// The next text of the chain: a layer that only speaks through its source is not shown twice.
    ///
    /// `None` for joined errors, whose own text has all of theirs, as in Go: code that knows nothing of this type
    /// must not take the first of several causes for the only one. [`report`](Error::report), [`is`](Error::is) and
    /// [`find`](Error::find) know their way.
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &self.speaker().0.body {
            Body::Layer { inner, .. } => Some(inner),
            Body::Foreign(source) => source.source(),
            Body::Joined(_) => None,
        }
    }
}

impl From<Ended> for Error {
    fn from(ended: Ended) -> Self {
        let kind = match ended.cause() {
            Cause::Deadline => Kind::DeadlineExceeded,
            Cause::Shutdown => Kind::Unavailable,
            _ => Kind::Cancelled,
        };
        Self::new(kind, ended)
    }
}

// ===== impl Repr =====

impl Drop for Repr {
    /// Unlinks a long chain of layers one by one, where the compiler's own drop would recurse.
    fn drop(&mut self) {
        let mut next = self.body.take_inner();
        while let Some(Error(repr)) = next {
            next = Arc::into_inner(repr).and_then(|mut repr| repr.body.take_inner());
        }
    }
}

impl Body {
    fn take_inner(&mut self) -> Option<Error> {
        match std::mem::replace(self, Self::Joined(Box::default())) {
            Self::Layer { inner, .. } => Some(inner),
            other => {
                *self = other;
                None
            }
        }
    }
}
