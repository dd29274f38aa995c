//! A name for every request.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderName, HeaderValue};
pub use linchpin::context::carrier::RequestId;

const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// Takes a well-formed `x-request-id` (1 to 128 visible ASCII characters), or makes one; the response carries it.
///
/// # Cancel safety
///
/// Dropping the future drops the handler.
pub async fn request_id(mut request: Request, next: Next) -> Response {
    let given = request.headers().get(HEADER).and_then(|value| value.to_str().ok()?.parse().ok());
    let id = given.unwrap_or_else(RequestId::new);
    request.extensions_mut().insert(id.clone());
    let mut response = next.run(request).await;
    if let Ok(value) = HeaderValue::from_str(id.as_str()) {
        response.headers_mut().insert(HEADER, value);
    }
    response
}
