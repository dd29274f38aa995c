//! What a rate limiter decided, as clients read it: `RateLimit-Policy`, `RateLimit` and `Retry-After`.
//!
//! By the draft of the IETF's HTTPAPI working group, in structured fields (RFC 9651). Clients ignore what they cannot
//! read, and what comes out of a cache.
//!
//! | field | example | says |
//! |---|---|---|
//! | `RateLimit-Policy` | `"burst";q=100;w=60` | what is allowed: so much (`q`) comes back in so many seconds (`w`) |
//! | `RateLimit` | `"burst";r=50;t=30` | what is left (`r`), and in how many seconds there is more (`t`) |
//! | `Retry-After` | `3` | when another attempt makes sense; only with a refusal, and the same as its `t` |
//!
//! All durations are seconds, rounded up, so that nobody comes too early for them.

use std::time::Duration;

use axum::response::Response;
use http::header::RETRY_AFTER;
use http::{HeaderMap, HeaderName, HeaderValue};
use linchpin::resilience::Refusal;
use linchpin::resilience::limiter::Decision;
use linchpin::{Error, Kind};
use serde::Serialize;

use crate::problem::{Problem, Registered, answer};

/// The fields of one limit. Several limits on one request are several of these: each adds its own line, and lines of one
/// name are one list.
///
/// ```
/// # use http::HeaderMap;
/// # use linchpin::resilience::limiter::{Limiter, Options, Rate};
/// use linchpin_http::rate_limit::RateLimit;
///
/// let limiter = Limiter::new("api", Rate::per_minute(100), Options::default().burst(100))?;
/// let fields = RateLimit::new("burst")?;
/// let mut headers = HeaderMap::new();
/// fields.passed(&mut headers, &limiter.try_acquire(50)?);
/// assert_eq!(headers["ratelimit-policy"], r#""burst";q=100;w=60"#);
/// assert_eq!(headers["ratelimit"], r#""burst";r=50;t=30"#);
/// # Ok::<(), linchpin::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct RateLimit {
    name: String,
    /// The name as a string of structured fields.
    quoted: String,
    below: f64,
    is_legacy: bool,
}

/// A problem that names the limits which are used up.
#[derive(Serialize)]
struct Violation<'a> {
    #[serde(flatten)]
    problem: &'a Problem,
    #[serde(rename = "violated-policies")]
    policies: [&'a str; 1],
}

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LEFT: HeaderName = HeaderName::from_static("ratelimit");
/// What was usual before: limit, what is left, seconds until all of it is.
const LEGACY: [HeaderName; 3] = [
    HeaderName::from_static("x-ratelimit-limit"),
    HeaderName::from_static("x-ratelimit-remaining"),
    HeaderName::from_static("x-ratelimit-reset"),
];

impl RateLimit {
    /// The fields of a limit that clients know by that name. It goes out to them, and need not be that of the limiter.
    ///
    /// # Errors
    ///
    /// [`Kind::InvalidArgument`] if the name is empty, or has anything in it but printable ASCII.
    pub fn new(name: impl Into<String>) -> linchpin::Result<Self> {
        let name = name.into();
        if name.is_empty() || !name.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            let why = "bad options for RateLimit: a name is printable ASCII, and not empty";
            return Err(Error::new(Kind::InvalidArgument, why));
        }
        let quoted = format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""));
        Ok(Self { name, quoted, below: f64::INFINITY, is_legacy: false })
    }

    /// [`passed`](Self::passed) says something only if less than this share of the limit is left. Default: always.
    ///
    /// # Errors
    ///
    /// [`Kind::InvalidArgument`] if the share is not above zero and at most one.
    pub fn only_below(self, share: f64) -> linchpin::Result<Self> {
        if share > 0.0 && share <= 1.0 {
            return Ok(Self { below: share, ..self });
        }
        let why = format!("bad options for RateLimit: a share of {share}; say above 0, at most 1");
        Err(Error::new(Kind::InvalidArgument, why))
    }

    /// Also the fields of before the draft: `X-RateLimit-Limit`, `X-RateLimit-Remaining`, `X-RateLimit-Reset` (in
    /// seconds from now; there are others who write a date). They know one limit: of several the last counts.
    #[must_use]
    pub fn legacy(self) -> Self {
        Self { is_legacy: true, ..self }
    }

    /// The name that clients know it by.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    // ----- values

    /// The value of `RateLimit-Policy`: `q` is the limit, `w` its window, at least a second.
    #[must_use]
    pub fn policy(&self, decision: &Decision) -> HeaderValue {
        let window = (decision.window().as_secs_f64().round() as u64).max(1);
        self.value(format_args!(";q={};w={window}", decision.limit()))
    }

    /// The value of `RateLimit`: `r` is what is left, `t` when all of it is there again.
    #[must_use]
    pub fn left(&self, decision: &Decision) -> HeaderValue {
        let (left, reset) = (decision.remaining(), seconds(decision.reset_after()));
        self.value(format_args!(";r={left};t={reset}"))
    }

    /// The same of a refusal: `t` is when what was asked for would pass. A cost that never passes has no `t`.
    #[must_use]
    pub fn spent(&self, refusal: &Refusal) -> HeaderValue {
        let left = refusal.limit.saturating_sub(refusal.used);
        match refusal.retry_after {
            Some(wait) => self.value(format_args!(";r={left};t={}", seconds(wait).max(1))),
            None => self.value(format_args!(";r={left}")),
        }
    }

    fn value(&self, parameters: std::fmt::Arguments<'_>) -> HeaderValue {
        let text = format!("{}{parameters}", self.quoted);
        HeaderValue::try_from(text).expect("the name was checked, and the rest is numbers")
    }

    // ----- into a response

    /// Adds the fields of a request that passed.
    pub fn passed(&self, headers: &mut HeaderMap, decision: &Decision) {
        let (limit, left) = (decision.limit(), decision.remaining());
        if f64::from(left) >= f64::from(limit) * self.below {
            return;
        }
        headers.append(POLICY, self.policy(decision));
        headers.append(LEFT, self.left(decision));
        let reset = seconds(decision.reset_after());
        self.add_legacy(headers, [u64::from(limit), u64::from(left), reset]);
    }

    /// The answer to a request that did not: status 429, the fields, `Retry-After` if there is a time at which it would,
    /// and a problem that names the limit.
    #[must_use]
    pub fn refused(&self, refusal: &Refusal) -> Response {
        let detail = match refusal.retry_after {
            Some(wait) => format!("too many requests; try again in {} s", seconds(wait).max(1)),
            None => "the request costs more than may ever pass at once".to_owned(),
        };
        let problem = Problem::new(Kind::ResourceExhausted, detail);
        let problem = problem.registered(Registered::QUOTA_EXCEEDED);
        let mut response =
            answer(problem.status, Violation { problem: &problem, policies: [&self.name] });
        let headers = response.headers_mut();
        headers.append(LEFT, self.spent(refusal));
        if let Some(wait) = retry_after(refusal) {
            headers.insert(RETRY_AFTER, wait);
        }
        let left = refusal.limit.saturating_sub(refusal.used);
        let wait = refusal.retry_after.map_or(0, |wait| seconds(wait).max(1));
        self.add_legacy(headers, [refusal.limit, left, wait]);
        response
    }

    fn add_legacy(&self, headers: &mut HeaderMap, values: [u64; 3]) {
        if self.is_legacy {
            for (name, value) in LEGACY.into_iter().zip(values) {
                headers.insert(name, value.into());
            }
        }
    }
}

/// The value of `Retry-After` of a refusal, at least a second; nothing if it does not know, or it never makes sense.
#[must_use]
pub fn retry_after(refusal: &Refusal) -> Option<HeaderValue> {
    refusal.retry_after.map(|wait| seconds(wait).max(1).into())
}

/// Rounded up.
fn seconds(duration: Duration) -> u64 {
    duration.as_secs().saturating_add(u64::from(duration.subsec_nanos() > 0))
}
