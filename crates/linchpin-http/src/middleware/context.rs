//! The context of a request.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::request::Parts;
use linchpin::context::carrier::Carrier;
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
    let carrier = match stack.timeout {
        // The shorter of what is asked and what is allowed.
        Some(timeout) => Carrier::default().longest(timeout),
        None => Carrier::default(),
    };
    // One id, whether it came or was made: the one that `request_id` left.
    let parent = match request.extensions().get::<RequestId>() {
        Some(id) => stack.work.with_value(id.clone()),
        None => stack.work.clone(),
    };
    let headers = request.headers();
    let context = carrier.extract(&parent, |name| match name {
        "x-request-id" => None,
        name => headers.get(name)?.to_str().ok(),
    });
    let owned = Ctx(Context::clone(&context));
    request.extensions_mut().insert(owned);
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
