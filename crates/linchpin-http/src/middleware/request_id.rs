//! A name for every request.

use std::fmt;
use std::sync::Arc;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderName, HeaderValue};
use linchpin::time::Timestamp;

/// The name of a request, in its extensions and its [`Context`](linchpin::Context).
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct RequestId(Arc<str>);

const HEADER: HeaderName = HeaderName::from_static("x-request-id");
/// The longest id taken from a client.
const LONGEST: usize = 128;

/// Takes a well-formed `x-request-id` (1 to 128 visible ASCII characters), or makes one; the response carries it.
///
/// # Cancel safety
///
/// Dropping the future drops the handler.
pub async fn request_id(mut request: Request, next: Next) -> Response {
    let id =
        request.headers().get(HEADER).and_then(RequestId::given).unwrap_or_else(RequestId::new);
    request.extensions_mut().insert(id.clone());
    let mut response = next.run(request).await;
    if let Ok(value) = HeaderValue::from_str(&id.0) {
        response.headers_mut().insert(HEADER, value);
    }
    response
}

impl RequestId {
    /// Unique among processes by their start, and inside by a count.
    fn new() -> Self {
        static START: LazyLock<u64> = LazyLock::new(|| {
            Timestamp::now().as_micros() as u64 ^ (u64::from(std::process::id()) << 40)
        });
        static COUNT: AtomicU64 = AtomicU64::new(0);
        Self(format!("{:x}-{:x}", *START, COUNT.fetch_add(1, Ordering::Relaxed)).into())
    }

    fn given(value: &HeaderValue) -> Option<Self> {
        let text = value.to_str().ok()?;
        let fits =
            (1..=LONGEST).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        fits.then(|| Self(text.into()))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
