//! The context of a request.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::request::Parts;
use linchpin::{Context, Kind};

use super::{RequestId, Stack};
use crate::problem::Problem;

/// The request's [`Context`] as an extractor.
///
/// It ends when the client goes away (the handler is dropped), when its deadline passes, or when the service's drain is
/// over. The [`RequestId`] is among its values.
#[derive(Clone, Debug)]
pub struct Ctx(pub Context);

/// Gives the request its context: a child of the service's, ended when the handler is done or dropped.
///
/// # Cancel safety
///
/// Dropping the future drops the handler and ends the context.
pub async fn ctx(State(stack): State<Arc<Stack>>, mut request: Request, next: Next) -> Response {
    let asked = request
        .headers()
        .get("x-request-timeout-ms")
        .and_then(|value| value.to_str().ok()?.parse().ok().map(Duration::from_millis));
    // The shorter of what is asked and what is allowed.
    let timeout = asked.into_iter().chain(stack.timeout).min();
    let context = match timeout {
        Some(timeout) => stack.work.with_timeout(timeout),
        None => stack.work.child(),
    };
    let context_with_id = match request.extensions().get::<RequestId>() {
        Some(id) => context.with_value(id.clone()),
        None => Context::clone(&context),
    };
    request.extensions_mut().insert(Ctx(context_with_id));
    next.run(request).await
}

impl<S: Sync> FromRequestParts<S> for Ctx {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| {
            tracing::error!("a handler asks for `Ctx`, but `middleware::ctx` is not around it");
            Problem::new(Kind::Internal, Kind::Internal.text()).into_response()
        })
    }
}
