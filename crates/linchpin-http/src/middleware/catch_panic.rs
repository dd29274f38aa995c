//! A panic in a handler is a 500, and the service goes on.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use futures_util::FutureExt as _;
use http::StatusCode;
use linchpin::task::panic_text;

use super::{ErrorPage, RequestId, Stack};

/// Turns a panic into a 500 that names the request. It is logged with its text, and counted in
/// `linchpin_http_panics_total`.
pub async fn catch_panic(
    State(stack): State<Arc<Stack>>,
    request: Request,
    next: Next,
) -> Response {
    let id = request.extensions().get::<RequestId>().cloned();
    // The handler's own state after a panic is dropped with it; nothing of it is seen again.
    let payload = match AssertUnwindSafe(next.run(request)).catch_unwind().await {
        Ok(response) => return response,
        Err(payload) => payload,
    };
    let request_id = id.as_ref().map_or("", RequestId::as_str);
    tracing::error!(request_id, panic = panic_text(payload.as_ref()), "a handler panicked");
    metrics::counter!("linchpin_http_panics_total").increment(1);
    let detail = format!("something went wrong on our side; the request is {request_id}");
    (stack.on_error)(ErrorPage {
        status: StatusCode::INTERNAL_SERVER_ERROR,
        detail: &detail,
        request_id,
    })
}
