//! Who is let in at all, when not everybody can be.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Poller, Poll};

use axum::body::{Body, Bytes, HttpBody as _};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::request::Parts;
use http::{HeaderName, HeaderValue, StatusCode, header};
use http_body::{Frame, SizeHint};
use linchpin::resilience::adaptive::{self, Adaptive, Ending};
use linchpin::resilience::shed::{self, Level, Shedder};
use linchpin::resilience::{Outcome, Priority, Refusal};
use linchpin::time::Instant;
use linchpin::{Context, Kind};

use super::arriving::Arriving;
use super::observe::Refused;
use super::{Ctx, ErrorPage, OnError, RequestId};
use crate::problem::Registered;

/// What stands in front of the handlers: a [`Shedder`], an [`Adaptive`] limit inside of it, or both.
///
/// What it refuses costs neither a look at a token nor at a body. It is a 503 with a `Retry-After` of a second or two and
/// the problem `temporary-reduced-capacity`; with `x-retry: no` while so much is refused that clients had better not try
/// again; with `connection: close` while the service shuts down; a 504 where there is not enough time left.
///
/// ```
/// # use linchpin::resilience::{Priority, adaptive::{self, Adaptive}, shed::{self, Shedder}};
/// # use linchpin_http::middleware::{Admission, StackOptions};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> linchpin::Result<()> {
/// let admission = Admission::default()
///     .shedder(Shedder::new("api", shed::Options::default())?)
///     .adaptive(&Adaptive::new("api", adaptive::Options::default())?)
///     .class(|request| match request.uri.path() {
///         "/report" => Priority::Sheddable,
///         _ => Priority::Critical,
///     });
/// let options = StackOptions::default().admission(admission);
/// # drop(options);
/// # Ok(())
/// # }
/// ```
///
/// A request counts as under way until the body of its answer has gone out; how long it takes is measured until the head of
/// that is there, since a slow client is not a slow service. For the same reason it gives its place back while its own body
/// does not come for a tenth of a second, and takes one again, or is refused, when all of it has come. Long polls and streams are long by nature: let them [bypass](Self::bypass) it.
#[derive(Clone)]
pub struct Admission {
    shedder: Option<Shedder>,
    /// For each class its partition, or the whole.
    limits: Option<[Adaptive; Priority::ALL.len()]>,
    bypass: fn(&Parts) -> bool,
    trusted: fn(&Parts) -> bool,
    class: fn(&Parts) -> Priority,
    level: fn(&Parts) -> Option<Level>,
}

/// What [`admission`] shares between requests.
#[derive(Clone, Debug)]
pub struct Door {
    admission: Admission,
    on_error: OnError,
}

/// What a peer that is trusted says of its request.
const PRIORITY: &str = "x-priority";
const LEVEL: &str = "x-priority-level";
const RETRY: HeaderName = HeaderName::from_static("x-retry");

/// Lets a request in, or answers that it cannot be.
///
/// It stands inside of [`ctx`](super::ctx()), whose deadline it heeds, and adds to the context the request's [`Priority`]
/// and [`Level`].
///
/// # Cancel safety
///
/// Dropping the future drops the handler; the request is ignored and its place free again.
pub async fn admission(State(door): State<Arc<Door>>, request: Request, next: Next) -> Response {
    let admission = &door.admission;
    let (mut parts, body) = request.into_parts();
    if (admission.bypass)(&parts) {
        return next.run(Request::from_parts(parts, body)).await;
    }
    let ctx = admission.marked(&parts);
    let places = match door.admit(&ctx) {
        Ok(places) => places,
        Err(refusal) => return door.refuse(parts.extensions.get(), &refusal),
    };
    parts.extensions.insert(Ctx(ctx.clone()));
    if body.is_end_stream() {
        let response = next.run(Request::from_parts(parts, body)).await;
        return placed(response, Some(places));
    }
    let id = parts.extensions.get::<RequestId>().cloned();
    let arriving = Arriving::new(door.clone(), ctx, places);
    let body = arriving.body(body);
    let response = next.run(Request::from_parts(parts, body)).await;
    match arriving.answered() {
        Ok(places) => placed(response, places),
        Err(refusal) => door.refuse(id.as_ref(), &refusal),
    }
}

/// An answer that has its places until its body is gone.
fn placed(response: Response, places: Option<Places>) -> Response {
    let Some(places) = places else { return response };
    let places = Some(places.answered(response.status()));
    response.map(|body| Body::new(Placed { body, places }))
}

// ===== impl Admission =====

impl Default for Admission {
    fn default() -> Self {
        Self {
            shedder: None,
            limits: None,
            bypass: |parts| OPERATORS.contains(&parts.uri.path()),
            trusted: |_| false,
            class: |_| Priority::default(),
            level: |_| None,
        }
    }
}

/// What an operator needs to see at the worst of times.
const OPERATORS: [&str; 8] =
    ["/health", "/healthz", "/live", "/livez", "/ready", "/readyz", "/metrics", "/admin"];

impl Admission {
    /// Sheds load. Default: no.
    #[must_use]
    pub fn shedder(mut self, shedder: Shedder) -> Self {
        self.shedder = Some(shedder);
        self
    }

    /// Limits what is under way, after what is shed. A partition that is called as a class is
    /// ([`Priority::as_str`]) is for the requests of that class. Default: no.
    #[must_use]
    pub fn adaptive(mut self, limit: &Adaptive) -> Self {
        let of = |class: Priority| limit.partition(class.as_str()).unwrap_or_else(|| limit.clone());
        self.limits = Some(Priority::ALL.map(of));
        self
    }

    /// Which requests are let in whatever there is. Default: the paths `/health`, `/live` and `/ready`, also with a `z`,
    /// `/metrics` and `/admin`.
    #[must_use]
    pub fn bypass(mut self, bypass: fn(&Parts) -> bool) -> Self {
        self.bypass = bypass;
        self
    }

    /// Which requests come from a peer that was made sure of, so that its `x-priority` and `x-priority-level` are believed.
    /// Default: none, since who may say so of himself is always critical.
    #[must_use]
    pub fn trusted(mut self, trusted: fn(&Parts) -> bool) -> Self {
        self.trusted = trusted;
        self
    }

    /// What a request is, unless a trusted peer says. Default: [`Priority::Critical`].
    #[must_use]
    pub fn class(mut self, class: fn(&Parts) -> Priority) -> Self {
        self.class = class;
        self
    }

    /// Where its user stands within a class, unless a trusted peer says. Nobody has looked at a token yet: take what is
    /// cheap and stays the same, such as a hash of it. Default: unknown, and each request is drawn.
    #[must_use]
    pub fn level(mut self, level: fn(&Parts) -> Option<Level>) -> Self {
        self.level = level;
        self
    }

    /// The request's context with what it is.
    fn marked(&self, parts: &Parts) -> Context {
        let is_trusted = (self.trusted)(parts);
        let said = |name| parts.headers.get(name).filter(|_| is_trusted)?.to_str().ok();
        let class = said(PRIORITY).and_then(Priority::named).unwrap_or_else(|| (self.class)(parts));
        let level = said(LEVEL).and_then(|level| Level::new(level.parse().ok()?));
        let ctx = match parts.extensions.get::<Ctx>() {
            Some(Ctx(ctx)) => ctx.with_value(class),
            None => Context::root().with_value(class),
        };
        match level.or_else(|| (self.level)(parts)) {
            Some(level) => ctx.with_value(level),
            None => ctx,
        }
    }

    fn admit(&self, ctx: &Context) -> Result<Places, Refusal> {
        let now = Instant::now();
        let shed = match &self.shedder {
            Some(shedder) => Some(shedder.admit_owned(ctx, now)?),
            None => None,
        };
        let limit = match &self.limits {
            Some(limits) => {
                let class = ctx.get::<Priority>().copied().unwrap_or_default();
                Some(limits[class as usize].admit_owned(now)?)
            }
            None => None,
        };
        Ok(Places { shed, limit })
    }
}

impl fmt::Debug for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admission")
            .field("shedder", &self.shedder)
            .field("adaptive", &self.limits.as_ref().map(|[limit, ..]| limit))
            .finish_non_exhaustive()
    }
}

// ===== impl Door =====

impl Door {
    /// In front of handlers whose errors look so.
    #[must_use]
    pub fn new(admission: Admission, on_error: OnError) -> Self {
        Self { admission, on_error }
    }

    pub(super) fn admit(&self, ctx: &Context) -> Result<Places, Refusal> {
        self.admission.admit(ctx)
    }

    #[cold]
    fn refuse(&self, id: Option<&RequestId>, refusal: &Refusal) -> Response {
        let id = id.map_or("", RequestId::as_str);
        let (status, problem, detail) = match refusal.kind {
            Kind::DeadlineExceeded => {
                (StatusCode::GATEWAY_TIMEOUT, None, "there is not enough time left to do it")
            }
            _ if refusal.retryable => {
                (StatusCode::SERVICE_UNAVAILABLE, None, "the service is shutting down")
            }
            _ => (StatusCode::SERVICE_UNAVAILABLE, Some(Registered::REDUCED_CAPACITY), BUSY),
        };
        let page = ErrorPage { status, problem, policies: &[], detail, request_id: id };
        let mut response = (self.on_error)(page);
        response.extensions_mut().insert(Refused);
        let headers = response.headers_mut();
        if problem.is_some() {
            let seconds =
                refusal.retry_after.map_or_else(|| fastrand::u64(1..=2), |wait| wait.as_secs());
            headers.insert(header::RETRY_AFTER, seconds.into());
            if self.admission.shedder.as_ref().is_some_and(Shedder::discourages_retries) {
                headers.insert(RETRY, HeaderValue::from_static("no"));
            }
        } else if refusal.retryable {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

const BUSY: &str = "there is more to do than the service can just now; try again later";

// ===== places =====

/// What a request has been given. Dropped it is free again.
pub(super) struct Places {
    shed: Option<shed::Permit<'static>>,
    limit: Option<adaptive::Permit<'static>>,
}

impl Places {
    /// The head of the answer is there: so long it took.
    fn answered(mut self, status: StatusCode) -> Self {
        let now = Instant::now();
        let (outcome, ending) = match status.as_u16() {
            503 | 504 => (Outcome::Failure, Ending::Overloaded),
            500.. => (Outcome::Failure, Ending::Failure),
            _ => (Outcome::Success, Ending::Success),
        };
        if let Some(limit) = &mut self.limit {
            limit.answered(now, ending);
        }
        if let Some(shed) = &mut self.shed {
            shed.answered(now, outcome);
        }
        self
    }
}

/// The body of an answer, with the places of its request until it is gone.
struct Placed {
    body: Body,
    places: Option<Places>,
}

impl http_body::Body for Placed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Poller<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        if matches!(frame, Poll::Ready(None | Some(Err(_)))) {
            self.places = None;
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
