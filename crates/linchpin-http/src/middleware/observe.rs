//! A span, a log line and numbers for every request.

use std::fmt;
use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{Method, StatusCode};
use linchpin::sync::once::Once;
use linchpin::sync::striped::Map;
use linchpin::time::Instant;
use metrics::{Counter, Histogram};
use tracing::Instrument as _;

use super::RequestId;

/// The numbers of every route, resolved once a route.
#[derive(Clone)]
pub struct Observer {
    // Every request reads it, and hardly any writes.
    routes: Arc<Map<Arc<str>, Arc<Route>>>,
}

struct Route {
    path: Arc<str>,
    seconds: Histogram,
    /// By method, and the first digit of the status: 1xx to 5xx.
    classes: [Once<[Counter; 5]>; METHODS.len()],
}

/// The methods that are told apart. What is none of them is not matched by any route, and counts as the last.
const METHODS: [Method; 7] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
    Method::OPTIONS,
];

/// Puts a span around the handler, and logs and counts what became of the request. The label is the route as it was
/// declared, never the path: labels stay bounded.
///
/// A status of 500 and above is an error in the log, but what a policy has refused is not: it is no fault of a handler, the
/// policy counts it, and a line each would cost most when there is least to spend.
///
/// # Cancel safety
///
/// Dropping the future drops the handler. The request is then neither counted nor logged: nobody was answered.
pub async fn observe(State(observer): State<Observer>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let method = request.method().clone();
    let path = request.extensions().get::<MatchedPath>().cloned();
    let path = path.as_ref().map_or("(none)", MatchedPath::as_str);
    let id = request.extensions().get::<RequestId>().map_or("", RequestId::as_str);
    let span = tracing::info_span!("request", id, %method, route = path);
    let route = observer.route(path);
    let response = next.run(request).instrument(span.clone()).await;

    let status = response.status();
    let elapsed = began.elapsed();
    route.count(&method, status);
    route.seconds.record(elapsed.as_secs_f64());
    let (status, ms) = (status.as_u16(), elapsed.as_secs_f64() * 1_000.0);
    let is_refused = response.extensions().get::<Refused>().is_some();
    span.in_scope(|| match status {
        500.. if !is_refused => tracing::error!(status, ms, "answered"),
        _ => tracing::debug!(status, ms, "answered"),
    });
    response
}

/// Marks the answer to a request that no handler has seen, since a policy refused it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refused;

impl Observer {
    /// An observer that knows no route yet.
    #[must_use]
    pub fn new() -> Self {
        Self { routes: Arc::default() }
    }

    fn route(&self, path: &str) -> Arc<Route> {
        self.routes.get(path).unwrap_or_else(|| {
            let path = Arc::from(path);
            let route = Arc::new(Route::new(Arc::clone(&path)));
            self.routes.get_or_insert_with(path, || route)
        })
    }
}

impl Route {
    fn new(path: Arc<str>) -> Self {
        let seconds = metrics::histogram!(
            "linchpin_http_request_seconds", "route" => Arc::clone(&path),
        );
        Self { path, seconds, classes: [const { Once::new() }; METHODS.len()] }
    }

    fn count(&self, method: &Method, status: StatusCode) {
        let index = METHODS.iter().position(|known| known == method).unwrap_or(METHODS.len() - 1);
        let classes = self.classes[index].get_or_init(|| self.counters(&METHODS[index]));
        if let Some(class) = classes.get(usize::from(status.as_u16() / 100).wrapping_sub(1)) {
            class.increment(1);
        }
    }

    fn counters(&self, method: &Method) -> [Counter; 5] {
        ["1xx", "2xx", "3xx", "4xx", "5xx"].map(|class| {
            metrics::counter!(
                "linchpin_http_requests_total",
                "method" => method.to_string(), "route" => Arc::clone(&self.path), "status" => class,
            )
        })
    }
}

impl Default for Observer {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observer").finish_non_exhaustive()
    }
}
