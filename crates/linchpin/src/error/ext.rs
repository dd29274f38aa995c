//! Turning results into ours at a seam.

use std::borrow::Cow;
use std::error::Error as StdError;

use super::{Error, Kind};

/// `kind` gives a foreign error its [`Kind`]; `context` says what was being done.
pub trait ResultExt<T, E> {
    /// Boxes the error into an [`Error`] of `kind`.
    ///
    /// # Errors
    ///
    /// The same, boxed.
    fn kind(self, kind: Kind) -> Result<T, Error>
    where
        E: StdError + Send + Sync + 'static;

    /// Adds what was being done, keeping the kind.
    ///
    /// # Errors
    ///
    /// The same, with [`Error::context`].
    fn context(self, message: impl Into<Cow<'static, str>>) -> Result<T, Error>
    where
        E: Into<Error>;
}

impl<T, E> ResultExt<T, E> for Result<T, E> {
    fn kind(self, kind: Kind) -> Result<T, Error>
    where
        E: StdError + Send + Sync + 'static,
    {
        self.map_err(|source| Error::new(kind, source))
    }

    fn context(self, message: impl Into<Cow<'static, str>>) -> Result<T, Error>
    where
        E: Into<Error>,
    {
        self.map_err(|error| error.into().context(message))
    }
}
