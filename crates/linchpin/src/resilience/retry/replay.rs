//! What a retry around a tower service knows of a request.

use crate::time::Instant;

/// What a [`Retry`](super::Retry) around a tower service knows of a request.
pub trait Replay<R> {
    /// The request once more, made before it is sent; `None` if there can be only one, as with a body that streams: the
    /// first attempt is then the last.
    fn copy(&self, request: &R) -> Option<R>;

    /// Whether doing it twice does no harm: its method is such, or it has an idempotency key. By default what the
    /// [options](super::Options::idempotent) say of all requests.
    fn is_idempotent(&self, request: &R) -> Option<bool> {
        let _ = request;
        None
    }

    /// When all attempts together must be over. By default never.
    fn deadline(&self, request: &R) -> Option<Instant> {
        let _ = request;
        None
    }
}

/// Every request can be cloned.
#[derive(Clone, Copy, Debug, Default)]
pub struct ByClone;

impl<R: Clone> Replay<R> for ByClone {
    fn copy(&self, request: &R) -> Option<R> {
        Some(request.clone())
    }
}
