//! How often each caller may ask.

use std::fmt;
use std::hash::Hash;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::request::Parts;
use http::{HeaderName, StatusCode, header};
use linchpin::resilience::Refusal;
use linchpin::resilience::limiter::Keyed;

use super::{ErrorPage, OnError, RequestId};
use crate::problem::Registered;
use crate::rate_limit::{self, RateLimit};

/// A limiter of keys before a router, how a key is found in a request, and how replies tell of it.
///
/// Each reply to a request that has a key has the fields of [`RateLimit`]. A refusal is that type's, or the [`OnError`] of a
/// service that keeps one shape of error body. Use it with `axum::middleware::from_fn_with_state(limit, rate_limit)`,
/// within the [stack](super::stack).
pub struct PerCaller<K: Eq + Hash> {
    shared: Arc<Shared<K>>,
    on_error: Option<OnError>,
}

struct Shared<K: Eq + Hash> {
    fields: RateLimit,
    limiter: Keyed<K>,
    key: Box<Find<K>>,
}

/// Finds the key in a request.
type Find<K> = dyn Fn(&mut Parts) -> Option<K> + Send + Sync;

const LEFT: HeaderName = HeaderName::from_static("ratelimit");

// ===== impl PerCaller =====

impl<K: Eq + Hash> PerCaller<K> {
    /// A limit by `limiter`, shown by `fields`. A request for which `key` finds none is not limited.
    pub fn new(
        fields: RateLimit,
        limiter: Keyed<K>,
        key: impl Fn(&mut Parts) -> Option<K> + Send + Sync + 'static,
    ) -> Self {
        Self { shared: Arc::new(Shared { fields, limiter, key: Box::new(key) }), on_error: None }
    }

    /// The shape of a refusal. Default: that of [`RateLimit::refused`].
    #[must_use]
    pub fn on_error(mut self, on_error: OnError) -> Self {
        self.on_error = Some(on_error);
        self
    }

    fn refuse(&self, parts: &Parts, refusal: &Refusal) -> Response {
        let fields = &self.shared.fields;
        let Some(on_error) = self.on_error else { return fields.refused(refusal) };
        let request_id = parts.extensions.get::<RequestId>().map_or("", RequestId::as_str);
        let (status, detail) = (StatusCode::TOO_MANY_REQUESTS, "too many requests");
        let problem = Some(Registered::QUOTA_EXCEEDED);
        let policies = &[fields.name()];
        let page = ErrorPage { status, problem, policies, detail, request_id };
        let mut response = on_error(page);
        response.headers_mut().append(LEFT, fields.spent(refusal));
        if let Some(wait) = rate_limit::retry_after(refusal) {
            response.headers_mut().insert(header::RETRY_AFTER, wait);
        }
        response
    }
}

/// Lets a request pass if its key has something left, and tells what there is.
///
/// # Cancel safety
///
/// Dropping the future drops the handler. What the request has taken stays taken.
pub async fn rate_limit<K>(
    State(limit): State<PerCaller<K>>,
    request: Request,
    next: Next,
) -> Response
where
    K: Clone + Eq + Hash + fmt::Display + Send + Sync + 'static,
{
    let (mut parts, body) = request.into_parts();
    let Some(key) = (limit.shared.key)(&mut parts) else {
        return next.run(Request::from_parts(parts, body)).await;
    };
    match limit.shared.limiter.try_acquire(&key, 1) {
        Ok(decision) => {
            let mut response = next.run(Request::from_parts(parts, body)).await;
            limit.shared.fields.passed(response.headers_mut(), &decision);
            response
        }
        Err(refusal) => limit.refuse(&parts, &refusal),
    }
}

impl<K: Eq + Hash> Clone for PerCaller<K> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone(), on_error: self.on_error }
    }
}

impl<K: Eq + Hash> fmt::Debug for PerCaller<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PerCaller").field("limiter", &self.shared.limiter).finish_non_exhaustive()
    }
}
