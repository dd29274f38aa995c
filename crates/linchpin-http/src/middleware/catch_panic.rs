//! A panic in a handler is a 500, and the service goes on.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::StatusCode;
use linchpin::error::catch_async;

use super::{ErrorPage, RequestId, Stack};

/// Turns a panic into a 500 that names the request. It is logged with its text and place, and counted in
/// `linchpin_http_panics_total`.
///
/// # Cancel safety
///
/// Dropping the future drops the handler; a panic of that drop is the connection's.
pub async fn catch_panic(
    State(stack): State<Arc<Stack>>,
    request: Request,
    next: Next,
) -> Response {
    let id = request.extensions().get::<RequestId>().cloned();
    // The handler's own state after a panic is dropped with it; nothing of it is seen again.
    let error = match catch_async(next.run(request)).await {
        Ok(response) => return response,
        Err(error) => error,
    };
    let request_id = id.as_ref().map_or("", RequestId::as_str);
    tracing::error!(request_id, error = %error.report(), "a handler panicked");
    metrics::counter!("linchpin_http_panics_total").increment(1);
    let detail = format!("something went wrong on our side; the request is {request_id}");
    (stack.on_error)(ErrorPage {
        status: StatusCode::INTERNAL_SERVER_ERROR,
        problem: None,
        policies: &[],
        detail: &detail,
        request_id,
    })
}
