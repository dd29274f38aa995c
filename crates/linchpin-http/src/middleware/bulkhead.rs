//! A cap on the requests that are inside at once, to the end of what is sent back.

use std::fmt;
use std::pin::Pin;
use std::task::{Context as Poller, Poll};

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use http_body::{Body as _, Frame, SizeHint};
use linchpin::resilience::bulkhead::{Bulkhead, Permit};
use linchpin::resilience::{Failed, Outcome};
use linchpin::{Context, Error};

use super::observe::Refused;
use super::{Ctx, ErrorPage, OnError, RequestId};
use crate::problem::{Problem, Registered};

/// What [`bulkhead`] lets requests into, and for how long.
#[derive(Clone, Debug)]
pub struct Inside {
    bulkhead: Bulkhead,
    cover_body: bool,
    on_error: OnError,
}

/// A body that holds its place until it has been sent.
struct Covered {
    body: Body,
    permit: Option<Permit<'static>>,
    outcome: Outcome,
}

/// Lets so many requests in at once, and answers the others with what the refusal says: 503 if all is full.
///
/// For a handler, or some that share a resource. It stands inside of [`ctx`](super::ctx), whose context bounds the wait in
/// the queue and says how critical the request is:
///
/// ```
/// # use axum::{Router, middleware::from_fn_with_state, routing::get};
/// # use linchpin::resilience::bulkhead::{self, Bulkhead};
/// # use linchpin_http::middleware::{self, Inside};
/// let reports = Bulkhead::new("reports", 4, bulkhead::Options::default())?;
/// let router: Router = Router::new()
///     .route("/reports", get(async || "a long one"))
///     .layer(from_fn_with_state(Inside::new(reports), middleware::bulkhead));
/// # drop(router);
/// # Ok::<(), linchpin::Error>(())
/// ```
///
/// The place is taken until the last piece of the body was handed to the connection, the body failed, or it was dropped
/// because the client is gone: a handler that answers with a stream does its work then.
/// [`Inside::cover_body`] says otherwise. A status of 500 and above is counted as a failure, and so is a body that fails.
///
/// # Cancel safety
///
/// Dropping the future leaves the queue, or drops the handler; the place goes to the next.
pub async fn bulkhead(State(inside): State<Inside>, request: Request, next: Next) -> Response {
    let ctx = request.extensions().get::<Ctx>().map_or(Context::root(), |Ctx(ctx)| ctx.clone());
    let id = request.extensions().get::<RequestId>().map(ToString::to_string);
    let permit = match inside.bulkhead.enter_owned(&ctx).await {
        Ok(permit) => permit,
        Err(failed) => return inside.refused(failed, id.as_deref().unwrap_or_default()),
    };
    let response = next.run(request).await;
    let is_failure = response.status().is_server_error();
    let outcome = if is_failure { Outcome::Failure } else { Outcome::Success };
    if !inside.cover_body || response.body().is_end_stream() {
        permit.record(outcome);
        return response;
    }
    response.map(|body| Body::new(Covered { body, permit: Some(permit), outcome }))
}

// ===== impl Inside =====

impl Inside {
    /// Requests go into this one.
    #[must_use]
    pub fn new(bulkhead: Bulkhead) -> Self {
        let on_error = |page: ErrorPage<'_>| match page.request_id {
            "" => page.problem().into_response(),
            id => page.problem().request_id(id).into_response(),
        };
        Self { bulkhead, cover_body: true, on_error }
    }

    /// Whether a place is taken until the body has been sent, or only until its head is there. Default: it is.
    #[must_use]
    pub fn cover_body(mut self, cover: bool) -> Self {
        self.cover_body = cover;
        self
    }

    /// The shape of error bodies. Default: [`Problem`]. The request's id is empty where nothing gave it one.
    #[must_use]
    pub fn on_error(mut self, on_error: OnError) -> Self {
        self.on_error = on_error;
        self
    }

    fn refused(&self, failed: Failed, request_id: &str) -> Response {
        let problem = Problem::from(Error::from(failed));
        let status =
            StatusCode::from_u16(problem.status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
        let is_busy = status == StatusCode::SERVICE_UNAVAILABLE;
        let mut response = (self.on_error)(ErrorPage {
            status,
            problem: is_busy.then_some(Registered::REDUCED_CAPACITY),
            policies: &[],
            detail: &problem.detail,
            request_id,
        });
        response.extensions_mut().insert(Refused);
        response
    }
}

// ===== impl Covered =====

impl Covered {
    fn is_over(&mut self, outcome: Outcome) {
        if let Some(permit) = self.permit.take() {
            permit.record(outcome);
        }
    }
}

impl http_body::Body for Covered {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Poller<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        match &frame {
            Poll::Ready(Some(Err(_))) => self.is_over(Outcome::Failure),
            // Who knows that it was the last piece does not ask for another.
            Poll::Ready(Some(Ok(_))) if !self.body.is_end_stream() => {}
            Poll::Ready(_) => {
                let outcome = self.outcome;
                self.is_over(outcome);
            }
            Poll::Pending => {}
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

impl fmt::Debug for Covered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Covered").field("permit", &self.permit).finish_non_exhaustive()
    }
}
