//! How often each caller may ask.

use std::fmt;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::request::Parts;
use http::{HeaderName, HeaderValue, StatusCode, header};
use linchpin::resilience::Refusal;
use linchpin::resilience::limiter::{Keyed, Rate};

use super::{ErrorPage, OnError, RequestId};
use crate::problem::Problem;

/// A limiter of keys before a router, and how a key is found in a request.
///
/// What it says is the draft's (`draft-ietf-httpapi-ratelimit-headers`), in each response to a request that has a key:
///
/// | header | says |
/// |---|---|
/// | `RateLimit-Policy: "api";q=100;w=1` | 100 at once, and as many again in so many seconds |
/// | `RateLimit: "api";r=42;t=1` | 42 are left, and there is more in so many seconds |
/// | `Retry-After: 1` | of a 429: when to come back |
///
/// A 429 is the [`OnError`] of whoever has one, by default a problem of the type that is registered for it. Use it with
/// `axum::middleware::from_fn_with_state(limit, rate_limit)`, within the [stack](super::stack).
pub struct RateLimit<K: Eq + Hash> {
    shared: Arc<Shared<K>>,
    on_error: Option<OnError>,
}

struct Shared<K: Eq + Hash> {
    name: &'static str,
    rate: Rate,
    limiter: Keyed<K>,
    key: Box<Find<K>>,
}

/// Finds the key in a request.
type Find<K> = dyn Fn(&mut Parts) -> Option<K> + Send + Sync;

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LIMIT: HeaderName = HeaderName::from_static("ratelimit");
/// From IANA's registry of problem types.
const EXCEEDED: &str = "https://iana.org/assignments/http-problem-types#quota-exceeded";

// ===== impl RateLimit =====

impl<K: Eq + Hash> RateLimit<K> {
    /// A limit by `limiter`, which has the rate `rate`. `name` is shown to clients: letters, digits, dashes. A request for
    /// which `key` finds none is not limited.
    pub fn new(
        name: &'static str,
        rate: Rate,
        limiter: Keyed<K>,
        key: impl Fn(&mut Parts) -> Option<K> + Send + Sync + 'static,
    ) -> Self {
        let shared = Shared { name, rate, limiter, key: Box::new(key) };
        Self { shared: Arc::new(shared), on_error: None }
    }

    /// The shape of a refusal. Default: a [`Problem`].
    #[must_use]
    pub fn on_error(mut self, on_error: OnError) -> Self {
        self.on_error = Some(on_error);
        self
    }

    fn show(&self, response: &mut Response, limit: u64, remaining: u32, more_in: Duration) {
        let Shared { name, rate, .. } = &*self.shared;
        let window = (interval(*rate) * limit as f64).round().max(1.0);
        let texts = [
            (POLICY, format!("\"{name}\";q={limit};w={window}")),
            (LIMIT, format!("\"{name}\";r={remaining};t={}", whole(more_in))),
        ];
        for (header, text) in texts {
            if let Ok(value) = HeaderValue::try_from(text) {
                response.headers_mut().insert(header, value);
            }
        }
    }

    fn refuse(&self, parts: &Parts, refusal: &Refusal) -> Response {
        const DETAIL: &str = "too many requests";
        let status = StatusCode::TOO_MANY_REQUESTS;
        let request_id = parts.extensions.get::<RequestId>().map_or("", RequestId::as_str);
        let mut response = match self.on_error {
            Some(on_error) => on_error(ErrorPage { status, detail: DETAIL, request_id }),
            None => {
                let problem = Problem::from_status(status, DETAIL).request_id(request_id);
                Problem { kind: EXCEEDED, ..problem }.into_response()
            }
        };
        let wait = refusal.retry_after.unwrap_or_default();
        self.show(&mut response, refusal.limit, 0, wait);
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(whole(wait)));
        response
    }
}

/// Lets a request pass if its key has something left, and tells what there is.
///
/// # Cancel safety
///
/// Dropping the future drops the handler. What the request has taken stays taken.
pub async fn rate_limit<K>(
    State(limit): State<RateLimit<K>>,
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
            let more_in = Duration::from_secs_f64(interval(limit.shared.rate));
            let (most, left) = (u64::from(decision.limit()), decision.remaining());
            limit.show(&mut response, most, left, more_in);
            response
        }
        Err(refusal) => limit.refuse(&parts, &refusal),
    }
}

/// Seconds for one more.
fn interval(rate: Rate) -> f64 {
    rate.period().as_secs_f64() / f64::from(rate.count().max(1))
}

/// In whole seconds, and never too early.
fn whole(wait: Duration) -> u64 {
    wait.as_secs_f64().ceil().max(1.0) as u64
}

impl<K: Eq + Hash> Clone for RateLimit<K> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone(), on_error: self.on_error }
    }
}

impl<K: Eq + Hash> fmt::Debug for RateLimit<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimit").field("limiter", &self.shared.limiter).finish_non_exhaustive()
    }
}
