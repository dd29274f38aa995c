//! Several errors as one.

use std::fmt;

use super::{Body, Error};

impl Error {
    /// All of `errors` as one: `None` if there is none, the error itself if it is the only one.
    ///
    /// Go's `errors.Join`, with these differences: one error is not wrapped, joins in a join become one list, and the
    /// whole has a [`Kind`](super::Kind), the most severe of them. An error on our side outweighs one on the caller's,
    /// so that no client is told that only its request was wrong, and a cancellation weighs least, being as a rule the
    /// echo of another failure. [`public`](Self::public) is the text of the first error that has this kind and a text.
    ///
    /// [`is`](Self::is) and [`find`](Self::find) search every error in order, [`report`](Self::report) prints a tree.
    ///
    /// ```
    /// use linchpin::{Error, Kind};
    ///
    /// let failures = [Err(Error::new(Kind::NotFound, "no file")), Ok(7), Err(Error::new(Kind::Internal, "no disk"))];
    /// let error = Error::join(failures.into_iter().filter_map(Result::err)).unwrap().context("load all");
    /// assert_eq!(error.kind(), Kind::Internal);
    /// assert_eq!(
    ///     error.report().to_string(),
    ///     "load all\n  caused by: 2 errors\n    1. no file\n    2. no disk",
    /// );
    /// ```
    #[must_use]
    pub fn join(errors: impl IntoIterator<Item = Self>) -> Option<Self> {
        let mut branches = Vec::new();
        for error in errors {
            match &error.0.body {
                // A public text of its own would be lost.
                Body::Joined(inner) if error.0.public.is_none() => {
                    branches.extend_from_slice(inner);
                }
                _ => branches.push(error),
            }
        }
        if branches.len() < 2 {
            return branches.pop();
        }
        let kind = branches.iter().map(Self::kind).max_by_key(|kind| kind.severity())?;
        Some(Self::from_body(kind, Body::Joined(branches.into())))
    }

    /// The errors that this one joins, under whatever was added since; empty if it joins none.
    #[must_use]
    pub fn joined(&self) -> &[Self] {
        match &self.innermost().0.body {
            Body::Joined(branches) => branches,
            Body::Layer { .. } | Body::Foreign(_) => &[],
        }
    }
}

/// The texts of all, on one line.
pub(super) fn fmt(branches: &[Error], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for (index, branch) in branches.iter().enumerate() {
        let separator = if index == 0 { "" } else { "; " };
        write!(f, "{separator}{branch}")?;
    }
    Ok(())
}
