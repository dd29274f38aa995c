//! One error for the seams: what it is, how it came about, and what a client may read.
//!
//! Components have small error types of their own. Where layers meet, an error becomes an [`Error`]: it has a
//! [`Kind`], keeps the whole chain, and separates the text for a client from the text for the log. Go's `%w`,
//! `errors.Is` and `errors.As` are [`context`](Error::context), [`is`](Error::is) and [`find`](Error::find).
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
mod kind;

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

pub use self::ext::ResultExt;
pub use self::kind::Kind;
use crate::context::{Cause, Ended};

/// An error with a [`Kind`], a chain of causes and a text for clients.
///
/// One pointer wide and cheap to clone (clones share the chain). `Display` shows the outermost text only;
/// [`report`](Error::report) shows all of it, one line a cause.
#[derive(Clone)]
pub struct Error(Arc<Repr>);

struct Repr {
    kind: Kind,
    /// `None` for the innermost layer, which speaks through its source.
    message: Option<Cow<'static, str>>,
    public: Option<Cow<'static, str>>,
    source: Source,
}

enum Source {
    Layer(Error),
    Foreign(Box<dyn StdError + Send + Sync>),
}

// ===== impl Error =====

impl Error {
    /// An error of `kind` caused by `source`; a string will do as one.
    pub fn new(kind: Kind, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self(Arc::new(Repr {
            kind,
            message: None,
            public: None,
            source: Source::Foreign(source.into()),
        }))
    }

    /// This error seen from one step further out. Keeps the kind and the public text.
    ///
    /// `message` names the operation ("load invoice") and does not repeat what it wraps.
    #[must_use]
    pub fn context(self, message: impl Into<Cow<'static, str>>) -> Self {
        let kind = self.kind();
        Self(Arc::new(Repr {
            kind,
            message: Some(message.into()),
            public: None,
            source: Source::Layer(self),
        }))
    }

    /// This error with a text that a client may read. It must not tell internals.
    #[must_use]
    pub fn with_public(self, text: impl Into<Cow<'static, str>>) -> Self {
        let public = Some(text.into());
        match Arc::try_unwrap(self.0) {
            Ok(repr) => Self(Arc::new(Repr { public, ..repr })),
            Err(shared) => {
                let (kind, source) = (shared.kind, Source::Layer(Self(shared)));
                Self(Arc::new(Repr { kind, message: None, public, source }))
            }
        }
    }

    /// What the error is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// What a client may read: the outermost public text, or the kind's own.
    #[must_use]
    pub fn public(&self) -> &str {
        self.layers()
            .find_map(|layer| layer.0.public.as_deref())
            .unwrap_or_else(|| self.kind().text())
    }

    /// Whether `sentinel` is somewhere in the chain.
    pub fn is<E: StdError + PartialEq + 'static>(&self, sentinel: &E) -> bool {
        self.search(&mut |cause| (cause.downcast_ref::<E>() == Some(sentinel)).then_some(()))
            .is_some()
    }

    /// The outermost cause of type `E` in the chain.
    #[must_use]
    pub fn find<E: StdError + 'static>(&self) -> Option<&E> {
        self.search(&mut |cause| cause.downcast_ref())
    }

    /// The whole chain for a log: the outermost text first, one line a cause.
    pub fn report(&self) -> impl fmt::Display + '_ {
        Report(self)
    }

    fn layers(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |error| match &error.0.source {
            Source::Layer(inner) => Some(inner),
            Source::Foreign(_) => None,
        })
    }

    /// The first answer of `look` to a cause that is not a layer of ours, outermost first.
    fn search<'a, R>(
        &'a self,
        look: &mut dyn FnMut(&'a (dyn StdError + 'static)) -> Option<R>,
    ) -> Option<R> {
        let innermost = self.layers().last().unwrap_or(self);
        let Source::Foreign(first) = &innermost.0.source else {
            unreachable!("the innermost layer has a foreign source")
        };
        let mut next: Option<&(dyn StdError + 'static)> = Some(&**first);
        while let Some(cause) = next {
            // An `Error` that was boxed and wrapped again is searched through, too.
            let found = match cause.downcast_ref::<Self>() {
                Some(nested) => nested.search(look),
                None => look(cause),
            };
            if found.is_some() {
                return found;
            }
            next = cause.source();
        }
        None
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.0.message, &self.0.source) {
            (Some(message), _) => f.write_str(message),
            (None, Source::Layer(inner)) => fmt::Display::fmt(inner, f),
            (None, Source::Foreign(source)) => fmt::Display::fmt(source, f),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind(), self.report())
    }
}

impl StdError for Error {
    /// The next text of the chain. A layer that only speaks through its source is not shown twice.
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match (&self.0.message, &self.0.source) {
            (Some(_), Source::Layer(inner)) => Some(inner),
            (Some(_), Source::Foreign(source)) => Some(&**source),
            (None, Source::Layer(inner)) => inner.source(),
            (None, Source::Foreign(source)) => source.source(),
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

struct Report<'a>(&'a Error);

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(cause) = source {
            write!(f, "\n  caused by: {cause}")?;
            source = cause.source();
        }
        Ok(())
    }
}
