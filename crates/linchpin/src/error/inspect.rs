//! Looking for a cause: in a chain, under layers of ours and of others, through every branch of a join.

use std::error::Error as StdError;

use super::{Body, Error};

/// The outermost cause of type `E` in `error`, which may be the error itself.
///
/// For an error that is not an [`Error`], such as a body's; else [`Error::find`] does the same.
///
/// ```
/// use std::io;
///
/// let body: Box<dyn std::error::Error + Send + Sync> = io::Error::other("cut off").into();
/// assert_eq!(linchpin::error::find::<io::Error>(&*body).unwrap().kind(), io::ErrorKind::Other);
/// ```
#[must_use]
pub fn find<'a, E: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    search(error, &mut |cause| cause.downcast_ref())
}

/// Whether `sentinel` is `error` or somewhere in its chain.
///
/// For an error that is not an [`Error`]; else [`Error::is`] does the same.
pub fn is<E: StdError + PartialEq + 'static>(
    error: &(dyn StdError + 'static),
    sentinel: &E,
) -> bool {
    search(error, &mut |cause| equals(cause, sentinel)).is_some()
}

// ===== impl Error =====

impl Error {
    /// Whether `sentinel` is somewhere in the chain, or in that of one of joined errors.
    ///
    /// Go's `errors.Is`; `PartialEq` is what an `Is` method is there.
    pub fn is<E: StdError + PartialEq + 'static>(&self, sentinel: &E) -> bool {
        self.search(&mut |cause| equals(cause, sentinel)).is_some()
    }

    /// The outermost cause of type `E` in the chain; of joined errors, the first that has one.
    ///
    /// Go's `errors.As`, for concrete types: a trait is not looked for.
    #[must_use]
    pub fn find<E: StdError + 'static>(&self) -> Option<&E> {
        self.search(&mut |cause| cause.downcast_ref())
    }

    /// The first answer of `look` to a cause that is not of this type: depth first, as in Go.
    fn search<'a, R>(&'a self, look: Look<'_, 'a, R>) -> Option<R> {
        match &self.innermost().0.body {
            // The innermost error has no further layer.
            Body::Layer { .. } => None,
            Body::Foreign(source) => search(&**source, look),
            Body::Joined(branches) => branches.iter().find_map(|branch| branch.search(look)),
        }
    }
}

type Look<'l, 'a, R> = &'l mut dyn FnMut(&'a (dyn StdError + 'static)) -> Option<R>;

fn search<'a, R>(error: &'a (dyn StdError + 'static), look: Look<'_, 'a, R>) -> Option<R> {
    let mut next = Some(error);
    while let Some(cause) = next {
        // An `Error` that was boxed and wrapped again knows what its `source` does not show.
        if let Some(ours) = cause.downcast_ref::<Error>() {
            return ours.search(look);
        }
        if let Some(found) = look(cause) {
            return Some(found);
        }
        next = cause.source();
    }
    None
}

fn equals<E: PartialEq + StdError + 'static>(
    cause: &(dyn StdError + 'static),
    sentinel: &E,
) -> Option<()> {
    (cause.downcast_ref::<E>() == Some(sentinel)).then_some(())
}
